//! What each package of an image keeps of its files, once all are there: Replaces, diversions, shared directories.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use crate::deb::PackageInfo;
use crate::estate::Diversion;
use crate::name::PackageName;
use crate::path::ImagePath;
use crate::tree::{Blob as _, Kind, Node, Origin, Tree};

use super::entry::{Entry, EntryKind};
use super::fragment::Fragment;
use super::replaces::replaces;
use super::usrmerge::merged;
use super::variant::{Changes, Rights};
use super::{FragmentError, Fragments};

/// What one image of the `from` chain adds.
#[derive(Debug, Clone, Copy)]
pub struct Level<'a> {
    /// The packages that are new here, sorted by name.
    pub fragments: &'a [Arc<Fragment>],
    /// The diversions that these packages' scripts add.
    pub diversions: &'a [Diversion],
}

/// Packages that do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
#[diagnostic(
    code(wharf::layer::conflict),
    help(
        "leave one of the packages out, or pin versions that go together; where one should take files of the other over, its own `Replaces` has to say so"
    )
)]
pub struct Conflicts(pub Vec<Conflict>);

/// One path that two packages want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The path.
    pub path: ImagePath,
    /// Who has it.
    pub first: PackageName,
    /// Who wants it too.
    pub second: PackageName,
    /// Why both cannot have it.
    pub kind: ConflictKind,
}

/// Why two packages cannot share a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConflictKind {
    /// Other bytes, another owner or mode.
    Differs,
    /// A directory for one, something else for the other.
    Directory,
    /// One of the two cannot be read to compare them.
    Unreadable(String),
}

impl std::fmt::Display for Conflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, first, second, kind } = self;
        match kind {
            ConflictKind::Differs => {
                write!(f, "packages `{first}` and `{second}` both have `{path}`, and it differs")
            }
            ConflictKind::Directory => {
                write!(
                    f,
                    "`{path}` is a directory in one of the packages `{first}` and `{second}` and none in the other"
                )
            }
            ConflictKind::Unreadable(why) => {
                write!(f, "packages `{first}` and `{second}` both have `{path}`, and it cannot be compared: {why}")
            }
        }
    }
}

/// What was found out. The changes of a level follow from it and those before it alone, so all descendants of an image
/// share its layers.
#[derive(Debug, Clone)]
pub struct Merged<'a> {
    levels: &'a [Level<'a>],
    /// What each package's fragment has to be changed in; packages that stay as they are are not named.
    pub changes: BTreeMap<PackageName, Changes>,
    /// Per level, what its diversions move of the levels before.
    late: Vec<Vec<(ImagePath, ImagePath)>>,
}

/// Where something comes from: the level, and the package within it.
#[derive(Debug, Clone, Copy)]
struct Claim<'a> {
    level: usize,
    fragment: &'a Arc<Fragment>,
    info: &'a PackageInfo,
    entry: &'a Entry,
}

type Claims<'a> = BTreeMap<ImagePath, Vec<Claim<'a>>>;

