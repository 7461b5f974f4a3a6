//! `distro` nodes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::name::{ArchName, DistroName, PackageName};
use crate::path::ImagePath;
use crate::spec::{Log, Mistake, Node, Reader, Span, Spanned, did_you_mean, unknown_child};

use super::super::super::{Archive, ArchiveSource, Bytecode, Distro, Filters, ScriptRule, Snippet, SnippetRule};
use super::super::gather::Gathered;
use super::super::shape::Holder;
use super::{parts, worth};

pub(in super::super) fn distro(
    name: DistroName,
    span: Span,
    nodes: &[Cow<'_, Node>],
    arches: &[&str],
    gathered: &Gathered,
    log: &mut Log,
) -> Distro {
    let mut distro = Distro {
        name,
        default: false,
        arches: Vec::new(),
        archives: Vec::new(),
        pins: Vec::new(),
        filters: Filters::default(),
        snippets: Vec::new(),
        scripts: Vec::new(),
        bytecode: None,
        accounts: BTreeMap::new(),
        tier: None,
        span,
    };
    for node in nodes {
        let mut reader = Reader::new(node, log);
        match node.name.value.as_str() {
            "default" => {
                distro.default = reader.optional_argument().unwrap_or(true);
                reader.finish();
            }
            "tier" => {
                distro.tier = reader.argument("a tier");
                reader.finish();
            }
            "arches" => {
                let values = reader.value("arch names").into_iter().chain(reader.rest()).collect::<Vec<_>>();
                for value in values {
                    let Some(arch) = reader.read::<ArchName>(value) else { continue };
                    if is_known(&mut reader, value.span, &arch, arches) && !distro.arches.contains(&arch) {
                        distro.arches.push(arch);
                    }
                }
                reader.finish();
            }
            "archive" => distro.archives.extend(archive(reader, arches, gathered)),
            "pin" => distro.pins.extend(parts::pin(reader)),
            "filters" => distro.filters.rules.extend(filters(reader)),
            "account" => {
                if let Some(account) = parts::account(reader) {
                    distro.accounts.insert(account.name.clone(), account);
                }
            }
            "snippet" => distro.snippets.extend(snippet(reader, gathered)),
            "script" => distro.scripts.extend(script(reader, gathered)),
            "bytecode" => distro.bytecode = bytecode(reader),
            "let" => {}
            _ => log.push(unknown_child(node, "distro", Holder::Distro.names())),
        }
    }
    distro
}

/// Whether `arch` is one of the project's; a mistake at `span` otherwise.
fn is_known(reader: &mut Reader<'_, '_>, span: Span, arch: &ArchName, arches: &[&str]) -> bool {
    let known = arches.contains(&arch.as_str());
    if !known {
        let mistake = Mistake::new("unknown-name", span, format!("there is no arch `{arch}`"));
        let help = did_you_mean(arch.as_str(), arches.iter().copied());
        reader.mistake(mistake.label("not known").help_if(help));
    }
    known
}

fn archive(mut reader: Reader<'_, '_>, arches: &[&str], gathered: &Gathered) -> Option<Archive> {
    let span = reader.span();
    let name: Option<String> = reader.argument("a name");
    if let Some(bad) = name.as_deref().filter(|name| !is_word(name)) {
        let mistake = Mistake::new("bad-value", span, format!("`{bad}` cannot name an archive"));
        reader.mistake(mistake.label("lower-case letters, digits, `-`, `_` and `.`"));
    }
    let mut only = Vec::new();
    if let Some(value) = reader.property_value("arch") {
        let text: String = reader.read(value).unwrap_or_default();
        for word in text.split('|').map(str::trim) {
            match ArchName::new(word) {
                Ok(arch) => only.extend(is_known(&mut reader, value.span, &arch, arches).then_some(arch)),
                Err(error) => reader.mistake(Mistake::new("bad-value", value.span, error.to_string())),
            }
        }
    }
    let dir = reader.property_value("dir");
    let source = match dir {
        Some(value) => {
            let text: Option<String> = reader.read(value);
            for child in reader.any_children() {
                let mistake = Mistake::new("unknown-node", child.name.span, "a folder of .debs holds no other nodes");
                reader.mistake(mistake.label("take this away"));
            }
            let root = gathered.folder(value.span).and_then(|folder| folder.root.clone());
            let dir = text.and_then(|text| root.map(|root| root.join(text)));
            match dir {
                Some(dir) if dir.is_dir() => Some(ArchiveSource::Dir(dir)),
                _ => {
                    let mistake = Mistake::new("no-file", value.span, "this folder of .debs is not there");
                    reader.mistake(mistake.label("not there").help("it is relative to the project's root"));
                    None
                }
            }
        }
        None => remote(&mut reader, gathered),
    };
    reader.finish();
    Some(Archive { name: name?, source: source?, arches: only, span })
}

/// The lock writes it as a word in front of a `:`.
fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c))
}

