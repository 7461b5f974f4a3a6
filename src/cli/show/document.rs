//! An image as a JSON document (docs/json.md, "show image").

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::View;
use super::overrides::{Override, overrides};
use crate::deb::sign;
use crate::estate::{
    Account, CopySource, FileContent, FileSource, Level, Mode, Owner, Package, Pin, Program, Step, Worth,
};
use crate::name::{ArchName, DistroName, ImageName};
use crate::oci::{self, ContainerConfig, OciError, Ref};
use crate::spec::Origin;

#[derive(Serialize)]
pub(super) struct Document<'a> {
    pub version: u32,
    pub images: Vec<ImageDocument<'a>>,
}

#[derive(Serialize)]
pub(super) struct ImageDocument<'a> {
    name: &'a ImageName,
    distro: &'a DistroName,
    arch: &'a ArchName,
    oci_arch: Option<&'a str>,
    summary: Option<&'a str>,
    support: &'a crate::estate::Support,
    wanted: bool,
    import: Option<&'a str>,
    defined: String,
    refs: Vec<Ref>,
    engine: &'static str,
    levels: Vec<Value>,
    accounts: Vec<Value>,
    config: ContainerConfig,
    health: Option<Value>,
    steps: Vec<Value>,
    tests: Vec<Value>,
    version_from: Option<&'a str>,
    own_versions: bool,
    overrides: Vec<Override>,
    /// Whether `overrides` has those over packages.
    packages_known: bool,
    locked: Option<Vec<Value>>,
}

pub(super) fn image<'a>(view: &View<'a>) -> Result<ImageDocument<'a>, OciError> {
    let View { project, image, .. } = *view;
    let spec = project.specs.get(&image.name);
    let health = image.config.health.as_ref().map(|health| {
        json!({
            "command": health.command, "interval_ms": health.interval_ms, "timeout_ms": health.timeout_ms,
            "retries": health.retries, "start_ms": health.start_ms,
        })
    });
    let test = |test: &crate::estate::Test| {
        json!({
            "name": test.name, "run": test.run, "expect": test.expect, "service": test.service,
            "timeout_ms": test.timeout_ms,
        })
    };
    let locked = |package: &&crate::lock::LockedPackage| {
        json!({
            "name": package.name, "version": package.version, "arch": package.arch,
            "source": package.source.0, "source_version": package.source.1,
            "size": package.size, "sha256": package.sha256,
            "wanted": view.roots.contains(&package.name.as_str()),
        })
    };
    Ok(ImageDocument {
        name: &image.name,
        distro: &image.distro,
        arch: &image.arch,
        oci_arch: project.arches.get(&image.arch).map(|arch| arch.oci.as_str()),
        summary: image.summary.as_deref(),
        support: &image.support,
        wanted: project.wanted.contains(&image.name),
        import: spec.and_then(|spec| match &spec.origin {
            Origin::Project => None,
            Origin::Import(text) => Some(text.as_str()),
        }),
        defined: project.sources.place(image.span),
        refs: refs(view),
        engine: image.engine(),
        levels: image.levels.iter().map(level).collect(),
        accounts: image.accounts.values().map(account).collect(),
        config: oci::container(&image.config)?,
        health,
        steps: image.levels.iter().flat_map(steps).collect(),
        tests: image.tests.iter().map(test).collect(),
        version_from: image.version_from.as_ref().map(|name| name.as_str()),
        own_versions: image.own_versions,
        overrides: overrides(project, image, view.packages.as_deref()),
        packages_known: view.packages.is_some(),
        locked: view.locked.as_ref().map(|packages| packages.iter().map(locked).collect()),
    })
}

/// The names that the image has in the store.
pub(super) fn refs(view: &View<'_>) -> Vec<Ref> {
    let View { project, image, .. } = view;
    let mut refs =
        vec![Ref::manifest(&image.name, &image.distro, &image.arch), Ref::index(&image.name, &image.distro)];
    if project.default_distro().is_some_and(|default| default.name == image.distro) {
        refs.push(Ref::latest(&image.name));
    }
    refs
}

