//! What an image's own node adds, for one distro and arch.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::name::{AccountName, ImageName, PackageName};
use crate::path::ImagePath;
use crate::spec::{Log, Mistake, Node, Reader, Scalar, Spanned, unknown_child};

use super::super::super::{Account, Health, Layering, Level, Omit, Package, Test, Volume};
use super::super::gather::Gathered;
use super::super::shape::{HEAD, Holder};
use super::super::value::{Millis, OwnVersions, Port};
use super::{parts, steps, worth};

/// A value that a child may set, clear (`#null`) or leave as its parent has it.
pub(in super::super) type Change<T> = Option<Option<T>>;

/// What an image's own node says.
#[derive(Debug, Clone)]
pub(in super::super) struct Own {
    pub level: Level,
    pub summary: Option<String>,
    pub accounts: BTreeMap<AccountName, Account>,
    pub env: BTreeMap<String, Option<String>>,
    pub labels: BTreeMap<String, Option<String>>,
    pub expose: Vec<String>,
    pub volumes: Vec<Volume>,
    pub user: Change<String>,
    pub workdir: Change<ImagePath>,
    pub entrypoint: Change<Vec<String>>,
    pub command: Change<Vec<String>>,
    pub stop_signal: Change<String>,
    pub health: Change<Health>,
    pub version_from: Option<PackageName>,
    pub own_versions: bool,
    pub layering: Option<Layering>,
    pub tests: Vec<Test>,
}

impl Own {
    fn new(image: ImageName) -> Self {
        Self {
            level: Level {
                image,
                packages: Vec::new(),
                essential: None,
                recommends: false,
                pins: Vec::new(),
                trees: Vec::new(),
                dirs: Vec::new(),
                files: Vec::new(),
                links: Vec::new(),
                attrs: Vec::new(),
                omits: Vec::new(),
                scripts: Vec::new(),
                build_packages: Vec::new(),
                steps: Vec::new(),
            },
            summary: None,
            accounts: BTreeMap::new(),
            env: BTreeMap::new(),
            labels: BTreeMap::new(),
            expose: Vec::new(),
            volumes: Vec::new(),
            user: None,
            workdir: None,
            entrypoint: None,
            command: None,
            stop_signal: None,
            health: None,
            version_from: None,
            own_versions: false,
            layering: None,
            tests: Vec::new(),
        }
    }
}

/// Reads the merged, expanded nodes of an image.
pub(in super::super) fn own(image: &ImageName, nodes: &[Cow<'_, Node>], gathered: &Gathered, log: &mut Log) -> Own {
    let mut own = Own::new(image.clone());
    for node in nodes {
        read(&mut own, node, gathered, log);
    }
    one_on_a_path(&own.level, log);
    one_tree_on_a_path(&own.level, log);
    own
}

fn read(own: &mut Own, node: &Node, gathered: &Gathered, log: &mut Log) {
    let name = node.name.value.as_str();
    if HEAD.contains(&name) || name == "let" {
        return;
    }
    let mut reader = Reader::new(node, log);
    let level = &mut own.level;
    match name {
        "packages" => return packages(level, reader),
        "pin" => return level.pins.extend(parts::pin(reader)),
        "account" => return own.accounts.extend(parts::account(reader).map(|account| (account.name.clone(), account))),
        "dir" => return level.dirs.extend(parts::dir(reader)),
        "file" => return level.files.extend(parts::file(reader, gathered)),
        "link" => return level.links.extend(parts::link(reader)),
        "attr" => return level.attrs.extend(parts::attr(reader)),
        "script" => return level.scripts.extend(worth::decision(reader, gathered)),
        "test" => return own.tests.extend(test(reader)),
        "tree" => trees(level, &mut reader, gathered),
        "omit" => {
            let first = reader.value("a path or a glob");
            for value in first.into_iter().chain(reader.rest()) {
                let glob = parts::glob(&mut reader, value);
                level.omits.extend(glob.map(|glob| Omit { glob, span: value.span }));
            }
        }
        "summary" => own.summary = reader.argument("one line of text"),
        "run" => level.steps.extend(steps::run(&mut reader, gathered)),
        "copy" => level.steps.extend(steps::copy(&mut reader, gathered)),
        "env" => own.env.extend(environment(&mut reader)),
        "label" => own.labels.extend(map(&mut reader).into_iter().map(|(key, value)| (key.value, value))),
        "expose" => {
            for Port(port) in reader.arguments("a port") {
                if !own.expose.contains(&port) {
                    own.expose.push(port);
                }
            }
        }
        "volume" => own.volumes.extend(reader.arguments("a path").into_iter().map(|path| Volume { path })),
        "user" => {
            own.user = change(&mut reader, |reader| {
                let value = reader.value("an account")?;
                match value.scalar {
                    Scalar::Integer(_) => reader.read::<u32>(value).map(|id| id.to_string()),
                    _ => reader.read(value),
                }
            });
        }
        "workdir" => own.workdir = change(&mut reader, |reader| reader.argument("a path")),
        "entrypoint" => own.entrypoint = change(&mut reader, words),
        "command" => own.command = change(&mut reader, words),
        "stop-signal" => {
            own.stop_signal = change(&mut reader, |reader| {
                let value = reader.value("a signal")?;
                signal(reader, value)
            });
        }
        "health" => own.health = change(&mut reader, health),
        "version-from" => own.version_from = reader.argument("a package"),
        "versions" => own.own_versions = reader.argument::<OwnVersions>("`own`").is_some(),
        "layering" => own.layering = reader.argument("a way of layering"),
        _ => {
            let known = Holder::Image.names().chain(["when", "unless"]);
            log.push(unknown_child(node, "image", known));
            return;
        }
    }
    reader.finish();
}

/// `#null` clears, anything else is read.
pub(super) fn change<'a, T>(
    reader: &mut Reader<'a, '_>,
    read: impl FnOnce(&mut Reader<'a, '_>) -> Option<T>,
) -> Change<T> {
    if let [only] = reader.node().arguments.as_slice()
        && only.is_null()
    {
        reader.rest();
        return Some(None);
    }
    Some(Some(read(reader)?))
}

