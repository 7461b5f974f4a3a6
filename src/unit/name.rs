//! Names of podman's objects and of units.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;

/// A text that is no name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot be {what}: {rule}", .text.escape_debug())]
pub struct NameError {
    text: String,
    what: &'static str,
    rule: &'static str,
}

/// The name of a container, volume, network, pod or secret, or of a unit without its type: letters, digits, `_`, `.` and
/// `-`, the first a letter or digit (podman's `define.NameRegex`; systemd.unit(5) allows these too). So it needs no
/// quotes anywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(String);

impl ObjectName {
    /// Reads a name.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let first = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let rest = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
        if first && rest && text.len() <= 200 {
            return Ok(Self(text));
        }
        let rule = "at most 200 of letters, digits, `_`, `.` and `-`, the first a letter or digit";
        Err(NameError { text, what: "a podman name", rule })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The unit of this name and `kind`.
    pub fn unit(&self, kind: UnitKind) -> UnitName {
        UnitName { base: self.clone(), kind }
    }
}

/// What a unit is, by the end of its file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum UnitKind {
    Container,
    Image,
    Network,
    Pod,
    Volume,
    Mount,
    Path,
    Service,
    Slice,
    Socket,
    Target,
    Timer,
}

impl UnitKind {
    const ALL: [Self; 12] = [
        Self::Container,
        Self::Image,
        Self::Network,
        Self::Pod,
        Self::Volume,
        Self::Mount,
        Self::Path,
        Self::Service,
        Self::Slice,
        Self::Socket,
        Self::Target,
        Self::Timer,
    ];

    /// The end of the file's name, without its dot.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
            Self::Pod => "pod",
            Self::Volume => "volume",
            Self::Mount => "mount",
            Self::Path => "path",
            Self::Service => "service",
            Self::Slice => "slice",
            Self::Socket => "socket",
            Self::Target => "target",
            Self::Timer => "timer",
        }
    }

    /// Whether podman's generator reads it, and not systemd itself.
    pub fn is_quadlet(self) -> bool {
        matches!(self, Self::Container | Self::Image | Self::Network | Self::Pod | Self::Volume)
    }
}

/// The name of a unit's file: `keystone.container`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitName {
    base: ObjectName,
    kind: UnitKind,
}

impl UnitName {
    /// Reads a file's name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let wrong = || NameError {
            text: text.to_owned(),
            what: "a unit's name",
            rule: "letters, digits, `_`, `.` and `-`, then its type, as in `keystone.container` or `x.service`",
        };
        let (base, end) = text.rsplit_once('.').ok_or_else(wrong)?;
        let kind = UnitKind::ALL.into_iter().find(|kind| kind.as_str() == end).ok_or_else(wrong)?;
        Ok(Self { base: ObjectName::new(base).map_err(|_| wrong())?, kind })
    }

    /// A target of systemd's own.
    pub(super) fn target(base: &'static str) -> Self {
        Self { base: ObjectName(base.to_owned()), kind: UnitKind::Target }
    }

    /// The name without its type.
    pub fn base(&self) -> &ObjectName {
        &self.base
    }

    /// What the unit is.
    pub fn kind(&self) -> UnitKind {
        self.kind
    }

    /// The name under which systemd knows it: podman's generator makes `x.service` of `x.container` and
    /// `x-volume.service` of `x.volume`.
    pub fn service(&self) -> Self {
        let base = match self.kind {
            UnitKind::Container => self.base.clone(),
            kind if kind.is_quadlet() => ObjectName(format!("{}-{}", self.base.0, kind.as_str())),
            _ => return self.clone(),
        };
        Self { base, kind: UnitKind::Service }
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.base.0, self.kind.as_str()))
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An image by what it is: where it is had from, and the digest of its manifest. No tag, so it cannot change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    repository: String,
    digest: Digest,
}

impl ImageRef {
    /// A reference from a repository's name with its registry (`registry.example:5000/keystone`) and a manifest's digest.
    pub fn new(repository: &str, digest: Digest) -> Result<Self, NameError> {
        let path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '[' | ']');
        let edges = |part: &str| !part.is_empty() && !part.starts_with(['.', '-']);
        let (registry, name) = repository.split_once('/').unwrap_or_default();
        if !repository.chars().all(path) || registry.is_empty() || !name.split('/').all(edges) || name.contains(':') {
            let rule = "a registry, `/` and a name, without a tag, as in `registry.example:5000/keystone`";
            return Err(NameError { text: repository.to_owned(), what: "an image's repository", rule });
        }
        Ok(Self { repository: repository.to_owned(), digest })
    }

    /// The registry and the name in it.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The manifest's digest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.digest)
    }
}

impl FromStr for ImageRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let rule = "a repository, `@` and a sha256 digest";
        let wrong = || NameError { text: text.to_owned(), what: "an image by digest", rule };
        let (repository, digest) = text.rsplit_once('@').ok_or_else(wrong)?;
        Self::new(repository, digest.parse().map_err(|_| wrong())?)
    }
}

macro_rules! as_text {
    ($type:ty, $read:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let read: fn(&str) -> Result<Self, NameError> = $read;
                read(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

as_text!(ObjectName, |text| ObjectName::new(text));
as_text!(UnitName, UnitName::new);
as_text!(ImageRef, str::parse);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_need_quotes_is_no_name() {
        for bad in ["", "-a", ".a", "a b", "a@b", "a\\x2d", "ä", "a/b", "a%b", &"a".repeat(201)] {
            assert!(ObjectName::new(bad).is_err(), "{bad}");
        }
        for bad in ["", "a", ".service", "a.services", "a b.service", "a@.service"] {
            assert!(UnitName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_unit_is_known_to_systemd_under_the_name_that_podman_gives() {
        for (file, service) in [
            ("a.container", "a.service"),
            ("a.pod", "a-pod.service"),
            ("a.volume", "a-volume.service"),
            ("a.network", "a-network.service"),
            ("a.image", "a-image.service"),
            ("a.timer", "a.timer"),
        ] {
            assert_eq!(UnitName::new(file).unwrap().service().to_string(), service);
        }
    }

    #[test]
    fn an_image_has_a_registry_and_no_tag() {
        let digest = Digest::of(b"");
        for bad in ["", "keystone", "/a", "r/", "r/a:tag", "r/a b", "r/-a", "r//a"] {
            assert!(ImageRef::new(bad, digest).is_err(), "{bad}");
        }
        let image = ImageRef::new("registry.example:5000/os/keystone", digest).unwrap();
        assert_eq!(image.to_string().parse(), Ok(image));
    }
}
