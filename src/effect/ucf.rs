//! ucf(1): configuration that packages keep below `/usr/share` and copy into `/etc`, and ucf's record of it.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

use crate::path::{ImagePath, PathError};
use crate::tree::{Tree, TreeError};

use super::database::{Database, DatabaseError, NoSuchAccount};
use super::{Context, at, shell};

const NAME: &str = "ucf";

/// Why a file cannot be copied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum UcfError {
    /// What is to be copied is not there.
    #[error("`{package}` copies `{from}` to `{to}`, and it is not in this image")]
    #[diagnostic(
        code(wharf::effect::ucf_without_source),
        help("a filter of the distro may leave it out: include it there, or give the image a `file` node for `{to}`")
    )]
    NoSource {
        /// Whose script.
        package: String,
        /// What is copied.
        from: ImagePath,
        /// Where to.
        to: ImagePath,
    },
    /// An owner that the image does not have.
    #[error("`{package}` gives `{path}` to someone: {why}")]
    #[diagnostic(code(wharf::effect::no_such_account))]
    NoOwner {
        /// Whose script.
        package: String,
        /// The file.
        path: ImagePath,
        /// Who is missing.
        why: NoSuchAccount,
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

/// Copies, and writes `/var/lib/ucf/{hashfile,registry,cache}` for scripts that call ucf.
pub(super) fn run(tree: &mut Tree, context: &Context<'_>) -> Result<(), UcfError> {
    let (mut hashes, mut registry) = (String::new(), String::new());
    let database = Database::of(tree)?;
    let files = context.calls.iter().flat_map(|call| {
        // A script that copies by hand leaves ucf nothing to remember, and neither does one that only makes it forget.
        let records = |one: &shell::Command| {
            let arguments = one.arguments_of("ucf");
            arguments.is_some_and(|words| !words.iter().any(|word| ["-p", "--purge"].contains(&word.text.as_str())))
        };
        let recorded = call.text.is_empty() || shell::commands(&call.text).iter().any(records);
        call.worth.ucf.iter().map(move |file| (&call.package, file, recorded))
    });
    for (package, file, recorded) in files {
        let package = package.to_string();
        let Some(bytes) = tree.read(&file.source)? else {
            // An image that brings the file itself has no need of the package's.
            if super::files::brings(context, &file.path) {
                continue;
            }
            return Err(UcfError::NoSource { package, from: file.source.clone(), to: file.path.clone() });
        };
        let ids = |owner: &Database| {
            let uid = file.owner.as_ref().map_or(Ok(0), |name| owner.owner_uid(name))?;
            let gid = file.group.as_ref().map_or(Ok(0), |name| owner.owner_gid(name))?;
            Ok((uid, gid))
        };
        let (uid, gid) = ids(&database).map_err(|why| UcfError::NoOwner {
            package: package.clone(),
            path: file.path.clone(),
            why,
        })?;
        let source = tree.lookup(&file.source).map_or(0o644, |(_, node)| node.mode & 0o777);
        let mode = file.mode.map_or(source, |mode| mode.0);
        if recorded {
            let _ = writeln!(hashes, "{}  {}", hex(&bytes), file.path);
            let _ = writeln!(registry, "{package} \t {}", file.path);
            let cached = at("/var/lib/ucf/cache")?.join(&file.path.as_str().replace('/', ":"))?;
            tree.insert(&cached, context.file(NAME, bytes.clone()).with_mode(source))?;
        }
        if tree.get(&file.path).is_none() {
            tree.insert(&file.path, context.file(NAME, bytes).with_mode(mode).owned_by(uid, gid))?;
        }
    }
    if !hashes.is_empty() {
        tree.insert(&at("/var/lib/ucf/hashfile")?, context.file(NAME, hashes))?;
        tree.insert(&at("/var/lib/ucf/registry")?, context.file(NAME, registry))?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
