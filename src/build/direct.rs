//! What packages and specs alone make of an image: its tree, and the fragments of its packages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;

use crate::deb::{Call, PackageInfo, script, solve};
use crate::effect::{self, Context};
use crate::estate::{Arch, Distro, Image, ScriptDecision};
use crate::layer::{self, Changes, Fragment, Level};
use crate::lock::{LockedPackage, Member, ScriptKey};
use crate::name::PackageName;
use crate::path::ImagePath;
use crate::spec::Mistake;
use crate::tree::Tree;

use super::bytecode;
use super::error::BuildError;
use super::image::key;
use super::workshop::Workshop;

/// What the direct engine makes.
pub(super) struct Direct {
    /// All paths, as if no step were ever run.
    pub tree: Tree,
    /// The fragments of each level's packages.
    pub built: Vec<Vec<Arc<Fragment>>>,
    /// Their bytecode.
    pub compiled: BTreeMap<PackageName, Arc<Fragment>>,
    /// The newest mtime of the packages of each level and those before it.
    pub newest: Vec<i64>,
    /// All packages, sorted by name.
    pub packages: Vec<PackageInfo>,
    calls: Vec<Call>,
}

impl Direct {
    /// The newest mtime of all packages.
    pub fn mtime(&self) -> i64 {
        self.newest.last().copied().unwrap_or(0)
    }

    /// Brings up to date in `tree` what follows from all files together.
    pub fn refresh(&self, workshop: &Workshop<'_>, image: &Image, tree: &mut Tree) -> Result<(), BuildError> {
        let (distro, arch) = workshop.place(image)?;
        let context =
            Context { image, arch, distro, packages: &self.packages, calls: &self.calls, mtime: self.mtime() };
        effect::refresh(tree, &context).map_err(|error| blame(image, error))
    }
}

/// Makes it. With `builder`, the packages are there too that only the image's steps need.
pub(super) fn direct(
    workshop: &Workshop<'_>,
    image: &Image,
    strict: bool,
    builder: bool,
) -> Result<Direct, BuildError> {
    let (distro, arch) = workshop.place(image)?;
    let locked = levels(workshop, image, builder)?;
    let fragments: Vec<Vec<Arc<Fragment>>> = locked
        .iter()
        .map(|packages| packages.par_iter().map(|package| workshop.fragment(package, distro)).collect())
        .collect::<Result<_, _>>()?;
    let infos = || fragments.iter().flatten().filter_map(|fragment| fragment.package.as_ref());
    let judgement = judge(image, distro, arch, infos());
    refuse(workshop, image, strict, &judgement)?;
    let calls = judgement.calls;
    let diversions: Vec<Vec<_>> = locked.iter().map(|packages| diversions(&calls, packages)).collect();
    let plan: Vec<Level<'_>> =
        fragments.iter().zip(&diversions).map(|(fragments, diversions)| Level { fragments, diversions }).collect();
    let merged = layer::merge(&plan).map_err(|conflicts| BuildError::Conflict { key: key(image), conflicts })?;
    let (mut tree, mut built) = merged.build(workshop.fragments)?;

    let newest = newest(&fragments);
    let mut packages: Vec<PackageInfo> = infos().cloned().collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    let mtime = newest.last().copied().unwrap_or(0);
    let context = Context { image, arch, distro, packages: &packages, calls: &calls, mtime };
    effect::run(&mut tree, &context).map_err(|error| blame(image, error))?;

    leave_out(workshop, &tree, &mut built)?;
    let compiled = bytecode::fragments(workshop, image, distro, &mut tree, &calls, &locked, &fragments)?;
    Ok(Direct { tree, built, compiled, newest, packages, calls })
}

/// The packages of each level of `image`: those that its ancestors do not have. With `builder`, as a last level those that
/// only its steps need.
pub fn levels<'a>(
    workshop: &Workshop<'a>,
    image: &Image,
    builder: bool,
) -> Result<Vec<Vec<&'a LockedPackage>>, BuildError> {
    let mut seen: BTreeSet<&PackageName> = BTreeSet::new();
    let members = image.levels.iter().map(|level| Member::Image(level.image.clone()));
    let last = builder.then(|| Member::Builder(image.name.clone()));
    let packages = members.chain(last).map(|member| {
        let packages = workshop.lock.packages_of(&image.distro, &image.arch, &member);
        let packages = packages.ok_or_else(|| BuildError::NotLocked(key(image)))?;
        Ok(packages.into_iter().filter(|package| seen.insert(&package.name)).collect())
    });
    packages.collect()
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
