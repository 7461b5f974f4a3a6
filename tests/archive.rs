//! Archives of a distro, opened: good ones, and every kind of bad one.

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

use super::support::archive::{Archive, DATE, Signing, Written};
use super::support::deb::{Deb, Packing};
use super::support::key::{Key, KeyOptions};
use super::support::server::{Fault, Server};
use super::support::skip;

/// An hour after the Release files were made.
const NOW: i64 = DATE + 3600;

/// Writes notes down.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Progress for Notes {
    fn expect(&self, _: Phase, _: u64) {}
    fn advance(&self, _: Phase, _: u64, _: &str) {}
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
            .map(|(name, source)| estate::Archive { name: name.to_owned(), source, span: span() })
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

#[test]
fn a_stranger_s_archive_is_refused_and_the_keys_are_named() {
    let root = tempfile::tempdir().unwrap();
    let archive = hello().write(root.path());
    let ours = Key::default();
    let scene = Scene::new(&root.path().to_string_lossy(), &ours, &["trixie"]);
    let text = scene.fails(root.path());
    let text = text.replace(&archive.key.signer(), "THEIRS").replace(&ours.fingerprint(), "OURS");
    insta::assert_snapshot!(text, @"
    the suite `trixie` of the archive `test` was found at no place that can be trusted
    - ROOT/dists/trixie/InRelease is not trusted: it is signed by THEIRS, and no such key is in the keyring (which holds OURS)
      help: this is another archive, or the archive has a new key that belongs into the distro's keyring
    ");
}

#[test]
fn a_changed_release_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let archive = hello().write(root.path());
    let path = root.path().join("dists/trixie/InRelease");
    let text = std::fs::read_to_string(&path).unwrap().replace("Acquire-By-Hash: yes", "Acquire-By-Hash: no");
    std::fs::write(&path, text).unwrap();
    let text = Scene::of(&archive).fails(root.path()).replace(&archive.key.signer(), "KEY");
    insta::assert_snapshot!(text, @"
    the suite `trixie` of the archive `test` was found at no place that can be trusted
    - ROOT/dists/trixie/InRelease is not trusted: its signature does not count: the text is not the one that KEY signed
      help: the mirror is broken or hostile: use another one
    ");
}

#[test]
fn an_unsigned_archive_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let archive = hello().signing(Signing::Not).write(root.path());
    insta::assert_snapshot!(Scene::of(&archive).fails(root.path()), @"
    the suite `trixie` of the archive `test` was found at no place that can be trusted
    - ROOT/dists/trixie/Release is not trusted: it is not a signed text: there is neither InRelease nor Release.gpg
      help: an archive has to be signed: check the address
    ");
}

#[test]
fn an_expired_key_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let options = KeyOptions::default();
    let lasts = u32::try_from(NOW).unwrap() - options.created;
    let key = Key::new(&KeyOptions { subkey_lasts: Some(lasts), ..options });
    let archive = hello().key(key).write(root.path());
    let text = Scene::of(&archive).fails(root.path()).replace(&archive.key.signer(), "KEY");
    insta::assert_snapshot!(text, @"
    the suite `trixie` of the archive `test` was found at no place that can be trusted
    - ROOT/dists/trixie/InRelease is not trusted: its signature does not count: KEY has expired
      help: the mirror is out of date, or the archive's newer key belongs into the distro's keyring
    ");
}

#[test]
fn an_outdated_mirror_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let archive = hello().valid_until(NOW - 60).write(root.path());
    insta::assert_snapshot!(Scene::of(&archive).fails(root.path()), @"
    the suite `trixie` of the archive `test` was found at no place that can be trusted
    - ROOT/dists/trixie/InRelease was valid until 2025-11-15 12:59:00 UTC, and it is 2025-11-15 13:00:00 UTC
      help: the mirror is no longer updated, or this machine's clock is wrong: use another mirror
    ");
}

#[test]
fn another_archive_or_suite_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let archive = hello().label("Test-Security").write(root.path());
    insta::assert_snapshot!(Scene::of(&archive).fails(root.path()), @"
    the suite `trixie` of the archive `test` was found at no place that can be trusted
    - ROOT/dists/trixie/InRelease has the Label `Test-Security`, and the spec says `Test`
      help: this is another archive; if it is the right one, its `origin` and `label` in the distro have to say so
    ");
    let root = tempfile::tempdir().unwrap();
    let archive = hello().names("bookworm", "oldstable").write(root.path());
    insta::assert_snapshot!(Scene::of(&archive).fails(root.path()), @"
    the suite `trixie` of the archive `test` was found at no place that can be trusted
    - ROOT/dists/trixie/InRelease is that of the suite `oldstable` or `bookworm`, not of `trixie`
      help: the mirror is misconfigured or hostile; if the archive means it so, name the suite as it does
    ");
}

#[test]
fn a_mirror_older_than_the_lock_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let archive = hello().write(root.path());
    let mut scene = Scene::of(&archive);
    let mut suites = scene.open().unwrap().suites;
    for suite in suites.values_mut() {
        suite.date += 1;
    }
    scene.previous = suites;
    insta::assert_snapshot!(scene.fails(root.path()), @"
    the suite `trixie` of the archive `test` was found at no place that can be trusted
    - ROOT/dists/trixie/InRelease is of 2025-11-15 12:00:00 UTC, and the lock was made from that of 2025-11-15 12:00:01 UTC
      help: the mirror is behind: use another one, or wait; if the archive really went back, remove the `suite` line from wharf.lock
    ");
}

#[test]
fn a_clock_that_is_behind_is_told() {
    let root = tempfile::tempdir().unwrap();
    let archive = hello().write(root.path());
    let mut scene = Scene::of(&archive);
    scene.settings.now = DATE - 86_400;
    let text = scene.fails(root.path()).replace(&archive.key.signer(), "KEY");
    insta::assert_snapshot!(text, @"
    the suite `trixie` of the archive `test` was found at no place that can be trusted
    - ROOT/dists/trixie/InRelease is not trusted: its signature does not count: the signature of KEY is dated in the future
      help: this machine's clock is wrong
    ");
}

#[test]
fn a_keyring_that_is_none_is_told() {
    let root = tempfile::tempdir().unwrap();
    let archive = hello().write(root.path());
    let scene = Scene::of(&archive);
    std::fs::write(scene.folder.path().join("keyring.gpg"), "hello").unwrap();
    insta::assert_snapshot!(scene.open().unwrap_err(), @"the keyring of the archive `test` cannot be used: no OpenPGP certificates, binary or ASCII-armoured, could be read: IO error: unknown packet header version 1101000");
    std::fs::remove_file(scene.folder.path().join("keyring.gpg")).unwrap();
    insta::assert_snapshot!(scene.open().unwrap_err(), @"the keyring of the archive `test` cannot be used: No such file or directory (os error 2)");
}

#[test]
fn an_unknown_component_is_told_with_its_neighbour() {
    let root = tempfile::tempdir().unwrap();
    let archive = hello().write(root.path());
    let mut scene = Scene::of(&archive);
    if let ArchiveSource::Remote { components, .. } = scene.source() {
        *components = vec!["mian".to_owned()];
    }
    let error = scene.open().unwrap_err();
    insta::assert_snapshot!(error, @"the suite `trixie` of the archive `test` has no packages of the component `mian` for amd64");
    insta::assert_snapshot!(miette::Diagnostic::help(&error).unwrap(), @"did you mean `main`?");
}

#[test]
fn an_arch_that_an_archive_lacks_is_told_and_has_nothing() {
    let root = tempfile::tempdir().unwrap();
    let archive = hello().write(root.path());
    let scene = Scene::of(&archive);
    let opened = scene.open_for(&[&arch("x86_64", "amd64"), &arch("ppc64le", "ppc64el")]).unwrap();
    assert_eq!(opened.universes[&ArchName::new("ppc64le").unwrap()].packages().len(), 0);
    assert_eq!(scene.notes(root.path()), ["test trixie has nothing for ppc64el"]);
}

#[test]
fn an_index_that_was_changed_is_never_read() {
    let root = tempfile::tempdir().unwrap();
    let archive = hello().without_by_hash().packing(&[Packing::Plain]).write(root.path());
    let path = root.path().join("dists/trixie/main/binary-amd64/Packages");
    let text = std::fs::read_to_string(&path).unwrap().replace("hello", "hallo");
    std::fs::write(&path, text).unwrap();
    let error = Scene::of(&archive).open().unwrap_err();
    assert!(error.to_string().contains("is not the expected file"), "{error}");
}

#[test]
fn all_suites_and_forms_are_read() {
    for packing in [Packing::Plain, Packing::Gz, Packing::Xz] {
        for signing in [Signing::Inline, Signing::Detached] {
            let root = tempfile::tempdir().unwrap();
            let archive = hello()
                .arch("arm64")
                .package(Deb::new("libhello", "2.0").arch("all").provides("greeting (= 2)"))
                .package(Deb::new("hello", "1.0").arch("arm64"))
                .signing(signing)
                .packing(&[packing])
                .suite("trixie-updates")
                .field("NotAutomatic", "yes")
                .package(Deb::new("hello", "1.1"))
                .write(root.path());
            let scene = Scene::new(&root.path().to_string_lossy(), &archive.key, &["trixie", "trixie-updates"]);
            let opened = scene.open_for(&[&arch("x86_64", "amd64"), &arch("aarch64", "arm64")]).unwrap();
            let universe = &opened.universes[&ArchName::new("x86_64").unwrap()];
            assert_eq!(names(universe.packages()), ["hello 1.0 amd64", "hello 1.1 amd64", "libhello 2.0 all"]);
            let arm = &opened.universes[&ArchName::new("aarch64").unwrap()];
            assert_eq!(names(arm.packages()), ["hello 1.0 arm64", "libhello 2.0 all"]);
            let [old, new] = universe.named("hello") else { panic!() };
            assert_eq!(old.relations.get(Field::Depends), Some("libhello (>= 2)"));
            assert_eq!((old.suite.name.as_str(), old.suite.suite.as_deref()), ("trixie", Some("stable")));
            assert_eq!((new.suite.name.as_str(), new.suite.not_automatic), ("trixie-updates", true));
            assert_eq!(opened.suites.len(), 2);
            assert!(opened.suites.values().all(|suite| suite.date == DATE));
            let debs = scene.fetch([&old.to_locked(), &new.to_locked()]).unwrap();
            assert_eq!(Digest::of(&std::fs::read(&debs[&new.sha256]).unwrap()), new.sha256);
        }
    }
}

#[test]
fn places_are_asked_in_order_and_the_one_that_served_is_asked_first() {
    let (stale, root, other) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let archive = hello().suite("trixie-updates").package(Deb::new("hello", "1.1")).write(root.path());
    // The same archive's key cannot be had twice: the stale mirror is one whose Release is broken.
    hello().origin("Other").write(other.path());
    std::fs::create_dir_all(stale.path().join("dists/trixie")).unwrap();
    let text = std::fs::read_to_string(root.path().join("dists/trixie/InRelease")).unwrap();
    std::fs::write(stale.path().join("dists/trixie/InRelease"), text.replace("Label: Test", "Label: Tset")).unwrap();

    let server = Server::new(root.path());
    let mut scene = Scene::new("http://127.0.0.1:9/never", &archive.key, &["trixie", "trixie-updates"]);
    let place = |path: &Path| Location::Folder(path.to_owned());
    scene.settings.mirrors.insert("test".to_owned(), place(stale.path()));
    scene.settings.host = AptSources {
        places: vec![
            (place(other.path()), ["trixie".to_owned()].into()),
            (Location::parse(&server.url()).unwrap(), ["bookworm".to_owned()].into()),
        ],
        problems: Vec::new(),
    };
    let opened = scene.open().unwrap();
    assert_eq!(scene.served.get(&scene.distro.name, "test").unwrap().to_string(), server.url());
    // The mirror that the user named is told; apt sources of other archives are not.
    let notes = scene.notes(stale.path());
    assert_eq!(notes.len(), 1);
    assert!(notes[0].starts_with("passed over: ROOT/dists/trixie/InRelease is not trusted"), "{notes:?}");
    server.requests();
    scene.fetch([&locked(&opened, "hello")]).unwrap();
    assert_eq!(server.requests(), ["GET /pool/main/h/hello/hello_1.0_amd64.deb"]);
}

#[test]
fn an_older_mirror_is_passed_over_for_the_next() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let archive = hello().date(DATE - 86_400).write(old.path());
    let archive = hello().key(archive.key).write(new.path());
    let mut scene = Scene::of(&archive);
    scene.previous = scene.open().unwrap().suites;
    scene.settings.host.places = vec![(Location::Folder(old.path().to_owned()), ["trixie".to_owned()].into())];
    scene.served = Served::default();
    assert!(scene.open().is_ok());
    insta::assert_snapshot!(scene.notes(old.path()).join("\n"), @"passed over: ROOT/dists/trixie/InRelease is of 2025-11-14 12:00:00 UTC, and the lock was made from that of 2025-11-15 12:00:00 UTC");
}

#[test]
fn a_broken_mirror_s_index_comes_from_the_next() {
    let root = tempfile::tempdir().unwrap();
    let archive = hello().write(root.path());
    let server = Server::new(root.path());
    let mut scene = Scene::of(&archive);
    scene.settings.mirrors.insert("test".to_owned(), Location::parse(&server.url()).unwrap());
    let text = std::fs::read_to_string(root.path().join("dists/trixie/InRelease")).unwrap();
    let index = text.lines().find(|line| line.ends_with("binary-amd64/Packages.xz")).unwrap();
    let digest = index.split_whitespace().next().unwrap();
    let by_hash = format!("/dists/trixie/main/binary-amd64/by-hash/SHA256/{digest}");
    server.fault(&by_hash, Fault::Status(404));
    server.fault("/dists/trixie/main/binary-amd64/Packages.xz", Fault::Status(403));
    assert_eq!(scene.open().unwrap().universes.len(), 1);
    assert_eq!(
        server.requests(),
        [
            "GET /dists/trixie/InRelease".to_owned(),
            format!("GET {by_hash}"),
            "GET /dists/trixie/main/binary-amd64/Packages.xz".to_owned()
        ]
    );
}

#[test]
fn a_second_open_fetches_no_index_again() {
    let root = tempfile::tempdir().unwrap();
    let archive = hello().write(root.path());
    let server = Server::new(root.path());
    let scene = Scene::new(&server.url(), &archive.key, &["trixie"]);
    scene.open().unwrap();
    server.requests();
    scene.open().unwrap();
    assert_eq!(server.requests(), ["GET /dists/trixie/InRelease"]);
}

#[test]
fn offline_reads_the_lock_s_suites_from_the_cache() {
    for signing in [Signing::Inline, Signing::Detached] {
        let root = tempfile::tempdir().unwrap();
        let archive = hello().valid_until(NOW + 60).signing(signing).write(root.path());
        let server = Server::new(root.path());
        let mut scene = Scene::new(&server.url(), &archive.key, &["trixie"]);
        let opened = scene.open().unwrap();
        let package = locked(&opened, "hello");
        server.requests();

        scene.http = http(true);
        insta::allow_duplicates! {
            insta::assert_snapshot!(scene.open().unwrap_err(), @"the suite `trixie` of the archive `test` is not in the cache as the lock names it");
            insta::assert_snapshot!(scene.fetch([&package]).unwrap_err(), @"not in the cache, and `--offline` forbids to fetch it: hello_1.0_amd64.deb");
        }
        scene.previous = opened.suites.clone();
        // Valid-Until has passed meanwhile: offline nothing newer can be had.
        scene.settings.now = NOW + 3600;
        let again = scene.open().unwrap();
        assert_eq!(again.suites, opened.suites);
        assert_eq!(locked(&again, "hello"), package);
        assert!(server.requests().is_empty());
        scene.http = http(false);
        scene.fetch([&package]).unwrap();
        scene.http = http(true);
        scene.fetch([&package]).unwrap();
    }
}

#[test]
fn a_package_that_mirrors_dropped_comes_from_the_snapshot() {
    let (root, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let archive = hello().write(root.path());
    let mut scene = Scene::of(&archive);
    let opened = scene.open().unwrap();
    let package = locked(&opened, "hello");
    let pool = root.path().join(&archive.pool["hello_1.0_amd64.deb"]);
    let kept = std::fs::read(&pool).unwrap();
    std::fs::remove_file(&pool).unwrap();

    let error = scene.fetch([&package]).unwrap_err();
    insta::assert_snapshot!(report(&error, root.path()), @"
    hello 1.0 is gone from the archive `test`: pool/main/h/hello/hello_1.0_amd64.deb is at no place that was asked
    - ROOT/pool/main/h/hello/hello_1.0_amd64.deb does not exist
      help: the mirror may be behind, or have dropped the file: try another one
    ");
    insta::assert_snapshot!(miette::Diagnostic::help(&error).unwrap(), @"`wharf lock --upgrade hello` takes the version that the archive has now; a `snapshot` address on the archive keeps old versions in reach");

    if let ArchiveSource::Remote { snapshot, .. } = scene.source() {
        *snapshot = Some(format!("{}/{{date}}", old.path().display()));
    }
    scene.previous = opened.suites;
    // The suite is of noon: the snapshot of midnight holds it.
    let state = old.path().join("20251116T000000Z").join(&archive.pool["hello_1.0_amd64.deb"]);
    std::fs::create_dir_all(state.parent().unwrap()).unwrap();
    std::fs::write(&state, &kept).unwrap();
    let debs = scene.fetch([&package]).unwrap();
    assert_eq!(std::fs::read(&debs[&package.sha256]).unwrap(), kept);
}

#[test]
fn a_suite_that_is_nowhere_else_comes_from_the_snapshot_however_old() {
    let (root, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let archive = hello().valid_until(NOW + 60).write(root.path());
    let mut scene = Scene::of(&archive);
    scene.previous = scene.open().unwrap().suites;
    std::fs::rename(root.path(), old.path().join("20251116T000000Z")).unwrap();
    scene.settings.now = NOW + 90 * 86_400;
    if let ArchiveSource::Remote { snapshot, .. } = scene.source() {
        *snapshot = Some(format!("{}/{{date}}", old.path().display()));
    }
    assert_eq!(scene.open().unwrap().suites, scene.previous);
    std::fs::create_dir(root.path()).unwrap();
}

#[test]
fn a_folder_of_debs_is_an_archive() {
    let dir = tempfile::tempdir().unwrap();
    let write = |deb: Deb| {
        let bytes = deb.bytes();
        std::fs::write(dir.path().join(deb.file_name()), &bytes).unwrap();
        Digest::of(&bytes)
    };
    let mut digests = Vec::new();
    for (version, packing) in [("1", Packing::Plain), ("2", Packing::Gz), ("3", Packing::Xz), ("4", Packing::Zstd)] {
        digests.push(write(Deb::new("own", version).packing(packing).depends("libc6").field("Source", "src (9)")));
    }
    write(Deb::new("own-data", "1").arch("all"));
    write(Deb::new("own", "1").arch("arm64"));
    std::fs::write(dir.path().join("README"), "no .deb").unwrap();
    let mut scene = Scene::of(&hello().write(&dir.path().join("archive")));
    scene.distro.archives.push(estate::Archive {
        name: "own".to_owned(),
        source: ArchiveSource::Dir(dir.path().to_owned()),
        span: span(),
    });
    let opened = scene.open().unwrap();
    let universe = &opened.universes[&ArchName::new("x86_64").unwrap()];
    assert_eq!(
        names(universe.packages()),
        ["hello 1.0 amd64", "own 1 amd64", "own 2 amd64", "own 3 amd64", "own 4 amd64", "own-data 1 all"]
    );
    let own = universe.named("own");
    assert_eq!(own.iter().map(|record| record.sha256).collect::<Vec<_>>(), digests);
    assert_eq!(own[0].source.1, "9");
    assert_eq!(own[0].relations.get(Field::Depends), Some("libc6"));
    assert_eq!(own[0].suite.archive, "own");
    let package = own[1].to_locked();
    assert!(scene.fetch([&package]).is_ok());

    // What is in the folder now is not what the lock took down.
    std::fs::write(dir.path().join("own_3_amd64.deb"), Deb::new("own", "3").bytes()).unwrap();
    assert!(scene.fetch([&own[2].to_locked()]).is_err());
    std::fs::write(dir.path().join("broken.deb"), "hello").unwrap();
    insta::assert_snapshot!(report(&scene.open().unwrap_err(), dir.path()), @"the archive `own` cannot be read: ROOT/broken.deb: it is no Debian package: it does not begin with `!<arch>`");
}

#[test]
fn a_lock_with_an_archive_that_is_gone_is_told() {
    let root = tempfile::tempdir().unwrap();
    let scene = Scene::of(&hello().write(root.path()));
    let mut package = locked(&scene.open().unwrap(), "hello");
    package.archive = "other".to_owned();
    insta::assert_snapshot!(scene.fetch([&package]).unwrap_err(), @"the lock has `hello` from the archive `other`, which the distro does not have");
}

/// Debian itself, by whatever this machine's apt uses.
#[test]
fn debian_s_own_archive_is_verified_and_read() {
    let keyring = Path::new("/usr/share/keyrings/debian-archive-keyring.gpg");
    if !keyring.exists() {
        return skip("no debian-archive-keyring");
    }
    let host = AptSources::read(Path::new("/etc/apt"));
    let url = "http://ftp.debian.org/debian";
    if !host.for_suite("trixie", url).iter().any(|place| place.last_word() == "debian") {
        return skip("no apt source of Debian");
    }
    let now = jiff::Timestamp::now().as_second();
    let mut scene = Scene::new(url, &Key::default(), &["trixie", "trixie-updates"]);
    scene.http = Http::new(HttpSettings::default());
    scene.settings = Settings { host, now, threads: 8, ..Settings::default() };
    if let ArchiveSource::Remote { origin, label, keyring: place, .. } = scene.source() {
        *origin = Some("Debian".to_owned());
        *label = Some("Debian".to_owned());
        *place = Spanned::new(FileSource::Disk(keyring.to_owned()), span());
    }
    // Whether a mirror can be reached is not wharf's to say; whether it is trusted is.
    let opened = match scene.open() {
        Err(error @ ArchiveError::Suite { .. }) if report(&error, Path::new("/")).contains("cannot be fetched") => {
            return skip(&report(&error, Path::new("/")));
        }
        other => other.unwrap(),
    };
    let universe = &opened.universes[&ArchName::new("x86_64").unwrap()];
    assert!(universe.packages().len() > 60_000, "{}", universe.packages().len());
    let libc = &universe.named("libc6")[0];
    assert_eq!((libc.source.0.as_str(), libc.suite.codename.as_deref()), ("glibc", Some("trixie")));
    assert!(universe.packages().iter().filter(|record| record.essential).count() > 15);
    let package = universe.named("hostname")[0].to_locked();
    let debs = scene.fetch([&package]).unwrap();
    assert_eq!(Some(&debs[&package.sha256]), scene.cache.find(Area::Deb, &package.sha256).as_ref());
}
