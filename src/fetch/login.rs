//! Names and passwords for servers, in the form of apt's auth.conf (apt_auth.conf(5)).

use std::fmt;

/// Who to be, by server; the first that matches an address counts.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Logins(Vec<Login>);

#[derive(Clone, Default, PartialEq, Eq)]
struct Login {
    /// `[protocol://]host[:port][/path]`
    machine: String,
    login: String,
    password: String,
}

impl Logins {
    /// Reads `machine HOST login NAME password WORD`, in any number of lines. Words that are not known are passed over,
    /// as apt does.
    pub fn parse(text: &str) -> Self {
        let mut logins: Vec<Login> = Vec::new();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let mut words = lines.flat_map(str::split_whitespace);
        while let Some(word) = words.next() {
            match (word, logins.last_mut()) {
                ("machine", _) => {
                    let machine = words.next().unwrap_or_default().to_owned();
                    logins.push(Login { machine, ..Login::default() });
                }
                ("login", Some(last)) => last.login = words.next().unwrap_or_default().to_owned(),
                ("password", Some(last)) => last.password = words.next().unwrap_or_default().to_owned(),
                _ => {}
            }
        }
        logins.retain(|login| !login.machine.is_empty() && !login.login.is_empty());
        Self(logins)
    }

    /// Those of `other` count where none of these does.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The value of `Authorization` (RFC 7617) for an address; none where nothing matches, and where the address
    /// itself holds a name.
    pub(super) fn authorization(&self, url: &str) -> Option<String> {
        let address = Address::of(url);
        if address.has_user {
            return None;
        }
        let Login { login, password, .. } = self.0.iter().find(|login| login.matches(&address))?;
        Some(format!("Basic {}", base64(format!("{login}:{password}").as_bytes())))
    }
}

/// Nobody's password is printed.
impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|login| &login.machine)).finish()
    }
}

impl Login {
    /// Without a protocol only https, without a port any, and the path may begin with the one given.
    fn matches(&self, address: &Address<'_>) -> bool {
        let is_bare = !self.machine.contains("://");
        let wanted = Address::of(&self.machine);
        let protocol = if is_bare { "https" } else { wanted.protocol };
        protocol.eq_ignore_ascii_case(address.protocol)
            && wanted.host.eq_ignore_ascii_case(address.host)
            && (wanted.port.is_none() || wanted.port == address.port)
            && address.path.starts_with(wanted.path)
    }
}

/// An address in parts.
struct Address<'a> {
    protocol: &'a str,
    has_user: bool,
    host: &'a str,
    port: Option<&'a str>,
    /// With its leading slash, or empty.
    path: &'a str,
}

impl<'a> Address<'a> {
    fn of(text: &'a str) -> Self {
        let (protocol, rest) = text.split_once("://").unwrap_or(("", text));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (has_user, authority) = match authority.rsplit_once('@') {
            Some((_, authority)) => (true, authority),
            None => (false, authority),
        };
        // An IPv6 address holds colons, within brackets.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        Self { protocol, has_user, host, port, path }
    }
}

/// RFC 4648, 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut block = [0; 3];
        for (to, from) in block.iter_mut().zip(chunk) {
            *to = *from;
        }
        let [a, b, c] = block.map(u32::from);
        let bits = a << 16 | b << 8 | c;
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let letter = LETTERS.get((bits >> shift & 63) as usize).copied().unwrap_or(b'=');
            text.push(if at > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finds(text: &str, url: &str) -> bool {
        Logins::parse(text).authorization(url).is_some()
    }

    #[test]
    fn a_password_goes_to_no_other_server_and_over_plain_http_only_when_that_is_spelled_out() {
        let text = "machine example.org login apt password debian";
        assert!(finds(text, "https://example.org/debian") && finds(text, "https://example.org:8443/"));
        for url in
            ["http://example.org/debian", "https://example.org.evil.example/", "https://evil.example/example.org"]
        {
            assert!(!finds(text, url), "{url}");
        }
        assert!(finds("machine http://example.org login apt password x", "http://EXAMPLE.org/debian"));
        assert!(!finds("machine http://example.org login apt password x", "https://example.org/debian"));
        assert!(!finds(text, "https://me:own@example.org/debian"), "the address has its own");
    }

    #[test]
    fn ports_and_paths_are_those_of_the_manual_page() {
        // The examples of apt_auth.conf(5).
        for machine in ["example.org/deb", "example.org/debian", "example.org/debian/"] {
            let url = "https://example.org/debian/dists/trixie/InRelease";
            assert!(finds(&format!("machine {machine} login apt password debian"), url), "{machine}");
        }
        for machine in ["example.org:443", "example.org/ubuntu", "example.com", "http://example.org"] {
            assert!(!finds(&format!("machine {machine} login apt password debian"), "https://example.org/debian"));
        }
        assert!(finds("machine [2001:db8::1]:8443 login a password b", "https://[2001:db8::1]:8443/x"));
    }

    #[test]
    fn the_first_that_matches_counts_in_any_number_of_lines() {
        let text = "# mine\nmachine a.example\n  login one\n  password first\nmachine a.example login two password second\nmachine b.example password alone\n";
        let mut logins = Logins::parse(text);
        logins.extend(Logins::parse("machine b.example login Aladdin password opensesame"));
        assert_eq!(logins.authorization("https://a.example/").unwrap(), format!("Basic {}", base64(b"one:first")));
        assert_eq!(logins.authorization("https://b.example/").unwrap(), "Basic QWxhZGRpbjpvcGVuc2VzYW1l");
        assert_eq!(format!("{logins:?}"), r#"["a.example", "a.example", "b.example"]"#);
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(texts, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(machine |login |password |\\PC|\n){0,20}", url in "\\PC{0,30}") {
            let _ = Logins::parse(&text).authorization(&url);
        }
    }
}
