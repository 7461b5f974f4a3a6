//! What wins over what: a child over its parent, a node over a tree, a tree over a package.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::estate::{Image, ImageConfig, ImageKey, Project, TreeContent};
use crate::layer::{EntryKind, Fragment};
use crate::path::ImagePath;

/// Something that is said more than once.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Override {
    /// A path, or a setting: `env LANG`.
    pub what: String,
    /// Who has the last word: `file of keystone`, or the value.
    pub wins: String,
    /// Who else spoke, the weakest first.
    pub over: Vec<String>,
}

/// `packages` are those of the image, where they are known.
pub(super) fn overrides(project: &Project, image: &Image, packages: Option<&[Arc<Fragment>]>) -> Vec<Override> {
    let mut all = paths(image, packages.unwrap_or_default());
    let parent = image.levels.iter().rev().nth(1).and_then(|level| {
        let key = ImageKey { image: level.image.clone(), distro: image.distro.clone(), arch: image.arch.clone() };
        project.images.get(&key)
    });
    if let Some(parent) = parent {
        settings(&parent.config, &image.config, parent.name.as_str(), &mut all);
    }
    all
}

/// Paths that several levels, a tree and a node of one level, or a package and either fill. Folders that trees and
/// packages share are no conflict; a `dir` node has the last word on the owner and the mode of a package's.
fn paths(image: &Image, packages: &[Arc<Fragment>]) -> Vec<Override> {
    let mut said: BTreeMap<&ImagePath, Said> = BTreeMap::new();
    for level in &image.levels {
        let mut say = |path, what: &str, is_dir| {
            let said = said.entry(path).or_default();
            said.who.push(format!("{what} of {}", level.image));
            said.is_dir = is_dir;
        };
        for tree in &level.trees {
            for file in tree.files.iter().filter(|file| file.content != TreeContent::Dir) {
                say(&file.path, &format!("tree `{}`", tree.name), false);
            }
        }
        level.dirs.iter().for_each(|dir| say(&dir.path, "dir", true));
        level.files.iter().for_each(|file| say(&file.path, "file", false));
        level.links.iter().for_each(|link| say(&link.path, "link", false));
    }
    let several = said.into_iter().map(|(path, said)| (path, said.over(path, packages)));
    several
        .filter(|(_, who)| who.len() > 1)
        .filter_map(|(path, mut who)| Some(Override { what: path.to_string(), wins: who.pop()?, over: who }))
        .collect()
}

/// Who speaks of a path, the weakest first.
#[derive(Debug, Default)]
struct Said {
    who: Vec<String>,
    /// The last one wants a directory.
    is_dir: bool,
}

impl Said {
    /// With the packages that hold the path: any level's word is stronger than theirs.
    fn over(self, path: &ImagePath, packages: &[Arc<Fragment>]) -> Vec<String> {
        let holds = |fragment: &&Arc<Fragment>| {
            fragment.get(path).is_some_and(|entry| self.is_dir || !matches!(entry.kind, EntryKind::Dir))
        };
        let names = packages.iter().filter(holds).filter_map(|fragment| fragment.package.as_ref());
        let mut who: Vec<String> = names.map(|info| format!("package `{}`", info.name)).collect();
        who.sort();
        who.extend(self.who);
        who
    }
}

/// Settings that the parent has with another value.
fn settings(parent: &ImageConfig, child: &ImageConfig, name: &str, all: &mut Vec<Override>) {
    let mut add = |what: String, old: Option<String>, new: Option<String>| {
        if let Some(old) = old.filter(|old| Some(old) != new.as_ref()) {
            let wins = new.unwrap_or_else(|| "nothing".to_owned());
            all.push(Override { what, wins, over: vec![format!("{old} of {name}")] });
        }
    };
    for (key, value) in &parent.env {
        add(format!("env {key}"), Some(value.clone()), child.env.get(key).cloned());
    }
    for (key, value) in &parent.labels {
        add(format!("label {key}"), Some(value.clone()), child.labels.get(key).cloned());
    }
    let words = |words: &[String]| (!words.is_empty()).then(|| words.join(" "));
    let health = |config: &ImageConfig| config.health.as_ref().map(|health| health.command.join(" "));
    add("user".into(), parent.user.clone(), child.user.clone());
    add("workdir".into(), parent.workdir.as_ref().map(ToString::to_string), child.workdir.as_ref().map(ToString::to_string));
    add("entrypoint".into(), words(&parent.entrypoint), words(&child.entrypoint));
    add("command".into(), words(&parent.command), words(&child.command));
    add("stop-signal".into(), parent.stop_signal.clone(), child.stop_signal.clone());
    add("health".into(), health(parent), health(child));
}
