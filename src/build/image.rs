//! One image: its locked packages to a tree, the tree to layers, the layers to a manifest in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;

use crate::deb::{Call, PackageInfo, script, solve};
use crate::effect::{self, Context};
use crate::estate::{Arch, Distro, Image, ImageConfig, ImageKey, ScriptDecision};
use crate::layer::{self, Changes, Directories, Fragment, LayerError, Level};
use crate::lock::{LockedPackage, Member, ScriptKey};
use crate::name::PackageName;
use crate::oci::{Annotations, Descriptor, ImageRecord, LayerRecord, Store};
use crate::path::ImagePath;
use crate::spec::Mistake;
use crate::tree::{Origin, Tree};

use super::bytecode;
use super::error::BuildError;
use super::workshop::Workshop;

/// An image that is in the store.
#[derive(Debug, Clone)]
pub struct Built {
    /// Which.
    pub key: ImageKey,
    /// Its manifest.
    pub manifest: Descriptor,
    /// The lowest first.
    pub layers: Vec<LayerRecord>,
    /// Seconds since 1970.
    pub created: i64,
    /// What it says of itself.
    pub annotations: Annotations,
}

/// The key of an image.
pub fn key(image: &Image) -> ImageKey {
    ImageKey { image: image.name.clone(), distro: image.distro.clone(), arch: image.arch.clone() }
}

/// The packages of each level of `image`: those that its ancestors do not have.
pub fn levels<'a>(workshop: &Workshop<'a>, image: &Image) -> Result<Vec<Vec<&'a LockedPackage>>, BuildError> {
    let mut seen: BTreeSet<&PackageName> = BTreeSet::new();
    let mut levels = Vec::with_capacity(image.levels.len());
    for level in &image.levels {
        let member = Member::Image(level.image.clone());
        let packages = workshop.lock.packages_of(&image.distro, &image.arch, &member);
        let packages = packages.ok_or_else(|| BuildError::NotLocked(key(image)))?;
        levels.push(packages.into_iter().filter(|package| seen.insert(&package.name)).collect());
    }
    Ok(levels)
}

/// Scripts of an image's packages, judged: what they are worth, packages in the order of configuration.
pub(super) fn judge<'a>(
    image: &Image,
    distro: &Distro,
    arch: &Arch,
    packages: impl IntoIterator<Item = &'a PackageInfo>,
) -> script::Judgement {
    let owned: Vec<PackageInfo> = packages.into_iter().cloned().collect();
    let by_name: BTreeMap<&PackageName, &PackageInfo> = owned.iter().map(|info| (&info.name, info)).collect();
    let order = solve::order(&owned, &arch.debian);
    let decisions: Vec<&ScriptDecision> = image.levels.iter().flat_map(|level| &level.scripts).collect();
    script::judge(order.iter().filter_map(|name| by_name.get(name).copied()), distro, &decisions)
}

/// Builds `image` and puts it into `store`. `strict` refuses scripts that changed since they were judged.
pub fn build(workshop: &Workshop<'_>, store: &Store, image: &Image, strict: bool) -> Result<Built, BuildError> {
    let (distro, arch) = workshop.place(image)?;
    if let Some(run) = image.runs.first() {
        let what = format!("the first stands at {}", workshop.project.sources.place(run.span));
        return Err(BuildError::Run { key: key(image), what });
    }
    let locked = levels(workshop, image)?;
    let fragments: Vec<Vec<Arc<Fragment>>> = locked
        .iter()
        .map(|packages| packages.par_iter().map(|package| workshop.fragment(package, distro)).collect())
        .collect::<Result<_, _>>()?;
    let infos = || fragments.iter().flatten().filter_map(|fragment| fragment.package.as_ref());
    let judgement = judge(image, distro, arch, infos());
    refuse(workshop, image, strict, &judgement)?;
    let calls = &judgement.calls;
    let diversions: Vec<Vec<_>> = locked.iter().map(|packages| diversions(calls, packages)).collect();
    let plan: Vec<Level<'_>> =
        fragments.iter().zip(&diversions).map(|(fragments, diversions)| Level { fragments, diversions }).collect();
    let merged = layer::merge(&plan).map_err(|conflicts| BuildError::Conflict { key: key(image), conflicts })?;
    let (mut tree, mut built) = merged.build(workshop.fragments)?;

    let newest = newest(&fragments);
    let mtime = newest.last().copied().unwrap_or(0);
    let mut packages: Vec<PackageInfo> = infos().cloned().collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    let context = Context { image, arch, distro, packages: &packages, calls, mtime };
    effect::run(&mut tree, &context).map_err(|error| blame(image, error))?;

    leave_out(workshop, &tree, &mut built)?;
    let compiled = bytecode::fragments(workshop, image, distro, &mut tree, calls, &locked, &fragments)?;
    let layers = layers(workshop, store, image, &mut tree, built, &compiled, &newest)?;

    let version = version(image, &packages);
    let config = config(image, version.as_deref());
    let annotations = Annotations {
        title: Some(image.name.to_string()),
        description: image.summary.as_deref().map(|summary| filled(summary, version.as_deref())),
        version,
        ..Annotations::default()
    };
    let (layers, created) = (layers, mtime);
    let record = ImageRecord {
        config: &config,
        arch: &image.arch,
        oci_arch: &arch.oci,
        layers: layers.clone(),
        created,
        annotations: annotations.clone(),
    };
    Ok(Built { key: key(image), manifest: record.write(store)?, layers, created, annotations })
}

