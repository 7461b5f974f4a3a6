//! Refs: the names that images have in the store.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::name::{ArchName, DistroName, ImageName};

/// The name of an image in a layout: the annotation `org.opencontainers.image.ref.name` of its descriptor in
/// `index.json`. Letters and digits, with single `-`, `.`, `_`, `:`, `@`, `+`, `/` or `--` between them
/// (OCI image-spec 1.1, annotations.md). What wharf builds is called `NAME:TAG`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ref(String);

/// A text that cannot name an image in a layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("`{}` cannot name an image in a store: {why}", .text.escape_default())]
#[diagnostic(code(wharf::oci::reference), help("write it as `NAME:TAG`, as in `keystone:debian-trixie`"))]
pub struct RefError {
    text: String,
    why: &'static str,
}

impl Ref {
    /// Reads a ref.
    pub fn new(text: impl Into<String>) -> Result<Self, RefError> {
        let text = text.into();
        let mut last = '/';
        let mut double = false;
        for c in text.chars() {
            let separator = matches!(c, '-' | '.' | '_' | ':' | '@' | '+' | '/');
            let why = if !separator && !c.is_ascii_alphanumeric() {
                "it may hold ASCII letters, digits and `-._:@+/` only"
            } else if separator && last == '-' && c == '-' && !double {
                double = true;
                continue;
            } else if separator && !last.is_ascii_alphanumeric() {
                "`-._:@+/` may stand between letters or digits only, one at a time"
            } else {
                (last, double) = (c, false);
                continue;
            };
            return Err(RefError { text, why });
        }
        match last.is_ascii_alphanumeric() {
            true if text.len() <= 255 => Ok(Self(text)),
            true => Err(RefError { text, why: "it is longer than 255 bytes" }),
            false => Err(RefError { text, why: "it must begin and end with a letter or digit" }),
        }
    }

    /// `NAME:DISTRO`: the index over all arches.
    pub fn index(image: &ImageName, distro: &DistroName) -> Self {
        Self(format!("{image}:{distro}"))
    }

    /// `NAME:DISTRO-ARCH`: one arch's manifest.
    pub fn manifest(image: &ImageName, distro: &DistroName, arch: &ArchName) -> Self {
        Self(format!("{image}:{distro}-{arch}"))
    }

    /// `NAME:latest`: the default distro's index.
    pub fn latest(image: &ImageName) -> Self {
        Self(format!("{image}:latest"))
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the tag: `keystone`.
    pub fn name(&self) -> &str {
        self.split().0
    }

    /// What stands behind the last `:`; `latest` where there is none.
    pub fn tag(&self) -> &str {
        self.split().1.unwrap_or("latest")
    }

    /// The same with its tag written out.
    #[must_use]
    pub fn with_tag(self) -> Self {
        if self.split().1.is_some() { self } else { Self(format!("{}:latest", self.0)) }
    }

    fn split(&self) -> (&str, Option<&str>) {
        match self.0.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (&self.0, None),
        }
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Ref {
    type Err = RefError;
    fn from_str(text: &str) -> Result<Self, RefError> {
        Self::new(text)
    }
}

impl AsRef<str> for Ref {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for Ref {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Ref {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_outside_the_grammar_are_refused() {
        for bad in ["", ":", "a:", ":a", "a b", "a..b", "a---b", "a-_b", "ä", "a\n", "-a", "a--"] {
            assert!(Ref::new(bad).is_err(), "{bad}");
        }
        let message = Ref::new("key stone").unwrap_err().to_string();
        assert_eq!(
            message,
            "`key stone` cannot name an image in a store: it may hold ASCII letters, digits and `-._:@+/` only"
        );
    }

    #[test]
    fn refs_of_all_kinds_are_read() {
        for good in ["a", "keystone:debian-trixie-x86_64", "quay.io/x/y:1", "a--b", "x:latest", "python3.13:sid"] {
            assert_eq!(Ref::new(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn a_port_is_no_tag() {
        let split = |text| {
            let reference = Ref::new(text).unwrap();
            (reference.name().to_owned(), reference.tag().to_owned())
        };
        assert_eq!(split("localhost:5000/x"), ("localhost:5000/x".to_owned(), "latest".to_owned()));
        assert_eq!(split("localhost:5000/x:y"), ("localhost:5000/x".to_owned(), "y".to_owned()));
    }

    #[test]
    fn the_three_refs_of_an_image() {
        let (image, distro) = (ImageName::new("keystone").unwrap(), DistroName::new("debian-trixie").unwrap());
        let arch = ArchName::new("x86_64").unwrap();
        for reference in [Ref::index(&image, &distro), Ref::manifest(&image, &distro, &arch), Ref::latest(&image)] {
            assert_eq!(Ref::new(reference.as_str()), Ok(reference));
        }
    }
}
