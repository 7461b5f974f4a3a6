//! Archives of a distro, opened: suites verified, indexes read, .debs fetched.
//!
//! A file is asked for at a mirror that the user named, else at the build host's own apt sources, else at the address in
//! the spec, else in the snapshot archive: the first place that serves a verified suite is remembered and asked first
//! from then on. No byte of an image depends on the place.

mod debs;
mod error;
mod folder;
mod places;
mod suite;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use rayon::prelude::*;

use crate::estate::{Arch, ArchiveSource, Distro};
use crate::fetch::{Area, Cache, Http, Wanted, on_threads};
use crate::lock::{LockedSuite, SuiteKey};
use crate::name::ArchName;
use crate::progress::{Phase, Progress};

use super::index::Index;
use super::openpgp::Keyring;
use super::record::{PackageRecord, SuiteFacts, Universe};
use super::release::IndexFile;

pub use debs::fetch_debs;
pub use error::{ArchiveError, SuiteError};
pub use places::{Served, Settings};

use places::Places;
use suite::{Suite, Verifier};

/// What it takes to reach archives.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// The client.
    pub http: &'a Http,
    /// Where all that is fetched goes.
    pub cache: &'a Cache,
    /// The user's.
    pub settings: &'a Settings,
    /// Which places served so far; one for the whole run.
    pub served: &'a Served,
    /// Who hears of it.
    pub progress: &'a dyn Progress,
}

/// A distro's archives as they are now.
#[derive(Debug)]
pub struct Opened {
    /// What can be chosen from, per arch.
    pub universes: BTreeMap<ArchName, Universe>,
    /// Each suite as it was read, for the lock.
    pub suites: BTreeMap<SuiteKey, LockedSuite>,
}

/// One index to be read.
struct Job<'a> {
    arch: &'a Arch,
    suite: &'a Suite,
    facts: Arc<SuiteFacts>,
    file: IndexFile,
}

/// Reads all suites of all archives of a distro for some of its arches.
///
/// `previous` holds the suites of the last lock: none may be older now. Without a network (`--offline`) the very
/// suites of the last lock are read from the cache.
pub fn open(
    access: Access<'_>,
    distro: &Distro,
    arches: &[&Arch],
    previous: &BTreeMap<SuiteKey, LockedSuite>,
) -> Result<Opened, ArchiveError> {
    let mut suites = Vec::new();
    for archive in &distro.archives {
        let ArchiveSource::Remote { suites: names, keyring, .. } = &archive.source else { continue };
        if !arches.iter().any(|arch| archive.serves(&arch.name)) {
            continue;
        }
        let wrong = |reason| ArchiveError::Keyring { archive: archive.name.clone(), span: keyring.span, reason };
        let bytes = keyring.value.read().map_err(|error| wrong(error.to_string()))?;
        let keyring = Keyring::parse(&bytes).map_err(|error| wrong(error.to_string()))?;
        for name in names {
            let key = SuiteKey { distro: distro.name.clone(), archive: archive.name.clone(), suite: name.clone() };
            let places = Places::of_suite(access.settings, archive, name, previous.get(&key));
            let verifier = Verifier { access, archive, keyring: &keyring, previous: previous.get(&key), key };
            suites.push(verifier.find(&places)?);
        }
    }
    let mut jobs = Vec::new();
    for suite in &suites {
        let archive = distro.archives.iter().find(|archive| archive.name == suite.key.archive);
        let Some((archive, ArchiveSource::Remote { components, .. })) =
            archive.map(|archive| (archive, &archive.source))
        else {
            continue;
        };
        let facts = Arc::new(suite.release.facts(&suite.key.archive, &suite.key.suite));
        for arch in arches.iter().filter(|arch| archive.serves(&arch.name)) {
            for component in components {
                for file in wanted_indexes(access, suite, component, arch)? {
                    jobs.push(Job { arch, suite, facts: Arc::clone(&facts), file });
                }
            }
        }
    }
    access.progress.expect(Phase::Index, jobs.iter().map(|job| job.file.size).sum());
    let fetched = on_threads(&jobs, access.settings.threads, |job| match fetch_index(access, job) {
        Ok(path) => ControlFlow::Continue(Ok(path)),
        Err(error) => ControlFlow::Break(Err(error)),
    });
    let mut ready = Vec::new();
    for (job, fetched) in jobs.iter().zip(fetched) {
        if let Some(path) = fetched {
            ready.push((job, path?));
        }
    }
    access.progress.finish(Phase::Index);

    // Each decoder takes up to 64 MiB: as many at once as there are cores, not as there are indexes.
    let read: Vec<Result<Vec<PackageRecord>, ArchiveError>> = ready
        .par_iter()
        .map(|(job, path)| {
            let wrong = |source: super::IndexError| ArchiveError::Index {
                archive: job.suite.key.archive.clone(),
                suite: job.suite.key.suite.clone(),
                path: job.file.path.as_str().into(),
                source,
            };
            let file = std::fs::File::open(path).map_err(|error| wrong(error.into()))?;
            let index = Index::read(file, job.file.form, &job.arch.debian, &job.facts).map_err(wrong)?;
            for name in &index.skipped {
                access.progress.note(&format!(
                    "{} {}: `{name}` is no package name, and is left out",
                    job.suite.key.archive, job.suite.key.suite
                ));
            }
            Ok(index.packages)
        })
        .collect();
    let mut packages: BTreeMap<ArchName, Vec<PackageRecord>> =
        arches.iter().map(|arch| (arch.name.clone(), Vec::new())).collect();
    for ((job, _), read) in ready.iter().zip(read) {
        packages.entry(job.arch.name.clone()).or_default().append(&mut read?);
    }
    for archive in &distro.archives {
        if let ArchiveSource::Dir(dir) = &archive.source {
            for record in folder::read(&archive.name, dir)? {
                let here = |arch: &&&Arch| record.arch == arch.debian || record.arch == "all";
                for arch in arches.iter().filter(|arch| archive.serves(&arch.name)).filter(here) {
                    packages.entry(arch.name.clone()).or_default().push(record.clone());
                }
            }
        }
    }
    let keys: Vec<SuiteKey> = suites.iter().map(|suite| suite.key.clone()).collect();
    let universes = packages.into_iter().map(|(arch, all)| (arch, Universe::new(all, keys.clone()))).collect();
    let suites = suites.into_iter().map(|suite| (suite.key, suite.locked)).collect();
    Ok(Opened { universes, suites })
}

