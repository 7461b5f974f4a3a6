//! The build host's own apt sources (sources.list(5)): where its archives are best fetched from.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::fetch::{Location, Logins, Proxies};

use super::control::Control;
use super::proxy;

/// One enabled source of binary packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptSource {
    /// As written: `http://ftp.debian.org/debian`, `mirror+file:/etc/apt/mirrors/debian.list`.
    pub uris: Vec<String>,
    /// `trixie`, `trixie-updates`.
    pub suites: Vec<String>,
}

/// Where archives may be fetched from, for the build host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AptSources {
    /// Each address once, in the order of the files.
    pub places: Vec<(Location, BTreeSet<String>)>,
    /// Of `Acquire::http::Proxy` and `Acquire::https::Proxy`.
    pub proxies: Proxies,
    /// Names and passwords for servers (apt_auth.conf(5)).
    pub logins: Logins,
    /// Files and lines that could not be read, for people.
    pub problems: Vec<String>,
}

impl AptSources {
    /// Reads `sources.list`, `sources.list.d/*.{list,sources}`, `auth.conf` and `auth.conf.d/*.conf` below `etc`, as
    /// `/etc/apt`, and proxies in `apt.conf` and `apt.conf.d`. Nothing there is no problem.
    pub fn read(etc: &Path) -> Self {
        let mut all = Self::default();
        let settings: Vec<String> = proxy::files(etc).iter().filter_map(|path| all.text(path)).collect();
        all.proxies = proxy::proxies(settings.iter().map(String::as_str));
        for path in parts(etc, "auth.conf", &["conf"]) {
            if let Some(text) = all.text(&path) {
                all.logins.extend(Logins::parse(&text));
            }
        }
        for path in parts(etc, "sources.list", &["list", "sources"]) {
            let Some(text) = all.text(&path) else { continue };
            let (sources, problems) = match path.extension() {
                Some(extension) if extension == "sources" => deb822(&text),
                _ => one_line(&text),
            };
            all.problems.extend(problems.into_iter().map(|problem| format!("{}: {problem}", path.display())));
            for source in sources {
                all.add(&source);
            }
        }
        all
    }

    /// A file that need not be there; that it cannot be read is a problem.
    fn text(&mut self, path: &Path) -> Option<String> {
        match fs::read(path) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.problems.push(format!("{}: {error}", path.display()));
                None
            }
        }
    }

    /// Adds a source; what wharf cannot fetch from (cdrom, ftp, tor) is left out.
    fn add(&mut self, source: &AptSource) {
        for uri in &source.uris {
            let list = uri.strip_prefix("mirror+file:").map(|path| path.strip_prefix("//").unwrap_or(path));
            let uris = match list.map(fs::read_to_string) {
                None => vec![uri.clone()],
                // apt-transport-mirror(1): one address a line, what follows a tab is about choosing.
                Some(Ok(text)) => text
                    .lines()
                    .filter_map(|line| line.split_whitespace().next())
                    .filter(|word| !word.starts_with('#'))
                    .map(str::to_owned)
                    .collect(),
                Some(Err(error)) => {
                    self.problems.push(format!("{uri}: {error}"));
                    continue;
                }
            };
            for place in uris.iter().filter_map(|uri| Location::parse(uri).ok()) {
                match self.places.iter_mut().find(|(known, _)| *known == place) {
                    Some((_, suites)) => suites.extend(source.suites.iter().cloned()),
                    None => self.places.push((place, source.suites.iter().cloned().collect())),
                }
            }
        }
    }

    /// The places in the order in which they are worth asking for a suite of the archive that the spec finds at `url`:
    /// those that the host has this suite from, those whose path ends as the spec's, the rest.
    pub fn for_suite(&self, suite: &str, url: &str) -> Vec<Location> {
        let word = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let mut places: Vec<_> = self.places.iter().collect();
        // Both at once first: a host may have the same suite's name from several archives.
        places.sort_by_key(|(place, suites)| {
            let (named, alike) = (suites.contains(suite), place.last_word() == word);
            match (named, alike) {
                (true, true) => 0,
                (false, true) => 1,
                (true, false) => 2,
                (false, false) => 3,
            }
        });
        places.into_iter().map(|(place, _)| place.clone()).collect()
    }
}

/// `name` below `etc`, and the files of `name.d` that apt reads, sorted.
fn parts(etc: &Path, name: &str, endings: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(etc.join(format!("{name}.d"))).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut parts: Vec<PathBuf> = entries.filter(|path| is_part(path, endings)).collect();
    parts.sort();
    parts.insert(0, etc.join(name));
    parts
}

