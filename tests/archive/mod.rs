//! Archives of a distro, opened: good ones, and every kind of bad one.

mod places;
mod read;
mod trust;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use wharf::deb::archive::{Access, ArchiveError, Opened, Served, Settings, fetch_debs, open};
use wharf::deb::{AptSources, Field, PackageRecord};
use wharf::digest::Digest;
use wharf::estate::{self, Arch, ArchiveSource, Distro, FileSource, Filters, LoaderCache};
use wharf::fetch::{Area, Cache, Http, HttpSettings, Location};
use wharf::lock::{LockedPackage, LockedSuite, SuiteKey};
use wharf::name::{ArchName, DistroName};
use wharf::progress::{Phase, Progress};
use wharf::spec::{Origin, Sources, Span, Spanned};

use crate::support::archive::{Archive, DATE, Signing, Written};
use crate::support::deb::{Deb, Packing};
use crate::support::key::{Key, KeyOptions};
use crate::support::server::{Fault, Server};
use crate::support::skip;

/// An hour after the Release files were made.
const NOW: i64 = DATE + 3600;

/// Writes notes down.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Progress for Notes {
    fn expect(&self, _: Phase, _: u64) {}
    fn advance(&self, _: Phase, _: u64, _: &str) {}
    fn whole(&self, _: Phase, _: Option<u64>) {}
    fn finish(&self, _: Phase) {}
    fn note(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

pub fn arch(name: &str, debian: &str) -> Arch {
    Arch {
        name: ArchName::new(name).unwrap(),
        oci: debian.to_owned(),
        debian: debian.to_owned(),
        triplet: format!("{name}-linux-gnu"),
        qemu: format!("qemu-{name}-static"),
        loader: LoaderCache { flags: 0, machine: 0, interpreter: String::new(), hwcaps: Vec::new() },
    }
}

fn span() -> Span {
    let source = Sources::default().add("distro.kdl".to_owned(), String::new(), Origin::Project);
    Span { source, start: 0, len: 0 }
}

fn distro(archives: Vec<(&str, ArchiveSource)>) -> Distro {
    Distro {
        name: DistroName::new("debian-trixie").unwrap(),
        default: true,
        arches: Vec::new(),
        archives: archives
            .into_iter()
            .map(|(name, source)| estate::Archive { name: name.to_owned(), source, arches: Vec::new(), span: span() })
            .collect(),
        pins: Vec::new(),
        filters: Filters::default(),
        snippets: Vec::new(),
        scripts: Vec::new(),
        bytecode: None,
        accounts: BTreeMap::new(),
        tier: None,
        span: span(),
    }
}

/// One archive named `test`, and all that it takes to open it.
struct Scene {
    folder: tempfile::TempDir,
    distro: Distro,
    cache: Cache,
    http: Http,
    settings: Settings,
    served: Served,
    notes: Notes,
    previous: BTreeMap<SuiteKey, LockedSuite>,
}

fn http(offline: bool) -> Http {
    Http::new(HttpSettings {
        offline,
        environment_proxies: false,
        attempts: 2,
        pause: Duration::from_millis(1),
        silence: Duration::from_secs(5),
        ..HttpSettings::default()
    })
}

impl Scene {
    /// The spec names `url`, the suites that are given, and the key of `archive`.
    fn new(url: &str, key: &Key, suites: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keyring = folder.path().join("keyring.gpg");
        std::fs::write(&keyring, key.binary()).unwrap();
        let source = ArchiveSource::Remote {
            url: url.to_owned(),
            snapshot: None,
            origin: Some("Test".to_owned()),
            label: Some("Test".to_owned()),
            suites: suites.iter().map(|suite| (*suite).to_owned()).collect(),
            components: vec!["main".to_owned()],
            keyring: Spanned::new(FileSource::Disk(keyring), span()),
        };
        Self {
            distro: distro(vec![("test", source)]),
            cache: Cache::open(&folder.path().join("cache")).unwrap(),
            http: http(false),
            settings: Settings { now: NOW, threads: 4, ..Settings::default() },
            served: Served::default(),
            notes: Notes::default(),
            previous: BTreeMap::new(),
            folder,
        }
    }

    /// For an archive that is read from its folder.
    fn of(archive: &Written) -> Self {
        Self::new(&archive.root.to_string_lossy(), &archive.key, &["trixie"])
    }

    fn access(&self) -> Access<'_> {
        Access {
            http: &self.http,
            cache: &self.cache,
            settings: &self.settings,
            served: &self.served,
            progress: &self.notes,
        }
    }

    fn open_for(&self, arches: &[&Arch]) -> Result<Opened, ArchiveError> {
        open(self.access(), &self.distro, arches, &self.previous)
    }

    fn open(&self) -> Result<Opened, ArchiveError> {
        self.open_for(&[&arch("x86_64", "amd64")])
    }

    fn fetch<'a>(
        &self,
        packages: impl IntoIterator<Item = &'a LockedPackage>,
    ) -> Result<BTreeMap<Digest, PathBuf>, ArchiveError> {
        fetch_debs(self.access(), &self.distro, packages, &self.previous)
    }

    fn source(&mut self) -> &mut ArchiveSource {
        &mut self.distro.archives[0].source
    }

    /// The error, with what each place said below it, roots shortened.
    fn fails(&self, root: &Path) -> String {
        report(&self.open().unwrap_err(), root)
    }

    fn notes(&self, root: &Path) -> Vec<String> {
        let notes = std::mem::take(&mut *self.notes.0.lock().unwrap());
        notes.into_iter().map(|note| note.replace(&root.display().to_string(), "ROOT")).collect()
    }
}

fn report(error: &dyn miette::Diagnostic, root: &Path) -> String {
    let mut text = error.to_string();
    for one in error.related().into_iter().flatten() {
        text += &format!("\n- {one}");
        if let Some(help) = one.help() {
            text += &format!("\n  help: {help}");
        }
    }
    text.replace(&root.display().to_string(), "ROOT")
}

fn names(records: &[PackageRecord]) -> Vec<String> {
    records.iter().map(|record| format!("{} {} {}", record.name, record.version, record.arch)).collect()
}

fn hello() -> Archive {
    Archive::new().package(Deb::new("hello", "1.0").depends("libhello (>= 2)").file("/usr/bin/hello", 0o755, b"hi"))
}

fn locked(opened: &Opened, name: &str) -> LockedPackage {
    opened.universes[&ArchName::new("x86_64").unwrap()].named(name)[0].to_locked()
}
