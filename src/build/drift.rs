//! What a lock says of the whole project, and no longer holds: imports, what packages are read by, the codec.

use std::collections::BTreeSet;
use std::fmt;

use crate::estate::Project;
use crate::lock::{Lock, Target};
use crate::name::DistroName;

use super::inputs;
use super::lock::forget;

/// Something that every line of the lock may follow from, and that is not as it was locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    /// An import holds other files, or is new, or is gone.
    Import {
        /// As the project names it.
        name: String,
        /// The project has it.
        is_here: bool,
        /// The lock has it.
        was_here: bool,
    },
    /// A distro's filters, or how its python is compiled.
    Reading(DistroName),
    /// The project's codec.
    Compression,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Import { name, is_here: true, was_here: true } if name == "catalogue" => {
                write!(f, "the catalogue of this wharf ({}) is not the one that was locked", env!("CARGO_PKG_VERSION"))
            }
            Self::Import { name, is_here: true, was_here: true } => {
                write!(f, "import \"{name}\" is not the one that was locked")
            }
            Self::Import { name, is_here: true, was_here: false } => write!(f, "import \"{name}\" was not locked"),
            Self::Import { name, .. } => write!(f, "import \"{name}\" was locked, and is there no longer"),
            Self::Reading(distro) => {
                write!(f, "the filters of {distro}, or how its python is compiled, are not those that were locked")
            }
            Self::Compression => f.write_str("the project's `compression` is not the one that was locked"),
        }
    }
}

/// What of `lock` no longer holds for `project` as a whole. Looks at nothing but the two.
pub fn drift(project: &Project, lock: &Lock) -> Vec<Drift> {
    let names: BTreeSet<&String> = project.imports.keys().chain(lock.imports.keys()).collect();
    let mut drift: Vec<Drift> = names
        .into_iter()
        .filter_map(|name| {
            let (here, there) = (project.imports.get(name), lock.imports.get(name));
            let (is_here, was_here) = (here.is_some(), there.is_some());
            (here != there).then(|| Drift::Import { name: name.clone(), is_here, was_here })
        })
        .collect();
    drift.extend(
        project
            .distros
            .values()
            .filter(|distro| reads_otherwise(project, lock, &distro.name))
            .map(|distro| Drift::Reading(distro.name.clone())),
    );
    if lock.compression != project.compression && !lock.targets.is_empty() {
        drift.push(Drift::Compression);
    }
    drift
}

/// Whether the packages of a distro were read by other rules than it has now.
fn reads_otherwise(project: &Project, lock: &Lock, name: &DistroName) -> bool {
    let now = project.distros.get(name).map(inputs::reading);
    let is_locked = lock.targets.keys().any(|(distro, _)| distro == name);
    is_locked && now.is_some_and(|now| lock.readings.get(name) != Some(&now))
}

/// Takes up what [`drift`] finds. Versions stay; packages of a distro that reads them otherwise are to be read anew.
pub(super) fn take_up(project: &Project, lock: &mut Lock) {
    let anew: Vec<DistroName> =
        project.distros.keys().filter(|name| reads_otherwise(project, lock, name)).cloned().collect();
    for ((distro, _), target) in &mut lock.targets {
        if anew.contains(distro) {
            let Target { packages, own, members: _ } = target;
            let own = own.values_mut().flat_map(|packages| packages.values_mut());
            packages.values_mut().chain(own).for_each(forget);
        }
    }
    lock.compression = project.compression;
    lock.imports.clone_from(&project.imports);
}

/// Writes down by which rules the packages of the locked distros were read.
pub(super) fn note_readings(project: &Project, lock: &mut Lock) {
    let locked: BTreeSet<&DistroName> = lock.targets.keys().map(|(distro, _)| distro).collect();
    lock.readings = locked
        .into_iter()
        .filter_map(|name| Some((name.clone(), inputs::reading(project.distros.get(name)?))))
        .collect();
}