/// Finds out what each package keeps. Fragments that are no packages are left alone.
pub fn merge<'a>(levels: &'a [Level<'a>]) -> Result<Merged<'a>, Conflicts> {
    let mut state = State::default();
    let mut late = Vec::new();
    for (number, level) in levels.iter().enumerate() {
        late.push(state.divert(level.diversions));
        let claims = state.claims(number, level);
        let claims = state.follow_links(number, claims);
        for (path, claims) in claims {
            state.settle(path, &claims);
        }
    }
    state.describe_parents();
    state.changes.retain(|_, changes| !changes.is_empty());
    match state.conflicts.is_empty() {
        true => Ok(Merged { levels, changes: state.changes, late }),
        false => Err(Conflicts(state.conflicts)),
    }
}

#[derive(Default)]
struct State<'a> {
    /// Who has each path that is no directory.
    owners: BTreeMap<ImagePath, Claim<'a>>,
    /// Every directory, with the package that described it first.
    dirs: BTreeMap<ImagePath, (Rights, Claim<'a>)>,
    diversions: BTreeMap<ImagePath, &'a Diversion>,
    changes: BTreeMap<PackageName, Changes>,
    conflicts: Vec<Conflict>,
}

impl<'a> State<'a> {
    /// Adds diversions; what they move of what is there already.
    fn divert(&mut self, diversions: &'a [Diversion]) -> Vec<(ImagePath, ImagePath)> {
        let mut late = Vec::new();
        for diversion in diversions {
            let path = merged(&diversion.path);
            // dpkg knows paths as packages spell them: what is diverted is `/lib64/x`, and `/usr/lib64/x` is another
            // name. Such diversions protect the links of merged /usr from old packages (DEP-17, P3); there the file
            // of a package that still spells it so lands in `/usr`, as it would without the diversion.
            if path != diversion.path {
                continue;
            }
            let stays = |claim: &Claim<'_>| diversion.package.as_ref() == Some(&claim.info.name);
            if let Some(claim) = self.owners.get(&path).copied().filter(|claim| !stays(claim)) {
                let to = merged(&diversion.to);
                self.owners.remove(&path);
                self.owners.insert(to.clone(), claim);
                late.push((path.clone(), to));
            }
            self.diversions.insert(path, diversion);
        }
        late
    }

    /// All paths that a level's packages want, diversions heeded.
    fn claims(&mut self, number: usize, level: &Level<'a>) -> Claims<'a> {
        let mut claims = Claims::new();
        let mut packages: Vec<(&PackageInfo, &'a Arc<Fragment>)> =
            level.fragments.iter().filter_map(|fragment| Some((fragment.package.as_ref()?, fragment))).collect();
        packages.sort_by(|one, other| one.0.name.cmp(&other.0.name));
        for (info, fragment) in packages {
            for entry in &fragment.entries {
                let diversion = match entry.is_dir() {
                    true => None,
                    false => self.diversions.get(&entry.path),
                };
                let path = match diversion {
                    Some(diversion) if diversion.package.as_ref() != Some(&info.name) => merged(&diversion.to),
                    _ => entry.path.clone(),
                };
                claims.entry(path).or_default().push(Claim { level: number, fragment, info, entry });
            }
        }
        claims
    }

    /// Where one package has a link to a directory and another the directory itself, the link wins and the files of
    /// the other go where it leads; but a directory of an earlier level stays, and the link goes (as dpkg has it).
    fn follow_links(&mut self, number: usize, mut claims: Claims<'a>) -> Claims<'a> {
        let mut redirects: BTreeMap<ImagePath, ImagePath> = BTreeMap::new();
        let mut lost: BTreeSet<ImagePath> = BTreeSet::new();
        for (path, here) in &claims {
            let text = |claim: &Claim<'a>| match &claim.entry.kind {
                EntryKind::Symlink(text) => Some(text.as_str()),
                _ => None,
            };
            let has_dir = here.iter().any(|claim| claim.entry.is_dir());
            let link = here.iter().find_map(text);
            if self.dirs.contains_key(path) && link.is_some() {
                lost.insert(path.clone());
            } else if has_dir && let Some(text) = self.owners.get(path).and_then(text).or(link) {
                let aim = path.resolve_link(text).ok().filter(|aim| {
                    let is_dir = |claim: &Claim<'_>| claim.entry.is_dir();
                    !aim.is_within(path)
                        && (self.dirs.contains_key(aim)
                            || claims.get(aim).is_some_and(|claims| claims.iter().any(is_dir)))
                });
                // Without a directory at its end the two clash: said when the path is settled.
                if let Some(aim) = aim {
                    redirects.insert(path.clone(), aim);
                }
            }
        }
        for path in &lost {
            if let Some(here) = claims.get_mut(path) {
                here.retain(|claim| {
                    let keep = !matches!(claim.entry.kind, EntryKind::Symlink(_));
                    if !keep {
                        lose(&mut self.changes, claim);
                    }
                    keep
                });
            }
        }
        if redirects.is_empty() {
            return claims;
        }
        let mut followed = Claims::new();
        for (path, here) in claims {
            let to = redirect(&path, &redirects);
            for claim in here {
                debug_assert_eq!(claim.level, number);
                if claim.entry.is_dir() && redirects.contains_key(&path) {
                    lose(&mut self.changes, &claim);
                } else {
                    followed.entry(to.clone()).or_default().push(claim);
                }
            }
        }
        followed
    }

    /// Who gets `path`.
    fn settle(&mut self, path: ImagePath, claims: &[Claim<'a>]) {
        let (dirs, others): (Vec<Claim<'a>>, Vec<Claim<'a>>) = claims.iter().partition(|claim| claim.entry.is_dir());
        if let Some(first) = dirs.first() {
            self.settle_dir(&path, *first, &dirs);
        }
        let mut owner = self.owners.get(&path).copied();
        for claim in others {
            owner = Some(match owner {
                None => claim,
                Some(owner) => self.duel(&path, owner, claim),
            });
        }
        let Some(owner) = owner else { return };
        match self.dirs.get(&path) {
            Some((_, dir)) => {
                let (first, second) = (dir.info.name.clone(), owner.info.name.clone());
                self.conflicts.push(Conflict { path, first, second, kind: ConflictKind::Directory });
            }
            None => {
                for claim in claims.iter().filter(|claim| std::ptr::eq(claim.entry, owner.entry)) {
                    if claim.entry.path != path {
                        let changes = self.changes.entry(claim.info.name.clone()).or_default();
                        changes.moved.insert(claim.entry.path.clone(), path.clone());
                    }
                }
                self.owners.insert(path, owner);
            }
        }
    }

    /// A directory that several describe is as the first has it that says anything but 0755 root:root; an earlier
    /// level's word holds. All fragments that are new here then say the same.
    fn settle_dir(&mut self, path: &ImagePath, first: Claim<'a>, dirs: &[Claim<'a>]) {
        let known = self.dirs.get(path).map(|(rights, _)| *rights).filter(|rights| *rights != Rights::PLAIN);
        let said = || dirs.iter().map(|claim| Rights::of(claim.entry)).find(|rights| *rights != Rights::PLAIN);
        let rights = known.or_else(said).unwrap_or(Rights::PLAIN);
        for claim in dirs {
            let moved = claim.entry.path != *path;
            if moved || Rights::of(claim.entry) != rights {
                let changes = self.changes.entry(claim.info.name.clone()).or_default();
                if Rights::of(claim.entry) != rights {
                    changes.dirs.insert(claim.entry.path.clone(), rights);
                }
                if moved {
                    changes.moved.insert(claim.entry.path.clone(), path.clone());
                }
            }
        }
        self.dirs.entry(path.clone()).or_insert((rights, first)).0 = rights;
    }

    /// Two packages on one path: who keeps it.
    fn duel(&mut self, path: &ImagePath, owner: Claim<'a>, claim: Claim<'a>) -> Claim<'a> {
        let takes = replaces(claim.info, owner.info);
        let keeps = replaces(owner.info, claim.info);
        // When both would, dpkg lets the last that is unpacked win: a later level, else (in no order) the first name.
        let wins = takes && (!keeps || claim.level > owner.level);
        let kind = match wins || keeps {
            true => None,
            false => match is_same(owner, claim) {
                Ok(true) => None,
                Ok(false) => Some(ConflictKind::Differs),
                Err(error) => Some(ConflictKind::Unreadable(error.to_string())),
            },
        };
        if let Some(kind) = kind {
            let (first, second) = (owner.info.name.clone(), claim.info.name.clone());
            self.conflicts.push(Conflict { path: path.clone(), first, second, kind });
            return owner;
        }
        match wins {
            true => {
                // The layers of an earlier level stay as they are; this one's lies above them.
                if owner.level == claim.level {
                    lose(&mut self.changes, &owner);
                }
                claim
            }
            false => {
                lose(&mut self.changes, &claim);
                owner
            }
        }
    }

    /// Directories above what was moved, in the words of those who have them.
    fn describe_parents(&mut self) {
        for changes in self.changes.values_mut() {
            let mut above: BTreeSet<ImagePath> = BTreeSet::new();
            for to in changes.moved.values() {
                let mut next = to.parent();
                while let Some(dir) = next {
                    next = dir.parent();
                    above.insert(dir);
                }
            }
            for dir in above {
                if let Some((rights, _)) = self.dirs.get(&dir)
                    && *rights != Rights::PLAIN
                {
                    changes.dirs.insert(dir, *rights);
                }
            }
        }
    }
}

fn lose(changes: &mut BTreeMap<PackageName, Changes>, claim: &Claim<'_>) {
    let changes = changes.entry(claim.info.name.clone()).or_default();
    changes.moved.remove(&claim.entry.path);
    changes.without.insert(claim.entry.path.clone());
}

/// `path` with every link that is known to stand for a directory followed.
fn redirect(path: &ImagePath, redirects: &BTreeMap<ImagePath, ImagePath>) -> ImagePath {
    let mut path = path.clone();
    for _ in 0..redirects.len() {
        let step = redirects.iter().find_map(|(from, to)| {
            let rest = path.as_str().strip_prefix(from.as_str())?;
            // The link itself stays where it is.
            if rest.starts_with('/') { to.join(rest).ok() } else { None }
        });
        match step {
            Some(next) => path = next,
            None => break,
        }
    }
    path
}

/// Whether both are the same in kind, owner, mode and content.
fn is_same(one: Claim<'_>, other: Claim<'_>) -> io::Result<bool> {
    let (Some(a), Some(b)) = (one.fragment.file(&one.entry.path), other.fragment.file(&other.entry.path)) else {
        return Ok(false);
    };
    if !a.same_rights(b) {
        return Ok(false);
    }
    let (EntryKind::File { offset: at, size }, EntryKind::File { offset: other_at, size: other_size }) =
        (&a.kind, &b.kind)
    else {
        return Ok(a.kind == b.kind);
    };
    let mut done = 0;
    if size != other_size {
        return Ok(false);
    }
    while done < *size {
        let piece = (size - done).min(1 << 20);
        let left = one.fragment.blocks.read_at(at + done, piece)?;
        if left != other.fragment.blocks.read_at(other_at + done, piece)? {
            return Ok(false);
        }
        done += piece;
    }
    Ok(true)
}

/// An image's packages put together: the tree of all, whose contents are in the fragments, and the fragments of each
/// level with their changes.
pub type Built = (Tree, Vec<Vec<Arc<Fragment>>>);

impl Merged<'_> {
    /// The fragments with their changes, and the tree.
    /// What a diversion moves out of an earlier level's layer counts as touched there, its old path as removed.
    pub fn build(&self, fragments: &Fragments) -> Result<Built, FragmentError> {
        let mut tree = Tree::default();
        let mut built: Vec<Vec<Arc<Fragment>>> = Vec::with_capacity(self.levels.len());
        for (level, late) in self.levels.iter().zip(&self.late) {
            for (path, to) in late {
                move_away(&mut tree, path, to, &built);
            }
            let mut here = Vec::with_capacity(level.fragments.len());
            for fragment in level.fragments {
                let changes = fragment.package.as_ref().and_then(|info| self.changes.get(&info.name));
                here.push(match changes {
                    Some(changes) => fragments.variant(fragment, changes)?,
                    None => fragment.clone(),
                });
            }
            for fragment in &here {
                let Some(info) = &fragment.package else { continue };
                for (path, node) in fragment.nodes(&Origin::Package(info.name.clone())) {
                    place(&mut tree, path, node, &built);
                }
            }
            built.push(here);
        }
        Ok((tree, built))
    }
}

fn place(tree: &mut Tree, path: &ImagePath, node: Node, below: &[Vec<Arc<Fragment>>]) {
    if let Some(old) = tree.get(path) {
        let rights = |node: &Node| (node.mode, node.uid, node.gid);
        if old.is_dir() && node.is_dir() && rights(old) == rights(&node) {
            return;
        }
        detach(tree, path, below);
    }
    tree.place(path.clone(), node);
}

fn move_away(tree: &mut Tree, path: &ImagePath, to: &ImagePath, below: &[Vec<Arc<Fragment>>]) {
    let Some((_, node)) = tree.lookup_here(path) else { return };
    let node = node.clone();
    detach(tree, path, below);
    tree.remove(path);
    // Its folder is there, or nothing stands in its way: the merge has found no clash.
    let _ = tree.insert(to, node);
}

/// Before the first name of a file with several goes, the next name becomes the file.
fn detach(tree: &mut Tree, path: &ImagePath, below: &[Vec<Arc<Fragment>>]) {
    let Some(Node { kind: Kind::File(content), origin: Origin::Package(owner), .. }) = tree.get(path) else { return };
    let content = content.clone();
    let fragment =
        below.iter().flatten().find(|fragment| fragment.package.as_ref().is_some_and(|info| info.name == *owner));
    let Some(fragment) = fragment else { return };
    let is_name = |entry: &&Entry| entry.kind == EntryKind::Hardlink(path.clone());
    let mut head: Option<ImagePath> = None;
    for entry in fragment.entries.iter().filter(is_name) {
        let Some(node) = tree.get(&entry.path) else { continue };
        if !matches!(&node.kind, Kind::Hardlink(first) if first == path) {
            continue;
        }
        let mut node = node.clone();
        node.kind = match &head {
            None => Kind::File(content.clone()),
            Some(head) => Kind::Hardlink(head.clone()),
        };
        head.get_or_insert_with(|| entry.path.clone());
        tree.place(entry.path.clone(), node);
    }
}
