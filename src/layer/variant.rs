//! A fragment as one image needs it: without what it loses to other packages, with what is diverted elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::path::ImagePath;
use crate::tree::Content;

use super::entry::{Entry, EntryKind};
use super::fragment::Fragment;
use super::plan::directory;

/// What an image changes of a package's fragment. Paths are the fragment's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Left out: another package has them.
    pub without: BTreeSet<ImagePath>,
    /// To another path.
    pub moved: BTreeMap<ImagePath, ImagePath>,
    /// Directories that another package describes.
    pub dirs: BTreeMap<ImagePath, Rights>,
}

/// Owner and permissions of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rights {
    /// Permission bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Rights {
    /// 0755 root:root.
    pub const PLAIN: Self = Self { mode: 0o755, uid: 0, gid: 0 };

    /// Those of `entry`.
    pub fn of(entry: &Entry) -> Self {
        Self { mode: entry.mode, uid: entry.uid, gid: entry.gid }
    }
}

impl Changes {
    /// Whether the fragment stays as it is.
    pub fn is_empty(&self) -> bool {
        self.without.is_empty() && self.moved.is_empty() && self.dirs.is_empty()
    }

    /// A text that differs where the changes do.
    pub(super) fn identity(&self) -> String {
        // Paths hold no control characters.
        let mut text = String::new();
        for path in &self.without {
            text.push_str(&format!("-{path}\n"));
        }
        for (path, to) in &self.moved {
            text.push_str(&format!(">{path}\t{to}\n"));
        }
        for (path, Rights { mode, uid, gid }) in &self.dirs {
            text.push_str(&format!("={path}\t{mode:o} {uid} {gid}\n"));
        }
        text
    }
}

/// The entries of the changed fragment, in order, and the contents of its files.
pub(super) fn rebuild(fragment: &Fragment, changes: &Changes) -> Vec<(Entry, Option<Content>)> {
    let mut rebuilt: BTreeMap<ImagePath, (Entry, Option<Content>)> = BTreeMap::new();
    // Names of each file, by the path that holds it in the old fragment.
    let mut names: BTreeMap<&ImagePath, BTreeSet<ImagePath>> = BTreeMap::new();
    for entry in &fragment.entries {
        if changes.without.contains(&entry.path) {
            continue;
        }
        let path = changes.moved.get(&entry.path).unwrap_or(&entry.path).clone();
        match &entry.kind {
            EntryKind::File { .. } => {
                names.entry(&entry.path).or_default().insert(path);
            }
            EntryKind::Hardlink(first) => {
                names.entry(first).or_default().insert(path);
            }
            EntryKind::Dir | EntryKind::Symlink(_) => {
                let mut entry = entry.clone();
                if let Some(rights) = changes.dirs.get(&entry.path) {
                    (entry.mode, entry.uid, entry.gid) = (rights.mode, rights.uid, rights.gid);
                }
                entry.path.clone_from(&path);
                rebuilt.insert(path, (entry, None));
            }
        }
    }
    for (first, names) in names {
        let Some(file) = fragment.get(first) else { continue };
        let EntryKind::File { offset, size } = file.kind else { continue };
        let mut head: Option<ImagePath> = None;
        for name in names {
            let mut entry = file.clone();
            entry.path.clone_from(&name);
            let content = match &head {
                None => Some(fragment.content(offset, size)),
                Some(head) => {
                    entry.kind = EntryKind::Hardlink(head.clone());
                    None
                }
            };
            head.get_or_insert_with(|| name.clone());
            rebuilt.insert(name, (entry, content));
        }
    }
    let mut missing = BTreeMap::new();
    for path in rebuilt.keys() {
        let mut above = path.parent();
        while let Some(dir) = above.filter(|dir| !rebuilt.contains_key(dir) && !missing.contains_key(dir)) {
            above = dir.parent();
            let mut entry = directory(dir.clone());
            if let Some(rights) = changes.dirs.get(&dir) {
                (entry.mode, entry.uid, entry.gid) = (rights.mode, rights.uid, rights.gid);
            }
            missing.insert(dir, (entry, None));
        }
    }
    rebuilt.append(&mut missing);
    rebuilt.into_values().collect()
}
