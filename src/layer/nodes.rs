//! Nodes of a tree as entries of a fragment.

use std::collections::BTreeMap;

use crate::path::ImagePath;
use crate::tree::{Kind, Node, Tree};

use super::assemble::Body;
use super::entry::{Entry, EntryKind};

/// Nodes that no layer can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum NodesError {
    /// A hard link whose file is not in the same layer.
    #[error("the hard link `{path}` leads to `{target}`, which is no file of the same layer")]
    #[diagnostic(code(wharf::layer::hardlink), help("a layer must hold all names of a file, or the file again"))]
    HardlinkTarget {
        /// The link.
        path: ImagePath,
        /// Its file.
        target: ImagePath,
    },
}

/// Entries in order, with their contents. Of the names of one file the first in order holds it.
pub(super) fn items<'a>(
    nodes: impl IntoIterator<Item = (&'a ImagePath, &'a Node)>,
) -> Result<Vec<(Entry, Body<'static>)>, NodesError> {
    let nodes: BTreeMap<&ImagePath, &Node> = nodes.into_iter().collect();
    // The first name of every file that has several, by the path that its links name.
    let mut heads: BTreeMap<&ImagePath, &ImagePath> = BTreeMap::new();
    for (path, node) in &nodes {
        if let Kind::Hardlink(target) = &node.kind {
            let head = heads.entry(target).or_insert(target);
            *head = (*head).min(path);
        }
    }
    let mut items = Vec::with_capacity(nodes.len());
    for (path, node) in &nodes {
        let target = match &node.kind {
            Kind::Hardlink(target) => target,
            _ => path,
        };
        let shared = nodes.get(target).filter(|node| !matches!(node.kind, Kind::Hardlink(_)));
        let Some(file) = shared.filter(|file| target == *path || matches!(file.kind, Kind::File(_))) else {
            return Err(NodesError::HardlinkTarget { path: (*path).clone(), target: target.clone() });
        };
        let head = heads.get(target).copied().unwrap_or(target);
        let (kind, body) = match &file.kind {
            Kind::File(_) if head != *path => (EntryKind::Hardlink(head.clone()), Body::None),
            Kind::File(content) => {
                (EntryKind::File { offset: 0, size: content.size() }, Body::Content(content.clone()))
            }
            Kind::Dir => (EntryKind::Dir, Body::None),
            Kind::Symlink(text) => (EntryKind::Symlink(text.clone()), Body::None),
            Kind::Hardlink(target) => {
                return Err(NodesError::HardlinkTarget { path: (*path).clone(), target: target.clone() });
            }
        };
        let entry = Entry {
            path: (*path).clone(),
            mtime: if kind == EntryKind::Dir { 0 } else { file.mtime },
            kind,
            mode: file.mode,
            uid: file.uid,
            gid: file.gid,
            capability: file.capability.clone(),
        };
        items.push((entry, body));
    }
    Ok(items)
}

/// The file that takes `path` of the layers below away (OCI image spec 1.1, "Whiteouts"); none for the root.
pub fn whiteout(path: &ImagePath, origin: crate::tree::Origin) -> Option<(ImagePath, Node)> {
    let path = path.parent()?.join(&format!(".wh.{}", path.file_name())).ok()?;
    Some((path, Node::file(Vec::new(), origin, 0)))
}

/// `paths` of `tree` and every directory above them. A layer has to say what those are like: an extractor that makes
/// a missing one up gives it rights of its own, which then hide those of the layers below.
pub fn with_parents<'a, 'p>(
    tree: &'a Tree,
    paths: impl IntoIterator<Item = &'p ImagePath>,
) -> BTreeMap<ImagePath, &'a Node> {
    let mut found: BTreeMap<ImagePath, &Node> = BTreeMap::new();
    for path in paths {
        let mut next = Some(path.clone());
        while let Some(path) = next.filter(|path| !found.contains_key(path)) {
            next = path.parent();
            if let Some(node) = tree.get(&path) {
                found.insert(path, node);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Origin;

    fn path(text: &str) -> ImagePath {
        ImagePath::new(text).unwrap()
    }

    fn link(to: &str) -> Node {
        let mut node = Node::file("", Origin::Effect("test"), 1);
        node.kind = Kind::Hardlink(path(to));
        node
    }

    #[test]
    fn a_hard_link_to_another_layer_is_refused() {
        let nodes = [(path("/b"), link("/a"))];
        let error = items(nodes.iter().map(|(path, node)| (path, node))).err().unwrap();
        insta::assert_snapshot!(error, @"the hard link `/b` leads to `/a`, which is no file of the same layer");
        let nodes = [(path("/a"), link("/b")), (path("/b"), link("/a"))];
        assert!(items(nodes.iter().map(|(path, node)| (path, node))).is_err());
    }

    #[test]
    fn the_first_name_in_order_holds_the_file() {
        let file = Node::file("x", Origin::Effect("test"), 7).with_mode(0o4755);
        let nodes = [(path("/z"), file), (path("/a"), link("/z")), (path("/m"), link("/z"))];
        let items = items(nodes.iter().map(|(path, node)| (path, node))).unwrap();
        let shown: Vec<String> =
            items.iter().map(|(entry, _)| format!("{} {:o} {:?}", entry.path, entry.mode, entry.kind)).collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        /a 4755 File { offset: 0, size: 1 }
        /m 4755 Hardlink("/a")
        /z 4755 Hardlink("/a")
        "#);
    }

    #[test]
    fn a_layer_holds_the_directories_above_its_paths() {
        let mut tree = Tree::default();
        tree.insert(&path("/etc/x/y"), Node::file("", Origin::Effect("test"), 1)).unwrap();
        tree.insert(&path("/etc/z"), Node::file("", Origin::Effect("test"), 1)).unwrap();
        let found = with_parents(&tree, [&path("/etc/x/y")]);
        let names: Vec<_> = found.keys().map(ImagePath::as_str).collect();
        assert_eq!(names, ["/", "/etc", "/etc/x", "/etc/x/y"]);
    }
}
