//! `wharf verify`: builds again from nothing, in another place, and compares.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::diff::images::sections;
use super::diff::section::{Form, print};
use super::sources::{Images, Sources, StoreOption, failure, read_lock, refuse_drift, refuse_outdated};
use super::{Exit, Failure, Global, each, load_project};
use crate::build;
use crate::digest::Digest;
use crate::estate::{Image, ImageKey};
use crate::oci::{self, ImageDiff, Ref, Store, StoreError};
use crate::ui::Screen;

/// Arguments of `wharf verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  wharf verify\n  wharf verify theme --arch aarch64 --secret token=../token\n\n\
                        Nothing but packages is taken from the cache. Names the layers and paths that differ.\n\
                        Exit codes: 0 all as they are in the store, 1 an image could not be built, 2 some differ.")]
pub struct Arguments {
    #[command(flatten)]
    images: Images,
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    store: StoreOption,
    /// Let steps that name it read a secret
    #[arg(long = "secret", value_name = "ID=FILE", value_parser = super::build::secret)]
    secrets: Vec<(String, PathBuf)>,
    /// Print every path, not the first 50
    #[arg(long)]
    all: bool,
}

/// What `wharf --json verify` prints (docs/json.md).
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u32,
    same: Vec<Ref>,
    differ: BTreeMap<&'a str, &'a ImageDiff>,
    failed: Vec<String>,
}

/// Verifies.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let project = load_project(global)?;
    let request = arguments.images.request();
    let mut images = build::select(&project, &request).map_err(each)?;
    let tools = arguments.sources.open()?;
    let Some(lock) = read_lock(&project)? else {
        return Err(Failure::with_help("there is no wharf.lock", "`wharf build` makes it, and what can be verified"));
    };
    refuse_outdated(&build::stale(&project, &lock, build::with_ancestors(&project, &images)))?;
    refuse_drift(&project, &lock)?;
    let store = Store::open_existing(&arguments.store.folder(global))?;
    let refs = store.refs()?;
    let name = |key: &ImageKey| Ref::manifest(&key.image, &key.distro, &key.arch);
    let is_there = |image: &Image| refs.contains_key(&name(&build::key(image)));
    let missing: Vec<String> = images
        .iter()
        .filter(|image| !is_there(image))
        .map(|image| format!("`{}`", name(&build::key(image))))
        .collect();
    // Those that were asked for by name have to be there; of all, those that are.
    images.retain(|image| is_there(image));
    if images.is_empty() || !request.images.is_empty() && !missing.is_empty() {
        let what = format!("not in the store: {}", missing.join(", "));
        return Err(Failure::with_help(what, "`wharf build` puts them there"));
    }
    let (tools, place) = tools.anew(&lock)?;
    let again = Store::open(&place.path().join("store"))?;
    let progress = screen.progress();
    let fragments = tools.fragments(lock.compression);
    let mut workshop = tools.workshop(&project, &lock, &fragments, &progress);
    workshop.secrets = arguments.secrets.into_iter().collect();
    let outcome = build::build_all(&workshop, &again, &images, false)?;
    crate::buildah::clear(&workshop.steps);
    drop(workshop);
    let (mut same, mut differ) = (Vec::new(), BTreeMap::new());
    for built in &outcome.built {
        let name = name(&built.key);
        match refs.get(&name) {
            Some(old) if old.digest == built.manifest.digest => same.push(name),
            Some(old) => {
                bring(&store, &again, &old.digest)?;
                differ.insert(name.to_string(), oci::diff(&again, old, &built.manifest)?);
            }
            None => {}
        }
    }
    if global.json {
        screen.document(&Document {
            version: 1,
            same: same.clone(),
            differ: differ.iter().map(|(name, diff)| (name.as_str(), diff)).collect(),
            failed: outcome.wrong.iter().map(ToString::to_string).collect(),
        });
    } else {
        for name in &same {
            screen.out(&format!("{name} is the same\n"));
        }
        let limit = if arguments.all { usize::MAX } else { 50 };
        for (name, diff) in &differ {
            screen.out(&print(&format!("{name} in the store"), "built again", &sections(diff, limit), Form::Text));
        }
    }
    if !outcome.wrong.is_empty() {
        return Err(failure(project, outcome.wrong));
    }
    Ok(if differ.is_empty() { Exit::Done } else { Exit::Pending })
}

/// The blobs of a manifest, in another store too.
fn bring(from: &Store, to: &Store, manifest: &Digest) -> Result<(), StoreError> {
    let document: oci::Manifest = from.document(manifest)?;
    let blobs = document.layers.iter().map(|layer| layer.digest).chain([document.config.digest, *manifest]);
    for digest in blobs.filter(|digest| !to.has(digest)) {
        to.take_over(from, &digest)?;
    }
    Ok(())
}
