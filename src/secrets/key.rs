//! Who reads secrets: identities, which stay with people, and recipients, which stand in specs.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use age::secrecy::ExposeSecret as _;

use super::SecretsError;
use super::value::{Buffer, Secret, read_all};
use crate::name::EstateName;

/// Private keys of a person.
pub struct Identities {
    keys: Vec<Box<dyn age::Identity>>,
    path: PathBuf,
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identities").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Identities {
    /// Reads a file of age identities, or an ssh private key without a passphrase.
    pub fn read(path: &Path) -> Result<Self, SecretsError> {
        let mut file = std::fs::File::open(path).map_err(SecretsError::at(path))?;
        let text = read_all(&mut file).map_err(SecretsError::at(path))?;
        Self::parse(text.bytes(), path)
    }

    /// Reads identities. `path` is what messages call them.
    pub fn parse(text: &[u8], path: &Path) -> Result<Self, SecretsError> {
        let bad = |why| SecretsError::BadIdentity { path: path.to_owned(), why };
        let text = std::str::from_utf8(text).map_err(|_| bad("it is no text"))?;
        if text.trim_start().starts_with("age-encryption.org/") || text.contains("-----BEGIN AGE ENCRYPTED FILE-----") {
            return Err(bad("it is encrypted itself"));
        }
        let mut keys: Vec<Box<dyn age::Identity>> = Vec::new();
        if text.trim_start().starts_with("-----BEGIN") {
            let key = age::ssh::Identity::from_buffer(text.trim_start().as_bytes(), None);
            keys.push(match key.map_err(|_| bad("it is no private key of ssh"))? {
                age::ssh::Identity::Unencrypted(key) => Box::new(age::ssh::Identity::from(key)),
                age::ssh::Identity::Encrypted(_) => return Err(bad("its ssh key has a passphrase")),
                age::ssh::Identity::Unsupported(_) => return Err(bad("its ssh key is neither Ed25519 nor RSA")),
            });
            return Ok(Self { keys, path: path.to_owned() });
        }
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if line.starts_with("AGE-PLUGIN-") {
                return Err(bad("keys of plugins are not supported"));
            }
            let key = age::x25519::Identity::from_str(line).map_err(|_| bad("a line is no secret key"))?;
            keys.push(Box::new(key));
        }
        if keys.is_empty() {
            return Err(bad("it is empty"));
        }
        Ok(Self { keys, path: path.to_owned() })
    }

    /// The file that they come from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.keys.iter().map(|key| &**key as &dyn age::Identity)
    }
}

/// A new identity.
#[derive(Debug)]
pub struct NewIdentity {
    /// The line of an identity file: `AGE-SECRET-KEY-1…` and a line break.
    pub line: Secret,
    /// What goes into specs: `age1…`.
    pub recipient: String,
}

impl NewIdentity {
    /// Makes an X25519 key.
    pub fn make() -> Self {
        let identity = age::x25519::Identity::generate();
        let mut line = Buffer::with_capacity(128);
        line.push(identity.to_string().expose_secret().as_bytes());
        line.push(b"\n");
        Self { line: line.into_secret(), recipient: identity.to_public().to_string() }
    }
}

/// Public keys that secrets are encrypted for, sorted, each once.
pub struct Recipients {
    texts: Vec<String>,
    keys: Vec<Box<dyn age::Recipient>>,
}

impl std::fmt::Debug for Recipients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.texts).finish()
    }
}

impl Recipients {
    /// Reads `age1…`, `ssh-ed25519 …` and `ssh-rsa …`; at least one.
    pub fn parse<'a>(estate: &EstateName, texts: impl IntoIterator<Item = &'a str>) -> Result<Self, SecretsError> {
        let mut sorted = texts.into_iter().map(|text| plain(estate, text)).collect::<Result<Vec<_>, _>>()?;
        sorted.sort();
        sorted.dedup();
        if sorted.is_empty() {
            return Err(SecretsError::NoRecipients { estate: estate.clone() });
        }
        let keys = sorted.iter().map(|text| key(text)).collect::<Result<_, _>>()?;
        Ok(Self { texts: sorted, keys })
    }

    /// As they are written, without comments.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &dyn age::Recipient> {
        self.keys.iter().map(|key| &**key as &dyn age::Recipient)
    }
}

