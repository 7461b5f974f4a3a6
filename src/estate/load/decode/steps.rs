//! `run` and `copy`: what is done in an image once its packages and files are there.

use std::collections::BTreeMap;

use crate::estate::{CopySource, Program, Run, Step, StepCopy, StepMount, StepSecret, Tree};
use crate::name::{ImageName, TreeName};
use crate::path::ImagePath;
use crate::spec::{Mistake, Reader, Value, did_you_mean};

use super::super::gather::Gathered;
use super::image::environment;

/// `run`.
pub(super) fn run(reader: &mut Reader<'_, '_>, gathered: &Gathered) -> Option<Step> {
    let span = reader.span();
    let script = reader.property_value("script");
    let program = match script {
        Some(value) => script_of(reader, value, gathered),
        None => words(reader),
    };
    let network = reader.property("network").unwrap_or(false);
    let workdir = reader.property("workdir");
    let user = reader.property("user");
    let (mut env, mut secrets, mut caches, mut mounts) = (BTreeMap::new(), Vec::new(), Vec::new(), Vec::new());
    for child in reader.children(&["secret", "cache", "mount", "env"]) {
        let mut inner = Reader::new(child, reader.log());
        match child.name.value.as_str() {
            "secret" => secrets.extend(secret(&mut inner)),
            "cache" => caches.extend(inner.argument::<ImagePath>("a path")),
            "mount" => {
                let tree = inner.value("a folder below layers/").and_then(|value| tree(&mut inner, value, gathered));
                let path = inner.argument("a path");
                mounts.extend(tree.zip(path).map(|(tree, path)| StepMount { tree, path }));
            }
            _ => env.extend(environment(&mut inner).into_iter().filter_map(|(key, value)| Some((key, value?)))),
        }
        inner.finish();
    }
    one_on_a_path(reader, &secrets, &caches, &mounts);
    Some(Step::Run(Box::new(Run { program: program?, network, workdir, user, env, secrets, caches, mounts, span })))
}

/// `copy`.
pub(super) fn copy(reader: &mut Reader<'_, '_>, gathered: &Gathered) -> Option<Step> {
    let span = reader.span();
    let from: Option<ImageName> = reader.property("from");
    let value = reader.value("what is copied")?;
    let source = match from {
        Some(image) => reader.read(value).map(|path| CopySource::Image { image, path }),
        None => tree(reader, value, gathered).map(CopySource::Tree),
    };
    let to = reader.argument("a path");
    let (owner, group) = (reader.property("owner"), reader.property("group"));
    Some(Step::Copy(StepCopy { source: source?, to: to?, owner, group, span }))
}

fn words(reader: &mut Reader<'_, '_>) -> Option<Program> {
    let words: Vec<String> = reader.arguments("a command");
    match words.as_slice() {
        [] => None,
        [text] => Some(Program::Shell(text.clone())),
        _ => Some(Program::Words(words)),
    }
}

fn script_of(reader: &mut Reader<'_, '_>, value: &Value, gathered: &Gathered) -> Option<Program> {
    let path: String = reader.read(value)?;
    let arguments = reader.rest().iter().filter_map(|value| reader.read(value)).collect();
    match gathered.file(value.span, "layers", &path) {
        Ok(source) => Some(Program::Script { path, source, arguments }),
        Err(mistake) => {
            reader.mistake(mistake);
            None
        }
    }
}

fn secret(reader: &mut Reader<'_, '_>) -> Option<StepSecret> {
    let value = reader.value("a secret's name")?;
    let id: String = reader.read(value)?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.starts_with('.') || !id.chars().all(good) {
        let mistake = Mistake::new("bad-value", value.span, format!("`{id}` cannot name a secret"));
        reader.mistake(mistake.label("letters, digits, `-`, `_` and `.`"));
        return None;
    }
    let path = reader.property("path").or_else(|| ImagePath::new(&format!("/run/secrets/{id}")).ok())?;
    Some(StepSecret { id, path })
}

/// A folder below layers/.
pub(super) fn tree(reader: &mut Reader<'_, '_>, value: &Value, gathered: &Gathered) -> Option<Tree> {
    let name = reader.read::<TreeName>(value)?;
    // One's own folder first; layers that an import brought are there for all.
    let own = gathered.folder(value.span).and_then(|folder| folder.tree(&name));
    let found = own.or_else(|| gathered.folders.iter().find_map(|folder| folder.tree(&name)));
    match found {
        Some(Ok(tree)) => return Some(tree.clone()),
        Some(Err(message)) => {
            reader.mistake(Mistake::new("bad-tree", value.span, message).label("in this tree"));
        }
        None => {
            let names = gathered.folders.iter().flat_map(|folder| folder.tree_names());
            let help = did_you_mean(name.as_str(), names);
            let mistake = Mistake::new("no-file", value.span, format!("there is no folder layers/{name}"));
            reader.mistake(mistake.label("not there").help_if(help));
        }
    }
    None
}

/// Two mounts on one path, or one inside another, would hide each other.
fn one_on_a_path(reader: &mut Reader<'_, '_>, secrets: &[StepSecret], caches: &[ImagePath], mounts: &[StepMount]) {
    let span = reader.span();
    let secrets = secrets.iter().map(|secret| &secret.path);
    let mut paths: Vec<&ImagePath> = secrets.chain(caches).chain(mounts.iter().map(|mount| &mount.path)).collect();
    paths.sort();
    for pair in paths.windows(2) {
        if let [first, second] = pair
            && second.is_within(first)
        {
            let message = format!("`{second}` is mounted over `{first}`");
            reader
                .mistake(Mistake::new("duplicate", span, message).label("in this step").help("give one another path"));
        }
    }
    for path in paths.into_iter().filter(|path| path.is_root()) {
        let message = format!("nothing can be mounted at `{path}`");
        reader.mistake(Mistake::new("bad-value", span, message).label("in this step"));
    }
}
