//! Nodes that images, distros and scripts share.

use crate::name::AccountName;
use crate::path::ImagePath;
use crate::spec::{Mistake, Reader, Value};

use super::super::super::{Account, Attr, Dir, File, FileContent, Link, Mode, Owner, Pin};
use super::super::gather::Gathered;

/// `owner=`, `group=` and `mode=`
fn attributes(reader: &mut Reader<'_, '_>) -> (Option<Owner>, Option<Owner>, Option<Mode>) {
    (reader.property("owner"), reader.property("group"), reader.property("mode"))
}

pub(super) fn account(mut reader: Reader<'_, '_>) -> Option<Account> {
    let span = reader.span();
    let before = reader.log().len();
    let name = reader.argument("an account name");
    let uid = reader.property("uid");
    let gid = reader.property("gid");
    let groups = match reader.property_value("groups") {
        Some(value) => groups(&mut reader, value),
        None => Vec::new(),
    };
    let home = reader.property("home");
    let shell = reader.property("shell");
    let gecos = gecos(&mut reader);
    let group_only = reader.property("group-only").unwrap_or(false);
    if group_only {
        for name in ["uid", "home", "shell", "groups", "gecos"] {
            if let Some(value) = reader.node().property(name) {
                let message = format!("a group has no `{name}`");
                reader.mistake(Mistake::new("bad-value", value.span, message).label("take this away"));
            }
        }
    }
    if reader.log().len() > before {
        // An id that cannot be read is not one that lacks.
        reader.finish();
        return None;
    }
    reader.finish();
    Some(Account { name: name?, uid, gid, groups, home, shell, gecos, group_only, span })
}

/// `gecos="Memcached,,,"`: a field of passwd(5), so it holds no colon.
fn gecos(reader: &mut Reader<'_, '_>) -> Option<String> {
    let text: String = reader.property("gecos")?;
    if let Some(c) = text.chars().find(|c| *c == ':' || c.is_control())
        && let Some(value) = reader.node().property("gecos")
    {
        let what = if c == ':' { "`:`" } else { "a line's end or another control character" };
        let mistake = Mistake::new("bad-value", value.span, format!("a comment of passwd cannot hold {what}"));
        reader.mistake(mistake.label("take it away"));
    }
    Some(text)
}

/// `groups="adm,video"`
fn groups(reader: &mut Reader<'_, '_>, value: &Value) -> Vec<AccountName> {
    let text: String = reader.read(value).unwrap_or_default();
    let mut found = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match AccountName::new(part) {
            Ok(name) => found.push(name),
            Err(error) => {
                reader.mistake(Mistake::new("bad-value", value.span, error.to_string()).label("in this list"))
            }
        }
    }
    found
}

pub(super) fn dir(mut reader: Reader<'_, '_>) -> Option<Dir> {
    let span = reader.span();
    let path = reader.argument("a path");
    let (owner, group, mode) = attributes(&mut reader);
    reader.finish();
    Some(Dir { path: path?, owner, group, mode, span })
}

pub(super) fn file(mut reader: Reader<'_, '_>, gathered: &Gathered) -> Option<File> {
    let span = reader.span();
    let path: Option<ImagePath> = reader.argument("a path");
    let text: Option<&Value> = reader.optional_value();
    let source = reader.property_value("source");
    let content = match (text, source) {
        (Some(text), None) => reader.read(text).map(FileContent::Text),
        (None, Some(source)) => {
            reader.read::<String>(source).and_then(|path| match gathered.file(source.span, "layers", &path) {
                Ok(found) => Some(FileContent::Source(found)),
                Err(mistake) => {
                    reader.mistake(mistake);
                    None
                }
            })
        }
        (Some(_), Some(source)) => {
            let mistake = Mistake::new("duplicate", source.span, "`file` has a text and a source");
            reader.mistake(mistake.label("one of the two").help("keep the text or the source"));
            None
        }
        (None, None) => {
            let mistake = Mistake::new("missing", span, "`file` needs a text or a source").label("no content");
            reader.mistake(
                mistake.help("write file \"/etc/motd\" \"text\" or file \"/etc/motd\" source=\"folder/motd\""),
            );
            None
        }
    };
    let (owner, group, mode) = attributes(&mut reader);
    reader.finish();
    Some(File { path: path?, content: content?, owner, group, mode, span })
}

pub(super) fn link(mut reader: Reader<'_, '_>) -> Option<Link> {
    let span = reader.span();
    let path = reader.argument("a path");
    let target: Option<String> = reader.argument("what it points at");
    if target.as_ref().is_some_and(|target| target.is_empty() || target.contains('\0')) {
        reader.mistake(Mistake::new("bad-value", span, "a link must point at something").label("its target is empty"));
    }
    reader.finish();
    Some(Link { path: path?, target: target?, span })
}

/// A path or a glob: absolute, and one that globset reads.
pub(super) fn glob(reader: &mut Reader<'_, '_>, value: &Value) -> Option<String> {
    let text: String = reader.read(value)?;
    let wrong = if !text.starts_with('/') {
        Some(format!("`{text}` must begin with `/`"))
    } else if text.contains(['*', '?', '[', '{']) {
        globset::Glob::new(&text).err().map(|error| format!("`{text}` is no glob: {}", error.kind()))
    } else {
        ImagePath::new(&text).err().map(|error| error.to_string())
    };
    if let Some(message) = wrong {
        reader.mistake(Mistake::new("bad-value", value.span, message).label("a path or a glob is expected"));
        return None;
    }
    Some(text)
}

pub(super) fn attr(mut reader: Reader<'_, '_>) -> Option<Attr> {
    let span = reader.span();
    let path = reader.value("a path or a glob").and_then(|value| glob(&mut reader, value));
    let (owner, group, mode) = attributes(&mut reader);
    let capabilities: Option<String> = reader.property("capabilities");
    let nothing = ["owner", "group", "mode", "capabilities"].iter().all(|name| reader.node().property(name).is_none());
    if nothing {
        let mistake = Mistake::new("missing", span, "`attr` changes nothing").label("says only a path");
        reader.mistake(mistake.help("give at least one of owner=, group=, mode= and capabilities="));
    }
    reader.finish();
    Some(Attr { path: path?, owner, group, mode, capabilities, span })
}

pub(super) fn pin(mut reader: Reader<'_, '_>) -> Option<Pin> {
    let span = reader.span();
    let packages: Vec<String> = reader.arguments("a package name or a glob");
    let version = reader.property("version");
    let suite = reader.property("suite");
    let origin = reader.property("origin");
    let label = reader.property("label");
    let archive = reader.property("archive");
    let priority = reader.required("priority", "priority=990, as apt_preferences(5) explains it");
    let by = ["version", "suite", "origin", "label", "archive"];
    if by.iter().all(|name| reader.node().property(name).is_none()) {
        let mistake = Mistake::new("missing", span, "`pin` says nothing about which versions").label("only a name");
        reader.mistake(mistake.help("give at least one of version=, suite=, origin=, label= and archive="));
    }
    reader.finish();
    let priority = priority?;
    (!packages.is_empty()).then_some(Pin { packages, version, suite, origin, label, archive, priority, span })
}