fn words(reader: &mut Reader<'_, '_>) -> Option<Vec<String>> {
    let words: Vec<String> = reader.arguments("a program");
    (!words.is_empty()).then_some(words)
}

pub(super) fn signal(reader: &mut Reader<'_, '_>, value: &crate::spec::Value) -> Option<String> {
    if let Scalar::Integer(_) = value.scalar {
        return crate::spec::integer(value, 1, 64)
            .map(|number| number.to_string())
            .map_err(|error| reader.mistake(error))
            .ok();
    }
    let text: String = reader.read(value)?;
    let good = text.strip_prefix("SIG").is_some_and(|rest| {
        !rest.is_empty() && rest.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "+-".contains(c))
    });
    if good {
        return Some(text);
    }
    let mistake = Mistake::new("bad-value", value.span, format!("`{text}` is not a signal"));
    reader.mistake(mistake.label("not a signal").help("write its name, as SIGTERM, or its number"));
    None
}

pub(super) fn health(reader: &mut Reader<'_, '_>) -> Option<Health> {
    let command = words(reader);
    let mut time = |name, default| reader.property::<Millis>(name).map_or(default, |Millis(millis)| millis);
    let (interval_ms, timeout_ms, start_ms) = (time("interval", 30_000), time("timeout", 30_000), time("start", 0));
    let retries = reader.property("retries").unwrap_or(3);
    Some(Health { command: command?, interval_ms, timeout_ms, retries, start_ms })
}

/// Properties whose names are the person's own. `#null` takes an inherited one away.
fn map(reader: &mut Reader<'_, '_>) -> Vec<(Spanned<String>, Option<String>)> {
    let mut found = Vec::new();
    for property in reader.any_properties() {
        let value = match &property.value.scalar {
            Scalar::Null => Some(None),
            Scalar::Integer(number) => Some(Some(number.to_string())),
            _ => reader.read::<String>(&property.value).map(Some),
        };
        found.extend(value.map(|value| (property.name.clone(), value)));
    }
    if found.is_empty() && reader.node().properties.is_empty() {
        let name = &*reader.node().name;
        let mistake =
            Mistake::new("missing", reader.span(), format!("`{name}` needs properties")).label("says nothing");
        let help = format!("write {name} NAME=\"value\"");
        reader.mistake(mistake.help(help));
    }
    found
}

fn packages(level: &mut Level, mut reader: Reader<'_, '_>) {
    let span = reader.span();
    if let Some(value) = reader.property_value("build")
        && reader.read(value).unwrap_or(false)
    {
        wanted(&mut level.build_packages, &mut reader);
        return reader.finish();
    }
    let recommends = reader.property("recommends").unwrap_or(false);
    let essential = reader.property("essential").unwrap_or(false);
    level.recommends |= recommends;
    if essential {
        level.essential.get_or_insert(span);
    }
    if reader.node().arguments.is_empty() && reader.node().property("essential").is_none() {
        reader.value("package names");
    }
    wanted(&mut level.packages, &mut reader);
    reader.finish();
}

