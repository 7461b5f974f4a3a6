//! What changed between two locks.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::name::{ArchName, DistroName, ImageName, PackageName};

use super::{Lock, LockedPackage, Member, Target};

/// What changed, by distro and arch. Empty where nothing did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LockDiff {
    /// One entry per distro and arch that differs.
    pub targets: Vec<TargetDiff>,
}

/// What changed for one distro and arch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetDiff {
    /// The distro.
    pub distro: DistroName,
    /// The arch.
    pub arch: ArchName,
    /// Packages that came, went or changed, sorted by name.
    pub packages: Vec<PackageDiff>,
    /// Images that came, went, or hold other packages.
    pub images: Vec<ImageDiff>,
}

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageDiff {
    /// Its name.
    pub name: PackageName,
    /// The version before.
    pub old: Option<String>,
    /// The version now.
    pub new: Option<String>,
    /// The bytes of the .deb changed although the version did not.
    pub rebuilt: bool,
    /// Maintainer scripts whose text changed.
    pub scripts: Vec<&'static str>,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageDiff {
    /// Its name.
    pub name: ImageName,
    /// It is in the old lock.
    pub in_old: bool,
    /// It is in the new lock.
    pub in_new: bool,
    /// Packages that it now has.
    pub added: Vec<PackageName>,
    /// Packages that it no longer has.
    pub removed: Vec<PackageName>,
}

/// Compares two locks.
pub fn diff(old: &Lock, new: &Lock) -> LockDiff {
    let empty = Target::default();
    let keys: BTreeSet<_> = old.targets.keys().chain(new.targets.keys()).collect();
    let targets = keys
        .into_iter()
        .filter_map(|key| {
            let (before, after) = (old.targets.get(key).unwrap_or(&empty), new.targets.get(key).unwrap_or(&empty));
            let diff = TargetDiff {
                distro: key.0.clone(),
                arch: key.1.clone(),
                packages: packages(&before.packages, &after.packages),
                images: images(before, after),
            };
            (!diff.packages.is_empty() || !diff.images.is_empty()).then_some(diff)
        })
        .collect();
    LockDiff { targets }
}

fn packages(
    old: &BTreeMap<PackageName, LockedPackage>,
    new: &BTreeMap<PackageName, LockedPackage>,
) -> Vec<PackageDiff> {
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let (before, after) = (old.get(name), new.get(name));
            let diff = PackageDiff {
                name: name.clone(),
                old: before.map(|package| package.version.clone()),
                new: after.map(|package| package.version.clone()),
                rebuilt: matches!((before, after), (Some(a), Some(b)) if a.version == b.version && a.sha256 != b.sha256),
                scripts: before.zip(after).map(|(a, b)| changed_scripts(a, b)).unwrap_or_default(),
            };
            (diff.old != diff.new || diff.rebuilt || !diff.scripts.is_empty()).then_some(diff)
        })
        .collect()
}

fn changed_scripts(old: &LockedPackage, new: &LockedPackage) -> Vec<&'static str> {
    let kinds: BTreeSet<_> = old.scripts.keys().chain(new.scripts.keys()).collect();
    kinds.into_iter().filter(|kind| old.scripts.get(kind) != new.scripts.get(kind)).map(|kind| kind.as_str()).collect()
}

fn images(old: &Target, new: &Target) -> Vec<ImageDiff> {
    let members: BTreeSet<_> = old.members.keys().chain(new.members.keys()).collect();
    members
        .into_iter()
        .filter_map(|member| {
            let Member::Image(name) = member else { return None };
            let held = |target: &Target| -> BTreeSet<PackageName> {
                target.packages_of(member).map(|package| package.name.clone()).collect()
            };
            let (before, after) = (held(old), held(new));
            let diff = ImageDiff {
                name: name.clone(),
                in_old: old.members.contains_key(member),
                in_new: new.members.contains_key(member),
                added: after.difference(&before).cloned().collect(),
                removed: before.difference(&after).cloned().collect(),
            };
            let same = diff.in_old == diff.in_new && diff.added.is_empty() && diff.removed.is_empty();
            (!same).then_some(diff)
        })
        .collect()
}
