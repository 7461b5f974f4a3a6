//! What base-files' postinst makes in a fresh installation: `/etc/profile`, `/mnt`, `/usr/local`, `/var/mail`, …
//! The postinst is a list of calls of its own few functions; they are read from its text, so that each
//! release makes what it says.

use crate::path::{ImagePath, PathError};
use crate::tree::{Kind, Node, Origin, Tree, TreeError};

use super::database::{Database, DatabaseError};
use super::shell::{self, Word};
use super::{Context, at};

const NAME: &str = "base-files";

/// Directories that live below `/usr` since usr-merge; the others of the list only where `/usr` has them.
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];
const MULTILIB: [&str; 3] = ["lib32", "libo32", "libx32"];

/// Why base-files' postinst cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum BaseFilesError {
    /// None of the known calls.
    #[error("the postinst of `{package}` has none of the calls that the effect `base-files` follows")]
    #[diagnostic(
        code(wharf::effect::base_files),
        help("give its `script` node the dirs, links and files that it makes instead of the effect")
    )]
    NoCalls {
        /// Whose script.
        package: String,
    },
    /// A file that it copies is not there.
    #[error("`{0}`, which base-files' postinst copies, is not in this image")]
    NoSource(ImagePath),
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

/// Follows the postinst's calls, if a judgement asks for it, and the usr-merge where the distro leaves it to others.
pub(super) fn run(tree: &mut Tree, context: &Context<'_>) -> Result<(), BaseFilesError> {
    usr_merge(tree, context)?;
    for call in context.calls_for(NAME) {
        let groups = at("/usr/share/base-passwd/group.master")?;
        let database = Database::read(tree, &at("/usr/share/base-passwd/passwd.master")?, &groups)?;
        let mut followed = 0;
        for command in shell::commands(&call.text) {
            let Some((name, words)) = command.parts() else { continue };
            if words.iter().any(|word| !word.literal) {
                continue;
            }
            followed += usize::from(Follower { tree, context, database: &database }.follow(name, words)?);
        }
        if followed == 0 {
            return Err(BaseFilesError::NoCalls { package: call.package.to_string() });
        }
        let origins = at("/etc/dpkg/origins/default")?;
        if tree.get(&origins).is_none() && tree.lookup(&at("/etc/dpkg/origins/debian")?).is_some() {
            tree.insert(&origins, context.link(NAME, "debian"))?;
        }
    }
    Ok(())
}

/// `/bin → usr/bin` and its like. trixie's base-files ships the links (libc6 the loader's); bookworm leaves them to
/// usrmerge or the bootstrapping tool.
fn usr_merge(tree: &mut Tree, context: &Context<'_>) -> Result<(), BaseFilesError> {
    for name in MERGED.into_iter().chain(MULTILIB) {
        let path = at(&format!("/{name}"))?;
        let below = at(&format!("/usr/{name}"))?;
        let merged = tree.get(&below).is_some_and(Node::is_dir);
        if merged && tree.get(&path).is_none_or(|node| node.is_dir() && tree.children(&path).next().is_none()) {
            tree.insert(&path, context.link(NAME, format!("usr/{name}")))?;
        }
    }
    Ok(())
}

struct Follower<'a, 'b> {
    tree: &'a mut Tree,
    context: &'a Context<'b>,
    database: &'a Database,
}

impl Follower<'_, '_> {
    fn follow(&mut self, name: &str, words: &[Word]) -> Result<bool, BaseFilesError> {
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        match (name, texts.as_slice()) {
            ("install_from_default", [source, to]) => self.copy(source, to)?,
            ("install_directory", [path, mode, group]) => {
                let path = at(&format!("/{path}"))?;
                if self.tree.get(&path).is_none() {
                    let node = self.context.dir(NAME).with_mode(octal(mode)).owned_by(0, self.gid(group));
                    self.tree.insert(&path, node)?;
                }
            }
            ("install_local_dir", [path]) => {
                let path = at(path)?;
                let staff = self.tree.lookup(&at("/etc/staff-group-for-usr-local")?).is_some();
                if self.tree.get(&path).is_none() {
                    self.tree.insert(&path, self.context.dir(NAME))?;
                }
                let gid = self.gid("staff");
                if let Some(node) = staff.then(|| self.tree.get_mut(&path)).flatten() {
                    (node.mode, node.gid) = (0o2775, gid);
                }
            }
            ("ensure_file_owner_mode", [path, owner, mode]) => {
                let (user, group) = owner.split_once(':').unwrap_or((owner, owner));
                let ids = (self.database.uid(user).unwrap_or(0), self.gid(group));
                let path = at(path)?;
                if self.tree.lookup(&path).is_none() {
                    let node = self.context.file(NAME, String::new());
                    self.tree.insert(&path, node.with_mode(octal(mode)).owned_by(ids.0, ids.1))?;
                }
            }
            ("migrate_directory", [path, target]) => self.migrate(&at(path)?, target)?,
            ("ln", ["-sf" | "-s", target, path]) if path.starts_with('/') => {
                let path = at(path)?;
                if self.tree.get(&path).is_none() {
                    self.tree.insert(&path, self.context.link(NAME, *target))?;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn gid(&self, group: &str) -> u32 {
        self.database.gid(group).unwrap_or(0)
    }

    fn copy(&mut self, source: &str, to: &str) -> Result<(), BaseFilesError> {
        let to = at(to)?;
        // The directory of info pages is made only where there are info pages.
        let wanted = source != "info.dir"
            || to.parent().is_some_and(|parent| self.tree.lookup(&parent).is_some_and(|(_, node)| node.is_dir()));
        if self.tree.lookup(&to).is_some() || !wanted {
            return Ok(());
        }
        let from = at(&format!("/usr/share/base-files/{source}"))?;
        let bytes = self.tree.read(&from)?.ok_or(BaseFilesError::NoSource(from))?;
        self.tree.insert(&to, self.context.file(NAME, bytes))?;
        Ok(())
    }

    /// A directory of the package becomes a link; what other packages ship below it goes where the link leads.
    fn migrate(&mut self, path: &ImagePath, target: &str) -> Result<(), BaseFilesError> {
        if matches!(self.tree.get(path).map(|node| &node.kind), Some(Kind::Symlink(_))) {
            return Ok(());
        }
        let inside: Vec<(ImagePath, Node)> =
            self.tree.below(path).map(|(path, node)| (path.clone(), node.clone())).collect();
        self.tree.remove(path);
        self.tree.insert(path, Node::symlink(target, Origin::Effect(NAME), self.context.mtime))?;
        for (old, node) in inside {
            if !(node.is_dir() && self.tree.lookup(&old).is_some()) {
                self.tree.insert(&old, node)?;
            }
        }
        Ok(())
    }
}

fn octal(text: &str) -> u16 {
    u16::from_str_radix(text, 8).unwrap_or(0o755) & 0o7777
}
