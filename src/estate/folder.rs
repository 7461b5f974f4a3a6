//! The folders of a project or an import, listed: specs/, layers/ and targets/, on disk or in the binary.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::name::TreeName;
use crate::path::ImagePath;

use super::catalogue::{self, EntryKind};
use super::{FileSource, Tree, TreeContent, TreeFile};

/// The folders that make a project.
pub const PARTS: [&str; 4] = ["layers", "specs", "targets", "templates"];

/// A project's or an import's files, by path relative to its root.
#[derive(Debug)]
pub(super) struct Folder {
    /// The root on disk; none for the catalogue in the binary.
    pub root: Option<PathBuf>,
    entries: BTreeMap<String, Entry>,
    trees: BTreeMap<String, OnceLock<Result<Tree, String>>>,
}

#[derive(Debug, Clone)]
enum Entry {
    Dir,
    File {
        source: FileSource,
        executable: bool,
    },
    Symlink(String),
    /// Neither file, directory nor link.
    Other,
}

/// A folder that cannot be listed.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {cause}", .path.display())]
pub(super) struct FolderError {
    path: PathBuf,
    cause: String,
}

impl Folder {
    /// What the binary carries.
    pub fn embedded() -> Self {
        let entry = |entry: &'static catalogue::Entry| match entry.kind {
            EntryKind::Dir => Entry::Dir,
            EntryKind::Symlink(target) => Entry::Symlink(target.to_owned()),
            EntryKind::File { bytes, executable } => Entry::File { source: FileSource::Embedded(bytes), executable },
        };
        Self::new(None, catalogue::entries().iter().map(|found| (found.path.to_owned(), entry(found))).collect())
    }

    /// What is on disk below `root`.
    pub fn on_disk(root: &Path) -> Result<Self, FolderError> {
        let mut entries = BTreeMap::new();
        for part in PARTS {
            let folder = root.join(part);
            if folder.is_dir() {
                list(&folder, part, &mut entries)?;
            }
        }
        Ok(Self::new(Some(root.to_owned()), entries))
    }

    fn new(root: Option<PathBuf>, entries: BTreeMap<String, Entry>) -> Self {
        let names = entries.iter().filter(|(_, entry)| matches!(entry, Entry::Dir));
        let names = names.filter_map(|(path, _)| path.strip_prefix("layers/").filter(|name| !name.contains('/')));
        let trees = names.map(|name| (name.to_owned(), OnceLock::new())).collect();
        Self { root, entries, trees }
    }

    /// Every KDL file below specs/ and targets/.
    pub fn specs(&self) -> impl Iterator<Item = (&str, &FileSource)> {
        self.entries.iter().filter_map(|(path, entry)| match entry {
            Entry::File { source, .. }
                if path.ends_with(".kdl") && (path.starts_with("specs/") || path.starts_with("targets/")) =>
            {
                Some((path.as_str(), source))
            }
            _ => None,
        })
    }

    /// A file by its path below the root; links are not followed.
    pub fn file(&self, path: &str) -> Option<&FileSource> {
        match self.entries.get(path) {
            Some(Entry::File { source, .. }) => Some(source),
            _ => None,
        }
    }

    /// The names of all files below a part, without it: for near spellings.
    pub fn files_below<'a>(&'a self, part: &'a str) -> impl Iterator<Item = &'a str> {
        let below = move |path: &'a String| path.strip_prefix(part).and_then(|rest| rest.strip_prefix('/'));
        self.entries
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::File { .. }))
            .filter_map(move |(path, _)| below(path))
    }

    /// The names of folders below layers/.
    pub fn tree_names(&self) -> impl Iterator<Item = &str> {
        self.trees.keys().map(String::as_str)
    }

    /// `layers/NAME/**`, read once; the error is a message.
    pub fn tree(&self, name: &TreeName) -> Option<Result<&Tree, &str>> {
        let cell = self.trees.get(name.as_str())?;
        Some(cell.get_or_init(|| self.read_tree(name)).as_ref().map_err(String::as_str))
    }

    fn read_tree(&self, name: &TreeName) -> Result<Tree, String> {
        let prefix = format!("layers/{name}/");
        let below = self.entries.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let found: Vec<(&String, &Entry)> = below.collect();
        let mut files = found
            .par_iter()
            .map(|(path, entry)| {
                let relative = path.strip_prefix(&prefix).unwrap_or(path);
                let content = match entry {
                    Entry::Dir => TreeContent::Dir,
                    Entry::Symlink(target) => TreeContent::Symlink(target.clone()),
                    Entry::Other => return Err(format!("{path} is neither a file, a directory nor a link")),
                    Entry::File { source, executable } => {
                        let bytes = source.read().map_err(|error| format!("cannot read {path}: {error}"))?;
                        let (size, digest) = (bytes.len() as u64, Digest::of(&bytes));
                        TreeContent::File { source: source.clone(), executable: *executable, size, digest }
                    }
                };
                let path = ImagePath::root().join(relative).map_err(|error| error.to_string())?;
                Ok(TreeFile { path, content })
            })
            .collect::<Result<Vec<TreeFile>, String>>()?;
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Tree { name: name.clone(), files })
    }

    /// The digest of all files: the same on disk and in the binary. Each entry is its path, its kind and its content,
    /// lengths in front (8 bytes, little-endian).
    pub fn digest(&self) -> Result<Digest, String> {
        let parts = self
            .entries
            .par_iter()
            .filter(|(_, entry)| !matches!(entry, Entry::Dir | Entry::Other))
            .map(|(path, entry)| {
                let (kind, content) = match entry {
                    Entry::File { source, executable } => {
                        let bytes = source.read().map_err(|error| format!("cannot read {path}: {error}"))?;
                        (if *executable { b'x' } else { b'f' }, bytes)
                    }
                    Entry::Symlink(target) => (b'l', target.clone().into_bytes().into()),
                    Entry::Dir | Entry::Other => (b'd', Vec::new().into()),
                };
                let mut hash = Sha256::new();
                for part in [path.as_bytes(), &[kind], &content] {
                    hash.update((part.len() as u64).to_le_bytes());
                    hash.update(part);
                }
                Ok(<[u8; 32]>::from(hash.finalize()))
            })
            .collect::<Result<Vec<[u8; 32]>, String>>()?;
        Ok(Digest::of(&parts.concat()))
    }
}

