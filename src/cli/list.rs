//! `wharf list`: one line each.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::Serialize;

use super::filter::{Entry, Filter};
use super::{Exit, Failure, Global, chosen_estate, load_project, running};
use crate::estate::{ArchiveSource, Distro, Image, ImageKey, Project, Tier};
use crate::name::{ArchName, DistroName, ImageName};
use crate::spec::Origin;
use crate::ui::{Screen, table};

/// Arguments of `wharf list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  wharf list images --tier maintained --arch ppc64le\n  wharf list images --all\n  \
                        wharf --json list distros | jq -r '.distros[].name'")]
pub struct Arguments {
    /// What to list
    #[arg(value_enum, default_value = "images")]
    what: Noun,
    #[command(flatten)]
    filter: Filter,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Noun {
    /// Images, with their tier and where they are built
    Images,
    /// Distros, with their archives and arches
    Distros,
    /// Arches, with their names elsewhere
    Arches,
    /// Services, with their image, roles and what they need and provide
    Services,
    /// Hosts of an estate, with what runs on them
    Hosts,
    /// Cells of an estate
    Cells,
    /// Estates
    Estates,
}

/// Prints the list.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let project = load_project(global)?;
    let Arguments { what, filter } = arguments;
    let entries = filter.entries(&project)?;
    match (what, global.json) {
        (Noun::Images, false) => screen.out(&images(&project, &entries)),
        (Noun::Images, true) => {
            screen.document(&Images { version: 1, images: entries.iter().map(ImageLine::of).collect() });
        }
        (Noun::Distros, json) => {
            let lines: Vec<DistroLine<'_>> = project
                .distros
                .values()
                .filter(|distro| shown(&filter, distro))
                .map(|distro| DistroLine::of(&project, distro, &entries))
                .collect();
            if json {
                screen.document(&Distros { version: 1, distros: lines });
            } else {
                screen.out(&distros(&lines));
            }
        }
        (Noun::Arches, json) => {
            let lines = arches(&project, &filter, &entries);
            if json {
                screen.document(&Arches { version: 1, arches: lines });
            } else {
                screen.out(&arch_table(&lines));
            }
        }
        (Noun::Services, _) => running::services(&project, global, screen),
        (Noun::Hosts, _) => running::hosts(&project, chosen_estate(&project, global)?, global, screen),
        (Noun::Cells, _) => running::cells(&project, chosen_estate(&project, global)?, global, screen),
        (Noun::Estates, _) => running::estates(&project, global, screen),
    }
    Ok(Exit::Done)
}

fn images(project: &Project, entries: &[Entry<'_>]) -> String {
    let row = |entry: &Entry<'_>| {
        vec![
            entry.spec.name.to_string(),
            tier_text(entry),
            entry.spec.from.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            built_for(project, entry),
            entry.spec.summary.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    table(&["NAME", "TIER", "FROM", "BUILT FOR", "SUMMARY"], &rows)
}

/// The tier, or both ends where it differs between builds, and the end of its life.
fn tier_text(entry: &Entry<'_>) -> String {
    let tiers = || entry.builds.iter().map(|image| image.support.tier);
    let mut text = match (tiers().min(), tiers().max()) {
        (Some(best), Some(worst)) if best == worst => best.as_str().to_owned(),
        (Some(best), Some(worst)) => format!("{} to {}", best.as_str(), worst.as_str()),
        _ => "unbuildable".to_owned(),
    };
    if let Some(image) = entry.builds.iter().find(|image| image.support.deprecated_since.is_some()) {
        text += &format!(", {}", super::matrix::end_of_life(&image.support));
    }
    text
}

/// `debian-trixie: x86_64 aarch64; debian-bookworm: x86_64`, arches in the distro's order.
fn built_for(project: &Project, entry: &Entry<'_>) -> String {
    let mut by_distro: BTreeMap<&DistroName, Vec<&ArchName>> = BTreeMap::new();
    for Image { distro, arch, .. } in &entry.builds {
        by_distro.entry(distro).or_default().push(arch);
    }
    let part = |(distro, mut arches): (&DistroName, Vec<&ArchName>)| {
        let order = project.distros.get(distro).map_or(&[][..], |distro| distro.arches.as_slice());
        arches.sort_by_key(|arch| order.iter().position(|known| known == *arch));
        let arches: Vec<&str> = arches.iter().map(|arch| arch.as_str()).collect();
        format!("{distro}: {}", arches.join(" "))
    };
    by_distro.into_iter().map(part).collect::<Vec<_>>().join("; ")
}

#[derive(Serialize)]
struct Images<'a> {
    version: u32,
    images: Vec<ImageLine<'a>>,
}

#[derive(Serialize)]
struct ImageLine<'a> {
    name: &'a ImageName,
    summary: Option<&'a str>,
    from: Option<&'a ImageName>,
    tier: Tier,
    wanted: bool,
    import: Option<&'a str>,
    builds: Vec<Build<'a>>,
    unbuildable: Vec<Unbuildable<'a>>,
}

#[derive(Serialize)]
struct Build<'a> {
    distro: &'a DistroName,
    arch: &'a ArchName,
    tier: Tier,
    deprecated_since: Option<&'a str>,
    removed_in: Option<&'a str>,
}

