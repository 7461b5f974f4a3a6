//! Owners, modes and capabilities: what scripts set (dpkg-statoverride(1), chown, setcap), then the image's own
//! `attr` nodes; and `omit`, which takes paths away.

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobMatcher};

use crate::estate::{Attr, Owner};
use crate::path::{ImagePath, PathError};
use crate::spec::Span;
use crate::tree::{Kind, Tree, TreeError};

use super::capability::{self, CapabilityError};
use super::database::{Database, DatabaseError, NoSuchAccount};
use super::{Context, at, shell};

const NAME: &str = "statoverride";

/// Why attributes cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum AttrError {
    /// No such path.
    #[error("there is no `{path}` in this image{}", super::or(.nearest.as_ref()))]
    #[diagnostic(code(wharf::effect::attr_without_path), help("a glob may match nothing, a plain path may not"))]
    NoPath {
        /// The path.
        path: String,
        /// The nearest.
        nearest: Option<String>,
        /// The node.
        span: Span,
    },
    /// No glob.
    #[error("`{glob}` is no glob: {why}")]
    #[diagnostic(code(wharf::effect::glob))]
    Glob {
        /// The text.
        glob: String,
        /// What is wrong.
        why: String,
        /// The node.
        span: Span,
    },
    /// No such capability.
    #[error("{why}")]
    #[diagnostic(code(wharf::effect::capability))]
    Capability {
        /// What is wrong.
        why: CapabilityError,
        /// The node.
        span: Span,
    },
    /// An owner that the image does not have.
    #[error("`{path}` cannot be given away: {why}")]
    #[diagnostic(
        code(wharf::effect::no_such_account),
        help("make the account with `account \"…\" uid=… gid=…`, or give a number")
    )]
    NoOwner {
        /// The path.
        path: String,
        /// Who is missing.
        why: NoSuchAccount,
        /// The node; none where a script's text says so.
        span: Option<Span>,
    },
    /// Accounts.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A path.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl AttrError {
    /// Where a person wrote what is wrong.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::NoPath { span, .. } | Self::Glob { span, .. } | Self::Capability { span, .. } => Some(*span),
            Self::NoOwner { span, .. } => *span,
            _ => None,
        }
    }
}

/// What scripts set, and `/var/lib/dpkg/statoverride` for those that call dpkg-statoverride. A path that is not there
/// is recorded all the same, as dpkg-statoverride does.
pub(super) fn of_packages(tree: &mut Tree, context: &Context<'_>) -> Result<(), AttrError> {
    let database = Database::of(tree)?;
    // path → owner, group, mode
    let mut recorded: BTreeMap<ImagePath, (String, String, u16)> = BTreeMap::new();
    for call in context.calls {
        let adds = |command: &shell::Command| {
            command.arguments_of("dpkg-statoverride").is_some_and(|words| words.iter().any(|word| word.text == "--add"))
        };
        let overrides =
            call.worth.effects.iter().any(|used| used.name == NAME) || shell::commands(&call.text).iter().any(adds);
        for attr in &call.worth.attrs {
            let change = Change::of(attr, &database)?;
            let paths = change.paths(tree);
            if overrides
                && let (Some(user), Some(group), Some(mode), false) =
                    (&attr.owner, &attr.group, &attr.mode, is_glob(&attr.path))
            {
                recorded.insert(at(&attr.path)?, (named(user), named(group), mode.0));
            }
            change.apply(tree, &paths);
        }
    }
    for call in context.calls_for(NAME) {
        for command in shell::commands(&call.text) {
            let words = command.arguments_of("dpkg-statoverride").unwrap_or_default();
            let Some(add) = words.iter().position(|word| word.text == "--add") else { continue };
            let plain: Vec<&str> = words
                .iter()
                .skip(add + 1)
                .filter(|word| word.literal && !word.text.starts_with("--"))
                .map(|word| word.text.as_str())
                .collect();
            let [user, group, mode, path, ..] = plain.as_slice() else { continue };
            let (Ok(bits), Ok(path)) = (u16::from_str_radix(mode, 8), at(path)) else { continue };
            let missing = |why| AttrError::NoOwner { path: path.to_string(), why, span: None };
            let uid = database.uid(user).ok_or_else(|| missing(database.no_user(user)))?;
            let gid = database.gid(group).ok_or_else(|| missing(database.no_group(group)))?;
            if words.iter().any(|word| word.text == "--update")
                && let Some((path, _)) = tree.lookup(&path)
            {
                let change = Change { uid: Some(uid), gid: Some(gid), mode: Some(bits), ..Change::none() };
                change.apply(tree, &[path]);
            }
            recorded.insert(path, ((*user).to_owned(), (*group).to_owned(), bits));
        }
    }
    if !recorded.is_empty() && !context.packages.is_empty() {
        let line = |(path, (user, group, mode)): (&ImagePath, &(String, String, u16))| {
            format!("{user} {group} {mode:o} {path}\n")
        };
        let text: String = recorded.iter().map(line).collect();
        tree.insert(&at("/var/lib/dpkg/statoverride")?, context.file(NAME, text))?;
    }
    Ok(())
}

