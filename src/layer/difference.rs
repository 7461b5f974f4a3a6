//! What is left to say once an image's layers are known: the top layer.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use crate::path::ImagePath;
use crate::tree::{Content, Kind, Node, Origin, Tree};

use super::entry::{Entry, EntryKind};
use super::fragment::Fragment;
use super::nodes::{whiteout, with_parents};

/// The nodes of the layer that makes `tree` of the layers `below`, the lowest first: what differs from them, the
/// directories above that, and a whiteout for what they have and the tree does not. What several layers hold is as the
/// last of them has it; within one, a directory is as the first part says. Bytes are compared only where the tree's
/// are not those of the package whose fragment is below. Another mtime alone is no difference.
pub fn difference(below: &[Vec<Arc<Fragment>>], tree: &Tree) -> io::Result<BTreeMap<ImagePath, Node>> {
    let stack = seen(below);
    let touched: BTreeSet<&ImagePath> = tree.touched().map(|(path, _)| path).collect();
    let mut changed: BTreeSet<&ImagePath> = BTreeSet::new();
    for (path, node) in tree.iter() {
        let same = match stack.get(path) {
            Some((fragment, entry)) => is_same(fragment, entry, tree, (path, node), &touched)?,
            None => false,
        };
        if !same {
            changed.insert(path);
            // Further names of a file are in its layer.
            if let Kind::Hardlink(first) = &node.kind {
                changed.insert(first);
            }
        }
    }
    let mut nodes: BTreeMap<ImagePath, Node> =
        with_parents(tree, changed).into_iter().map(|(path, node)| (path, node.clone())).collect();
    let mut gone: Vec<&ImagePath> = Vec::new();
    for path in stack.into_keys().filter(|path| tree.get(path).is_none()) {
        // The paths below one that is gone follow it.
        if gone.last().is_some_and(|above| path.is_within(above)) {
            continue;
        }
        gone.push(path);
    }
    for path in gone {
        // In the place of a directory stands something else: that hides what was below.
        let hidden = path.parent().and_then(|parent| tree.get(&parent)).is_none_or(|parent| !parent.is_dir());
        if let (false, Some((path, node))) = (hidden, whiteout(path, Origin::Effect("whiteout"))) {
            nodes.insert(path, node);
        }
    }
    let missing: Vec<ImagePath> = nodes.keys().cloned().collect();
    for (path, node) in with_parents(tree, missing.iter().filter_map(ImagePath::parent).collect::<Vec<_>>().iter()) {
        nodes.entry(path).or_insert_with(|| node.clone());
    }
    Ok(nodes)
}

/// What an extractor of all layers has, and in which fragment its content is.
fn seen(below: &[Vec<Arc<Fragment>>]) -> BTreeMap<&ImagePath, (&Fragment, &Entry)> {
    let mut stack: BTreeMap<&ImagePath, (&Fragment, &Entry)> = BTreeMap::new();
    for layer in below {
        let entries =
            || layer.iter().rev().flat_map(|fragment| fragment.entries.iter().map(move |entry| (fragment, entry)));
        let gone: BTreeSet<ImagePath> = entries().filter_map(|(_, entry)| hidden(&entry.path)).collect();
        if !gone.is_empty() {
            let is_gone = |path: &ImagePath| {
                std::iter::successors(Some(path.clone()), ImagePath::parent).any(|path| gone.contains(&path))
            };
            stack.retain(|path, _| !is_gone(path));
        }
        let new = entries().filter(|(_, entry)| hidden(&entry.path).is_none());
        stack.extend(new.map(|(fragment, entry)| (&entry.path, (&**fragment, entry))));
    }
    stack
}

/// The path that a whiteout takes away.
fn hidden(path: &ImagePath) -> Option<ImagePath> {
    path.parent()?.join(path.file_name().strip_prefix(".wh.")?).ok()
}

fn is_same(
    fragment: &Fragment,
    entry: &Entry,
    tree: &Tree,
    (path, node): (&ImagePath, &Node),
    touched: &BTreeSet<&ImagePath>,
) -> io::Result<bool> {
    let entry = match &entry.kind {
        EntryKind::Hardlink(first) => fragment.get(first),
        _ => Some(entry),
    };
    let file = match &node.kind {
        Kind::Hardlink(first) => tree.get(first).map(|node| (first, node)),
        _ => Some((path, node)),
    };
    let (Some(entry), Some((first, node))) = (entry, file) else { return Ok(false) };
    if (entry.mode, entry.uid, entry.gid) != (node.mode, node.uid, node.gid) || entry.capability != node.capability {
        return Ok(false);
    }
    match (&entry.kind, &node.kind) {
        (EntryKind::Dir, Kind::Dir) => Ok(true),
        (EntryKind::Symlink(one), Kind::Symlink(other)) => Ok(one == other),
        (EntryKind::File { size, .. }, Kind::File(content)) if *size != content.size() => Ok(false),
        (EntryKind::File { offset, .. }, Kind::File(content)) => {
            let its_own = match (&fragment.package, &node.origin) {
                (Some(info), Origin::Package(name)) => info.name == *name && !touched.contains(first),
                _ => false,
            };
            Ok(its_own || holds(fragment, *offset, content)?)
        }
        _ => Ok(false),
    }
}

/// Whether the bytes at `offset` of the fragment are `content`, which is as long.
fn holds(fragment: &Fragment, offset: u64, content: &Content) -> io::Result<bool> {
    let blob = |blob: &Arc<dyn crate::tree::Blob>| Arc::as_ptr(blob).cast::<()>();
    match (content, fragment.content(offset, content.size())) {
        (Content::Blob { blob: one, offset: at, .. }, Content::Blob { blob: other, offset, .. })
            if blob(one) == blob(&other) && *at == offset =>
        {
            Ok(true)
        }
        (one, other) => Ok(one.read()? == other.read()?),
    }
}