/// The indexes of a component for an arch; an arch that the suite does not have is told once and has none.
fn wanted_indexes(
    access: Access<'_>,
    suite: &Suite,
    component: &str,
    arch: &Arch,
) -> Result<Vec<IndexFile>, ArchiveError> {
    let files = suite.release.indexes(component, &arch.debian);
    if !files.is_empty() {
        return Ok(files);
    }
    let (archive, name) = (suite.key.archive.clone(), suite.key.suite.clone());
    if !suite.release.architectures.contains(&arch.debian) {
        access.progress.note(&format!("{archive} {name} has nothing for {}", arch.debian));
        return Ok(files);
    }
    let known = suite.release.components.iter();
    let nearest = known
        .clone()
        .map(|known| (strsim::damerau_levenshtein(known, component), known))
        .filter(|(distance, _)| *distance <= 3)
        .min()
        .map(|(_, known)| known.clone());
    let help = match nearest {
        Some(nearest) if nearest != component => format!("did you mean `{nearest}`?"),
        _ => format!("it has {}", known.cloned().collect::<Vec<_>>().join(", ")),
    };
    Err(ArchiveError::NoIndex {
        archive,
        suite: name,
        component: component.to_owned(),
        arch: arch.debian.clone(),
        help: help.into(),
    })
}

fn fetch_index(access: Access<'_>, job: &Job<'_>) -> Result<std::path::PathBuf, ArchiveError> {
    let Job { suite, file, .. } = job;
    let folder = format!("dists/{}", suite.key.suite);
    let mut places = Vec::new();
    for place in &suite.places {
        if suite.release.by_hash {
            places.push(place.join(&format!("{folder}/{}", file.by_hash())));
        }
        places.push(place.join(&format!("{folder}/{}", file.path)));
    }
    let what = format!("{} of {} {}", file.path, suite.key.archive, suite.key.suite);
    let wanted = Wanted { what: &what, area: Area::Index, digest: file.digest, size: file.size };
    let advance = |count| access.progress.advance(Phase::Index, count, &what);
    Ok(access.http.download(access.cache, &wanted, &places, &advance)?.path)
}
