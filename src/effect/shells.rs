//! `/etc/shells`, as debianutils' update-shells and add-shell make it (shells(5)).

use std::collections::BTreeSet;

use crate::path::PathError;
use crate::tree::{Tree, TreeError};

use super::shell;
use super::{Context, at};

const NAME: &str = "shells";

/// Why the list cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum ShellsError {
    /// The tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A path.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Writes `/etc/shells` and `/var/lib/shells.state`.
pub(super) fn run(tree: &mut Tree, context: &Context<'_>) -> Result<(), ShellsError> {
    if context.calls_for(NAME).next().is_none() {
        return Ok(());
    }
    let template = tree.read_text(&at("/usr/share/debianutils/shells")?)?.unwrap_or_default();
    let dir = at("/usr/share/debianutils/shells.d")?;
    let dropped: Vec<_> = tree.children(&dir).map(|(path, _)| path.clone()).collect();
    // Packaged shells in order, each with the name that it has once links among its parents are followed.
    let mut packaged: Vec<String> = Vec::new();
    let mut texts = vec![template.clone()];
    for path in &dropped {
        texts.extend(tree.read_text(path)?);
    }
    for line in texts.iter().flat_map(|text| text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let Ok(path) = at(line) else { continue };
        let real = tree.resolve_parent(&path)?.to_string();
        for shell in [line.to_owned(), real] {
            if !packaged.contains(&shell) {
                packaged.push(shell);
            }
        }
    }
    let source = tree.read_text(&at("/etc/shells")?)?.unwrap_or(template);
    let mut listed = BTreeSet::new();
    let mut out = String::new();
    for line in source.lines() {
        let shell = line.split('#').next().unwrap_or_default();
        if shell.is_empty() || listed.insert(shell.to_owned()) {
            out.push_str(line);
            out.push('\n');
        }
    }
    for shell in packaged.iter().chain(&added(context)) {
        if listed.insert(shell.clone()) {
            out.push_str(shell);
            out.push('\n');
        }
    }
    tree.insert(&at("/etc/shells")?, context.file(NAME, out))?;
    if !dropped.is_empty() {
        let state: String = packaged.iter().map(|shell| format!("{shell}\n")).collect();
        tree.insert(&at("/var/lib/shells.state")?, context.file(NAME, state))?;
    }
    Ok(())
}

/// Shells that scripts hand to add-shell(8), or that their judgements name.
fn added(context: &Context<'_>) -> Vec<String> {
    let mut shells = Vec::new();
    for (call, used) in context.uses(NAME) {
        shells.extend(used.arguments.iter().cloned());
        for command in shell::commands(&call.text) {
            let words = command.arguments_of("add-shell").unwrap_or_default();
            shells.extend(words.iter().filter(|word| word.literal).map(|word| word.text.clone()));
        }
    }
    shells
}
