//! What people and judgements put into an image: trees, directories, files and links.
//!
//! On one path a child wins over its parent, and a node over a tree over a package. Two trees of one level on
//! one path are an error unless they bring the same.

use std::collections::BTreeMap;

use crate::estate::{Dir, File, FileContent, Level, Link, Owner, TreeContent, TreeFile};
use crate::path::{ImagePath, PathError};
use crate::spec::Span;
use crate::tree::{Content, Kind, Node, Origin, Tree, TreeError};

use super::Context;
use super::database::{Database, DatabaseError, NoSuchAccount};

const NAME: &str = "scripts";

/// Why something cannot be put where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum FileError {
    /// Two trees, one path.
    #[error("the trees `{first}` and `{second}` both bring `{path}`, and not the same")]
    #[diagnostic(
        code(wharf::effect::trees_clash),
        help("take it out of one of them, or say which holds with a `file` or `link` node")
    )]
    Clash {
        /// The path.
        path: ImagePath,
        /// The one.
        first: String,
        /// The other.
        second: String,
        /// The node of the other.
        span: Span,
    },
    /// The path cannot be made.
    #[error("{why}")]
    #[diagnostic(code(wharf::effect::path_taken), help("another path, or `omit` what stands there"))]
    Placed {
        /// What the tree says.
        why: TreeError,
        /// The node; none where a script's judgement says so.
        span: Option<Span>,
    },
    /// An owner that the image does not have.
    #[error("`{path}` cannot be given away: {why}")]
    #[diagnostic(
        code(wharf::effect::no_such_account),
        help("make the account with `account \"…\" uid=… gid=…`, or give a number")
    )]
    NoOwner {
        /// The path.
        path: ImagePath,
        /// Who is missing.
        why: NoSuchAccount,
        /// The node.
        span: Span,
    },
    /// A file of the project that cannot be read.
    #[error("the source of `{path}` cannot be read: {why}")]
    #[diagnostic(code(wharf::effect::source_unreadable))]
    Source {
        /// Where it was to go.
        path: ImagePath,
        /// The system's word.
        why: String,
        /// The node.
        span: Span,
    },
    /// Accounts.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A path.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl FileError {
    /// Where a person wrote what is wrong.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Clash { span, .. } | Self::NoOwner { span, .. } | Self::Source { span, .. } => Some(*span),
            Self::Placed { span, .. } => *span,
            Self::Database(_) | Self::Path(_) => None,
        }
    }
}

/// Whether the image itself brings `path`, by a tree or by a node.
pub(super) fn brings(context: &Context<'_>, path: &ImagePath) -> bool {
    context.image.levels.iter().any(|level| {
        level.files.iter().any(|file| file.path == *path)
            || level.links.iter().any(|link| link.path == *path)
            || level.trees.iter().any(|tree| tree.files.iter().any(|file| file.path == *path))
    })
}

/// The directories, files and links of judgements. None replaces what a package ships.
pub(super) fn of_packages(tree: &mut Tree, context: &Context<'_>) -> Result<(), FileError> {
    let database = Database::of(tree)?;
    let placer = |origin| Placer { database: &database, origin, mtime: context.mtime, keep: true };
    for call in context.calls {
        let placer = placer(Origin::Effect(NAME));
        for dir in &call.worth.dirs {
            placer.dir(tree, dir)?;
        }
        for file in &call.worth.files {
            placer.file(tree, file)?;
        }
        for link in &call.worth.links {
            placer.link(tree, link)?;
        }
    }
    Ok(())
}

/// The trees and nodes of every level, the root of the chain first.
pub(super) fn of_image(tree: &mut Tree, context: &Context<'_>) -> Result<(), FileError> {
    let database = Database::of(tree)?;
    for level in &context.image.levels {
        of_level(tree, level, &database, context.mtime)?;
    }
    Ok(())
}

fn of_level(tree: &mut Tree, level: &Level, database: &Database, mtime: i64) -> Result<(), FileError> {
    let mut brought: BTreeMap<&ImagePath, (&str, &TreeContent)> = BTreeMap::new();
    for folder in &level.trees {
        for TreeFile { path, content } in &folder.files {
            if let Some((first, other)) = brought.insert(path, (folder.name.as_str(), content))
                && !same(other, content)
            {
                let (first, second) = (first.to_owned(), folder.name.to_string());
                return Err(FileError::Clash { path: path.clone(), first, second, span: folder.span });
            }
            let origin = Origin::Tree(level.image.clone(), folder.span);
            put(tree, path, content, origin, mtime)
                .map_err(|why| FileError::Placed { why, span: Some(folder.span) })?;
        }
    }
    let placer = |span| Placer { database, origin: Origin::Node(level.image.clone(), span), mtime, keep: false };
    for dir in &level.dirs {
        placer(dir.span).dir(tree, dir)?;
    }
    for file in &level.files {
        placer(file.span).file(tree, file)?;
    }
    for link in &level.links {
        placer(link.span).link(tree, link)?;
    }
    Ok(())
}

