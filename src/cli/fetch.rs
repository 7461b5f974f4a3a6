//! `wharf fetch`: all that the lock names, into the cache or into a folder.

use std::path::PathBuf;

use serde::Serialize;

use super::sources::{Images, Sources, failure, host_arch, read_lock, refuse_drift, refuse_outdated};
use super::{Exit, Failure, Global, each, load_project};
use crate::build::{self, Input};
use crate::ui::{Screen, size};

/// Arguments of `wharf fetch`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  wharf fetch && wharf build --offline\n  wharf fetch keystone --arch x86_64\n  \
                        wharf fetch --to inputs && wharf build --locked --offline --mirror debian=inputs/debian\n\n\
                        Fetches the .debs of images and of the tools that their builds use. A folder of inputs holds\n\
                        them as ARCHIVE/PATH, and a copy of wharf.lock."
)]
pub struct Arguments {
    #[command(flatten)]
    images: Images,
    #[command(flatten)]
    sources: Sources,
    /// Put all inputs into this folder too
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// What `wharf --json fetch` prints (docs/json.md).
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u32,
    to: Option<String>,
    files: &'a [Input],
}

/// Fetches.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let project = load_project(global)?;
    let images = build::select(&project, &arguments.images.request()).map_err(each)?;
    let Some(lock) = read_lock(&project)? else {
        let help = "`wharf lock` makes it; `fetch` brings in what is locked";
        return Err(Failure::with_help("there is no wharf.lock", help));
    };
    let stale = build::stale(&project, &lock, build::with_ancestors(&project, &images));
    refuse_outdated(&stale)?;
    refuse_drift(&project, &lock)?;
    if let Some(first) = stale.first() {
        let build::Stale { image, distro, arch, .. } = first;
        let message = format!("`{image}` for {distro} on {arch} is not in wharf.lock");
        return Err(Failure::with_help(message, format!("`wharf lock {image}` adds it")));
    }
    let tools = arguments.sources.open()?;
    let progress = screen.progress();
    let inputs = match build::fetch(&project, &lock, &images, host_arch(&project), tools.access(&progress)) {
        Ok(inputs) => inputs,
        Err(errors) => return Err(failure(project, errors)),
    };
    if let Some(folder) = &arguments.to {
        build::write_inputs(folder, &inputs)?;
        let copy = folder.join("wharf.lock");
        let written = std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::copy(project.root.join("wharf.lock"), &copy).map(|_| ()));
        written.map_err(|error| Failure::plain(format!("`{}` cannot be written: {error}", copy.display())))?;
    }
    if global.json {
        let to = arguments.to.as_ref().map(|folder| folder.display().to_string());
        screen.document(&Document { version: 1, to, files: &inputs });
    }
    screen.say(&summary(&inputs));
    if let Some(folder) = &arguments.to {
        screen.say(&format!("all inputs are in {}", folder.display()));
    }
    Ok(Exit::Done)
}

fn summary(inputs: &[Input]) -> String {
    let bytes = |fetched: &[&Input]| size(fetched.iter().map(|input| input.size).sum());
    let all: Vec<&Input> = inputs.iter().collect();
    let new: Vec<&Input> = inputs.iter().filter(|input| input.fetched).collect();
    let packages = if all.len() == 1 { "package" } else { "packages" };
    match new.len() {
        0 => format!("the cache has all {} {packages} ({})", all.len(), bytes(&all)),
        count => format!("fetched {count} of {} {packages} ({} of {})", all.len(), bytes(&new), bytes(&all)),
    }
}
