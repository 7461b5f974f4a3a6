//! `wharf check`: reads and resolves everything, prints every mistake.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::sources::host_arch;
use super::{Exit, Failure, Global, project_root};
use crate::buildah::{self, BuildahError};
use crate::estate::{self, Project};
use crate::spec::{Mistakes, Sources, Span};
use crate::ui::Screen;

/// Arguments of `wharf check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  wharf check\n  wharf --json check | jq '.mistakes[].message'\n\n\
                        Exit codes: 0 no mistakes, 1 mistakes or no project.")]
pub struct Arguments {}

/// What `wharf --json check` prints (docs/json.md).
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u32,
    /// In the order of files and lines.
    mistakes: Vec<Entry<'a>>,
    /// What stops nothing, likewise.
    warnings: Vec<Entry<'a>>,
    /// How many files hold mistakes.
    files: usize,
    /// How much was read; none where there are mistakes.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Counts>,
}

#[derive(Debug, Serialize)]
struct Counts {
    images: usize,
    distros: usize,
    arches: usize,
    builds: usize,
    services: usize,
    estates: usize,
    /// By estate: groups without a health check.
    unchecked: BTreeMap<String, Vec<String>>,
    /// Arches whose programs do not run here, of those for which wanted images have steps.
    cannot_run: BTreeMap<String, String>,
}

/// What keeps steps of wanted images from being run on this machine, by arch.
fn cannot_run(project: &Project) -> BTreeMap<String, BuildahError> {
    let host = host_arch(project);
    let with_steps = project.images.iter().filter(|(key, image)| project.wanted.contains(&key.image) && image.runs());
    let arches: BTreeSet<_> = with_steps.map(|(key, _)| &key.arch).collect();
    let arches = arches.into_iter().filter_map(|name| project.arches.get(name));
    arches.filter_map(|arch| Some((arch.name.to_string(), buildah::lacks(arch, host)?))).collect()
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    code: &'static str,
    message: &'a str,
    label: &'a str,
    help: Option<&'a str>,
    #[serde(flatten)]
    place: Option<Place<'a>>,
    also: Vec<Also<'a>>,
}

#[derive(Debug, Serialize)]
struct Also<'a> {
    label: &'a str,
    #[serde(flatten)]
    place: Place<'a>,
}

/// Line and column count from 1, columns in characters; the length is in bytes.
#[derive(Debug, Serialize)]
struct Place<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    length: u32,
}

impl<'a> Place<'a> {
    fn of(sources: &'a Sources, span: Span) -> Self {
        let (line, column) = sources.line_column(span);
        Self { file: sources.name(span.source), line, column, length: span.len }
    }
}

/// Prints mistakes or what was read.
pub fn run(_arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let outcome = estate::load(&project_root(global)?);
    if global.json {
        let warnings = outcome.as_ref().ok().map(warnings);
        let document = match &outcome {
            Ok(project) => Document {
                version: 1,
                mistakes: Vec::new(),
                warnings: warnings.iter().flat_map(entries).collect(),
                files: 0,
                counts: Some(counts(project)),
            },
            Err(mistakes) => document(mistakes),
        };
        screen.document(&document);
        return match outcome {
            Ok(_) => Ok(Exit::Done),
            Err(_) => Err(Failure { reports: Vec::new(), code: 1 }),
        };
    }
    let project = outcome?;
    let Counts { images, distros, arches, builds, services, estates, .. } = counts(&project);
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    screen.say(&format!(
        "no mistakes: {} on {} and {}, {} in all",
        plural(images, "image"),
        plural(distros, "distro"),
        arches_text(arches),
        plural(builds, "build"),
    ));
    if services > 0 || estates > 0 {
        screen.say(&format!("{} in {}", plural(services, "service"), plural(estates, "estate")));
    }
    for error in cannot_run(&project).into_values() {
        screen.report(&miette::Report::new(error));
    }
    for warning in warnings(&project).warnings() {
        screen.report(&warning);
    }
    for (estate, placed) in &project.placed {
        let names: Vec<String> = placed.unchecked.iter().map(|name| format!("`{name}`")).collect();
        if !names.is_empty() {
            screen.say(&format!("without a health check in {estate}: {}", names.join(", ")));
        }
    }
    Ok(Exit::Done)
}

fn arches_text(count: usize) -> String {
    if count == 1 { "1 arch".to_owned() } else { format!("{count} arches") }
}

fn counts(project: &Project) -> Counts {
    Counts {
        images: project.specs.len(),
        distros: project.distros.len(),
        arches: project.arches.len(),
        builds: project.images.len(),
        services: project.services.len(),
        estates: project.estates.len(),
        unchecked: project
            .placed
            .iter()
            .map(|(name, placed)| (name.to_string(), placed.unchecked.iter().map(ToString::to_string).collect()))
            .collect(),
        cannot_run: cannot_run(project).into_iter().map(|(arch, error)| (arch, error.to_string())).collect(),
    }
}

/// What `check` warns of.
fn warnings(project: &Project) -> Mistakes {
    let all = project.placed.values().flat_map(|placed| placed.warnings.iter().cloned());
    Mistakes::new(project.sources.clone(), all.collect())
}

fn document(mistakes: &Mistakes) -> Document<'_> {
    let files = mistakes.files();
    Document { version: 1, mistakes: entries(mistakes), warnings: Vec::new(), files, counts: None }
}

fn entries(mistakes: &Mistakes) -> Vec<Entry<'_>> {
    let sources = mistakes.sources();
    mistakes
        .iter()
        .map(|mistake| Entry {
            code: mistake.code,
            message: &mistake.message,
            label: &mistake.label,
            help: mistake.help.as_deref(),
            place: mistake.span.map(|span| Place::of(sources, span)),
            also: mistake.also.iter().map(|(span, label)| Also { label, place: Place::of(sources, *span) }).collect(),
        })
        .collect()
}