/// Adds the packages that a node names.
fn wanted(packages: &mut Vec<Package>, reader: &mut Reader<'_, '_>) {
    for value in reader.rest() {
        let Some(package) = reader.read::<Package>(value) else { continue };
        match packages.iter_mut().find(|known| known.name == package.name) {
            None => packages.push(package),
            Some(known) if package.version.is_none() || known.version == package.version => {}
            Some(known) if known.version.is_none() => *known = package,
            Some(known) => {
                let message = format!("`{}` is wanted with two bounds", package.name);
                let mistake = Mistake::new("duplicate", value.span, message).label("and here");
                let first = known.span;
                reader.mistake(mistake.also(first, "wanted here").help("one image has one version of a package"));
            }
        }
    }
}

fn trees(level: &mut Level, reader: &mut Reader<'_, '_>, gathered: &Gathered) {
    let first = reader.value("a folder below layers/");
    for value in first.into_iter().chain(reader.rest()) {
        if let Some(tree) = steps::tree(reader, value, gathered)
            && !level.trees.iter().any(|known| known.name == tree.name)
        {
            level.trees.push(Spanned::new(tree, value.span));
        }
    }
}

/// The variables that an `env` node sets, or clears.
pub(super) fn environment(reader: &mut Reader<'_, '_>) -> BTreeMap<String, Option<String>> {
    let mut env = BTreeMap::new();
    for (key, value) in map(reader) {
        let good = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if good {
            env.insert(key.value, value);
        } else {
            let mistake = Mistake::new("bad-value", key.span, format!("`{}` cannot name a variable", *key));
            reader.mistake(mistake.label("letters, digits and `_`, the first no digit"));
        }
    }
    env
}

fn test(mut reader: Reader<'_, '_>) -> Option<Test> {
    let span = reader.span();
    let name = reader.argument("a name");
    let service = reader.property("service").unwrap_or(false);
    let timeout_ms = reader.property("timeout").map_or(60_000, |Millis(millis)| millis);
    let (mut run, mut expect) = (Vec::new(), Vec::new());
    for child in reader.children(&["run", "expect"]) {
        let mut inner = Reader::new(child, reader.log());
        match child.name.value.as_str() {
            "run" => run.extend(words(&mut inner)),
            _ => expect.extend(inner.arguments::<String>("a text")),
        }
        inner.finish();
    }
    if !service && !reader.node().children.iter().any(|child| *child.name == *"run") {
        let mistake = Mistake::new("missing", span, "`test` runs nothing").label("no `run`");
        reader.mistake(mistake.help("write test \"starts\" { run \"program\" \"--version\"; expect \"1.\" }"));
    }
    reader.finish();
    Some(Test { name: name?, run, expect, service, timeout_ms, span })
}

/// Nodes of one image that put two things on one path.
fn one_on_a_path(level: &Level, log: &mut Log) {
    let mut claims: BTreeMap<&ImagePath, (&str, crate::spec::Span)> = BTreeMap::new();
    let dirs = level.dirs.iter().map(|dir| (&dir.path, ("dir", dir.span)));
    let files = level.files.iter().map(|file| (&file.path, ("file", file.span)));
    let links = level.links.iter().map(|link| (&link.path, ("link", link.span)));
    for (path, (kind, span)) in dirs.chain(files).chain(links) {
        match claims.get(path) {
            None => {
                claims.insert(path, (kind, span));
            }
            Some((other, first)) => {
                let message = format!("{path} is a `{other}` and a `{kind}`");
                log.push(Mistake::new("conflict", span, message).label("and here").also(*first, "made here"));
            }
        }
    }
}

/// Trees of one image that put two things on one path.
fn one_tree_on_a_path(level: &Level, log: &mut Log) {
    if level.trees.len() < 2 {
        return;
    }
    let mut claims = BTreeMap::new();
    for tree in &level.trees {
        for file in &tree.files {
            match claims.get(&file.path) {
                None => {
                    claims.insert(&file.path, (tree, &file.content));
                }
                Some((other, content)) if !same(content, &file.content) => {
                    let message = format!("layers/{} and layers/{} both have {}", other.name, tree.name, file.path);
                    let mistake =
                        Mistake::new("conflict", tree.span, message).label("this tree").also(other.span, "and this");
                    log.push(mistake.help("trees of one image may share a path only where it is the same"));
                }
                Some(_) => {}
            }
        }
    }
}

fn same(one: &super::super::super::TreeContent, other: &super::super::super::TreeContent) -> bool {
    use super::super::super::TreeContent::File;
    match (one, other) {
        (File { executable: x, digest: d, .. }, File { executable: y, digest: e, .. }) => x == y && d == e,
        _ => one == other,
    }
}
