//! .debs into the cache.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::digest::Digest;
use crate::estate::Distro;
use crate::fetch::{Area, FetchError, Location, Wanted, on_threads};
use crate::lock::{LockedPackage, LockedSuite, SuiteKey};
use crate::progress::Phase;

use super::places::Places;
use super::{Access, ArchiveError};

/// Brings packages of a distro into the cache, several at once, and gives where each is, by its digest.
///
/// `suites` are those of the lock: their dates say which snapshot still has a file that mirrors have dropped.
pub fn fetch_debs<'a>(
    access: Access<'_>,
    distro: &Distro,
    packages: impl IntoIterator<Item = &'a LockedPackage>,
    suites: &BTreeMap<SuiteKey, LockedSuite>,
) -> Result<BTreeMap<Digest, PathBuf>, ArchiveError> {
    // Images and arches share packages.
    let packages: BTreeMap<Digest, &LockedPackage> =
        packages.into_iter().map(|package| (package.sha256, package)).collect();
    let mut archives: BTreeMap<&str, Vec<Location>> = BTreeMap::new();
    for package in packages.values() {
        if archives.contains_key(package.archive.as_str()) {
            continue;
        }
        let archive = distro.archives.iter().find(|archive| archive.name == package.archive);
        let archive = archive.ok_or_else(|| ArchiveError::UnknownArchive {
            package: package.name.to_string(),
            archive: package.archive.clone(),
        })?;
        let dates = suites
            .iter()
            .filter(|(key, _)| key.distro == distro.name && key.archive == archive.name)
            .map(|(_, suite)| suite.date);
        let places = Places::of_pool(access.settings, archive, dates);
        archives.insert(&package.archive, places.0.into_iter().map(|place| place.location).collect());
    }

    // The biggest first, so that none of them is alone at the end.
    let mut wanted: Vec<&LockedPackage> = packages.into_values().collect();
    wanted.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.path.cmp(&b.path)));
    access.progress.expect(Phase::Fetch, wanted.iter().map(|package| package.size).sum());
    let fetched = on_threads(&wanted, access.settings.threads, |package| {
        let known = archives.get(package.archive.as_str()).map(Vec::as_slice).unwrap_or_default();
        let served = access.served.get(&distro.name, &package.archive);
        let (mut known, rest): (Vec<_>, Vec<_>) = known.iter().partition(|place| Some(*place) == served.as_ref());
        known.extend(rest);
        let places: Vec<Location> = known.iter().map(|place| place.join(&package.path)).collect();
        let what = package.path.rsplit('/').next().unwrap_or(&package.path);
        let wanted = Wanted { what, area: Area::Deb, digest: package.sha256, size: package.size };
        let advance = |count| access.progress.advance(Phase::Fetch, count, package.name.as_str());
        match access.http.download(access.cache, &wanted, &places, &advance) {
            Ok(fetched) => {
                access.progress.whole(Phase::Fetch, fetched.place.is_none().then_some(package.size));
                if let Some(place) = fetched.place.and_then(|at| known.get(at)) {
                    access.served.set(&distro.name, &package.archive, place);
                }
                ControlFlow::Continue(Ok((package.sha256, fetched.path)))
            }
            // All that the cache lacks is told at once.
            Err(error @ FetchError::Offline { .. }) => ControlFlow::Continue(Err((*package, error))),
            Err(error) => ControlFlow::Break(Err((*package, error))),
        }
    });
    access.progress.finish(Phase::Fetch);
    let mut paths = BTreeMap::new();
    let mut offline = Vec::new();
    for result in fetched.into_iter().flatten() {
        match result {
            Ok((digest, path)) => {
                paths.insert(digest, path);
            }
            Err((_, FetchError::Offline { what })) => offline.push(what),
            Err((package, error)) => return Err(of_package(package, error)),
        }
    }
    if !offline.is_empty() {
        offline.sort();
        return Err(ArchiveError::OfflineDebs { files: offline });
    }
    Ok(paths)
}

fn of_package(package: &LockedPackage, error: FetchError) -> ArchiveError {
    if !error.is_missing() {
        return error.into();
    }
    ArchiveError::Gone {
        package: package.name.to_string(),
        version: package.version.clone(),
        archive: package.archive.clone(),
        path: package.path.as_str().into(),
        tries: match error {
            FetchError::Everywhere { tries, .. } => tries,
            one => vec![one],
        },
    }
}
