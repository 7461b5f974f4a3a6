//! Paths inside an image.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An absolute path inside an image: `/`, or components without `.`, `..`, empty ones and control
/// characters, each preceded by one `/`. Ordered so that a directory stands before what it holds.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ImagePath(String);

/// A text that is no path inside an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no path inside an image: {why}", .text.escape_default())]
pub struct PathError {
    text: String,
    why: &'static str,
}

impl ImagePath {
    /// The root directory, `/`.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Reads an absolute path. Doubled and trailing slashes are taken away; `..` is refused.
    pub fn new(text: &str) -> Result<Self, PathError> {
        match text.strip_prefix('/') {
            Some(rest) => Self::build(text, rest),
            None => Err(PathError { text: text.to_owned(), why: "it must begin with `/`" }),
        }
    }

    /// Reads the name of a tar member: `./usr/bin/x`, `usr/bin/x` or `./`. An absolute one and `..` are refused.
    pub fn from_member(text: &str) -> Result<Self, PathError> {
        if text.starts_with('/') {
            return Err(PathError { text: text.to_owned(), why: "a member of an archive must not be absolute" });
        }
        Self::build(text, text)
    }

    fn build(text: &str, rest: &str) -> Result<Self, PathError> {
        let refuse = |why| Err(PathError { text: text.to_owned(), why });
        let mut path = String::with_capacity(rest.len() + 1);
        for part in rest.split('/') {
            match part {
                "" | "." => continue,
                ".." => return refuse("`..` is not allowed"),
                _ if part.chars().any(char::is_control) => return refuse("control characters are not allowed"),
                _ if part.len() > 255 => return refuse("a component is longer than 255 bytes"),
                _ => {
                    path.push('/');
                    path.push_str(part);
                }
            }
        }
        if path.len() > 4095 {
            return refuse("it is longer than 4095 bytes");
        }
        if path.is_empty() {
            path.push('/');
        }
        Ok(Self(path))
    }

    /// The path with its leading `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without its leading `/`, as tar members are named; empty for the root.
    pub fn relative(&self) -> &str {
        self.0.strip_prefix('/').unwrap_or(&self.0)
    }

    /// Whether this is `/`.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// The directory that holds this path; none for `/`.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        match self.0.rsplit_once('/') {
            Some(("", _)) | None => Some(Self::root()),
            Some((parent, _)) => Some(Self(parent.to_owned())),
        }
    }

    /// The last component; empty for `/`.
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(_, name)| name)
    }

    /// The components, outermost first.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.relative().split('/').filter(|part| !part.is_empty())
    }

    /// This path with `relative` below it; `relative` may hold several components but no `..`.
    pub fn join(&self, relative: &str) -> Result<Self, PathError> {
        Self::new(&format!("{}/{relative}", self.0))
    }

    /// Whether this path is `other` or lies below it.
    pub fn is_within(&self, other: &Self) -> bool {
        other.is_root() || self.0.strip_prefix(&other.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Where a symbolic link at this path with the text `target` points, without following further links.
    /// `..` above the root stays at the root, as the kernel has it.
    pub fn resolve_link(&self, target: &str) -> Result<Self, PathError> {
        let mut parts: Vec<&str> = Vec::new();
        let base = self.parent().unwrap_or_else(Self::root);
        if !target.starts_with('/') {
            parts.extend(base.components());
        }
        for part in target.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        Self::build(target, &parts.join("/"))
    }
}

impl Ord for ImagePath {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.components().cmp(other.components())
    }
}

impl PartialOrd for ImagePath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for ImagePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::new(text)
    }
}

impl Serialize for ImagePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ImagePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> ImagePath {
        ImagePath::new(text).unwrap()
    }

    #[test]
    fn paths_are_normalised() {
        assert_eq!(path("//usr/./lib/").as_str(), "/usr/lib");
        assert_eq!(ImagePath::from_member("./").unwrap(), ImagePath::root());
        assert_eq!(ImagePath::from_member("./usr/bin/x").unwrap().as_str(), "/usr/bin/x");
    }

    #[test]
    fn paths_that_leave_the_image_are_refused() {
        for bad in ["", "usr", "/../etc", "/usr/../../x", "/a\0b", "/a\nb"] {
            assert!(ImagePath::new(bad).is_err(), "{bad:?}");
        }
        for bad in ["/etc/passwd", "../x", "./../x", "a/../../b"] {
            assert!(ImagePath::from_member(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_directory_stands_before_what_it_holds() {
        let mut paths = [path("/a.d"), path("/a/b"), path("/a"), path("/"), path("/a-b")];
        paths.sort();
        let texts: Vec<_> = paths.iter().map(ImagePath::as_str).collect();
        assert_eq!(texts, ["/", "/a", "/a/b", "/a-b", "/a.d"]);
    }

    #[test]
    fn links_resolve_inside_the_image() {
        assert_eq!(
            path("/usr/bin/awk").resolve_link("../../etc/alternatives/awk").unwrap().as_str(),
            "/etc/alternatives/awk"
        );
        assert_eq!(path("/bin").resolve_link("usr/bin").unwrap().as_str(), "/usr/bin");
        assert_eq!(path("/x").resolve_link("../../../etc").unwrap().as_str(), "/etc");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_path_that_climbs(text in "\\PC*") {
            if let Ok(path) = ImagePath::new(&text) {
                prop_assert!(path.components().all(|part| part != ".." && part != "."));
                prop_assert_eq!(&ImagePath::new(path.as_str()).unwrap(), &path);
            }
        }
    }
}
