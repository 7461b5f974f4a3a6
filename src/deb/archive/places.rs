//! Where an archive's files may be, in the order in which it is worth asking.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::deb::release::snapshot_date;
use crate::deb::sources::AptSources;
use crate::estate::{Archive, ArchiveSource};
use crate::fetch::Location;
use crate::lock::LockedSuite;
use crate::name::DistroName;

/// What the user says of where to fetch from.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Mirrors by the archive's name in the spec, from a flag or the user's configuration.
    pub mirrors: BTreeMap<String, Location>,
    /// The build host's apt sources; empty where they are not to be used.
    pub host: AptSources,
    /// Now, in seconds since 1970: what `Valid-Until` and keys' expiry are held against.
    pub now: i64,
    /// How many files are fetched at once; 8 is good.
    pub threads: usize,
}

/// Which place served an archive last.
#[derive(Debug, Default)]
pub struct Served(Mutex<BTreeMap<(DistroName, String), Location>>);

impl Served {
    /// The place for an archive of a distro.
    pub fn get(&self, distro: &DistroName, archive: &str) -> Option<Location> {
        let key = (distro.clone(), archive.to_owned());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    pub(super) fn set(&self, distro: &DistroName, archive: &str, place: &Location) {
        let key = (distro.clone(), archive.to_owned());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, place.clone());
    }
}

/// Why a place is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The user named it.
    Mirror,
    /// An apt source of the build host: it may well be of another archive.
    Host,
    /// The spec names it.
    Spec,
    /// An old state: nothing of it is expected to be current.
    Snapshot,
}

/// A place to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub location: Location,
    pub kind: Kind,
}

/// Places in order, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Places(pub Vec<Place>);

/// A Release is dated when its making began, and the snapshot archive shows the newest state that is not newer than the
/// date in its address: half a day later the suite is surely there, and no file that it names is gone yet.
const UNTIL_SEEN: i64 = 12 * 3600;

impl Places {
    /// For the files of a suite; `locked` is how the last lock saw it.
    pub fn of_suite(settings: &Settings, archive: &Archive, suite: &str, locked: Option<&LockedSuite>) -> Self {
        Self::new(settings, archive, suite, locked.map(|locked| locked.date))
    }

    /// For packages; `dates` are those of the archive's suites in the lock.
    pub fn of_pool(settings: &Settings, archive: &Archive, dates: impl Iterator<Item = i64>) -> Self {
        let suite = match &archive.source {
            ArchiveSource::Remote { suites, .. } => suites.first().map_or("", String::as_str),
            ArchiveSource::Dir(_) => "",
        };
        let mut dates: Vec<i64> = dates.collect();
        dates.sort_unstable_by(|a, b| b.cmp(a));
        Self::new(settings, archive, suite, dates)
    }

    fn new(settings: &Settings, archive: &Archive, suite: &str, dates: impl IntoIterator<Item = i64>) -> Self {
        let mut places = Self::default();
        let (url, snapshot) = match &archive.source {
            ArchiveSource::Dir(dir) => {
                places.add(Location::Folder(dir.clone()), Kind::Spec);
                return places;
            }
            ArchiveSource::Remote { url, snapshot, .. } => (url, snapshot),
        };
        if let Some(mirror) = settings.mirrors.get(&archive.name) {
            places.add(mirror.clone(), Kind::Mirror);
        }
        for place in settings.host.for_suite(suite, url) {
            places.add(place, Kind::Host);
        }
        if let Ok(place) = Location::parse(url) {
            places.add(place, Kind::Spec);
        }
        if let Some(pattern) = snapshot {
            for date in dates.into_iter().flat_map(|date| [date + UNTIL_SEEN, date]) {
                if let Ok(place) = Location::parse(&pattern.replace("{date}", &snapshot_date(date))) {
                    places.add(place, Kind::Snapshot);
                }
            }
        }
        places
    }

    fn add(&mut self, location: Location, kind: Kind) {
        if !self.0.iter().any(|known| known.location == location) {
            self.0.push(Place { location, kind });
        }
    }

    /// The same with the place that served before at the front.
    pub fn with_first(mut self, first: Option<Location>) -> Self {
        if let Some(at) = first.and_then(|first| self.0.iter().position(|place| place.location == first)) {
            let place = self.0.remove(at);
            self.0.insert(0, place);
        }
        self
    }
}
