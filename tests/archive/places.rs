//! Where files are fetched from, in which order, and what is done without a network.

use super::*;

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
        ..AptSources::default()
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
fn a_lock_with_an_archive_that_is_gone_is_told() {
    let root = tempfile::tempdir().unwrap();
    let scene = Scene::of(&hello().write(root.path()));
    let mut package = locked(&scene.open().unwrap(), "hello");
    package.archive = "other".to_owned();
    insta::assert_snapshot!(scene.fetch([&package]).unwrap_err(), @"the lock has `hello` from the archive `other`, which the distro does not have");
}
