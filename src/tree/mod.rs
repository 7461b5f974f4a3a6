//! The file tree of an image before it is bytes: headers, and where the bytes are.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Bound;
use std::sync::Arc;

use crate::estate::FileSource;
use crate::name::{ImageName, PackageName};
use crate::path::ImagePath;
use crate::spec::Span;

/// Bytes that lie somewhere else and can be read in parts: a fragment in the cache.
pub trait Blob: Send + Sync {
    /// The bytes at `offset`, `len` of them.
    fn read_at(&self, offset: u64, len: u64) -> io::Result<Vec<u8>>;
}

/// Where the bytes of a file are.
#[derive(Clone)]
pub enum Content {
    /// In memory.
    Bytes(Arc<[u8]>),
    /// In a blob.
    Blob {
        /// The blob.
        blob: Arc<dyn Blob>,
        /// Its first byte.
        offset: u64,
        /// How many.
        size: u64,
    },
    /// A file of the project.
    Project {
        /// Where it is.
        source: FileSource,
        /// Bytes.
        size: u64,
    },
}

impl Content {
    /// Bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Blob { size, .. } | Self::Project { size, .. } => *size,
        }
    }

    /// The whole content.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.to_vec()),
            Self::Blob { blob, offset, size } => blob.read_at(*offset, *size),
            Self::Project { source, .. } => source.read().map(|bytes| bytes.into_owned()),
        }
    }

    /// At most the first `len` bytes.
    pub fn read_head(&self, len: u64) -> io::Result<Vec<u8>> {
        self.read_at(0, len)
    }

    /// At most `len` bytes from `start` on; fewer, or none, where the content ends before.
    pub fn read_at(&self, start: u64, len: u64) -> io::Result<Vec<u8>> {
        let start = start.min(self.size());
        let len = len.min(self.size() - start);
        match self {
            Self::Blob { blob, offset, .. } => blob.read_at(offset + start, len),
            Self::Bytes(bytes) => Ok(part(bytes, start, len)),
            Self::Project { source, .. } => source.read().map(|bytes| part(&bytes, start, len)),
        }
    }
}

fn part(bytes: &[u8], start: u64, len: u64) -> Vec<u8> {
    let saturate = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    bytes.iter().skip(saturate(start)).take(saturate(len)).copied().collect()
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.size())
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        text.as_bytes().to_vec().into()
    }
}

/// What stands at a path.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A directory.
    Dir,
    /// A regular file.
    File(Content),
    /// A symbolic link and its text.
    Symlink(String),
    /// A further name of the file at this path, which comes from the same layer.
    Hardlink(ImagePath),
}

/// Who put a node where it is; `show` and conflicts name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A package's own file.
    Package(PackageName),
    /// A `tree` of an image.
    Tree(ImageName, Span),
    /// A `dir`, `file`, `link` or `attr` node of an image.
    Node(ImageName, Span),
    /// An effect, by name.
    Effect(&'static str),
}

/// Header and content of one path.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, `0o0000` to `0o7777`.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// `security.capability` in the kernel's form (linux/capability.h, VFS_CAP_REVISION_2), where set.
    pub capability: Option<Vec<u8>>,
    /// Who put it there.
    pub origin: Origin,
}

impl Node {
    /// A directory, 0755 root:root.
    pub fn dir(origin: Origin, mtime: i64) -> Self {
        Self { kind: Kind::Dir, mode: 0o755, uid: 0, gid: 0, mtime, capability: None, origin }
    }

    /// A file, 0644 root:root.
    pub fn file(content: impl Into<Content>, origin: Origin, mtime: i64) -> Self {
        Self { kind: Kind::File(content.into()), mode: 0o644, uid: 0, gid: 0, mtime, capability: None, origin }
    }

    /// A symbolic link, 0777 root:root.
    pub fn symlink(target: impl Into<String>, origin: Origin, mtime: i64) -> Self {
        Self { kind: Kind::Symlink(target.into()), mode: 0o777, uid: 0, gid: 0, mtime, capability: None, origin }
    }

    /// The same with other permission bits.
    #[must_use]
    pub fn with_mode(mut self, mode: u16) -> Self {
        self.mode = mode;
        self
    }

    /// The same with another owner.
    #[must_use]
    pub fn owned_by(mut self, uid: u32, gid: u32) -> Self {
        self.uid = uid;
        self.gid = gid;
        self
    }

    /// Whether this is a directory.
    pub fn is_dir(&self) -> bool {
        matches!(self.kind, Kind::Dir)
    }
}

/// Why a tree refused something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A path leads through something that is no directory.
    #[error("`{path}` cannot be made: `{through}` is no directory")]
    NotADirectory {
        /// What was to be made.
        path: ImagePath,
        /// What stands in the way.
        through: ImagePath,
    },
    /// Symbolic links that lead to each other.
    #[error("`{0}` leads through more than 40 symbolic links")]
    LinkLoop(ImagePath),
    /// A directory where something else is wanted, or the other way round.
    #[error("`{0}` is a directory in one place and none in another")]
    KindClash(ImagePath),
    /// The content cannot be read.
    #[error("`{path}` cannot be read: {why}")]
    Unreadable {
        /// The path.
        path: ImagePath,
        /// The system's word.
        why: String,
    },
}

