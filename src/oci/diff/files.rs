//! Paths.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::digest::Digest;
use crate::oci::{Flat, Node, NodeKind};
use crate::path::ImagePath;

/// A path that came, went or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// The path.
    pub path: ImagePath,
    /// What it was.
    pub old: Option<FileFacts>,
    /// What it is.
    pub new: Option<FileFacts>,
}

impl FileChange {
    /// Nothing but the time differs.
    pub fn time_only(&self) -> bool {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => old.mtime != new.mtime && FileFacts { mtime: new.mtime, ..old.clone() } == *new,
            _ => false,
        }
    }
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileFacts {
    /// `dir`, `file`, `symlink`, `char`, `block` or `fifo`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Permission bits in octal: `0755`.
    pub mode: String,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Seconds since 1970.
    pub mtime: u64,
    /// Of a file.
    pub size: Option<u64>,
    /// Of a file's bytes.
    pub digest: Option<Digest>,
    /// Of a symbolic link; of a device `MAJOR:MINOR`.
    pub target: Option<String>,
    /// Extended attributes by name, in hex.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, String>,
    /// Its first path where it has several (hard links).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<ImagePath>,
}

impl FileFacts {
    fn of(path: &ImagePath, node: &Node) -> Self {
        let mut facts = Self {
            kind: "dir",
            mode: format!("{:04o}", node.meta.mode),
            uid: node.meta.uid,
            gid: node.meta.gid,
            mtime: node.meta.mtime,
            size: None,
            digest: None,
            target: None,
            xattrs: node.meta.xattrs.iter().map(|(name, value)| (name.clone(), hex(value))).collect(),
            link: node.paths.first().filter(|first| *first != path).cloned(),
        };
        match &node.kind {
            NodeKind::Dir => {}
            NodeKind::File(size) => {
                facts.kind = "file";
                facts.size = Some(*size);
                facts.digest = node.digest;
            }
            NodeKind::Symlink(target) => (facts.kind, facts.target) = ("symlink", Some(target.clone())),
            NodeKind::Char(major, minor) => (facts.kind, facts.target) = ("char", Some(format!("{major}:{minor}"))),
            NodeKind::Block(major, minor) => (facts.kind, facts.target) = ("block", Some(format!("{major}:{minor}"))),
            NodeKind::Fifo => facts.kind = "fifo",
        }
        facts
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Every path that differs, sorted; of trees whose layers were scanned with digests.
pub(super) fn changes(old: &Flat, new: &Flat) -> Vec<FileChange> {
    let facts = |flat: &Flat| -> BTreeMap<ImagePath, FileFacts> {
        flat.iter().map(|(path, node)| (path.clone(), FileFacts::of(path, node))).collect()
    };
    let (mut old, mut new) = (facts(old), facts(new));
    let paths: BTreeSet<ImagePath> = old.keys().chain(new.keys()).cloned().collect();
    paths
        .into_iter()
        .map(|path| FileChange { old: old.remove(&path), new: new.remove(&path), path })
        .filter(|change| change.old != change.new)
        .collect()
}
