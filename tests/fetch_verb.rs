//! `wharf fetch`: all that a lock names, so that a build needs no network.

use std::path::{Path, PathBuf};

use super::oracle::{joined, wharf};
use super::support::archive::Archive;
use super::support::deb::Deb;
use super::support::server::Server;

/// A project with one image of two packages, and the archive that they come from.
struct World {
    folder: tempfile::TempDir,
    server: Server,
    pool: Vec<String>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::new()
            .package(Deb::new("hello", "1.0").depends("libhello").file("/usr/bin/hello", 0o755, b"#!/bin/sh\n"))
            .package(Deb::new("libhello", "2.0").arch("all").file("/usr/lib/libhello.so", 0o644, b"so"))
            .package(Deb::new("other", "1.0").file("/usr/bin/other", 0o755, b"#!/bin/sh\n"))
            .write(&folder.path().join("archive"));
        let server = Server::new(&archive.root);
        let targets = folder.path().join("project/targets");
        std::fs::create_dir_all(&targets).unwrap();
        std::fs::write(targets.join("key.gpg"), archive.key.binary()).unwrap();
        std::fs::write(
            targets.join("targets.kdl"),
            format!(
                r#"
arch "x86_64" {{
    oci "amd64"
    debian "amd64"
    triplet "x86_64-linux-gnu"
    qemu "qemu-x86_64-static"
    loader "/lib64/ld-linux-x86-64.so.2" flags=0x0303 machine=62
}}
distro "small" {{
    default
    arches "x86_64"
    archive "test" {{
        url "{}"
        suites "trixie"
        components "main"
        keyring "key.gpg"
    }}
}}
"#,
                server.url()
            ),
        )
        .unwrap();
        let pool = archive.pool.into_values().filter(|path| path.contains("hello")).collect();
        let world = Self { folder, server, pool };
        world.specs(r#"image "greeter" { packages "hello" }"#);
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn specs(&self, text: &str) {
        std::fs::create_dir_all(self.at("project/specs")).unwrap();
        std::fs::write(self.at("project/specs/images.kdl"), text).unwrap();
    }

    /// Runs a verb with a cache of its own; both streams.
    fn wharf(&self, code: i32, cache: &str, arguments: &[&str]) -> (String, String) {
        let (project, cache) = (self.at("project"), self.at(cache));
        let mut all = vec!["-C", project.to_str().unwrap()];
        all.extend(arguments);
        all.extend(["--no-apt-sources", "--cache", cache.to_str().unwrap()]);
        let output = wharf(&all);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, said) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}{said}");
        (out, if code == 0 { said } else { joined(&said) })
    }

    /// Builds without a network into a fresh store; the line on standard output.
    fn build(&self, cache: &str, more: &[&str]) -> String {
        let store = tempfile::tempdir_in(self.folder.path()).unwrap();
        let store = store.path().join("store");
        let build = ["build", "--locked", "--offline", "--store", store.to_str().unwrap()];
        self.wharf(0, cache, &[&build, more].concat()).0
    }
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_missing_lock_is_an_error_that_says_how_to_make_one() {
    let world = World::new();
    let (_, said) = world.wharf(1, "cache", &["fetch"]);
    insta::assert_snapshot!(said, @"x there is no wharf.lock help: `wharf lock` makes it; `fetch` brings in what is locked");
    assert_eq!(world.server.requests(), Vec::<String>::new());
}