fn remote(reader: &mut Reader<'_, '_>, gathered: &Gathered) -> Option<ArchiveSource> {
    let span = reader.span();
    let (mut url, mut snapshot, mut origin, mut label, mut keyring) = (None, None, None, None, None);
    let (mut suites, mut components) = (Vec::new(), Vec::new());
    let names: Vec<&'static str> = Holder::Archive.names().collect();
    for child in reader.children(&names) {
        let mut inner = Reader::new(child, reader.log());
        match child.name.value.as_str() {
            "url" => url = address(&mut inner),
            "snapshot" => snapshot = address(&mut inner),
            "origin" => origin = inner.argument::<String>("the Origin of its Release file"),
            "label" => label = inner.argument::<String>("the Label of its Release file"),
            "suites" => add(&mut suites, inner.arguments::<String>("suites")),
            "components" => add(&mut components, inner.arguments::<String>("components")),
            _ => {
                if let Some(value) = inner.value("a file below targets/") {
                    let file = inner.read::<String>(value).map(|path| gathered.file(value.span, "targets", &path));
                    match file {
                        Some(Ok(source)) => keyring = Some(Spanned::new(source, value.span)),
                        Some(Err(mistake)) => inner.mistake(mistake),
                        None => {}
                    }
                }
            }
        }
        inner.finish();
    }
    for lacking in ["url", "suites", "components", "keyring"] {
        if !reader.node().children.iter().any(|child| *child.name == *lacking) {
            let message = format!("this archive has no `{lacking}`");
            reader.mistake(Mistake::new("missing", span, message).label(format!("`{lacking}` is missing")));
        }
    }
    Some(ArchiveSource::Remote { url: url?, snapshot, origin, label, suites, components, keyring: keyring? })
}

fn add(list: &mut Vec<String>, more: Vec<String>) {
    for item in more {
        if !list.contains(&item) {
            list.push(item);
        }
    }
}

fn address(reader: &mut Reader<'_, '_>) -> Option<String> {
    let value = reader.value("an address")?;
    let text: String = reader.read(value)?;
    if text.starts_with("http://") || text.starts_with("https://") {
        return Some(text.trim_end_matches('/').to_owned());
    }
    let message = format!("`{text}` is no address that wharf can fetch from");
    reader.mistake(Mistake::new("bad-value", value.span, message).label("it must begin with http:// or https://"));
    None
}

fn filters(mut reader: Reader<'_, '_>) -> Vec<(bool, String)> {
    let mut rules = Vec::new();
    for child in reader.children(&["exclude", "include"]) {
        let mut inner = Reader::new(child, reader.log());
        let first = inner.value("a glob");
        for value in first.into_iter().chain(inner.rest()) {
            let Some(glob) = inner.read::<String>(value) else { continue };
            if glob.starts_with('/') {
                rules.push((*child.name == *"include", glob));
            } else {
                let message = format!("`{glob}` must begin with `/`");
                inner.mistake(Mistake::new("bad-value", value.span, message).label("not an absolute path"));
            }
        }
        inner.finish();
    }
    reader.finish();
    rules
}

fn snippet(mut reader: Reader<'_, '_>, gathered: &Gathered) -> Option<SnippetRule> {
    let span = reader.span();
    let tool = reader.argument("the debhelper tool that made it");
    let shape = reader.required("shape", "shape=\"sha256:…\"");
    let (worth, _) = worth::worth(&mut reader, gathered);
    reader.finish();
    Some(SnippetRule { snippet: Snippet { tool: tool?, shape: shape? }, worth, span })
}

fn script(mut reader: Reader<'_, '_>, gathered: &Gathered) -> Option<ScriptRule> {
    let span = reader.span();
    let package: Option<PackageName> = reader.argument("a package");
    let kind = reader.required("kind", "kind=\"postinst\"");
    let rest = reader.property("rest");
    let (worth, reason) = worth::worth(&mut reader, gathered);
    reader.finish();
    Some(ScriptRule { package: package?, kind: kind?, rest, worth, reason, span })
}

fn bytecode(mut reader: Reader<'_, '_>) -> Option<Bytecode> {
    let span = reader.span();
    let interpreter: Option<ImagePath> = reader.argument("the interpreter's path");
    let packages = reader.property_value("packages");
    let mut names: Vec<PackageName> = Vec::new();
    match packages.and_then(|value| reader.read::<String>(value).map(|text| (value, text))) {
        Some((value, text)) => {
            for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
                match PackageName::new(word) {
                    Ok(name) => names.push(name),
                    Err(error) => reader.mistake(Mistake::new("bad-value", value.span, error.to_string())),
                }
            }
        }
        None => reader.mistake(Mistake::new("missing", span, "`bytecode` needs the property `packages`")),
    }
    let tag = reader.required("tag", "tag=\"cpython-313\"");
    let mut dirs = Vec::new();
    for child in reader.children(&["dirs"]) {
        let mut inner = Reader::new(child, reader.log());
        let found: Vec<ImagePath> = inner.arguments("paths");
        dirs.extend(found.into_iter().map(|path| path.as_str().to_owned()));
        inner.finish();
    }
    reader.finish();
    Some(Bytecode { interpreter: interpreter?.as_str().to_owned(), packages: names, dirs, tag: tag?, span })
}
