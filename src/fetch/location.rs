//! Where files are: on the web, or in a folder.

use std::fmt;
use std::path::{Path, PathBuf};

/// A place that holds files, or one file of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// An address that starts with `http://` or `https://`, without a slash at its end.
    Web(String),
    /// An absolute path.
    Folder(PathBuf),
}

/// A text that names no place that wharf can read from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("`{text}` is no place to fetch from: expected `http://…`, `https://…`, `file:///…` or an absolute path")]
pub struct LocationError {
    text: String,
}

impl Location {
    /// Reads an address or a path; `copy:` is apt's word for `file:` (sources.list(5)).
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let wrong = || LocationError { text: text.to_owned() };
        let lower = text.to_ascii_lowercase();
        for scheme in ["http://", "https://"] {
            if lower.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) {
                return Ok(Self::Web(text.trim_end_matches('/').to_owned()));
            }
        }
        let path = ["file:", "copy:"].iter().find_map(|scheme| {
            let rest = text.strip_prefix(scheme)?;
            // `file:///path` and apt's `file:/path` alike; a host in between is none of ours.
            Some(rest.strip_prefix("//").unwrap_or(rest))
        });
        let path = Path::new(path.unwrap_or(text));
        if path.is_absolute() { Ok(Self::Folder(path.to_owned())) } else { Err(wrong()) }
    }

    /// What is at `path` below this place; `path` is relative and not yet quoted.
    pub fn join(&self, path: &str) -> Self {
        match self {
            Self::Web(url) => {
                let mut url = url.clone();
                url.push('/');
                for byte in path.bytes() {
                    match byte {
                        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => url.push(char::from(byte)),
                        b'/' | b'-' | b'.' | b'_' | b'~' | b':' | b'=' | b'@' | b',' => url.push(char::from(byte)),
                        // `+` as well: some object stores take it for a space.
                        _ => url.push_str(&format!("%{byte:02X}")),
                    }
                }
                Self::Web(url)
            }
            Self::Folder(folder) => Self::Folder(folder.join(path)),
        }
    }

    /// The last word of an address's path: `debian` of `http://ftp.debian.org/debian`.
    pub fn last_word(&self) -> &str {
        match self {
            Self::Web(url) => url.rsplit('/').next().unwrap_or_default(),
            Self::Folder(path) => path.file_name().and_then(|name| name.to_str()).unwrap_or_default(),
        }
    }
}

/// For people: a password in an address is not shown.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Web(url) => {
                let Some((scheme, rest)) = url.split_once("://") else { return f.write_str(url) };
                let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
                let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                write!(f, "{scheme}://{host}")?;
                path.map_or(Ok(()), |path| write!(f, "/{path}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_schemes_and_relative_paths_are_refused() {
        for bad in
            ["", "debs", "ftp://x/y", "cdrom:[x]/", "mirror+file:/etc/m", "http://", "file://host/x", "http:///x"]
        {
            assert!(Location::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_and_folders_join() {
        let web = Location::parse("https://example.org/debian/").unwrap();
        assert_eq!(web.join("pool/g++ a.deb").to_string(), "https://example.org/debian/pool/g%2B%2B%20a.deb");
        assert_eq!(web.last_word(), "debian");
        for text in ["file:///srv/a", "file:/srv/a", "/srv/a", "copy:/srv/a"] {
            assert_eq!(Location::parse(text).unwrap().join("b").to_string(), "/srv/a/b", "{text}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let web = Location::parse("https://me:secret@example.org/debian").unwrap();
        assert_eq!(web.to_string(), "https://example.org/debian");
    }
}
