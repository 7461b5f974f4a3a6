//! `wharf diff`.

use std::fs;
use std::path::Path;

use wharf::estate::{Compression, ImageConfig};
use wharf::oci::Store;

use crate::oracle::wharf_ends;
use crate::sample::{self, named};

/// A folder with a store that holds `old:1` and `new:1`; the new one is the old with a layer on top.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let layer = |text: &str, members: &[sample::Member]| sample::layer(&store, Compression::Zstd, text, members);
    let base = layer("packages of base", &sample::base());
    let mut top = sample::above();
    top.push(sample::file("./etc/motd", "welcome\n").mtime(2000));
    let top = layer("files of hello", &top);
    let config = ImageConfig {
        env: [("LANG".to_owned(), "C".to_owned()), ("NEW".to_owned(), "1".to_owned())].into(),
        health: None,
        ..sample::config()
    };
    let old = sample::manifest(&store, "x86_64", "amd64", vec![base.clone()], &sample::config());
    let new = sample::manifest(&store, "x86_64", "amd64", vec![base, top], &config);
    store.tag(&[(named("old:1"), old), (named("new:1"), new)]).unwrap();
    drop(store);
    folder
}

fn diff(code: i32, folder: &Path, arguments: &[&str]) -> (String, String) {
    let store = folder.join("store").display().to_string();
    wharf_ends(code, &[&["diff", "--store", &store], arguments].concat())
}

/// Digests and sizes follow from the codec, which has tests of its own.
fn masked(text: &str) -> String {
    let text = text.split("sha256:").enumerate().map(|(index, part)| match index {
        0 => part.to_owned(),
        _ => format!("sha256:…{}", part.get(64..).unwrap_or_default()),
    });
    text.collect()
}

#[test]
fn an_image_is_not_compared_with_a_lock() {
    let folder = folder();
    let lock = folder.path().join("wharf.lock");
    fs::write(&lock, "format 0\n").unwrap();
    let (_, error) = diff(1, folder.path(), &[&lock.display().to_string(), "new:1"]);
    assert!(error.contains("a lock cannot be compared with an"), "{error}");
}

#[test]
fn a_file_that_is_no_lock_is_named() {
    let folder = folder();
    let lock = folder.path().join("wharf.lock");
    fs::write(&lock, "what is this\n").unwrap();
    let lock = lock.display().to_string();
    let (_, error) = diff(1, folder.path(), &[&lock, &lock]);
    assert!(error.contains("is no lock that can be compared"), "{error}");
}

#[test]
fn the_same_image_does_not_differ() {
    let folder = folder();
    assert_eq!(diff(0, folder.path(), &["old:1", "old:1"]).0, "nothing differs\n");
}