/// apt reads only names of letters, digits, `_`, `-` and `.`, and one of its endings.
fn is_part(path: &Path, endings: &[&str]) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    name.rsplit_once('.').is_some_and(|(_, ending)| endings.contains(&ending))
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// The one-line style: `deb [ arch=amd64 ] http://ftp.debian.org/debian trixie main`.
fn one_line(text: &str) -> (Vec<AptSource>, Vec<String>) {
    let (mut sources, mut problems) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some((kind, rest)) = line.split_once(char::is_whitespace) else {
            if !line.is_empty() {
                problems.push(format!("line {}: expected `deb URI SUITE COMPONENT…`", index + 1));
            }
            continue;
        };
        if kind != "deb" {
            continue;
        }
        let rest = rest.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']').map(|(_, rest)| rest),
            None => Some(rest),
        };
        let mut words = rest.unwrap_or_default().split_whitespace();
        match (words.next(), words.next()) {
            (Some(uri), Some(suite)) => {
                sources.push(AptSource { uris: vec![uri.to_owned()], suites: vec![suite.to_owned()] });
            }
            _ => problems.push(format!("line {}: expected `deb URI SUITE COMPONENT…`", index + 1)),
        }
    }
    (sources, problems)
}

/// The deb822 style.
fn deb822(text: &str) -> (Vec<AptSource>, Vec<String>) {
    let stanzas = match Control::parse_all(text) {
        Ok(stanzas) => stanzas,
        Err(error) => return (Vec::new(), vec![error.to_string()]),
    };
    let mut sources = Vec::new();
    for (_, stanza) in stanzas {
        let words =
            |name: &str| stanza.get(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let off = stanza
            .get("Enabled")
            .is_some_and(|value| ["no", "false", "off", "0", "without", "disable"].contains(&value.trim()));
        if !off && words("Types").iter().any(|word| word == "deb") {
            sources.push(AptSource { uris: words("URIs"), suites: words("Suites") });
        }
    }
    (sources, Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_and_passwords_are_those_of_apts_files_and_their_parts_and_of_no_other() {
        let etc = tempfile::tempdir().unwrap();
        fs::create_dir(etc.path().join("auth.conf.d")).unwrap();
        for (name, text) in [
            ("auth.conf", "machine a.example login first password x"),
            ("auth.conf.d/b.conf", "machine b.example login second password y"),
            ("apt.conf", "Acquire::http::Proxy \"http://me:secret@proxy.example:3128\";"),
            ("auth.conf.d/c.conf.dpkg-old", "machine c.example login third password z"),
        ] {
            fs::write(etc.path().join(name), text).unwrap();
        }
        let sources = AptSources::read(etc.path());
        assert_eq!(format!("{:?}", sources.logins), r#"["a.example", "b.example"]"#);
        assert_eq!(sources.proxies.https.as_deref(), Some("http://me:secret@proxy.example:3128"));
        assert!(!format!("{sources:?}").contains("secret"));
        assert_eq!(sources.problems, Vec::<String>::new());
    }

    #[test]
    fn broken_lines_are_named_and_the_rest_counts() {
        let (sources, problems) = one_line(
            "deb\ndeb [arch=amd64 http://x y\n# no\ndeb-src http://s y main\ndeb [ a=b c=d ] http://x/debian trixie main # end\n",
        );
        assert_eq!(sources, [AptSource { uris: vec!["http://x/debian".into()], suites: vec!["trixie".into()] }]);
        insta::assert_snapshot!(problems.join("\n"), @"
        line 1: expected `deb URI SUITE COMPONENT…`
        line 2: expected `deb URI SUITE COMPONENT…`
        ");
    }

    #[test]
    fn deb822_sources_hold_several_and_can_be_off() {
        let text = "Types: deb deb-src\n# was: x\nURIs: http://a/debian http://b/debian\nSuites: trixie\n trixie-updates\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n x\n\nTypes: deb\nEnabled: no\nURIs: http://c\nSuites: x\n";
        let (sources, problems) = deb822(text);
        assert!(problems.is_empty());
        assert_eq!(sources.len(), 1);
        assert_eq!(sources[0].uris, ["http://a/debian", "http://b/debian"]);
        assert_eq!(sources[0].suites, ["trixie", "trixie-updates"]);
    }

    #[test]
    fn a_host_is_read_and_its_places_are_ordered() {
        let etc = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(etc.path().join(name), text).unwrap();
        fs::create_dir(etc.path().join("sources.list.d")).unwrap();
        write("mirrors", "# one\nhttp://m/debian\tpriority:1\n");
        write("sources.list", "deb cdrom:[x]/ trixie main\ndeb http://x/other trixie main\n");
        write(
            "sources.list.d/debian.sources",
            &format!(
                "Types: deb\nURIs: mirror+file://{}\nSuites: bookworm\n\nTypes: deb\nURIs: mirror+file:/nowhere\nSuites: y\n",
                etc.path().join("mirrors").display()
            ),
        );
        write("sources.list.d/old.list.save", "deb http://old/debian trixie main\n");
        write("sources.list.d/z.list", "deb https://z/debian/ trixie main\ndeb https://z/debian trixie-updates main\n");
        let sources = AptSources::read(etc.path());
        let places = sources.for_suite("trixie", "http://ftp.debian.org/debian");
        let places: Vec<_> = places.iter().map(ToString::to_string).collect();
        assert_eq!(places, ["https://z/debian", "http://m/debian", "http://x/other"]);
        assert_eq!(sources.problems, ["mirror+file:/nowhere: No such file or directory (os error 2)"]);
        assert_eq!(AptSources::read(&etc.path().join("none")), AptSources::default());
    }
}