#[test]
fn a_stale_lock_is_an_error() {
    let world = World::new();
    world.wharf(0, "cache", &["lock"]);
    world.specs(r#"image "greeter" { packages "hello" "other" }"#);
    let (_, said) = world.wharf(1, "cache", &["fetch"]);
    insta::assert_snapshot!(said, @"x wharf.lock is stale: `greeter` for small on x86_64: its packages, pins or archives changed help: `wharf lock` brings it up to date; `git diff wharf.lock` then shows what moved");
}

#[test]
fn an_image_that_is_not_locked_is_an_error() {
    let world = World::new();
    world.wharf(0, "cache", &["lock"]);
    world.specs(r#"image "greeter" { packages "hello" }; image "second" { packages "other" }"#);
    let (_, said) = world.wharf(1, "cache", &["fetch", "second"]);
    insta::assert_snapshot!(said, @"x `second` for small on x86_64 is not in wharf.lock help: `wharf lock second` adds it");
    world.wharf(0, "cache", &["fetch", "greeter"]);
}

#[test]
fn a_file_that_is_gone_is_named() {
    let world = World::new();
    world.wharf(0, "cache", &["lock"]);
    std::fs::remove_dir_all(world.at("archive/pool")).unwrap();
    let (_, said) = world.wharf(1, "fresh", &["fetch"]);
    assert!(said.contains("is gone from the archive `test`: pool/main/"), "{said}");
    assert!(said.contains("`wharf lock --upgrade "), "{said}");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let world = World::new();
    world.wharf(0, "cache", &["lock"]);
    std::fs::write(world.at("inputs"), "a file").unwrap();
    let inputs = world.at("inputs");
    let (_, said) = world.wharf(1, "cache", &["fetch", "--to", inputs.to_str().unwrap()]);
    assert!(said.contains("inputs/test/pool") && said.contains("cannot be written"), "{said}");
}

#[test]
fn the_way_out_that_the_message_names_is_one() {
    let world = World::new();
    world.wharf(0, "cache", &["lock"]);
    let (_, said) = world.wharf(1, "cache", &["lock", "--upgrade", "helo"]);
    insta::assert_snapshot!(said, @"x no image in wharf.lock holds a package `helo` that could be upgraded help: did you mean `hello`?");
    let (_, said) = world.wharf(0, "cache", &["lock", "greeter", "--upgrade", "hello", "libhello"]);
    assert!(said.contains("wharf.lock is up to date"), "{said}");
    world.wharf(0, "cache", &["lock", "--upgrade"]);
}

#[test]
fn after_fetch_a_build_needs_no_server() {
    let world = World::new();
    world.wharf(0, "cache", &["lock"]);
    let (_, said) = world.wharf(0, "fresh", &["fetch"]);
    assert!(said.contains("fetched 2 of 2 packages ("), "{said}");
    let (_, said) = world.wharf(0, "fresh", &["fetch"]);
    assert!(said.contains("the cache has all 2 packages ("), "{said}");
    world.server.requests();
    std::fs::rename(world.at("archive"), world.at("gone")).unwrap();
    let built = world.build("fresh", &[]);
    assert!(built.starts_with("greeter small x86_64 sha256:"), "{built}");
    assert_eq!(built, world.build("cache", &[]));
    assert_eq!(world.server.requests(), Vec::<String>::new());
}

#[test]
fn a_folder_of_inputs_is_a_mirror_for_a_build_without_a_network() {
    let world = World::new();
    world.wharf(0, "cache", &["lock"]);
    let expected = world.build("cache", &[]);
    let inputs = world.at("inputs");
    let (_, said) = world.wharf(0, "cache", &["fetch", "--to", inputs.to_str().unwrap()]);
    assert!(said.ends_with(&format!("all inputs are in {}\n", inputs.display())), "{said}");
    let mut files: Vec<String> = world.pool.iter().map(|path| format!("test/{path}")).collect();
    files.push("wharf.lock".to_owned());
    files.sort();
    assert_eq!(files_below(&inputs), files);
    let lock = |path: &str| std::fs::read(world.at(path)).unwrap();
    assert_eq!(lock("inputs/wharf.lock"), lock("project/wharf.lock"));

    std::fs::rename(world.at("archive"), world.at("gone")).unwrap();
    let (_, said) = world.wharf(1, "fresh", &["build", "--locked", "--offline"]);
    assert!(said.contains("hello_1.0_amd64.deb") && said.contains("libhello_2.0_all.deb"), "{said}");
    let mirror = format!("test={}/test", inputs.display());
    assert_eq!(world.build("fresh", &["--mirror", &mirror]), expected);
}

#[test]
fn the_json_document_names_every_file() {
    let world = World::new();
    world.wharf(0, "cache", &["lock"]);
    let (out, _) = world.wharf(0, "fresh", &["--json", "fetch"]);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["version"], 1);
    assert_eq!(document["to"], serde_json::Value::Null);
    let files = document["files"].as_array().unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["pool/main/h/hello/hello_1.0_amd64.deb", "pool/main/l/libhello/libhello_2.0_all.deb"]);
    assert_eq!(files[0]["archive"], "test");
    assert_eq!(files[0]["distro"], "small");
    assert_eq!(files[0]["fetched"], true);
    assert!(files[0]["size"].as_u64().unwrap() > 0);
    assert!(files[0]["sha256"].as_str().unwrap().starts_with("sha256:"));
}
