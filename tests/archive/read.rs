//! What good archives and folders of .debs give.

use super::*;

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
        arches: Vec::new(),
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
