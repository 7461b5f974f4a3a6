//! `wharf build`: images into the store.

use std::path::PathBuf;

use serde::Serialize;

use super::sources::{Images, Sources, StoreOption, failure, read_lock, refuse_drift, refuse_outdated, write_lock, write_text};
use super::{Exit, Failure, Global, each, load_project, lock};
use crate::build::{self, Wish};
use crate::digest::Digest;
use crate::estate::Project;
use crate::name::{ArchName, DistroName, ImageName, ReleaseName};
use crate::oci::{Ref, Store};
use crate::release::{self, Release};
use crate::spec::Origin;
use crate::ui::{Screen, size};

/// Arguments of `wharf build`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  wharf build\n  wharf build memcached keystone --arch x86_64,ppc64le\n  wharf build --locked --strict --offline\n\n\
                        Makes a missing lock, refuses a stale one. Prints image, distro, arch and digest, one a line.\n\
                        Exit codes: 0 all built, 1 none, 3 some.")]
pub struct Arguments {
    #[command(flatten)]
    images: Images,
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    store: StoreOption,
    /// Refuse a missing lock too
    #[arg(long)]
    locked: bool,
    /// Refuse maintainer scripts that changed since they were judged
    #[arg(long)]
    strict: bool,
    /// Let steps that name it read a secret; it gets into no image, no key of a cache and no message
    #[arg(long = "secret", value_name = "ID=FILE", value_parser = secret)]
    secrets: Vec<(String, PathBuf)>,
    /// Write the manifests, which units name, down in releases/NAME.kdl; `current` where the project has an estate of its own
    #[arg(long, value_name = "NAME")]
    release: Option<ReleaseName>,
}

/// `token=../token`
pub(super) fn secret(text: &str) -> Result<(String, PathBuf), String> {
    let (id, file) = text.split_once('=').ok_or("expected ID=FILE, as token=../token")?;
    let path = PathBuf::from(file);
    match std::fs::File::open(&path).and_then(|file| file.metadata()) {
        Ok(found) if found.is_file() => Ok((id.to_owned(), path)),
        Ok(_) => Err(format!("{file} is no file")),
        Err(error) => Err(format!("{file}: {error}")),
    }
}

/// What `wharf --json build` prints (docs/json.md).
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u32,
    images: Vec<Line<'a>>,
    indexes: Vec<IndexLine<'a>>,
    failed: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    image: &'a ImageName,
    distro: &'a DistroName,
    arch: &'a ArchName,
    r#ref: Ref,
    digest: Digest,
    size: u64,
    layers: Vec<Digest>,
}

#[derive(Debug, Serialize)]
struct IndexLine<'a> {
    image: &'a ImageName,
    distro: &'a DistroName,
    r#ref: Ref,
    digest: Digest,
}

/// Builds.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let project = load_project(global)?;
    let images = build::select(&project, &arguments.images.request()).map_err(each)?;
    let tools = arguments.sources.open()?;
    let old = read_lock(&project)?;
    let stale = match &old {
        Some(lock) => build::stale(&project, lock, build::with_ancestors(&project, &images)),
        None => Vec::new(),
    };
    // An image that was never locked is a missing lock; one that was locked for other specs is a stale one.
    refuse_outdated(&stale)?;
    if let Some(lock) = &old {
        refuse_drift(&project, lock)?;
    }
    let lock = match old {
        Some(lock) if stale.is_empty() => lock,
        _ if arguments.locked => {
            let what = stale.first().map_or("there is no wharf.lock".to_owned(), |stale| format!("`{}` is not in wharf.lock", stale.image));
            return Err(Failure::with_help(what, "`wharf lock` makes it; `--locked` builds only what is locked"));
        }
        old => {
            let wish = Wish::default();
            let locked = match lock::bring_up(&project, old.as_ref(), &images, &wish, &tools, screen) {
                Ok(locked) => {
                    lock::tell(&project, &locked, screen);
                    locked.lock
                }
                Err(errors) => return Err(failure(project, errors)),
            };
            write_lock(&project, &locked)?;
            locked
        }
    };
    let store = Store::open(&arguments.store.folder(global))?;
    let progress = screen.progress();
    let fragments = tools.fragments(lock.compression);
    let mut workshop = tools.workshop(&project, &lock, &fragments, &progress);
    workshop.secrets = arguments.secrets.into_iter().collect();
    let outcome = build::build_all(&workshop, &store, &images, arguments.strict)?;
    report(&outcome, global, screen)?;
    let own = project.estates.values().any(|estate| estate.origin == Origin::Project);
    let release = arguments.release.or_else(|| own.then(|| ReleaseName::new(release::CURRENT).ok()).flatten());
    if let Some(name) = release {
        note(&project, &name, &outcome, screen)?;
    }
    let any = !outcome.built.is_empty();
    if outcome.wrong.is_empty() {
        return Ok(Exit::Done);
    }
    let mut failed = failure(project, outcome.wrong);
    failed.code = if any { 3 } else { 1 };
    Err(failed)
}

/// Writes down the manifests that were built, beside those of other images.
fn note(project: &Project, name: &ReleaseName, outcome: &build::Outcome, screen: &Screen) -> Result<(), Failure> {
    let path = Release::path(name);
    let mut release = super::units::read_release(project, name).or_else(|failure| match project.root.join(&path).exists() {
        true => Err(failure),
        false => Ok(Release::default()),
    })?;
    for built in &outcome.built {
        release.images.insert(built.key.clone(), built.manifest.digest);
    }
    if write_text(&project.root.join(&path), &release.render())? {
        screen.say(&format!("wrote {path}"));
    }
    Ok(())
}

fn report(outcome: &build::Outcome, global: &Global, screen: &Screen) -> Result<(), Failure> {
    if global.json {
        let images = outcome.built.iter().map(|built| Line {
            image: &built.key.image,
            distro: &built.key.distro,
            arch: &built.key.arch,
            r#ref: Ref::manifest(&built.key.image, &built.key.distro, &built.key.arch),
            digest: built.manifest.digest,
            size: built.layers.iter().map(|layer| layer.size).sum(),
            layers: built.layers.iter().map(|layer| layer.digest).collect(),
        });
        let indexes = outcome.indexes.iter().map(|((image, distro), digest)| IndexLine {
            image,
            distro,
            r#ref: Ref::index(image, distro),
            digest: *digest,
        });
        let document = Document {
            version: 1,
            images: images.collect(),
            indexes: indexes.collect(),
            failed: outcome.wrong.iter().map(ToString::to_string).collect(),
        };
        screen.document(&document);
        return Ok(());
    }
    for built in &outcome.built {
        let build::Built { key, manifest, layers, .. } = built;
        let bytes: u64 = layers.iter().map(|layer| layer.size).sum();
        screen.out(&format!(
            "{} {} {} {} {}\n",
            key.image, key.distro, key.arch, manifest.digest, size(bytes).replace(' ', "")
        ));
    }
    for ((image, distro), digest) in &outcome.indexes {
        screen.out(&format!("{image} {distro} index {digest}\n"));
    }
    Ok(())
}