fn same(a: &TreeContent, b: &TreeContent) -> bool {
    match (a, b) {
        (
            TreeContent::File { executable: one, digest: first, .. },
            TreeContent::File { executable: other, digest: second, .. },
        ) => one == other && first == second,
        _ => a == b,
    }
}

/// One entry of a tree. A directory that is there already, or a link to one, stays as it is: a tree's directories
/// are only the way to its files.
fn put(tree: &mut Tree, path: &ImagePath, content: &TreeContent, origin: Origin, mtime: i64) -> Result<(), TreeError> {
    let node = match content {
        TreeContent::Dir if tree.lookup(path).is_some_and(|(_, node)| node.is_dir()) => return Ok(()),
        TreeContent::Dir => Node::dir(origin, mtime),
        TreeContent::File { source, executable, size, .. } => {
            Node::file(Content::Project { source: source.clone(), size: *size }, origin, mtime)
                .with_mode(if *executable { 0o755 } else { 0o644 })
        }
        TreeContent::Symlink(target) => Node::symlink(target.clone(), origin, mtime),
    };
    tree.insert(path, node).map(|_| ())
}

struct Placer<'a> {
    database: &'a Database,
    origin: Origin,
    mtime: i64,
    /// Whether what stands there stays.
    keep: bool,
}

impl Placer<'_> {
    fn span(&self, span: Span) -> Option<Span> {
        (!self.keep).then_some(span)
    }

    fn insert(&self, tree: &mut Tree, path: &ImagePath, node: Node, span: Span) -> Result<(), FileError> {
        if self.keep && tree.get(path).is_some() {
            return Ok(());
        }
        tree.insert(path, node).map(|_| ()).map_err(|why| FileError::Placed { why, span: self.span(span) })
    }

    fn ids(
        &self,
        path: &ImagePath,
        owner: Option<&Owner>,
        group: Option<&Owner>,
        span: Span,
    ) -> Result<(u32, u32), FileError> {
        self.database.ids(owner, group).map_err(|why| FileError::NoOwner { path: path.clone(), why, span })
    }

    /// A directory that is there takes what the node says of owner and mode, and keeps the rest.
    fn dir(&self, tree: &mut Tree, dir: &Dir) -> Result<(), FileError> {
        let (uid, gid) = self.ids(&dir.path, dir.owner.as_ref(), dir.group.as_ref(), dir.span)?;
        let found = tree.lookup(&dir.path).and_then(|(path, node)| node.is_dir().then_some(path));
        match found.and_then(|path| tree.get_mut(&path)) {
            Some(node) => {
                if let Some(mode) = dir.mode {
                    node.mode = mode.0;
                }
                if dir.owner.is_some() {
                    node.uid = uid;
                }
                if dir.owner.is_some() || dir.group.is_some() {
                    node.gid = gid;
                }
                // A node of the image owns it from here on: the layer of its level brings it.
                node.origin = self.origin.clone();
                Ok(())
            }
            None => {
                let mode = dir.mode.map_or(0o755, |mode| mode.0);
                let node = Node::dir(self.origin.clone(), self.mtime).with_mode(mode).owned_by(uid, gid);
                self.insert(tree, &dir.path, node, dir.span)
            }
        }
    }

    fn file(&self, tree: &mut Tree, file: &File) -> Result<(), FileError> {
        let (uid, gid) = self.ids(&file.path, file.owner.as_ref(), file.group.as_ref(), file.span)?;
        let content: Content = match &file.content {
            FileContent::Text(text) => text.clone().into(),
            FileContent::Source(source) => source
                .read()
                .map_err(|error| {
                    let (path, why) = (file.path.clone(), error.to_string());
                    FileError::Source { path, why, span: file.span }
                })?
                .into_owned()
                .into(),
        };
        let mode = file.mode.map_or(0o644, |mode| mode.0);
        let node = Node::file(content, self.origin.clone(), self.mtime).with_mode(mode).owned_by(uid, gid);
        // A file takes the place of a link, but never of a directory: `insert` would let it take an empty one.
        if tree.get(&file.path).is_some_and(|node| matches!(node.kind, Kind::Dir)) {
            let why = TreeError::KindClash(file.path.clone());
            return Err(FileError::Placed { why, span: self.span(file.span) });
        }
        self.insert(tree, &file.path, node, file.span)
    }

    fn link(&self, tree: &mut Tree, link: &Link) -> Result<(), FileError> {
        let node = Node::symlink(link.target.clone(), self.origin.clone(), self.mtime);
        self.insert(tree, &link.path, node, link.span)
    }
}