#[test]
fn two_images_are_compared_for_people() {
    let folder = folder();
    insta::assert_snapshot!(masked(&diff(0, folder.path(), &["old:1", "new:1"]).0), @r#"
    x86_64: sha256:… → sha256:…
      to pull: 921 B of 1.1 KiB
      layers
        = sha256:… 699 B packages of base
        + sha256:… 406 B files of hello
      config
        ~ config.Env.LANG                "C.UTF-8" → "C"
        + config.Env.NEW                 "1"
        - config.Healthcheck.Interval    30000000000
        - config.Healthcheck.Retries     3
        - config.Healthcheck.StartPeriod 60000000000
        - config.Healthcheck.Test        ["CMD","/usr/bin/hello","--ping"]
        - config.Healthcheck.Timeout     10000000000
        - config.Labels.io.wharf.health  "{\"command\":[\"/usr/bin/hello\",\"--ping\"],\"interval_ms\":30000,\"retries\":3,\"start_ms\":60000,\"timeout_ms\":10000}"
      packages (1)
        ~ hello 1.0-1 → 1.1-1
      files (8)
        - /etc/gone            file 0644 0:0, 5 B
        - /old                 dir 0755 0:0
        - /old/a               file 0644 0:0, 1 B
        - /opaque/lower        file 0644 0:0, 5 B
        + /opaque/upper        file 0644 0:0, 5 B
        ~ /usr/bin/hello       mode 4755 → 0755, owner 0:0 → 42:43, size 21 → 19
        ~ /usr/bin/hi          hard link to /usr/bin/hello → none
        ~ /var/lib/dpkg/status content
        not counted: 1 with another time alone, which `--json` names
    "#);
}

#[test]
fn two_images_are_compared_for_a_merge_request() {
    let folder = folder();
    insta::assert_snapshot!(masked(&diff(0, folder.path(), &["old:1", "new:1", "--markdown"]).0), @r#"
    ## `old:1` → `new:1`

    ### x86_64: sha256:… → sha256:…

    to pull: 921 B of 1.1 KiB

    #### layers

    |  | digest | size | what |
    |---|---|---|---|
    | = | sha256:… | 699 B | packages of base |
    | + | sha256:… | 406 B | files of hello |

    #### config

    |  | field | value |
    |---|---|---|
    | ~ | config.Env.LANG | "C.UTF-8" → "C" |
    | + | config.Env.NEW | "1" |
    | - | config.Healthcheck.Interval | 30000000000 |
    | - | config.Healthcheck.Retries | 3 |
    | - | config.Healthcheck.StartPeriod | 60000000000 |
    | - | config.Healthcheck.Test | ["CMD","/usr/bin/hello","--ping"] |
    | - | config.Healthcheck.Timeout | 10000000000 |
    | - | config.Labels.io.wharf.health | "{\"command\":[\"/usr/bin/hello\",\"--ping\"],\"interval_ms\":30000,\"retries\":3,\"start_ms\":60000,\"timeout_ms\":10000}" |

    #### packages (1)

    |  | package | version |
    |---|---|---|
    | ~ | hello | 1.0-1 → 1.1-1 |

    #### files (8)

    |  | path | what |
    |---|---|---|
    | - | /etc/gone | file 0644 0:0, 5 B |
    | - | /old | dir 0755 0:0 |
    | - | /old/a | file 0644 0:0, 1 B |
    | - | /opaque/lower | file 0644 0:0, 5 B |
    | + | /opaque/upper | file 0644 0:0, 5 B |
    | ~ | /usr/bin/hello | mode 4755 → 0755, owner 0:0 → 42:43, size 21 → 19 |
    | ~ | /usr/bin/hi | hard link to /usr/bin/hello → none |
    | ~ | /var/lib/dpkg/status | content |

    not counted: 1 with another time alone, which `--json` names
    "#);
}

#[test]
fn two_images_are_compared_for_programs() {
    let folder = folder();
    let (json, _) = diff(0, folder.path(), &["old:1", "new:1", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&document["version"], &document["old"], &document["new"]),
        (&1.into(), &"old:1".into(), &"new:1".into())
    );
    let arch = &document["images"]["changed"][0];
    assert_eq!(arch["packages"][0]["new"], "1.1-1");
    let layers = arch["new"]["layers"].as_array().unwrap();
    assert_eq!([&layers[0]["shared"], &layers[1]["shared"]], [&true, &false]);
    let config = Store::open(&folder.path().join("store")).unwrap();
    let image = config.resolve("new:1").unwrap();
    let manifest: wharf::oci::Manifest = config.document(&image.digest).unwrap();
    assert_eq!(arch["pull"], manifest.layers[1].size + manifest.config.size);
    let motd = arch["files"].as_array().unwrap().iter().find(|file| file["path"] == "/etc/motd").unwrap();
    assert_eq!([&motd["old"]["mtime"], &motd["new"]["mtime"]], [1000, 2000]);
    assert_eq!(motd["old"]["digest"], motd["new"]["digest"]);
}

#[test]
fn arches_that_one_side_lacks_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    sample::hello(&store);
    drop(store);
    let (text, _) = diff(0, folder.path(), &["hello", "hello:debian-trixie-x86_64"]);
    assert_eq!(text, "aarch64: only the old image has it\nx86_64: the same manifest\n");
    assert_eq!(diff(0, folder.path(), &["hello", "hello", "--arch", "x86_64"]).0, "nothing differs\n");
}

#[test]
fn two_locks_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let digest = wharf::digest::Digest::of(b"");
    let lock = |version: &str| {
        format!(
            "format 0\ncompression zstd-1.5.7-3-1m\n\ntarget debian-trixie x86_64\nimage hello groups=1 roots=hello\n\
             package hello {version} amd64 group=1 from=debian:pool/h.deb size=1 {digest} source=hello:{version} fragment={digest}\n"
        )
    };
    let paths = ["1.0-1", "1.1-1"].map(|version| {
        let path = folder.path().join(version);
        fs::write(&path, lock(version)).unwrap();
        path.display().to_string()
    });
    let (text, _) = wharf_ends(0, &["diff", &paths[0], &paths[1]]);
    insta::assert_snapshot!(text, @r#"
    debian-trixie x86_64
      packages (1)
        ~ hello 1.0-1 → 1.1-1
    "#);
}