fn named(owner: &Owner) -> String {
    match owner {
        Owner::Name(name) => name.to_string(),
        // dpkg writes ids that have no name with a `#` (dpkg-statoverride(1)).
        Owner::Id(0) => "root".to_owned(),
        Owner::Id(id) => format!("#{id}"),
    }
}

/// `omit` and `attr` of every level, the root of the chain first.
pub(super) fn of_image(tree: &mut Tree, context: &Context<'_>) -> Result<(), AttrError> {
    let database = Database::of(tree)?;
    for level in &context.image.levels {
        for omit in &level.omits {
            let glob = glob(&omit.glob, omit.span)?;
            let gone: Vec<ImagePath> =
                tree.iter().filter(|(path, _)| glob.is_match(path.as_str())).map(|(path, _)| path.clone()).collect();
            for path in gone.iter().filter(|path| !path.is_root()) {
                tree.remove(path);
            }
        }
        for attr in &level.attrs {
            let change = Change::of(attr, &database)?;
            let paths = change.paths(tree);
            if paths.is_empty() && change.glob.is_none() {
                let nearest = near_path(tree, &attr.path);
                return Err(AttrError::NoPath { path: attr.path.clone(), nearest, span: attr.span });
            }
            change.apply(tree, &paths);
        }
    }
    Ok(())
}

/// The path of the same directory that is most like `path`.
fn near_path(tree: &Tree, path: &str) -> Option<String> {
    let parent = at(path).ok()?.parent()?;
    let siblings: Vec<&str> = tree.children(&parent).map(|(path, _)| path.as_str()).collect();
    super::nearest(path, siblings.into_iter())
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

fn glob(text: &str, span: Span) -> Result<GlobMatcher, AttrError> {
    GlobBuilder::new(text)
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| AttrError::Glob { glob: text.to_owned(), why: error.kind().to_string(), span })
}

struct Change {
    path: Option<ImagePath>,
    glob: Option<GlobMatcher>,
    uid: Option<u32>,
    gid: Option<u32>,
    mode: Option<u16>,
    capability: Option<Option<Vec<u8>>>,
}

impl Change {
    fn none() -> Self {
        Self { path: None, glob: None, uid: None, gid: None, mode: None, capability: None }
    }

    fn of(attr: &Attr, database: &Database) -> Result<Self, AttrError> {
        let missing = |why| AttrError::NoOwner { path: attr.path.clone(), why, span: Some(attr.span) };
        let is_glob = is_glob(&attr.path);
        Ok(Self {
            path: if is_glob { None } else { Some(at(&attr.path)?) },
            glob: if is_glob { Some(glob(&attr.path, attr.span)?) } else { None },
            uid: attr.owner.as_ref().map(|owner| database.owner_uid(owner)).transpose().map_err(missing)?,
            gid: attr.group.as_ref().map(|group| database.owner_gid(group)).transpose().map_err(missing)?,
            mode: attr.mode.map(|mode| mode.0),
            capability: attr
                .capabilities
                .as_deref()
                .map(capability::blob)
                .transpose()
                .map_err(|why| AttrError::Capability { why, span: attr.span })?,
        })
    }

    /// What it is about; a plain path is followed to the file it leads to.
    fn paths(&self, tree: &Tree) -> Vec<ImagePath> {
        match (&self.glob, &self.path) {
            (Some(glob), _) => tree
                .iter()
                .filter(|(path, node)| glob.is_match(path.as_str()) && !matches!(node.kind, Kind::Symlink(_)))
                .map(|(path, _)| path.clone())
                .collect(),
            (None, Some(path)) => tree.lookup(path).map(|(path, _)| path).into_iter().collect(),
            (None, None) => Vec::new(),
        }
    }

    fn apply(&self, tree: &mut Tree, paths: &[ImagePath]) {
        if paths.is_empty() {
            return;
        }
        // A mode belongs to the file, not to one of its names: all names go into the layer that changes it.
        let mut names: BTreeMap<ImagePath, Vec<ImagePath>> = BTreeMap::new();
        for (path, node) in tree.iter() {
            if let Kind::Hardlink(to) = &node.kind {
                names.entry(to.clone()).or_default().push(path.clone());
            }
        }
        for path in paths {
            let path = match tree.get(path).map(|node| &node.kind) {
                Some(Kind::Hardlink(to)) => to.clone(),
                _ => path.clone(),
            };
            for name in std::iter::once(&path).chain(names.get(&path).into_iter().flatten()) {
                let Some(node) = tree.get_mut(name) else { continue };
                node.uid = self.uid.unwrap_or(node.uid);
                node.gid = self.gid.unwrap_or(node.gid);
                node.mode = self.mode.unwrap_or(node.mode);
                if let (Some(capability), Kind::File(_)) = (&self.capability, &node.kind) {
                    node.capability.clone_from(capability);
                }
            }
        }
    }
}