#[derive(Serialize)]
struct Unbuildable<'a> {
    distro: &'a DistroName,
    arch: &'a ArchName,
    reason: &'a str,
}

impl<'a> ImageLine<'a> {
    fn of(entry: &Entry<'a>) -> Self {
        let spec = entry.spec;
        let build = |image: &&'a Image| Build {
            distro: &image.distro,
            arch: &image.arch,
            tier: image.support.tier,
            deprecated_since: image.support.deprecated_since.as_deref(),
            removed_in: image.support.removed_in.as_deref(),
        };
        let unbuildable = |&(key, reason): &(&'a ImageKey, &'a str)| Unbuildable { distro: &key.distro, arch: &key.arch, reason };
        Self {
            name: &spec.name,
            summary: spec.summary.as_deref(),
            from: spec.from.as_ref(),
            tier: spec.tier,
            wanted: entry.wanted,
            import: match &spec.origin {
                Origin::Project => None,
                Origin::Import(text) => Some(text),
            },
            builds: entry.builds.iter().map(build).collect(),
            unbuildable: entry.unbuildable.iter().map(unbuildable).collect(),
        }
    }
}

#[derive(Serialize)]
struct Distros<'a> {
    version: u32,
    distros: Vec<DistroLine<'a>>,
}

#[derive(Serialize)]
struct DistroLine<'a> {
    name: &'a DistroName,
    default: bool,
    tier: Option<Tier>,
    arches: &'a [ArchName],
    archives: Vec<ArchiveLine<'a>>,
    images: usize,
}

#[derive(Serialize)]
struct ArchiveLine<'a> {
    name: &'a str,
    /// Empty for a folder.
    suites: &'a [String],
}

/// A distro is shown where the filter's arches are among its own, and its tier is.
fn shown(filter: &Filter, distro: &Distro) -> bool {
    distro.arches.iter().any(|arch| filter.here(&distro.name, arch))
        && filter.has_tier(distro.tier.unwrap_or(Tier::Maintained))
}

impl<'a> DistroLine<'a> {
    fn of(project: &Project, distro: &'a Distro, entries: &[Entry<'_>]) -> Self {
        let archive = |archive: &'a crate::estate::Archive| ArchiveLine {
            name: &archive.name,
            suites: match &archive.source {
                ArchiveSource::Remote { suites, .. } => suites,
                ArchiveSource::Dir(_) => &[],
            },
        };
        Self {
            name: &distro.name,
            default: project.default_distro().is_some_and(|default| default.name == distro.name),
            tier: distro.tier,
            arches: &distro.arches,
            archives: distro.archives.iter().map(archive).collect(),
            images: entries.iter().filter(|entry| entry.builds.iter().any(|it| it.distro == distro.name)).count(),
        }
    }
}

fn distros(lines: &[DistroLine<'_>]) -> String {
    let archive = |archive: &ArchiveLine<'_>| match archive.suites {
        [] => archive.name.to_owned(),
        suites => format!("{}: {}", archive.name, suites.join(" ")),
    };
    let row = |line: &DistroLine<'_>| {
        vec![
            line.name.to_string(),
            if line.default { "yes" } else { "-" }.to_owned(),
            line.tier.map_or("-", Tier::as_str).to_owned(),
            line.arches.iter().map(ArchName::as_str).collect::<Vec<_>>().join(" "),
            line.archives.iter().map(archive).collect::<Vec<_>>().join("; "),
            line.images.to_string(),
        ]
    };
    let rows: Vec<_> = lines.iter().map(row).collect();
    table(&["NAME", "DEFAULT", "TIER", "ARCHES", "ARCHIVES", "IMAGES"], &rows)
}

#[derive(Serialize)]
struct Arches<'a> {
    version: u32,
    arches: Vec<ArchLine<'a>>,
}

#[derive(Serialize)]
struct ArchLine<'a> {
    name: &'a ArchName,
    oci: &'a str,
    debian: &'a str,
    triplet: &'a str,
    distros: Vec<&'a DistroName>,
    images: usize,
}

fn arches<'a>(project: &'a Project, filter: &Filter, entries: &[Entry<'_>]) -> Vec<ArchLine<'a>> {
    let line = |arch: &'a crate::estate::Arch| ArchLine {
        name: &arch.name,
        oci: &arch.oci,
        debian: &arch.debian,
        triplet: &arch.triplet,
        distros: project
            .distros
            .values()
            .filter(|distro| distro.arches.contains(&arch.name) && filter.here(&distro.name, &arch.name))
            .map(|distro| &distro.name)
            .collect(),
        images: entries.iter().filter(|entry| entry.builds.iter().any(|it| it.arch == arch.name)).count(),
    };
    project.arches.values().map(line).filter(|line| !line.distros.is_empty()).collect()
}

fn arch_table(lines: &[ArchLine<'_>]) -> String {
    let row = |line: &ArchLine<'_>| {
        vec![
            line.name.to_string(),
            line.oci.to_owned(),
            line.debian.to_owned(),
            line.distros.iter().map(|distro| distro.as_str()).collect::<Vec<_>>().join(" "),
            line.images.to_string(),
        ]
    };
    let rows: Vec<_> = lines.iter().map(row).collect();
    table(&["NAME", "OCI", "DEBIAN", "DISTROS", "IMAGES"], &rows)
}
