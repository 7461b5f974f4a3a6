//! A suite, found and verified.

use std::io::Write as _;

use crate::deb::openpgp::{At, CLOCK_SLACK, Keyring, SignatureError};
use crate::deb::release::Release;
use crate::digest::Digest;
use crate::estate::{Archive, ArchiveSource};
use crate::fetch::{Area, FetchError, Location};
use crate::lock::{LockedSuite, SuiteKey};

use super::places::{Kind, Place, Places};
use super::{Access, ArchiveError, SuiteError};

/// No InRelease is longer: Debian's have 0.3 MB.
const LIMIT: u64 = 32 << 20;

/// A suite whose Release is verified.
#[derive(Debug)]
pub(super) struct Suite {
    pub key: SuiteKey,
    pub release: Release,
    pub locked: LockedSuite,
    /// The place that served it, then the others.
    pub places: Vec<Location>,
}

/// What a suite is held against.
pub(super) struct Verifier<'a> {
    pub access: Access<'a>,
    pub archive: &'a Archive,
    pub keyring: &'a Keyring,
    pub key: SuiteKey,
    pub previous: Option<&'a LockedSuite>,
}

impl Verifier<'_> {
    /// Asks one place after the other until one has the suite as it has to be.
    pub fn find(self, places: &Places) -> Result<Suite, ArchiveError> {
        let Access { http, served, progress, .. } = self.access;
        let places = places.clone().with_first(served.get(&self.key.distro, &self.archive.name));
        let mut tries = Vec::new();
        for place in &places.0 {
            if http.offline() && matches!(place.location, Location::Web(_)) {
                continue;
            }
            match self.verify(place) {
                Ok((release, bytes)) => {
                    for (kind, error) in &tries {
                        if *kind != Kind::Host || !SuiteError::is_elsewhere(error) {
                            progress.note(&format!("passed over: {error}"));
                        }
                    }
                    served.set(&self.key.distro, &self.archive.name, &place.location);
                    let locked = LockedSuite { date: release.date, release: Digest::of(&bytes) };
                    self.keep(&locked.release, &bytes)?;
                    let mut all = vec![place.location.clone()];
                    all.extend(
                        places.0.iter().map(|place| &place.location).filter(|at| **at != place.location).cloned(),
                    );
                    return Ok(Suite { key: self.key, release, locked, places: all });
                }
                Err(SuiteError::Fetch(error)) if error.is_local() => return Err(error.into()),
                Err(error) => tries.push((place.kind, error)),
            }
        }
        if http.offline() {
            return self.find_cached(&places);
        }
        // What other archives of the host are is of no interest, unless it is all there is to say.
        let telling = |(kind, error): &(Kind, SuiteError)| *kind != Kind::Host || !error.is_elsewhere();
        if tries.iter().any(telling) {
            tries.retain(telling);
        }
        Err(ArchiveError::Suite {
            archive: self.key.archive,
            suite: self.key.suite,
            tries: tries.into_iter().map(|(_, error)| error).collect(),
        })
    }

    /// The suite's Release at one place, and the bytes of the file that holds it.
    fn verify(&self, place: &Place) -> Result<(Release, Vec<u8>), SuiteError> {
        let http = self.access.http;
        let at = match place.kind {
            Kind::Snapshot => At::Signing,
            _ => At::Now(self.access.settings.now),
        };
        let folder = format!("dists/{}", self.key.suite);
        let inline = place.location.join(&format!("{folder}/InRelease"));
        let (url, text, bytes) = match http.read(&inline, LIMIT) {
            Ok(bytes) => {
                let url = inline.to_string();
                let text = self
                    .keyring
                    .clearsigned(&bytes, at)
                    .map_err(|source| SuiteError::Signature { url: url.clone(), source })?;
                (url, text, bytes)
            }
            Err(FetchError::Missing { url: missing }) => {
                let release = place.location.join(&format!("{folder}/Release"));
                let bytes = http.read(&release, LIMIT).map_err(|error| match error {
                    FetchError::Missing { .. } => FetchError::Missing { url: missing },
                    other => other,
                })?;
                let url = release.to_string();
                let signature = match http.read(&place.location.join(&format!("{folder}/Release.gpg")), LIMIT) {
                    Err(FetchError::Missing { .. }) => {
                        let source = SignatureError::Unsigned("there is neither InRelease nor Release.gpg".to_owned());
                        return Err(SuiteError::Signature { url, source });
                    }
                    other => other?,
                };
                self.keyring
                    .detached(&bytes, &signature, at)
                    .map_err(|source| SuiteError::Signature { url: url.clone(), source })?;
                (url, String::from_utf8_lossy(&bytes).into_owned(), bytes)
            }
            Err(error) => return Err(error.into()),
        };
        let release = Release::parse(&text).map_err(|source| SuiteError::Release { url: url.clone(), source })?;
        self.check(&release, url, place.kind)?;
        Ok((release, bytes))
    }

    fn check(&self, release: &Release, url: String, kind: Kind) -> Result<(), SuiteError> {
        let now = self.access.settings.now;
        if let ArchiveSource::Remote { origin, label, .. } = &self.archive.source {
            for (field, expected, found) in [("Origin", origin, &release.origin), ("Label", label, &release.label)] {
                if let Some(expected) = expected
                    && Some(expected) != found.as_ref()
                {
                    let (expected, found) = (expected.clone(), found.clone());
                    return Err(SuiteError::OtherOrigin { url, field, expected, found });
                }
            }
        }
        let suite = self.key.suite.clone();
        if !release.is_of(&suite) {
            let names = [&release.suite, &release.codename].into_iter().flatten();
            let found = names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
            return Err(SuiteError::OtherSuite { url, suite, found });
        }
        if release.date > now + CLOCK_SLACK {
            return Err(SuiteError::Future { url, date: release.date, now });
        }
        // An old state is out of date by its nature.
        if let Some(until) = release.valid_until.filter(|until| *until < now && kind != Kind::Snapshot) {
            return Err(SuiteError::Expired { url, until, now });
        }
        match self.previous {
            Some(previous) if release.date < previous.date => {
                Err(SuiteError::Older { url, date: release.date, locked: previous.date })
            }
            _ => Ok(()),
        }
    }

    fn keep(&self, digest: &Digest, bytes: &[u8]) -> Result<(), ArchiveError> {
        let cache = self.access.cache;
        let mut scratch = cache.scratch(Area::Index)?;
        let path = scratch.path().to_owned();
        scratch.write_all(bytes).map_err(|source| FetchError::Write { what: "InRelease".to_owned(), path, source })?;
        cache.keep(Area::Index, digest, scratch)?;
        Ok(())
    }

    /// The suite of the last lock, from the cache: the lock's digest stands for what was verified when it was made.
    fn find_cached(self, places: &Places) -> Result<Suite, ArchiveError> {
        let missing = || ArchiveError::Offline { archive: self.key.archive.clone(), suite: self.key.suite.clone() };
        let locked = self.previous.ok_or_else(missing)?.clone();
        let path = self.access.cache.find(Area::Index, &locked.release).ok_or_else(missing)?;
        let bytes = std::fs::read(&path).map_err(|source| FetchError::Read { path, source })?;
        if Digest::of(&bytes) != locked.release {
            return Err(missing());
        }
        let url = format!("InRelease of {} {}", self.key.archive, self.key.suite);
        let wrong = |error| ArchiveError::Suite {
            archive: self.key.archive.clone(),
            suite: self.key.suite.clone(),
            tries: vec![error],
        };
        let text = if bytes.starts_with(b"-----BEGIN") {
            self.keyring
                .clearsigned(&bytes, At::Signing)
                .map_err(|source| wrong(SuiteError::Signature { url: url.clone(), source }))?
        } else {
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let release =
            Release::parse(&text).map_err(|source| wrong(SuiteError::Release { url: url.clone(), source }))?;
        self.check(&release, url, Kind::Snapshot).map_err(wrong)?;
        let places = places.0.iter().map(|place| place.location.clone()).collect();
        Ok(Suite { key: self.key, release, locked, places })
    }
}