/// What stops an image: scripts that nobody judged or that must run, and with `strict` those that changed.
fn refuse(
    workshop: &Workshop<'_>,
    image: &Image,
    strict: bool,
    judgement: &script::Judgement,
) -> Result<(), BuildError> {
    if let Some(unjudged) = script::UnjudgedScripts::new(judgement.unjudged.clone()) {
        return Err(BuildError::Unjudged(unjudged));
    }
    if let Some(call) = judgement.calls.iter().find(|call| call.worth.run) {
        let what = format!("the {} of package `{}` has to run", call.kind.as_str(), call.package);
        return Err(BuildError::Run { key: key(image), what });
    }
    let accepted = |changed: &&script::ChangedScript| {
        let script = ScriptKey { distro: image.distro.clone(), package: changed.package.clone(), kind: changed.kind };
        let known = workshop.lock.scripts.get(&script);
        !known.is_some_and(|known| known.accepted && known.rest == changed.rest.digest)
    };
    let changed: BTreeSet<&PackageName> =
        judgement.changed.iter().filter(accepted).map(|changed| &changed.package).collect();
    if strict && !changed.is_empty() {
        return Err(BuildError::Changed { key: key(image), packages: changed.into_iter().cloned().collect() });
    }
    Ok(())
}

/// What the scripts of a level's packages divert.
fn diversions(calls: &[Call], packages: &[&LockedPackage]) -> Vec<crate::estate::Diversion> {
    let names: BTreeSet<&PackageName> = packages.iter().map(|package| &package.name).collect();
    let calls: Vec<Call> = calls.iter().filter(|call| names.contains(&call.package)).cloned().collect();
    effect::diversions::of_calls(&calls)
}

/// The newest mtime of the packages of each level and those before it.
fn newest(fragments: &[Vec<Arc<Fragment>>]) -> Vec<i64> {
    let mut newest = 0;
    fragments
        .iter()
        .map(|level| {
            newest = level.iter().map(|fragment| fragment.newest).fold(newest, i64::max);
            newest
        })
        .collect()
}

/// An effect's error as a mistake in a spec where it names a place.
fn blame(image: &Image, error: effect::EffectError) -> BuildError {
    let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
    match error.span() {
        Some(span) => BuildError::Spec(Box::new(Mistake::new("effect", span, error.to_string()).help_if(help))),
        None => BuildError::Effect { key: key(image), error, help },
    }
}

/// Takes what the specs removed out of the fragments that hold it.
fn leave_out(workshop: &Workshop<'_>, tree: &Tree, built: &mut [Vec<Arc<Fragment>>]) -> Result<(), BuildError> {
    if tree.removed().is_empty() {
        return Ok(());
    }
    for fragment in built.iter_mut().flatten() {
        let without: BTreeSet<ImagePath> =
            tree.removed().iter().filter(|path| fragment.get(path).is_some()).cloned().collect();
        if !without.is_empty() {
            *fragment = workshop.fragments.variant(fragment, &Changes { without, ..Changes::default() })?;
        }
    }
    Ok(())
}

