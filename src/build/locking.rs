//! The whole of `wharf lock`: archives opened, packages chosen, fetched and judged, lines written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::deb::archive::{Access, Opened, open};
use crate::deb::{PackageRecord, SuiteFacts, Universe};
use crate::digest::Digest;
use crate::estate::{Arch, Distro, Image, Project, ScriptKind};
use crate::layer::{Fragment, Fragments};
use crate::lock::{Lock, LockedPackage, Member, Target};
use crate::name::{ArchName, DistroName, PackageName};
use crate::progress::Phase;
use crate::spec::Mistake;

use super::bytecode::{self, Uncompiled};
use super::drift::{note_readings, take_up};
use super::error::BuildError;
use super::lock::{Solving, Stale, Upgrade, lagging, stale, unread, with_ancestors};
use super::scripts::{self, ScriptChange};
use super::workshop::gather;

/// What `wharf lock` was asked for.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// What may move.
    pub upgrade: Upgrade,
    /// Packages whose changed scripts a person looked at.
    pub accept: BTreeSet<PackageName>,
    /// All wanted images were asked for: lines of other images go.
    pub all: bool,
}

/// A lock that is up to date.
#[derive(Debug)]
pub struct Locked {
    /// The lock.
    pub lock: Lock,
    /// Scripts that are not as they were judged, each once.
    pub changed: Vec<ScriptChange>,
    /// `script` nodes of images that decide nothing.
    pub unused: Vec<Mistake>,
    /// Python sources of packages that are new in the lock, and that do not compile.
    pub uncompiled: Vec<Uncompiled>,
    /// Why images were solved again.
    pub stale: Vec<Stale>,
}

