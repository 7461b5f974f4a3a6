//! What is not trusted, and what is said of it.

use super::*;

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
fn an_index_that_was_changed_is_never_read() {
    let root = tempfile::tempdir().unwrap();
    let archive = hello().without_by_hash().packing(&[Packing::Plain]).write(root.path());
    let path = root.path().join("dists/trixie/main/binary-amd64/Packages");
    let text = std::fs::read_to_string(&path).unwrap().replace("hello", "hallo");
    std::fs::write(&path, text).unwrap();
    let error = Scene::of(&archive).open().unwrap_err();
    assert!(error.to_string().contains("is not the expected file"), "{error}");
}
