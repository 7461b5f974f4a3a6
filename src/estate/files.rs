//! The project's own files, wherever they come from: a folder, or the catalogue inside the binary.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use crate::digest::Digest;
use crate::name::TreeName;
use crate::path::ImagePath;

/// Where the bytes of a project file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileSource {
    /// On disk.
    Disk(PathBuf),
    /// In the binary.
    Embedded(&'static [u8]),
}

impl FileSource {
    /// The whole content.
    pub fn read(&self) -> io::Result<Cow<'static, [u8]>> {
        match self {
            Self::Disk(path) => std::fs::read(path).map(Cow::Owned),
            Self::Embedded(bytes) => Ok(Cow::Borrowed(bytes)),
        }
    }
}

/// A file below templates/.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its bytes.
    pub source: FileSource,
    /// What messages call it: `templates/x.j2`, `catalogue:templates/x.j2`.
    pub shown: String,
}

/// One entry of a tree: what `layers/NAME/PATH` puts at `PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Where it lands.
    pub path: ImagePath,
    /// What it is.
    pub content: TreeContent,
}

/// What an entry of a tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeContent {
    /// A directory, 0755.
    Dir,
    /// A file; 0755 where its owner may execute it (git's x bit), 0644 else. The digest is of its content.
    File {
        /// Where the bytes are.
        source: FileSource,
        /// git's x bit.
        executable: bool,
        /// Bytes.
        size: u64,
        /// Of the content.
        digest: Digest,
    },
    /// A symbolic link, its text kept.
    Symlink(String),
}

/// A folder below `layers/`, listed, sorted by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// `NAME` of `layers/NAME/`.
    pub name: TreeName,
    /// All entries, directories first.
    pub files: Vec<TreeFile>,
}
