//! `wharf diff`.

pub(super) mod images;
mod locks;
pub(super) mod section;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Exit, Failure, Global, place};
use crate::lock::{self, Lock, LockDiff, LockError};
use crate::oci::export::one_of;
use crate::oci::{Descriptor, ImageDiff, OciError, Store};
use crate::ui::Screen;
use section::{Form, Section};

/// Arguments of `wharf diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
OLD and NEW are two files in the form of wharf.lock, or two images of the store: NAME:TAG, NAME or a digest.

Examples:
  wharf diff keystone:debian-bookworm keystone:debian-trixie --arch x86_64
  git show HEAD:wharf.lock > old.lock && wharf diff old.lock wharf.lock --markdown")]
pub struct Arguments {
    /// The lock file or image before
    old: String,
    /// The lock file or image now
    new: String,
    /// Print Markdown, as for a merge request
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Only this arch of the images
    #[arg(long)]
    arch: Option<String>,
    /// Print every path, not the first 50
    #[arg(long)]
    all: bool,
    /// The store; `.wharf/store` in the project otherwise
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
}

/// Why two things cannot be compared.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum DiffError {
    #[error("`{lock}` is a file and `{image}` is none: a lock cannot be compared with an image")]
    #[diagnostic(code(wharf::diff), help("name two lock files, or two images"))]
    Mixed { lock: String, image: String },
    #[error("`{path}` cannot be read: {source}")]
    #[diagnostic(code(wharf::diff))]
    Unreadable { path: String, source: std::io::Error },
    #[error("`{path}` is no lock that can be compared")]
    #[diagnostic(code(wharf::diff))]
    NoLock {
        path: String,
        #[source]
        #[diagnostic_source]
        source: LockError,
    },
}

/// The document of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    old: &'a str,
    new: &'a str,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum What<'a> {
    Locks(&'a LockDiff),
    Images(&'a ImageDiff),
}

/// Compares two locks or two images.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let (old, new) = (arguments.old.as_str(), arguments.new.as_str());
    let form = if arguments.markdown { Form::Markdown } else { Form::Text };
    let print = |what: What<'_>, sections: &dyn Fn() -> Vec<Section>| match global.json {
        true => screen.document(&Document { version: 1, old, new, what }),
        false => screen.out(&section::print(old, new, &sections(), form)),
    };
    match (Path::new(old).is_file(), Path::new(new).is_file()) {
        (true, true) => {
            let diff = lock::diff(&read_lock(old)?, &read_lock(new)?);
            print(What::Locks(&diff), &|| locks::sections(&diff));
        }
        (false, false) => {
            let store = Store::open_existing(&place::store(global, arguments.store.as_deref()))?;
            let find = |name: &str| -> Result<Descriptor, OciError> {
                let image = store.resolve(name)?;
                match &arguments.arch {
                    Some(arch) => Ok(one_of(&store, name, &image, arch)?.descriptor),
                    None => Ok(image),
                }
            };
            let diff = crate::oci::diff(&store, &find(old)?, &find(new)?)?;
            let limit = if arguments.all { usize::MAX } else { 50 };
            print(What::Images(&diff), &|| images::sections(&diff, limit));
        }
        (first, _) => {
            let (lock, image) = if first { (old, new) } else { (new, old) };
            return Err(DiffError::Mixed { lock: lock.to_owned(), image: image.to_owned() }.into());
        }
    }
    Ok(Exit::Done)
}

fn read_lock(path: &str) -> Result<Lock, DiffError> {
    let text =
        fs::read_to_string(path).map_err(|source| DiffError::Unreadable { path: path.to_owned(), source })?;
    text.parse().map_err(|source| DiffError::NoLock { path: path.to_owned(), source })
}
