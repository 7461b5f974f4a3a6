//! What scripts are worth.

use crate::path::ImagePath;
use crate::spec::{Mistake, Reader, Span, did_you_mean};

use super::super::super::{Alternative, Diversion, EFFECTS, EffectUse, ScriptDecision, UcfFile, Worth};
use super::super::gather::Gathered;
use super::parts;

const CHILDREN: [&str; 10] =
    ["effect", "account", "dir", "link", "file", "attr", "alternative", "divert", "ucf", "reason"];

/// `effect=` and the children of `script` and `snippet`; the reason too.
pub(super) fn worth(reader: &mut Reader<'_, '_>, gathered: &Gathered) -> (Worth, Option<String>) {
    let mut worth = Worth::default();
    let effect = reader.property_value("effect");
    let mut reason: Option<String> = reader.property("reason");
    let mut ignored = false;
    match effect.and_then(|value| reader.read::<String>(value)).as_deref() {
        None => {}
        Some("ignore") => ignored = true,
        Some("run") => worth.run = true,
        Some(name) => {
            known(name, effect.map_or(reader.span(), |value| value.span), reader);
            worth.effects.push(EffectUse { name: name.to_owned(), arguments: Vec::new() });
        }
    }
    for child in reader.children(&CHILDREN) {
        let mut inner = Reader::new(child, reader.log());
        match child.name.value.as_str() {
            "effect" => {
                let name: Option<String> = inner.argument("an effect's name");
                let arguments = inner.rest().iter().filter_map(|value| inner.read(value)).collect();
                inner.finish();
                match name.as_deref() {
                    Some(name @ ("ignore" | "run")) => {
                        let message = format!("`{name}` is said as a property");
                        let mistake =
                            Mistake::new("bad-value", child.span, message).label("as a node it means nothing");
                        reader.mistake(mistake.help(format!("write effect=\"{name}\" behind the package's name")));
                    }
                    Some(name) => {
                        known(name, child.span, reader);
                        worth.effects.push(EffectUse { name: name.to_owned(), arguments });
                    }
                    None => {}
                }
            }
            "account" => worth.accounts.extend(parts::account(inner)),
            "dir" => worth.dirs.extend(parts::dir(inner)),
            "link" => worth.links.extend(parts::link(inner)),
            "file" => worth.files.extend(parts::file(inner, gathered)),
            "attr" => worth.attrs.extend(parts::attr(inner)),
            "alternative" => worth.alternatives.extend(alternative(inner)),
            "divert" => worth.diversions.extend(divert(inner)),
            "ucf" => worth.ucf.extend(ucf(inner)),
            _ => {
                reason = inner.argument("a reason").or(reason);
                inner.finish();
            }
        }
    }
    let name = reader.node().name.value.clone();
    let span = reader.span();
    let says = reader.node().children.iter().any(|child| *child.name != *"reason");
    if ignored && says {
        let message = format!("this `{name}` is ignored and does something");
        reader.mistake(Mistake::new("contradiction", span, message).label("effect=\"ignore\" stands alone"));
    } else if !ignored && !says && effect.is_none() {
        let mistake = Mistake::new("missing", span, format!("`{name}` does not say what the script is worth"));
        let help = "give effect=\"ignore\", effect=\"run\", an effect's name, or nodes for what the script makes";
        reader.mistake(mistake.label("no effect").help(help));
    }
    (worth, reason)
}

fn known(name: &str, span: Span, reader: &mut Reader<'_, '_>) {
    if !EFFECTS.contains(&name) {
        let mistake = Mistake::new("unknown-name", span, format!("there is no effect `{name}`")).label("not known");
        let all = || format!("there are {}; or \"ignore\" and \"run\"", EFFECTS.join(", "));
        reader.mistake(mistake.help(did_you_mean(name, EFFECTS).unwrap_or_else(all)));
    }
}

fn alternative(mut reader: Reader<'_, '_>) -> Option<Alternative> {
    let link = reader.argument("the generic path");
    let name = reader.required("name", "name=\"awk\", the name in /etc/alternatives");
    let path = reader.required("path", "path=\"/usr/bin/mawk\", what it may point at");
    let priority = reader.required("priority", "priority=5, the highest wins");
    let mut slaves = Vec::new();
    for child in reader.children(&["slave"]) {
        let mut inner = Reader::new(child, reader.log());
        let link: Option<ImagePath> = inner.argument("the generic path");
        let name: Option<String> = inner.required("name", "name=\"nawk\"");
        let path: Option<ImagePath> = inner.required("path", "path=\"/usr/bin/mawk\"");
        inner.finish();
        slaves.extend(link.zip(name).zip(path).map(|((link, name), path)| (link, name, path)));
    }
    reader.finish();
    Some(Alternative { link: link?, name: name?, path: path?, priority: priority?, slaves })
}

fn divert(mut reader: Reader<'_, '_>) -> Option<Diversion> {
    let path = reader.argument("a path");
    let to = reader.required("to", "to=\"/path.distrib\"");
    let package = reader.property("package");
    reader.finish();
    Some(Diversion { path: path?, to: to?, package })
}

fn ucf(mut reader: Reader<'_, '_>) -> Option<UcfFile> {
    let path = reader.argument("a path");
    let source = reader.required("source", "source=\"/usr/share/…\", a file of the image");
    let (owner, group, mode) = (reader.property("owner"), reader.property("group"), reader.property("mode"));
    reader.finish();
    Some(UcfFile { path: path?, source: source?, owner, group, mode })
}

/// `script "apache2" effect="apache2-modules"` of an image.
pub(super) fn decision(mut reader: Reader<'_, '_>, gathered: &Gathered) -> Option<ScriptDecision> {
    let span = reader.span();
    let package = reader.argument("a package");
    let kind = reader.property("kind");
    let (worth, _) = worth(&mut reader, gathered);
    reader.finish();
    Some(ScriptDecision { package: package?, kind, worth, span })
}