/// Without the comment that may stand behind a key.
fn plain(estate: &EstateName, text: &str) -> Result<String, SecretsError> {
    if text.to_ascii_uppercase().contains("AGE-SECRET-KEY-") || text.contains("PRIVATE KEY") {
        return Err(SecretsError::IdentityAsRecipient { estate: estate.clone() });
    }
    let words = if text.trim_start().starts_with("ssh-") { 2 } else { 1 };
    Ok(text.split_whitespace().take(words).collect::<Vec<_>>().join(" "))
}

fn key(text: &str) -> Result<Box<dyn age::Recipient>, SecretsError> {
    use age::ssh::ParseRecipientKeyError as Wrong;
    let bad = |why| SecretsError::BadRecipient { what: format!("`{text}`"), why };
    if text.starts_with("age1") {
        let key = age::x25519::Recipient::from_str(text).map_err(|_| bad("its letters do not add up"))?;
        return Ok(Box::new(key));
    }
    if !text.starts_with("ssh-ed25519 ") && !text.starts_with("ssh-rsa ") {
        return Err(bad("nothing known begins so"));
    }
    let key = age::ssh::Recipient::from_str(text).map_err(|wrong| {
        bad(match wrong {
            Wrong::RsaModulusTooLarge => "its RSA key is longer than 4096 bits",
            Wrong::RsaModulusTooSmall => "its RSA key is shorter than 2048 bits",
            _ => "its letters do not add up",
        })
    })?;
    Ok(Box::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estate() -> EstateName {
        EstateName::new("e").unwrap()
    }

    fn said(error: SecretsError) -> String {
        use miette::Diagnostic as _;
        format!("{error} ({})", error.help().map(|help| help.to_string()).unwrap_or_default())
    }

    #[test]
    fn a_secret_key_among_the_recipients_is_never_shown() {
        let key = NewIdentity::make();
        let text = key.line.text().unwrap().trim().to_owned();
        for text in [text.clone(), text.to_lowercase(), format!("x {text}")] {
            let error = said(Recipients::parse(&estate(), [text.as_str()]).unwrap_err());
            assert!(error.starts_with("a `recipient` of the estate `e` is a secret key"), "{error}");
            assert!(!error.to_uppercase().contains("AGE-SECRET"), "{error}");
        }
    }

    #[test]
    fn what_is_no_recipient_is_said() {
        for (text, why) in [
            ("age1xyz", "its letters do not add up"),
            ("ssh-dss AAAA", "nothing known begins so"),
            ("ssh-ed25519 AAAA", "its letters do not add up"),
            ("me", "nothing known begins so"),
        ] {
            let error = Recipients::parse(&estate(), [text]).unwrap_err().to_string();
            assert_eq!(error, format!("`{text}` is no recipient: {why}"));
        }
        let error = said(Recipients::parse(&estate(), []).unwrap_err());
        assert!(error.contains("names nobody") && error.contains("keygen"), "{error}");
    }

    #[test]
    fn recipients_are_sorted_and_each_is_there_once() {
        let (one, two) = (NewIdentity::make().recipient, NewIdentity::make().recipient);
        let texts = [two.as_str(), &one, &two, &format!(" {one} comment")].map(str::to_owned);
        let parsed = Recipients::parse(&estate(), texts.iter().map(String::as_str)).unwrap();
        assert_eq!(parsed.texts(), [one.clone().min(two.clone()), one.max(two)]);
    }

    #[test]
    fn what_is_no_identity_is_said_without_its_text() {
        let path = Path::new("/k");
        for (text, why) in [
            (&b""[..], "it is empty"),
            (b"# a comment\n\n", "it is empty"),
            (b"AGE-SECRET-KEY-1QQQQ\n", "a line is no secret key"),
            (b"AGE-PLUGIN-X-1QQQQ\n", "keys of plugins are not supported"),
            (b"-----BEGIN X-----\n", "it is no private key of ssh"),
            (b"\xff\xfe", "it is no text"),
            (b"-----BEGIN AGE ENCRYPTED FILE-----\n", "it is encrypted itself"),
        ] {
            let error = Identities::parse(text, path).unwrap_err().to_string();
            assert_eq!(error, format!("/k holds no identity: {why}"));
        }
    }

    #[test]
    fn an_identity_that_was_made_is_read() {
        let key = NewIdentity::make();
        let text = format!("# {}\n{}", key.recipient, key.line.text().unwrap());
        assert_eq!(Identities::parse(text.as_bytes(), Path::new("/k")).unwrap().keys().count(), 1);
    }
}