/// All paths of an image. The root is always there. Every write is remembered, so that what effects
/// and specs changed (the top layer) can be told from what packages brought.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    nodes: BTreeMap<ImagePath, Node>,
    touched: BTreeSet<ImagePath>,
    removed: BTreeSet<ImagePath>,
}

impl Tree {
    /// What stands at `path` itself, links not followed.
    pub fn get(&self, path: &ImagePath) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// To change what stands at `path`; counts as touched.
    pub fn get_mut(&mut self, path: &ImagePath) -> Option<&mut Node> {
        let node = self.nodes.get_mut(path)?;
        self.touched.insert(path.clone());
        Some(node)
    }

    /// All paths, directories before what they hold.
    pub fn iter(&self) -> impl Iterator<Item = (&ImagePath, &Node)> {
        self.nodes.iter()
    }

    /// All paths below `dir`, at any depth, `dir` itself left out.
    pub fn below<'a>(&'a self, dir: &'a ImagePath) -> impl Iterator<Item = (&'a ImagePath, &'a Node)> {
        self.nodes.range((Bound::Excluded(dir), Bound::Unbounded)).take_while(move |(path, _)| path.is_within(dir))
    }

    /// What lies directly in `dir`.
    pub fn children<'a>(&'a self, dir: &'a ImagePath) -> impl Iterator<Item = (&'a ImagePath, &'a Node)> {
        let depth = dir.components().count() + 1;
        self.below(dir).filter(move |(path, _)| path.components().count() == depth)
    }

    /// Where `path` leads once every symbolic link on the way, and at its end, is followed inside the image.
    /// The end need not exist.
    pub fn resolve(&self, path: &ImagePath) -> Result<ImagePath, TreeError> {
        self.follow(path, true)
    }

    /// As [`Tree::resolve`], but a link at the end stays.
    pub fn resolve_parent(&self, path: &ImagePath) -> Result<ImagePath, TreeError> {
        self.follow(path, false)
    }

    fn follow(&self, path: &ImagePath, last: bool) -> Result<ImagePath, TreeError> {
        let mut budget = 40;
        let mut done = ImagePath::root();
        let mut todo: Vec<String> = path.components().map(str::to_owned).collect();
        todo.reverse();
        while let Some(part) = todo.pop() {
            let next = done.join(&part).map_err(|_| TreeError::LinkLoop(path.clone()))?;
            match self.nodes.get(&next).map(|node| &node.kind) {
                Some(Kind::Symlink(target)) if last || !todo.is_empty() => {
                    budget -= 1;
                    if budget == 0 {
                        return Err(TreeError::LinkLoop(path.clone()));
                    }
                    let aim = next.resolve_link(target).map_err(|_| TreeError::LinkLoop(path.clone()))?;
                    todo.extend(aim.components().rev_vec());
                    done = ImagePath::root();
                }
                _ => done = next,
            }
        }
        Ok(done)
    }

    /// The node that `path` leads to, links followed, hard links too.
    pub fn lookup(&self, path: &ImagePath) -> Option<(ImagePath, &Node)> {
        let mut path = self.resolve(path).ok()?;
        let mut node = self.nodes.get(&path)?;
        if let Kind::Hardlink(to) = &node.kind {
            path = to.clone();
            node = self.nodes.get(to)?;
        }
        Some((path, node))
    }

    /// The content of the file that `path` leads to; none where there is no file.
    pub fn read(&self, path: &ImagePath) -> Result<Option<Vec<u8>>, TreeError> {
        match self.lookup(path) {
            Some((path, Node { kind: Kind::File(content), .. })) => {
                content.read().map(Some).map_err(|error| TreeError::Unreadable { path, why: error.to_string() })
            }
            _ => Ok(None),
        }
    }

    /// As [`Tree::read`], as text; invalid UTF-8 is replaced.
    pub fn read_text(&self, path: &ImagePath) -> Result<Option<String>, TreeError> {
        Ok(self.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Puts `node` at `path` (links among its parents are followed; missing parents are made as `node`'s
    /// origin has them, 0755 root:root) and replaces what stood there. Counts as touched.
    pub fn insert(&mut self, path: &ImagePath, node: Node) -> Result<ImagePath, TreeError> {
        let path = self.resolve_parent(path)?;
        if let Some(parent) = path.parent() {
            self.make_dirs(&parent, &node.origin, node.mtime)?;
        }
        if let Some(old) = self.nodes.get(&path)
            && old.is_dir() != node.is_dir()
            && (!old.is_dir() || self.children(&path).next().is_some())
        {
            return Err(TreeError::KindClash(path));
        }
        self.touched.insert(path.clone());
        self.removed.remove(&path);
        self.nodes.insert(path.clone(), node);
        Ok(path)
    }

    /// What stands at `path`, links among its parents not followed; of a hard link, the file.
    pub fn lookup_here(&self, path: &ImagePath) -> Option<(&ImagePath, &Node)> {
        match self.nodes.get_key_value(path)? {
            (_, Node { kind: Kind::Hardlink(to), .. }) => self.nodes.get_key_value(to),
            found => Some(found),
        }
    }

    /// Puts what a package brings at exactly `path`; not touched, and no longer removed.
    pub fn place(&mut self, path: ImagePath, node: Node) {
        self.removed.remove(&path);
        self.nodes.insert(path, node);
    }

    fn make_dirs(&mut self, path: &ImagePath, origin: &Origin, mtime: i64) -> Result<(), TreeError> {
        match self.nodes.get(path) {
            Some(node) if node.is_dir() => return Ok(()),
            Some(_) => return Err(TreeError::NotADirectory { path: path.clone(), through: path.clone() }),
            None => {}
        }
        if let Some(parent) = path.parent() {
            self.make_dirs(&parent, origin, mtime)?;
        }
        self.nodes.insert(path.clone(), Node::dir(origin.clone(), mtime));
        if !path.is_root() {
            self.touched.insert(path.clone());
        }
        Ok(())
    }

    /// Takes `path` and all below it away. What a package brought must then be left out of its layer:
    /// [`Tree::removed`] tells.
    pub fn remove(&mut self, path: &ImagePath) {
        let gone: Vec<ImagePath> = self.below(path).map(|(path, _)| path.clone()).chain([path.clone()]).collect();
        for path in gone {
            if self.nodes.remove(&path).is_some() {
                self.touched.remove(&path);
                self.removed.insert(path);
            }
        }
    }

    /// Paths that were written by anything but a package, in order.
    pub fn touched(&self) -> impl Iterator<Item = (&ImagePath, &Node)> {
        self.touched.iter().filter_map(|path| self.nodes.get_key_value(path))
    }

    /// Paths that packages brought and something took away.
    pub fn removed(&self) -> &BTreeSet<ImagePath> {
        &self.removed
    }
}

/// Components of a path from the last to the first.
trait RevVec {
    fn rev_vec(self) -> Vec<String>;
}

impl<'a, I: Iterator<Item = &'a str>> RevVec for I {
    fn rev_vec(self) -> Vec<String> {
        let mut parts: Vec<String> = self.map(str::to_owned).collect();
        parts.reverse();
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ImagePath {
        ImagePath::new(text).unwrap()
    }

    fn tree() -> Tree {
        let by = Origin::Effect("test");
        let mut tree = Tree::default();
        tree.insert(&path("/usr/bin/tool"), Node::file("x", by.clone(), 0)).unwrap();
        tree.insert(&path("/bin"), Node::symlink("usr/bin", by.clone(), 0)).unwrap();
        tree.insert(&path("/etc/tool"), Node::symlink("/bin/tool", by.clone(), 0)).unwrap();
        tree.insert(&path("/loop"), Node::symlink("/loop", by, 0)).unwrap();
        tree
    }

    #[test]
    fn links_are_followed_inside_the_image() {
        assert_eq!(tree().resolve(&path("/etc/tool")).unwrap(), path("/usr/bin/tool"));
        assert_eq!(tree().resolve_parent(&path("/etc/tool")).unwrap(), path("/etc/tool"));
        assert_eq!(tree().read(&path("/etc/tool")).unwrap().as_deref(), Some(&b"x"[..]));
        assert_eq!(tree().resolve(&path("/loop/x")), Err(TreeError::LinkLoop(path("/loop/x"))));
    }

    #[test]
    fn writes_go_through_links_among_the_parents() {
        let mut tree = tree();
        let put = tree.insert(&path("/bin/new"), Node::file("y", Origin::Effect("test"), 0)).unwrap();
        assert_eq!(put, path("/usr/bin/new"));
    }

    #[test]
    fn a_full_directory_is_not_replaced_by_a_file() {
        let result = tree().insert(&path("/usr/bin"), Node::file("y", Origin::Effect("test"), 0));
        assert_eq!(result, Err(TreeError::KindClash(path("/usr/bin"))));
    }

    #[test]
    fn children_are_the_next_level_only() {
        let tree = tree();
        let root = ImagePath::root();
        let names: Vec<_> = tree.children(&root).map(|(path, _)| path.as_str()).collect();
        assert_eq!(names, ["/bin", "/etc", "/loop", "/usr"]);
    }

    #[test]
    fn what_is_removed_is_remembered() {
        let mut tree = tree();
        tree.remove(&path("/usr/bin"));
        assert!(tree.get(&path("/usr/bin/tool")).is_none());
        assert!(tree.removed().contains(&path("/usr/bin/tool")));
    }
}