/// Brings `old` up to date for `images`. What is up to date already costs no network.
pub fn lock(
    project: &Project,
    old: Option<&Lock>,
    images: &[&Image],
    wish: &Wish,
    access: Access<'_>,
    fragments: &Fragments,
    host: Option<&Arch>,
) -> Result<Locked, Vec<BuildError>> {
    let images = with_ancestors(project, images);
    let mut lock = old.cloned().unwrap_or_else(|| Lock::new(project.compression));
    take_up(project, &mut lock);
    let found = stale(project, &lock, images.iter().copied());
    if wish.all {
        drop_others(project, &mut lock);
    }
    let mut by_distro: BTreeMap<&DistroName, BTreeMap<&ArchName, Vec<&Image>>> = BTreeMap::new();
    for image in &images {
        by_distro.entry(&image.distro).or_default().entry(&image.arch).or_default().push(*image);
    }
    let mut wrong = Vec::new();
    for (name, arches) in by_distro {
        let Some(distro) = project.distros.get(name) else { continue };
        let due = found.iter().any(|stale| stale.distro == *name)
            || wish.upgrade != Upgrade::Nothing
            || bytecode::tool_is_missing(&lock, distro, host);
        if due && let Err(errors) = solve(project, &mut lock, distro, &arches, wish, access, fragments, host) {
            wrong.extend(errors);
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let uncompiled = read_packages(project, &mut lock, access, fragments, host)?;
    note_readings(project, &mut lock);
    let (changed, unused) = scripts::judge(project, old, &mut lock, &images, wish, fragments)?;
    for distro in images.iter().map(|image| &image.distro).collect::<BTreeSet<_>>() {
        for (source, versions) in lagging(&lock, distro) {
            let versions: Vec<String> = versions.iter().map(|(arch, version)| format!("{version} on {arch}")).collect();
            access
                .progress
                .note(&format!("{distro}: `{source}` is not the same for every arch: {}", versions.join(", ")));
        }
    }
    Ok(Locked { lock, changed, unused, uncompiled, stale: found })
}

/// Takes lines away that the project asks for no longer.
fn drop_others(project: &Project, lock: &mut Lock) {
    for ((distro, arch), target) in &mut lock.targets {
        target.members.retain(|member, _| match member {
            Member::Tool(_) => true,
            Member::Image(name) => project.images.keys().any(|key| {
                key.image == *name && key.distro == *distro && key.arch == *arch && project.wanted.contains(name)
            }),
            Member::Builder(name) => project.images.iter().any(|(key, image)| {
                let here = key.image == *name && key.distro == *distro && key.arch == *arch;
                here && project.wanted.contains(name) && !image.build_packages().is_empty()
            }),
        });
        let own = std::mem::take(&mut target.own);
        target.own =
            own.into_iter().filter(|(name, _)| target.members.contains_key(&Member::Image(name.clone()))).collect();
        let held: BTreeSet<u32> = target.members.values().flat_map(|member| member.groups.iter().copied()).collect();
        target.packages.retain(|_, package| held.contains(&package.group));
    }
    lock.targets.retain(|_, target| !target.members.is_empty());
}

/// Chooses packages for some arches of a distro.
#[expect(clippy::too_many_arguments, reason = "one call, from above; each is what it works with")]
fn solve(
    project: &Project,
    lock: &mut Lock,
    distro: &Distro,
    images: &BTreeMap<&ArchName, Vec<&Image>>,
    wish: &Wish,
    access: Access<'_>,
    fragments: &Fragments,
    host: Option<&Arch>,
) -> Result<(), Vec<BuildError>> {
    // The tool that compiles python runs on this machine, whatever the images are for.
    let tools = bytecode::tools(distro);
    let host = host.filter(|arch| !tools.is_empty() && distro.arches.contains(&arch.name));
    let names: BTreeSet<&ArchName> = images.keys().copied().chain(host.map(|arch| &arch.name)).collect();
    let arches: Vec<&Arch> = names.iter().filter_map(|name| project.arches.get(*name)).collect();
    let Opened { mut universes, suites } =
        open(access, distro, &arches, &lock.suites).map_err(|error| vec![error.into()])?;
    let empty = Target::default();
    for arch in &arches {
        let target = lock.targets.get(&(distro.name.clone(), arch.name.clone())).unwrap_or(&empty);
        if let Some(universe) = universes.remove(&arch.name) {
            universes.insert(arch.name.clone(), with_locked(universe, target, distro, fragments));
        }
    }
    let mut wrong = Vec::new();
    let mut solved = Vec::new();
    for arch in &arches {
        let Some(universe) = universes.get(&arch.name) else { continue };
        let key = (distro.name.clone(), arch.name.clone());
        let old = lock.targets.get(&key).unwrap_or(&empty);
        let elsewhere = arches
            .iter()
            .filter(|other| other.name != arch.name)
            .filter_map(|other| Some((other.debian.as_str(), universes.get(&other.name)?)))
            .collect();
        let solving = Solving { distro, arch: &arch.debian, universe, elsewhere, old, upgrade: &wish.upgrade };
        let here = images.get(&arch.name).map(Vec::as_slice).unwrap_or_default();
        // Tools are for machines of this arch; they are locked wherever images are.
        match solving.run(here, &tools, |member| !matches!(member, Member::Tool(_)), access.progress) {
            Ok(target) => solved.push((key, target.target(old))),
            Err(errors) => wrong.extend(errors),
        }
    }
    access.progress.finish(Phase::Solve);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    lock.targets.extend(solved);
    lock.suites.retain(|key, _| key.distro != distro.name);
    lock.suites.extend(suites);
    Ok(())
}

/// The universe and those locked packages that the archives hold no longer, as far as the cache knows what they need.
fn with_locked(universe: Universe, target: &Target, distro: &Distro, fragments: &Fragments) -> Universe {
    let lost = |package: &&LockedPackage| {
        !universe.named(package.name.as_str()).iter().any(|record| record.version == package.version)
    };
    let record = |package: &LockedPackage| {
        let fragment = fragments.find(&package.sha256, &distro.filters)?;
        let control = &fragment.package.as_ref()?.control;
        let suite = Arc::new(SuiteFacts { archive: package.archive.clone(), ..SuiteFacts::default() });
        PackageRecord::of_control(control, package.path.clone(), package.size, package.sha256, &suite).ok()
    };
    let own = target.own.values().flat_map(BTreeMap::values);
    let lost: Vec<PackageRecord> = target.packages.values().chain(own).filter(lost).filter_map(record).collect();
    if lost.is_empty() {
        return universe;
    }
    let packages = universe.packages().iter().cloned().chain(lost).collect();
    Universe::new(packages, universe.suites.clone())
}

/// Fetches and reads the packages that are new in the lock, and fills in what only their .debs tell.
fn read_packages(
    project: &Project,
    lock: &mut Lock,
    access: Access<'_>,
    fragments: &Fragments,
    host: Option<&Arch>,
) -> Result<Vec<Uncompiled>, Vec<BuildError>> {
    let mut uncompiled = Vec::new();
    let mut new: BTreeMap<DistroName, BTreeMap<Digest, LockedPackage>> = BTreeMap::new();
    for ((distro, _), target) in &lock.targets {
        let own = target.own.values().flat_map(BTreeMap::values);
        for package in target.packages.values().chain(own).filter(|package| unread(package)) {
            new.entry(distro.clone()).or_default().insert(package.sha256, package.clone());
        }
    }
    for (name, packages) in new {
        let Some(distro) = project.distros.get(&name) else { continue };
        let made = gather(access, fragments, lock, distro, packages.values())?;
        let (compiled, left_out) = bytecode::digests(lock, distro, host, access, fragments, &made)?;
        uncompiled.extend(left_out);
        for ((at, _), target) in &mut lock.targets {
            if *at != name {
                continue;
            }
            let own = target.own.values_mut().flat_map(BTreeMap::values_mut);
            for package in target.packages.values_mut().chain(own).filter(|package| unread(package)) {
                let Some(fragment) = made.get(&package.sha256) else { continue };
                package.fragment = fragment.diff_id;
                package.scripts = scripts(fragment);
                package.bytecode = compiled.get(&package.sha256).copied();
            }
        }
    }
    Ok(uncompiled)
}

/// The digest of each maintainer script.
fn scripts(fragment: &Fragment) -> BTreeMap<ScriptKind, Digest> {
    let kinds = [ScriptKind::Config, ScriptKind::Preinst, ScriptKind::Postinst, ScriptKind::Triggers];
    let package = fragment.package.as_ref();
    kinds.into_iter().filter_map(|kind| Some((kind, Digest::of(package?.script(kind)?.as_bytes())))).collect()
}
