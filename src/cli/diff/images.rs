//! What changed between two images, for people.

use serde_json::Value;

use super::section::{Section, change};
use crate::oci::{ArchDiff, FileChange, FileFacts, ImageDiff, LayerFacts};
use crate::ui::size;

/// At most `limit` paths of each arch.
pub(in crate::cli) fn sections(diff: &ImageDiff, limit: usize) -> Vec<Section> {
    let mut sections: Vec<Section> = diff.changed.iter().flat_map(|arch| of_arch(arch, limit)).collect();
    let whole = |arches: &[String], what: &str| -> Vec<Section> {
        arches
            .iter()
            .map(|arch| Section { title: format!("{arch}: {what}"), depth: 1, ..Section::default() })
            .collect()
    };
    sections.extend(whole(&diff.added, "only the new image has it"));
    sections.extend(whole(&diff.removed, "only the old image has it"));
    if !sections.is_empty() {
        sections.extend(whole(&diff.same, "the same manifest"));
    }
    sections
}

fn of_arch(diff: &ArchDiff, limit: usize) -> Vec<Section> {
    let total: u64 = diff.new.layers.iter().map(|layer| layer.size).sum();
    let mut sections = vec![Section {
        title: format!("{}: {} → {}", diff.arch, diff.old.digest, diff.new.digest),
        depth: 1,
        note: Some(format!("to pull: {} of {}", size(diff.pull), size(total))),
        ..Section::default()
    }];
    sections.push(layers(diff));
    if !diff.config.is_empty() {
        let rows = diff.config.iter().map(|field| {
            let text = |value: &Value| (!value.is_null()).then(|| value.to_string());
            let (sign, value) = change(text(&field.old).as_deref(), text(&field.new).as_deref());
            vec![sign, field.field.clone(), value]
        });
        let rows = rows.collect();
        sections.push(table("config", &["", "field", "value"], rows));
    }
    if !diff.packages.is_empty() {
        let rows = diff.packages.iter().map(|package| {
            let (sign, version) = change(package.old.as_deref(), package.new.as_deref());
            vec![sign, package.name.clone(), version]
        });
        let title = format!("packages ({})", diff.packages.len());
        let rows = rows.collect();
        sections.push(table(&title, &["", "package", "version"], rows));
    }
    sections.extend(files(&diff.files, limit));
    sections
}

fn table(title: &str, head: &'static [&'static str], rows: Vec<Vec<String>>) -> Section {
    Section { title: title.to_owned(), depth: 2, head, rows, note: None }
}

fn layers(diff: &ArchDiff) -> Section {
    let row = |sign: &str, layer: &LayerFacts| {
        let text = layer.created_by.clone().unwrap_or_default();
        vec![sign.to_owned(), layer.digest.to_string(), size(layer.size), text]
    };
    let gone = diff.old.layers.iter().filter(|layer| !layer.shared).map(|layer| row("-", layer));
    let now = diff.new.layers.iter().map(|layer| row(if layer.shared { "=" } else { "+" }, layer));
    table("layers", &["", "digest", "size", "what"], gone.chain(now).collect())
}

fn files(changes: &[FileChange], limit: usize) -> Option<Section> {
    let (times, changes): (Vec<&FileChange>, Vec<&FileChange>) = changes.iter().partition(|change| change.time_only());
    let rows: Vec<Vec<String>> = changes.iter().take(limit).map(|change| file(change)).collect();
    let mut notes = Vec::new();
    if changes.len() > rows.len() {
        notes.push(format!("{} more: `--all` prints them", changes.len() - rows.len()));
    }
    if !times.is_empty() {
        notes.push(format!("not counted: {} with another time alone, which `--json` names", times.len()));
    }
    (!rows.is_empty() || !notes.is_empty()).then(|| Section {
        note: (!notes.is_empty()).then(|| notes.join("; ")),
        ..table(&format!("files ({})", changes.len()), &["", "path", "what"], rows)
    })
}

fn file(change: &FileChange) -> Vec<String> {
    let (sign, what) = match (&change.old, &change.new) {
        (Some(old), Some(new)) => ("~", differences(old, new)),
        (None, Some(new)) => ("+", whole(new)),
        (Some(old), None) => ("-", whole(old)),
        (None, None) => ("~", String::new()),
    };
    vec![sign.to_owned(), change.path.to_string(), what]
}

fn whole(facts: &FileFacts) -> String {
    let mut text = format!("{} {} {}:{}", facts.kind, facts.mode, facts.uid, facts.gid);
    if let Some(bytes) = facts.size {
        text.push_str(&format!(", {}", size(bytes)));
    }
    if let Some(target) = &facts.target {
        text.push_str(&format!(" to {target}"));
    }
    text
}

fn differences(old: &FileFacts, new: &FileFacts) -> String {
    let none = || "none".to_owned();
    let link = |facts: &FileFacts| facts.link.as_ref().map_or_else(none, ToString::to_string);
    let target = |facts: &FileFacts| facts.target.clone().unwrap_or_else(none);
    let bytes = |facts: &FileFacts| facts.size.map_or_else(none, |bytes| bytes.to_string());
    let fields = [
        ("type", old.kind.to_owned(), new.kind.to_owned()),
        ("mode", old.mode.clone(), new.mode.clone()),
        ("owner", format!("{}:{}", old.uid, old.gid), format!("{}:{}", new.uid, new.gid)),
        ("size", bytes(old), bytes(new)),
        ("target", target(old), target(new)),
        ("hard link to", link(old), link(new)),
    ];
    let mut words: Vec<String> = fields
        .into_iter()
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| format!("{name} {old} → {new}"))
        .collect();
    if old.kind == new.kind && old.size == new.size && old.digest != new.digest {
        words.push("content".to_owned());
    }
    if old.xattrs != new.xattrs {
        words.push("extended attributes".to_owned());
    }
    words.join(", ")
}
