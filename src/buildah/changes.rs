//! What steps changed: the layer that buildah wrote, read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use tar::EntryType;

use super::BuildahError;
use crate::path::ImagePath;
use crate::tree::{Blob, Content, Kind, Node, Origin, Tree};

/// PAX key of `security.capability`, as archive/tar of containers/storage writes it.
const CAPABILITY: &str = "SCHILY.xattr.security.capability";
/// Takes away a path of the layers below, or all that they have in a folder (OCI image-spec 1.1, layer.md).
const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// What became of a path.
#[derive(Debug, Clone)]
pub enum Change {
    /// It is this now.
    Put(Node),
    /// It is gone, and all below it.
    Gone,
}

/// What a layer makes of the tree below it.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// By path.
    pub paths: BTreeMap<ImagePath, Change>,
    /// Folders of which nothing of the layers below is left.
    pub opaque: BTreeSet<ImagePath>,
}

impl Changes {
    /// Changes `tree`. A file whose first name is in the layers below is a file of its own.
    pub fn apply(&self, tree: &mut Tree) {
        for path in &self.opaque {
            let gone: Vec<ImagePath> = tree.children(path).map(|(path, _)| path.clone()).collect();
            gone.iter().for_each(|path| take(tree, path));
        }
        for (path, change) in &self.paths {
            match change {
                Change::Gone => take(tree, path),
                Change::Put(node) => {
                    if tree.get(path).is_some_and(|old| old.is_dir() != node.is_dir() && !path.is_root()) {
                        take(tree, path);
                    } else if !node.is_dir() {
                        part(tree, path);
                    }
                    tree.place(path.clone(), node.clone());
                    // Counts as touched.
                    tree.get_mut(path);
                }
            }
        }
    }
}

/// Takes a path away, and lets no other name of its files lose them.
fn take(tree: &mut Tree, path: &ImagePath) {
    let below: Vec<ImagePath> = tree.below(path).map(|(path, _)| path.clone()).chain([path.clone()]).collect();
    below.iter().for_each(|path| part(tree, path));
    tree.remove(path);
}

/// Where further names lead to a file, the next of them becomes the file.
fn part(tree: &mut Tree, path: &ImagePath) {
    let Some(Node { kind: Kind::File(_), .. }) = tree.get(path) else { return };
    let is_name = |node: &Node| matches!(&node.kind, Kind::Hardlink(to) if to == path);
    let names: Vec<ImagePath> = tree.iter().filter(|(_, node)| is_name(node)).map(|(path, _)| path.clone()).collect();
    let Some((head, others)) = names.split_first() else { return };
    let Some(file) = tree.get(path).cloned() else { return };
    tree.place(head.clone(), file);
    for other in others {
        if let Some(node) = tree.get(other).cloned() {
            tree.place(other.clone(), Node { kind: Kind::Hardlink(head.clone()), ..node });
        }
    }
}

/// A file whose parts are files of a tree.
struct Spool(File);

impl Blob for Spool {
    fn read_at(&self, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut bytes = vec![0; len];
        self.0.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
}

/// Reads a layer, uncompressed. What it puts somewhere is of `origin`.
///
/// # Errors
/// Where it is no tar, or holds what no image can.
pub fn read(layer: &Path, origin: &Origin) -> Result<Changes, BuildahError> {
    let wrong = |error: io::Error| BuildahError::Layer(error.to_string());
    let blob: Arc<dyn Blob> = Arc::new(Spool(File::open(layer).map_err(wrong)?));
    let mut changes = Changes::default();
    let mut archive = tar::Archive::new(File::open(layer).map_err(wrong)?);
    for entry in archive.entries_with_seek().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        let bytes = entry.path_bytes().into_owned();
        let path = text(&bytes)?;
        let capability = capability(&mut entry).map_err(wrong)?;
        let name = path.file_name().to_owned();
        let parent = path.parent().unwrap_or_else(ImagePath::root);
        if name == OPAQUE {
            changes.opaque.insert(parent);
            continue;
        }
        if let Some(gone) = name.strip_prefix(WHITEOUT) {
            let gone = parent.join(gone).map_err(|error| BuildahError::Layer(error.to_string()))?;
            changes.paths.insert(gone, Change::Gone);
            continue;
        }
        let header = entry.header();
        let kind = match header.entry_type() {
            EntryType::Directory => Kind::Dir,
            EntryType::Regular | EntryType::Continuous => {
                let (offset, size) = (entry.raw_file_position(), entry.size());
                Kind::File(Content::Blob { blob: Arc::clone(&blob), offset, size })
            }
            EntryType::Symlink => Kind::Symlink(target(&entry)?),
            EntryType::Link => Kind::Hardlink(text(target(&entry)?.as_bytes())?),
            EntryType::Fifo => return Err(BuildahError::Kind { what: "a fifo", path: path.to_string() }),
            EntryType::Block | EntryType::Char => {
                return Err(BuildahError::Kind { what: "a device", path: path.to_string() });
            }
            other => return Err(BuildahError::Layer(format!("{path} is of the kind {other:?}"))),
        };
        let id = |id: io::Result<u64>| {
            u32::try_from(id.map_err(wrong)?).map_err(|error| BuildahError::Layer(error.to_string()))
        };
        let mode = u16::try_from(header.mode().map_err(wrong)? & 0o7777).unwrap_or(0);
        let mtime = i64::try_from(header.mtime().map_err(wrong)?).unwrap_or(0);
        let node = Node {
            kind,
            mode,
            uid: id(header.uid())?,
            gid: id(header.gid())?,
            mtime,
            capability,
            origin: origin.clone(),
        };
        changes.paths.insert(path, Change::Put(node));
    }
    join(&mut changes);
    Ok(changes)
}

/// A link whose file is none of this layer's is left out: nothing changed but how many names the file has.
fn join(changes: &mut Changes) {
    let files: BTreeSet<ImagePath> = changes
        .paths
        .iter()
        .filter(|(_, change)| matches!(change, Change::Put(Node { kind: Kind::File(_), .. })))
        .map(|(path, _)| path.clone())
        .collect();
    changes.paths.retain(|_, change| match change {
        Change::Put(Node { kind: Kind::Hardlink(to), .. }) => files.contains(to),
        _ => true,
    });
}

fn text(bytes: &[u8]) -> Result<ImagePath, BuildahError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| BuildahError::Layer(format!("the name {:?} is no UTF-8", String::from_utf8_lossy(bytes))))?;
    ImagePath::from_member(text).map_err(|error| BuildahError::Layer(error.to_string()))
}

fn target<R: io::Read>(entry: &tar::Entry<'_, R>) -> Result<String, BuildahError> {
    let bytes = entry.link_name_bytes().map(|bytes| bytes.into_owned()).unwrap_or_default();
    String::from_utf8(bytes).map_err(|_| BuildahError::Layer("the text of a link is no UTF-8".to_owned()))
}

fn capability<R: io::Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<Option<Vec<u8>>> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(None) };
    for extension in extensions {
        let extension = extension?;
        if extension.key_bytes() == CAPABILITY.as_bytes() {
            return Ok(Some(extension.value_bytes().to_vec()));
        }
    }
    Ok(None)
}