fn list(folder: &Path, relative: &str, entries: &mut BTreeMap<String, Entry>) -> Result<(), FolderError> {
    let wrong =
        |path: &Path, cause: &dyn std::fmt::Display| FolderError { path: path.to_owned(), cause: cause.to_string() };
    for entry in std::fs::read_dir(folder).map_err(|error| wrong(folder, &error))? {
        let entry = entry.map_err(|error| wrong(folder, &error))?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| wrong(&path, &"its name is not UTF-8"))?;
        let relative = format!("{relative}/{name}");
        let kind = entry.file_type().map_err(|error| wrong(&path, &error))?;
        let found = if kind.is_symlink() {
            let target = std::fs::read_link(&path).map_err(|error| wrong(&path, &error))?;
            let target = target.to_str().ok_or_else(|| wrong(&path, &"the link's text is not UTF-8"))?;
            Entry::Symlink(target.to_owned())
        } else if kind.is_dir() {
            list(&path, &relative, entries)?;
            Entry::Dir
        } else if kind.is_file() {
            let metadata = entry.metadata().map_err(|error| wrong(&path, &error))?;
            Entry::File { source: FileSource::Disk(path), executable: is_executable(&metadata) }
        } else {
            Entry::Other
        };
        entries.insert(relative, found);
    }
    Ok(())
}

#[cfg(unix)]
fn is_executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_metadata: &std::fs::Metadata) -> bool {
    false
}

/// Writes the catalogue into a folder, as files.
pub fn unpack_catalogue(to: &Path) -> io::Result<()> {
    for entry in catalogue::entries() {
        let path = to.join(entry.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        match entry.kind {
            EntryKind::Dir => std::fs::create_dir_all(&path)?,
            EntryKind::Symlink(target) => symlink(target, &path)?,
            EntryKind::File { bytes, executable } => {
                std::fs::write(&path, bytes)?;
                if executable {
                    make_executable(&path)?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(unix)]
fn symlink(target: &str, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn symlink(_target: &str, path: &Path) -> io::Result<()> {
    Err(io::Error::other(format!("{}: symbolic links need a Unix", path.display())))
}

#[cfg(unix)]
fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path)?.permissions().mode();
    // Whoever may read it may run it.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode | (mode & 0o444) >> 2))
}

#[cfg(not(unix))]
fn make_executable(_path: &Path) -> io::Result<()> {
    Ok(())
}