fn level(level: &Level) -> Value {
    let source = |source: &FileSource| match source {
        FileSource::Disk(path) => path.display().to_string(),
        FileSource::Embedded(_) => "in the binary".to_owned(),
    };
    let file = |file: &crate::estate::File| {
        let (text, from) = match &file.content {
            FileContent::Text(text) => (Some(text), None),
            FileContent::Source(from) => (None, Some(source(from))),
        };
        json!({
            "path": file.path.to_string(), "text": text, "source": from,
            "owner": owner(&file.owner), "group": owner(&file.group), "mode": mode(file.mode),
        })
    };
    let dir = |dir: &crate::estate::Dir| {
        json!({
            "path": dir.path.to_string(), "owner": owner(&dir.owner), "group": owner(&dir.group),
            "mode": mode(dir.mode),
        })
    };
    let attr = |attr: &crate::estate::Attr| {
        json!({
            "path": attr.path, "owner": owner(&attr.owner), "group": owner(&attr.group), "mode": mode(attr.mode),
            "capabilities": attr.capabilities,
        })
    };
    let script = |script: &crate::estate::ScriptDecision| {
        json!({
            "package": script.package, "kind": script.kind.map(|kind| kind.as_str()), "worth": worth(&script.worth),
        })
    };
    json!({
        "image": level.image,
        "packages": level.packages.iter().map(package).collect::<Vec<_>>(),
        "essential": level.essential.is_some(),
        "recommends": level.recommends,
        "pins": level.pins.iter().map(pin).collect::<Vec<_>>(),
        "trees": level.trees.iter().map(|tree| json!({ "name": tree.name.as_str(), "files": tree.files.len() })).collect::<Vec<_>>(),
        "dirs": level.dirs.iter().map(dir).collect::<Vec<_>>(),
        "files": level.files.iter().map(file).collect::<Vec<_>>(),
        "links": level.links.iter()
            .map(|link| json!({ "path": link.path.to_string(), "target": link.target })).collect::<Vec<_>>(),
        "attrs": level.attrs.iter().map(attr).collect::<Vec<_>>(),
        "omits": level.omits.iter().map(|omit| &omit.glob).collect::<Vec<_>>(),
        "scripts": level.scripts.iter().map(script).collect::<Vec<_>>(),
    })
}

/// `nova-api (= 2:31.*)`.
pub(super) fn package(package: &Package) -> String {
    match &package.version {
        None => package.name.to_string(),
        Some((relation, version)) => format!("{} ({} {version})", package.name, sign(*relation)),
    }
}

fn pin(pin: &Pin) -> Value {
    let Pin { packages, version, suite, origin, label, archive, priority, span: _ } = pin;
    json!({
        "packages": packages, "version": version, "suite": suite, "origin": origin, "label": label,
        "archive": archive, "priority": priority,
    })
}

fn account(account: &Account) -> Value {
    let path = |path: &Option<crate::path::ImagePath>| path.as_ref().map(ToString::to_string);
    json!({
        "name": account.name, "uid": account.uid, "gid": account.gid, "groups": account.groups,
        "home": path(&account.home), "shell": path(&account.shell), "gecos": account.gecos, "group_only": account.group_only,
    })
}

/// What a script is worth, in a word or a few: `ignore`, `run`, `alternatives, dir`.
pub(super) fn worth(worth: &Worth) -> String {
    if worth.run {
        return "run".to_owned();
    }
    let effects = worth.effects.iter().map(|effect| effect.name.clone());
    let nodes: BTreeMap<usize, &str> = [
        (worth.accounts.len(), "account"),
        (worth.dirs.len(), "dir"),
        (worth.links.len(), "link"),
        (worth.files.len(), "file"),
        (worth.attrs.len(), "attr"),
        (worth.alternatives.len(), "alternative"),
        (worth.diversions.len(), "divert"),
        (worth.ucf.len(), "ucf"),
    ]
    .into_iter()
    .enumerate()
    .filter(|(_, (count, _))| *count > 0)
    .map(|(at, (_, word))| (at, word))
    .collect();
    let words: Vec<String> = effects.chain(nodes.into_values().map(ToOwned::to_owned)).collect();
    if words.is_empty() { "ignore".to_owned() } else { words.join(", ") }
}

pub(super) fn owner(owner: &Option<Owner>) -> Option<String> {
    owner.as_ref().map(|owner| match owner {
        Owner::Name(name) => name.to_string(),
        Owner::Id(id) => id.to_string(),
    })
}

pub(super) fn mode(mode: Option<Mode>) -> Option<String> {
    mode.map(|Mode(bits)| format!("{bits:04o}"))
}

/// The steps of a level.
fn steps(level: &Level) -> impl Iterator<Item = Value> {
    level.steps.iter().map(|step| match step {
        Step::Run(run) => {
            let (script, command) = match &run.program {
                Program::Shell(text) => (None, vec![text.as_str()]),
                Program::Words(words) => (None, words.iter().map(String::as_str).collect()),
                Program::Script { path, arguments, .. } => {
                    (Some(path.as_str()), arguments.iter().map(String::as_str).collect())
                }
            };
            let secrets: Vec<Value> =
                run.secrets.iter().map(|secret| json!({ "id": secret.id, "path": secret.path.as_str() })).collect();
            let mounts: Vec<Value> = run
                .mounts
                .iter()
                .map(|mount| json!({ "tree": mount.tree.name.as_str(), "path": mount.path.as_str() }))
                .collect();
            json!({
                "image": level.image, "what": "run", "command": command, "script": script, "network": run.network,
                "workdir": run.workdir.as_ref().map(|path| path.as_str()), "user": run.user, "env": run.env,
                "secrets": secrets, "mounts": mounts,
                "caches": run.caches.iter().map(|path| path.as_str()).collect::<Vec<_>>(),
            })
        }
        Step::Copy(copy) => {
            let (from, source) = match &copy.source {
                CopySource::Image { image, path } => (Some(image.as_str()), path.as_str()),
                CopySource::Tree(tree) => (None, tree.name.as_str()),
            };
            json!({
                "image": level.image, "what": "copy", "from": from, "source": source, "to": copy.to.as_str(),
            })
        }
    })
}
