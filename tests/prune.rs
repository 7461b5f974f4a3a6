//! `wharf prune`.

use std::fs;
use std::path::Path;

use wharf::oci::Store;

use crate::oracle::wharf_ends;
use crate::sample;

fn prune(code: i32, store: &Path, more: &[&str]) -> (String, String) {
    wharf_ends(code, &[&["prune", &format!("--store={}", store.display())], more].concat())
}

#[test]
fn a_store_that_is_not_there_is_an_error_when_it_was_named() {
    let folder = tempfile::tempdir().unwrap();
    let (_, error) = prune(1, &folder.path().join("store"), &[]);
    assert!(error.contains("there is no store in"), "{error}");
}

#[test]
fn an_unknown_ref_cannot_be_dropped() {
    let folder = tempfile::tempdir().unwrap();
    sample::hello(&Store::open(folder.path()).unwrap());
    let (_, error) = prune(1, folder.path(), &["--drop", "hallo:latest"]);
    assert!(error.contains("did you mean `hello:latest`"), "{error}");
}

#[test]
fn what_no_ref_reaches_goes_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    sample::hello(&store);
    let loose = store.put_bytes("text/plain", b"loose").unwrap();
    drop(store);
    let (dry, _) = prune(0, folder.path(), &["--dry-run"]);
    assert_eq!(dry, format!("{} 5 B\n", loose.digest));
    assert_eq!(prune(0, folder.path(), &[]).0, dry);
    let store = Store::open(folder.path()).unwrap();
    assert!(!store.has(&loose.digest));
    assert_eq!(store.verify().unwrap(), []);
    assert_eq!(store.refs().unwrap().len(), 4);
}

#[test]
fn a_dropped_ref_takes_only_its_own_blobs_with_it() {
    let folder = tempfile::tempdir().unwrap();
    sample::hello(&Store::open(folder.path()).unwrap());
    let drop = ["hello", "hello:debian-trixie", "hello:debian-trixie-aarch64"].map(|name| ["--drop", name]).concat();
    let (json, _) = prune(0, folder.path(), &[drop.as_slice(), &["--json"]].concat());
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["version"], 1);
    // The index, and the manifest and configuration of aarch64; its layers are those of x86_64.
    assert_eq!(document["store"]["blobs"].as_array().unwrap().len(), 3);
    assert_eq!(document["store"]["refs"].as_array().unwrap().len(), 3);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.verify().unwrap(), []);
    assert_eq!(store.refs().unwrap().len(), 1);
}

#[test]
fn the_cache_alone_is_pruned_where_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("debs")).unwrap();
    fs::write(folder.path().join("debs/.new-killed"), "half").unwrap();
    fs::write(folder.path().join("debs/00"), "whole").unwrap();
    let cache = format!("--cache={}", folder.path().display());
    let (_, said) = wharf_ends(0, &["prune", &cache]);
    assert_eq!(said, "cache: freed 4 B in 1 files, 5 B stay\n");
    let (_, said) = wharf_ends(0, &["prune", &cache, "--keep", "0"]);
    assert_eq!(said, "cache: freed 5 B in 1 files, 0 B stay\n");
    wharf_ends(64, &["prune", &cache, "--keep", "much"]);
}

#[test]
fn a_store_in_use_is_waited_for() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_wharf"))
        .args(["prune", &format!("--store={}", folder.path().display())])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "waiting until nobody else uses the store\n");
    // What a build has put there but not yet named must not go.
    let blob = store.put_bytes("text/plain", b"not yet named").unwrap();
    assert!(store.has(&blob.digest) && child.try_wait().unwrap().is_none());
    drop(store);
    assert!(child.wait().unwrap().success());
    assert!(!Store::open(folder.path()).unwrap().has(&blob.digest));
}
