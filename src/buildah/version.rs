//! buildah's version.

use std::fmt;

/// `1.28.2`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Of what `buildah --version` prints: `buildah version 1.28.2 (image-spec …)`.
    pub fn read(text: &str) -> Option<Self> {
        let word = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
        let mut parts = word.split('.').map(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).and_then(|end| part.get(..end)).unwrap_or(part);
            digits.parse::<u32>().ok()
        });
        let (major, minor) = (parts.next()??, parts.next()??);
        Some(Self(major, minor, parts.next().flatten().unwrap_or(0)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_buildah_prints_them() {
        let read = |text| Version::read(text);
        assert_eq!(
            read("buildah version 1.28.2 (image-spec 1.1.0-rc2, runtime-spec 1.0.2-dev)"),
            Some(Version(1, 28, 2))
        );
        assert_eq!(read("buildah version 1.39.3 (image-spec 1.1.0, runtime-spec 1.2.0)"), Some(Version(1, 39, 3)));
        assert_eq!(read("buildah version 1.44.0-dev"), Some(Version(1, 44, 0)));
        assert_eq!(read("buildah version 2.0"), Some(Version(2, 0, 0)));
        assert_eq!(read("buildah"), None);
        assert_eq!(read("buildah version 1."), None);
        assert!(Version(1, 4, 0) < Version(1, 28, 0));
    }
}
