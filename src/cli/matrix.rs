//! `wharf matrix`: image × distro × arch, each with its tier.

use std::collections::BTreeMap;

use serde::Serialize;

use super::filter::{Entry, Filter};
use super::{Exit, Failure, Global, load_project};
use crate::estate::{Project, Support, Tier};
use crate::name::{ArchName, DistroName, ImageName};
use crate::ui::{self, Screen};

/// Arguments of `wharf matrix`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  wharf matrix --tier maintained\n  wharf matrix --markdown > docs/support.md\n  \
                        wharf --json matrix | jq -c '{include: [.entries[] | select(.unbuildable == null) | {image, distro, arch}]}'")]
pub struct Arguments {
    #[command(flatten)]
    filter: Filter,
    /// Print a table in markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    entries: Vec<Cell<'a>>,
}

/// One image on one distro and arch.
#[derive(Serialize)]
struct Cell<'a> {
    image: &'a ImageName,
    distro: &'a DistroName,
    arch: &'a ArchName,
    /// None where it cannot be built.
    tier: Option<Tier>,
    deprecated_since: Option<&'a str>,
    removed_in: Option<&'a str>,
    /// Why it cannot be built.
    unbuildable: Option<&'a str>,
}

/// Prints the matrix.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let project = load_project(global)?;
    let entries = arguments.filter.entries(&project)?;
    if global.json {
        screen.document(&Document { version: 1, entries: cells(&entries) });
        return Ok(Exit::Done);
    }
    let arches = columns(&project, &entries);
    let header: Vec<&str> = ["IMAGE", "DISTRO"].into_iter().chain(arches.iter().map(|arch| arch.as_str())).collect();
    let (rows, notes) = rows(&entries, &arches);
    let (print, bullet): (fn(&[&str], &[Vec<String>]) -> String, _) =
        if arguments.markdown { (ui::markdown, "- ") } else { (ui::table, "") };
    let mut text = print(&header, &rows);
    if !notes.is_empty() {
        text.push('\n');
        text.extend(notes.iter().map(|note| format!("{bullet}{note}\n")));
    }
    screen.out(&text);
    Ok(Exit::Done)
}

/// `deprecated since 2026.1, goes in 2027.1`.
pub(super) fn end_of_life(support: &Support) -> String {
    let since = support.deprecated_since.as_ref().map(|since| format!("deprecated since {since}"));
    let removed = support.removed_in.as_ref().map(|removed| format!("goes in {removed}"));
    since.into_iter().chain(removed).collect::<Vec<_>>().join(", ")
}

fn cells<'a>(entries: &[Entry<'a>]) -> Vec<Cell<'a>> {
    let mut cells = BTreeMap::new();
    for entry in entries {
        for image in &entry.builds {
            let Support { tier, deprecated_since, removed_in, .. } = &image.support;
            cells.insert(
                (&image.name, &image.distro, &image.arch),
                Cell {
                    image: &image.name,
                    distro: &image.distro,
                    arch: &image.arch,
                    tier: Some(*tier),
                    deprecated_since: deprecated_since.as_deref(),
                    removed_in: removed_in.as_deref(),
                    unbuildable: None,
                },
            );
        }
        for (key, reason) in &entry.unbuildable {
            cells.insert(
                (&key.image, &key.distro, &key.arch),
                Cell {
                    image: &key.image,
                    distro: &key.distro,
                    arch: &key.arch,
                    tier: None,
                    deprecated_since: None,
                    removed_in: None,
                    unbuildable: Some(reason),
                },
            );
        }
    }
    cells.into_values().collect()
}

/// Arches that something is, or cannot be, built for, in the order of the distros' specs.
fn columns<'a>(project: &'a Project, entries: &[Entry<'_>]) -> Vec<&'a ArchName> {
    let used = |arch: &ArchName| {
        entries.iter().any(|entry| {
            entry.builds.iter().any(|it| it.arch == *arch) || entry.unbuildable.iter().any(|(key, _)| key.arch == *arch)
        })
    };
    let mut columns: Vec<&ArchName> = Vec::new();
    let default = project.default_distro().into_iter();
    for arch in default.chain(project.distros.values()).flat_map(|distro| &distro.arches) {
        if !columns.contains(&arch) && used(arch) {
            columns.push(arch);
        }
    }
    columns
}

/// A row for each image and distro, and why images cannot be built.
fn rows(entries: &[Entry<'_>], arches: &[&ArchName]) -> (Vec<Vec<String>>, Vec<String>) {
    let mut words: BTreeMap<(&ImageName, &DistroName), BTreeMap<&ArchName, String>> = BTreeMap::new();
    let mut notes: BTreeMap<(&ImageName, &str), Vec<String>> = BTreeMap::new();
    for entry in entries {
        for image in &entry.builds {
            let end = end_of_life(&image.support);
            let tier = image.support.tier.as_str();
            let word = if end.is_empty() { tier.to_owned() } else { format!("{tier}, {end}") };
            words.entry((&image.name, &image.distro)).or_default().insert(&image.arch, word);
        }
        for (key, reason) in &entry.unbuildable {
            words.entry((&key.image, &key.distro)).or_default().insert(&key.arch, "unbuildable".to_owned());
            notes.entry((&key.image, reason)).or_default().push(format!("{} {}", key.distro, key.arch));
        }
    }
    let row = |((image, distro), mut words): ((&ImageName, &DistroName), BTreeMap<&ArchName, String>)| {
        let cells = arches.iter().map(|arch| words.remove(arch).unwrap_or_else(|| "-".to_owned()));
        [image.to_string(), distro.to_string()].into_iter().chain(cells).collect()
    };
    let note = |((image, reason), places): ((&ImageName, &str), Vec<String>)| {
        format!("{image} cannot be built for {}: {reason}", places.join(", "))
    };
    (words.into_iter().map(row).collect(), notes.into_iter().map(note).collect())
}
