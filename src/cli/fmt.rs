//! `wharf fmt`: lays KDL out in one style.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::{Exit, Failure, Global, project_root};
use crate::spec::{Mistakes, Origin, Sources, format};
use crate::ui::Screen;

/// Arguments of `wharf fmt`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  wharf fmt\n  wharf fmt --check\n  wharf fmt specs/images/keystone.kdl\n\n\
                        Exit codes: 0 done, 1 a file is no KDL, 2 files would change (--check).")]
pub struct Arguments {
    /// Change nothing, say what would change
    #[arg(long)]
    check: bool,
    /// Files or folders; every KDL file below specs/ and targets/ otherwise
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// What `wharf --json fmt` prints (docs/json.md).
#[derive(Debug, Serialize)]
struct Document {
    version: u32,
    /// Files that were, or would be, laid out anew.
    changed: Vec<String>,
    /// How many files were read.
    files: usize,
}

/// Formats, or checks, files. One that is no KDL stops nothing but itself.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let (base, paths) = match arguments.files.as_slice() {
        [] => {
            let root = project_root(global)?;
            let parts = [root.join("specs"), root.join("targets")];
            (Some(root), files_in(parts.iter().filter(|part| part.is_dir()))?)
        }
        files => (None, files_in(files.iter())?),
    };
    let shown = |path: &Path| {
        let relative = base.as_deref().and_then(|base| path.strip_prefix(base).ok());
        relative.unwrap_or(path).display().to_string()
    };
    let mut sources = Sources::default();
    let mut texts = Vec::new();
    for path in &paths {
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        texts.push((path, sources.add(shown(path), text, Origin::Project)));
    }
    let results: Vec<_> = texts.par_iter().map(|(path, id)| (*path, *id, format(*id, sources.text(*id)))).collect();
    let (mut changed, mut mistakes) = (Vec::new(), Vec::new());
    for (path, id, result) in results {
        match result {
            Err(found) => mistakes.extend(found),
            Ok(text) if text != sources.text(id) => {
                if !arguments.check {
                    replace(path, &text).map_err(|error| unreadable(path, &error))?;
                }
                changed.push(shown(path));
            }
            Ok(_) => {}
        }
    }
    if global.json {
        screen.document(&Document { version: 1, changed: changed.clone(), files: paths.len() });
    } else {
        let verb = if arguments.check { "would format" } else { "formatted" };
        changed.iter().for_each(|path| screen.say(&format!("{verb} {path}")));
    }
    if !mistakes.is_empty() {
        return Err(Mistakes::new(sources, mistakes).into());
    }
    Ok(if arguments.check && !changed.is_empty() { Exit::Pending } else { Exit::Done })
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::plain(format!("cannot format {}: {error}", path.display()))
}

/// The files themselves, and every KDL file below folders, sorted.
fn files_in<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Result<Vec<PathBuf>, Failure> {
    fn list(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            let kind = entry.file_type()?;
            if kind.is_dir() {
                list(&path, found)?;
            } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "kdl") {
                found.push(path);
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            list(path, &mut found).map_err(|error| unreadable(path, &error))?;
        } else {
            found.push(path.clone());
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Writes beside the file and renames: a kill leaves the old text or the new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = path.canonicalize()?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(std::fs::metadata(&path)?.permissions())?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}
