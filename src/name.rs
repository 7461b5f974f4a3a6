//! Names with their invariants: a value of one of these types is well-formed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that cannot be a name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` cannot be {what}: {rule}")]
pub struct NameError {
    /// The text as it was given.
    pub text: String,
    /// What it should have named, with its article: `an image name`.
    pub what: &'static str,
    /// What such a name is made of.
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            #[doc = concat!("Reads ", $what, ": ", $rule, ".")]
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) { Ok(Self(text)) } else { Err(NameError { text, what: $what, rule: $rule }) }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

fn lower(text: &str, others: &[char]) -> bool {
    text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || others.contains(&c))
}

/// Lower-case words joined by single `-`, `_` or `.`: one component of an OCI repository name
/// (OCI distribution spec 1.1, "Pulling manifests").
fn component(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    lower(text, &['-', '_', '.'])
        && edge(text.chars().next())
        && edge(text.chars().last())
        && !text.as_bytes().windows(2).any(|pair| matches!(pair, [b'.' | b'-' | b'_', b'.' | b'-' | b'_']))
        && text.len() <= 128
}

name!(
    /// The name of an image: one component of an OCI repository name.
    ImageName, "an image name", "lower-case letters, digits and single `-`, `_` or `.` between them", component
);
name!(
    /// The name of a distro target, as `debian-trixie`.
    DistroName, "a distro name", "lower-case letters, digits and single `-`, `_` or `.` between them", component
);
name!(
    /// The name of an architecture target, as `x86_64`.
    ArchName, "an arch name", "lower-case letters, digits and single `_` between them",
    |text| component(text) && !text.contains(['-', '.'])
);
name!(
    /// The name of a binary or source package (Debian Policy 5.6.1).
    PackageName, "a package name", "at least two of lower-case letters, digits, `+`, `-`, `.`, the first a letter or digit",
    |text| text.len() >= 2 && lower(text, &['+', '-', '.']) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
);
name!(
    /// A user or group name that useradd accepts (useradd(8)).
    AccountName, "an account name", "at most 32 of lower-case letters, digits, `_`, `-`, the first a letter or `_`",
    |text| lower(text, &['-', '_']) && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && text.len() <= 32
);
name!(
    /// The name of a folder below `layers/`.
    TreeName, "a tree name", "lower-case letters, digits and single `-`, `_` or `.` between them", component
);

/// Lower-case words joined by single `-`, the first of which begins with a letter: what a unit, a DNS label and a
/// container may be called.
fn label(text: &str) -> bool {
    lower(text, &['-'])
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && !text.contains("--")
        && text.len() <= 63
}

name!(
    /// The name of a service, and of what is stamped from it: a unit's name before its type.
    ServiceName, "a service name", "lower-case letters, digits and single `-` between them, a letter first", label
);
name!(
    /// The name of an estate.
    EstateName, "an estate name", "lower-case letters, digits and single `-` between them, a letter first", label
);
name!(
    /// The name of a host (RFC 1123): one label, or several joined by dots.
    HostName, "a host name", "lower-case letters, digits, `-` and `.`, as in DNS",
    |text| text.len() <= 253 && text.split('.').all(|part| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        lower(part, &['-']) && edge(part.chars().next()) && edge(part.chars().last()) && part.len() <= 63
    })
);
name!(
    /// The name of a cell.
    CellName, "a cell name", "lower-case letters, digits and single `-` between them, a letter first", label
);
name!(
    /// What hosts are for, as `control`.
    RoleName, "a role name", "lower-case letters, digits and single `-` between them, a letter first", label
);
name!(
    /// The name of a network of hosts, or of a VIP on it.
    NetworkName, "a network name", "lower-case letters, digits and single `-` between them, a letter first", label
);
name!(
    /// What a service provides and others need, as `database`; also the name of one of its ports.
    CapabilityName, "a capability", "lower-case letters, digits, and single `-` or `_` between them, a letter first",
    |text| label(&text.replace('_', "-"))
);
name!(
    /// The name of a secret.
    SecretName, "a secret's name", "lower-case letters, digits and single `-`, `_` or `.` between them", component
);
name!(
    /// The name of a volume.
    VolumeName, "a volume name", "lower-case letters, digits and single `-`, `_` or `.` between them", component
);
name!(
    /// The name of a release: releases/NAME.kdl.
    ReleaseName, "a release name", "lower-case letters, digits and single `-`, `_` or `.` between them", component
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_names_are_components_of_repository_names() {
        for good in ["a", "nova-api", "python3.13", "x_y"] {
            assert!(ImageName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a b", "a/b", "a--b", "a..b", "ä"] {
            assert!(ImageName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn package_names_follow_policy() {
        for good in ["libstdc++6", "g++", "0ad", "python3.13-minimal"] {
            assert!(PackageName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "+a", "Apache2", "a_b"] {
            assert!(PackageName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_message_says_what_the_text_is_not() {
        let message = ImageName::new("Keystone").unwrap_err().to_string();
        assert_eq!(
            message,
            "`Keystone` cannot be an image name: lower-case letters, digits and single `-`, `_` or `.` between them"
        );
    }
}
