//! Versions of podman, as `podman version` prints them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A release of podman. What Debian or Fedora add behind it (`5.4.2+ds1-1`, `5.6.0-dev`) changes no key and is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodmanVersion {
    /// 5 of 5.4.2.
    pub major: u16,
    /// 4 of 5.4.2.
    pub minor: u16,
    /// 2 of 5.4.2.
    pub patch: u16,
}

/// A text that is no version of podman.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no version of podman: expected numbers, as in `5.4` or `5.4.2`")]
pub struct VersionError {
    text: String,
}

impl PodmanVersion {
    /// The first release of a minor version, as 5.4.0.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor, patch: 0 }
    }

    /// The oldest podman that wharf writes units for: Debian 12 has it.
    pub const OLDEST: Self = Self::new(4, 3);

    /// The first podman with Quadlet.
    pub const QUADLET: Self = Self::new(4, 4);

    /// The first podman whose .volume and .network can give their objects names of their own.
    pub const NAMED: Self = Self::new(4, 7);
}

impl PodmanVersion {
    /// What a host has where nobody says: that of Debian 13.
    pub const USUAL: Self = Self::new(5, 4);
}

impl fmt::Display for PodmanVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self.patch {
            0 => format!("{}.{}", self.major, self.minor),
            patch => format!("{}.{}.{patch}", self.major, self.minor),
        })
    }
}

impl FromStr for PodmanVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let wrong = || VersionError { text: text.to_owned() };
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<u16>().ok().filter(|_| digits).ok_or_else(wrong)
        };
        let release = text.split(['+', '-', '~']).next().unwrap_or_default();
        let mut parts = release.split('.');
        let (Some(major), Some(minor)) = (parts.next(), parts.next()) else { return Err(wrong()) };
        let patch = parts.next().map_or(Ok(0), number)?;
        match parts.next() {
            Some(_) => Err(wrong()),
            None => Ok(Self { major: number(major)?, minor: number(minor)?, patch }),
        }
    }
}

impl Serialize for PodmanVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PodmanVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_version_is_refused() {
        for bad in ["", "5", "5.", ".4", "5.x", "5.4.2.1", "v5.4", "5.4.", "+5.4", "5.99999", "-5.4"] {
            assert!(bad.parse::<PodmanVersion>().is_err(), "{bad}");
        }
        assert_eq!(
            "five".parse::<PodmanVersion>().unwrap_err().to_string(),
            "`five` is no version of podman: expected numbers, as in `5.4` or `5.4.2`"
        );
    }

    #[test]
    fn versions_order_by_number_and_lose_what_a_distro_adds() {
        let read = |text: &str| text.parse::<PodmanVersion>().unwrap();
        assert!(read("4.9.3") < read("4.10.0"));
        assert!(read("5.4") < read("5.4.2"));
        assert_eq!(read("5.4.2+ds1-1+b2"), read("5.4.2"));
        assert_eq!(read("6.0.0-dev").to_string(), "6.0");
    }
}