/// Layers from the lowest: of each level its packages and its files, at last all that is still to be said, which is
/// what effects made.
fn layers(
    workshop: &Workshop<'_>,
    store: &Store,
    image: &Image,
    tree: &mut Tree,
    built: Vec<Vec<Arc<Fragment>>>,
    compiled: &BTreeMap<PackageName, Arc<Fragment>>,
    newest: &[i64],
) -> Result<Vec<LayerRecord>, BuildError> {
    let mut below: Vec<Vec<Arc<Fragment>>> = Vec::new();
    let mut layers = Vec::new();
    let mut files = split(tree, image);
    for (number, (level, packages)) in image.levels.iter().zip(built).enumerate() {
        if !packages.is_empty() {
            let mut parts = Vec::with_capacity(packages.len());
            for fragment in packages {
                let bytecode = fragment.package.as_ref().and_then(|info| compiled.get(&info.name)).cloned();
                parts.push(fragment);
                parts.extend(bytecode);
            }
            let directories = workshop.fragments.directories(&parts)?;
            for (path, node) in directories.nodes(&Origin::Effect("directories")) {
                if tree.get(path).is_none() {
                    tree.place(path.clone(), node);
                }
            }
            parts.insert(0, Arc::clone(&directories));
            layers.push(workshop.layer(store, &parts, format!("packages of {}", level.image))?);
            // The other parts only list theirs: what is written is the first part's word.
            parts.push(directories);
            below.push(parts);
        }
        if let Some(paths) = files.remove(&number) {
            // All descendants of an image share this layer: its files carry the newest time of the packages so far.
            let mtime = newest.get(number).copied().unwrap_or(0);
            for path in &paths {
                if let Some(node) = tree.get_mut(path) {
                    node.mtime = mtime;
                }
            }
            let nodes = layer::with_parents(tree, paths.iter());
            let part =
                workshop.fragments.pack(None, nodes.iter().map(|(path, node)| (path, *node)), Directories::Written)?;
            layers.push(workshop.layer(store, &[Arc::clone(&part)], format!("files of {}", level.image))?);
            below.push(vec![part]);
        }
    }
    let rest = layer::difference(&below, tree).map_err(LayerError::Io)?;
    if !rest.is_empty() {
        let part = workshop.fragments.pack(None, rest.iter(), Directories::Written)?;
        layers.push(workshop.layer(store, &[part], format!("effects in {}", image.name))?);
    }
    Ok(layers)
}

/// Paths by the number of the level whose spec put them there.
fn split(tree: &Tree, image: &Image) -> BTreeMap<usize, BTreeSet<ImagePath>> {
    let mut files: BTreeMap<usize, BTreeSet<ImagePath>> = BTreeMap::new();
    for (path, node) in tree.touched() {
        if let Origin::Tree(name, _) | Origin::Node(name, _) = &node.origin
            && let Some(number) = image.levels.iter().position(|level| level.image == *name)
        {
            files.entry(number).or_default().insert(path.clone());
        }
    }
    files
}

/// The upstream version of the package that `version-from` names, else of the first of `packages`
/// (Debian Policy 5.6.12: without epoch and revision).
fn version(image: &Image, packages: &[PackageInfo]) -> Option<String> {
    let first = || image.levels.iter().rev().find_map(|level| level.packages.first()).map(|package| &package.name);
    let name = image.version_from.as_ref().or_else(first)?;
    let package = packages.iter().find(|package| package.name == *name)?;
    let version = package.version.split_once(':').map_or(package.version.as_str(), |(_, rest)| rest);
    Some(version.rsplit_once('-').map_or(version, |(upstream, _)| upstream).to_owned())
}

/// The image's configuration with `${version}` filled in.
fn config(image: &Image, version: Option<&str>) -> ImageConfig {
    let mut config = image.config.clone();
    for value in config.env.values_mut().chain(config.labels.values_mut()) {
        *value = filled(value, version);
    }
    config
}

/// `${version}` filled in, where it is known.
fn filled(text: &str, version: Option<&str>) -> String {
    version.map_or_else(|| text.to_owned(), |version| text.replace("${version}", version))
}

impl<'a> Workshop<'a> {
    /// The distro and arch of an image.
    pub(super) fn place(&self, image: &Image) -> Result<(&'a Distro, &'a Arch), BuildError> {
        let distro = self.project.distros.get(&image.distro);
        distro.zip(self.project.arches.get(&image.arch)).ok_or_else(|| BuildError::NotLocked(key(image)))
    }

    /// Writes a layer, unless the store has it already.
    fn layer(&self, store: &Store, parts: &[Arc<Fragment>], created_by: String) -> Result<LayerRecord, BuildError> {
        let compression = self.fragments.compression();
        let known = layer::known(parts, compression, self.fragments.cache())?;
        let facts = match known.filter(|facts| store.has(&facts.digest)) {
            Some(facts) => facts,
            None => {
                let mut scratch = store.scratch()?;
                let facts =
                    layer::write(parts, compression, self.threads, self.fragments.cache(), scratch.as_file_mut())?;
                store.keep(scratch, &facts.digest)?;
                facts
            }
        };
        let layer::LayerFacts { digest, diff_id, size, .. } = facts;
        Ok(LayerRecord { compression, digest, diff_id, size, created_by })
    }
}
