//! From specs and an archive to images, with the real binary: `lock`, `build`, `fetch`.

mod bad;
mod crash;
mod disk;
mod locking;
mod notes;
mod release;
mod same;
mod tree;

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use wharf::digest::Digest;
use wharf::oci::Store;

use crate::oracle::joined;
use crate::support::archive::{Archive, DATE, Written};
use crate::support::deb::Deb;
use crate::support::key::Key;
use crate::support::server::Server;

pub const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// Packages of both arches, in version `version`.
pub fn packages(version: &str) -> Vec<Deb> {
    let mut debs = vec![
        Deb::new("hello-data", version)
            .arch("all")
            .file("/usr/share/hello/words", 0o644, format!("hello {version}\n"))
            .file("/usr/share/doc/hello-data/copyright", 0o644, "free\n")
            .file("/usr/share/doc/hello-data/changelog", 0o644, "long\n"),
    ];
    for arch in ["amd64", "arm64"] {
        debs.push(Deb::new("libhello", version).arch(arch).field("Multi-Arch", "same").file(
            "/usr/lib/libhello.so.1",
            0o644,
            noise(arch, 40_000),
        ));
        debs.push(
            Deb::new("hello", version)
                .arch(arch)
                .depends(&format!("libhello (= {version}), hello-data"))
                .file("/usr/bin/hello", 0o4755, format!("#!/bin/sh\necho {arch}\n"))
                .hardlink("/usr/bin/hi", "/usr/bin/hello")
                .symlink("/usr/bin/hey", "hello")
                .dir("/var/lib/hello", 0o700)
                .conffile("/etc/hello.conf", "greeting = hello\n"),
        );
        debs.push(Deb::new("extra", version).arch(arch).file("/usr/bin/extra", 0o755, "extra\n"));
    }
    debs
}

/// Bytes that do not compress, the same each time.
pub fn noise(seed: &str, size: usize) -> Vec<u8> {
    let mut state = seed.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |state, byte| state.rotate_left(9) ^ u64::from(byte));
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    })
    .take(size)
    .collect()
}

const TARGETS: &str = r#"
arch "x86_64" {
    oci "amd64"
    debian "amd64"
    triplet "x86_64-linux-gnu"
    qemu "qemu-x86_64-static"
    loader "/lib64/ld-linux-x86-64.so.2" flags=0x0303 machine=62
}
arch "aarch64" {
    oci "arm64"
    debian "arm64"
    triplet "aarch64-linux-gnu"
    qemu "qemu-aarch64-static"
    loader "/lib/ld-linux-aarch64.so.1" flags=0x0a03 machine=183
}
distro "trixie" {
    default
    arches "x86_64" "aarch64"
    archive "test" {
        url "URL"
        origin "Test"
        label "Test"
        suites "trixie"
        components "main"
        keyring "keyrings/test.gpg"
    }
    filters {
        exclude "/usr/share/doc/*"
        include "/usr/share/doc/*/copyright"
    }
}
"#;

const IMAGES: &str = r#"
image "base" {
    packages "libhello"
    env LANG="C.UTF-8"
    file "/etc/motd" "from base\n"
    account "hello" uid=42001 gid=42001 home="/var/lib/hello"
}
image "greeter" {
    from "base"
    packages "hello"
    tree "greeter"
    dir "/var/log/greeter" owner="hello" mode="0750"
    file "/etc/motd" "from greeter\n"
    link "/etc/greeting" "hello.conf"
    attr "/usr/bin/hello" mode="0755"
    omit "/usr/bin/hey"
    user "hello"
    command "hello"
}
image "more" {
    from "greeter"
    packages "extra"
}
"#;

/// An archive behind a server, and a project that uses it.
pub struct Yard {
    pub folder: tempfile::TempDir,
    pub server: Server,
    key: RefCell<Option<Key>>,
}

impl Yard {
    pub fn new(archive: Archive) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("archive");
        fs::create_dir_all(&root).unwrap();
        let server = Server::new(&root);
        let yard = Self { folder, server, key: RefCell::new(Some(Key::default())) };
        yard.publish(archive);
        yard.spec("images.kdl", IMAGES);
        yard.put("layers/greeter/usr/share/greeter/list", "a\nb\n");
        yard.put("layers/greeter/usr/bin/greet", "#!/bin/sh\n");
        yard.put("targets/targets.kdl", &TARGETS.replace("URL", &yard.server.url()));
        yard
    }

    /// With the packages of [`packages`] in version 1.0.
    pub fn good() -> Self {
        Self::new(archive(packages("1.0"), DATE))
    }

    /// One image, `one`, with the package `name`, of amd64.
    pub fn with(name: &str, debs: Vec<Deb>) -> Self {
        let yard = Self::new(archive(debs, DATE));
        yard.spec(
            "images.kdl",
            &format!("image \"one\" {{\n    packages \"{name}\"\n    build-for arch=\"x86_64\"\n}}\n"),
        );
        yard
    }

    /// Puts a new state of the archive in place of the old one; signed by the same key.
    pub fn publish(&self, archive: Archive) -> Written {
        let root = self.folder.path().join("archive");
        let mut written = archive.key(self.key.take().unwrap()).write(&root);
        let keyring = self.project().join("targets/keyrings/test.gpg");
        fs::create_dir_all(keyring.parent().unwrap()).unwrap();
        fs::write(keyring, written.key.binary()).unwrap();
        let key = std::mem::take(&mut written.key);
        self.key.replace(Some(key));
        written
    }

    pub fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    pub fn put(&self, path: &str, text: &str) {
        let path = self.project().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn spec(&self, name: &str, text: &str) {
        self.put(&format!("specs/{name}"), text);
    }

    pub fn lock_text(&self) -> String {
        fs::read_to_string(self.project().join("wharf.lock")).unwrap()
    }

    /// wharf in this project, with nothing of the tester's environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_in(&self.project(), &self.cache(), arguments)
    }

    pub fn command_in(&self, project: &Path, cache: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(WHARF);
        command.env_clear().env("HOME", self.folder.path()).env("WHARF_CACHE", cache).env("PATH", "/usr/bin:/bin");
        command.arg("-C").arg(project).args(arguments);
        let fetches = matches!(arguments.first(), Some(&("lock" | "build" | "fetch")));
        if fetches && !arguments.contains(&"--check") {
            command.arg("--no-apt-sources");
        }
        command
    }

    /// Runs wharf, which must end with this code: standard output, and what it said.
    pub fn run(&self, code: i32, arguments: &[&str]) -> (String, String) {
        ended(code, &self.command(arguments).output().unwrap())
    }

    /// What it said when it ended with 1, free of what differs from run to run. The store and the cache are whole then.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let said = self.run(1, arguments).1;
        self.assert_whole();
        self.plain(&said)
    }

    /// A message without paths of temporary folders and ports.
    pub fn plain(&self, said: &str) -> String {
        let steps = ["read indexes: ", "chose packages: ", "downloaded: ", "read packages: ", "built: "];
        let words = said.lines().filter(|line| !steps.iter().any(|step| line.starts_with(step)));
        joined(&words.collect::<Vec<_>>().join("\n"))
            .replace(&self.cache().display().to_string(), "[cache]")
            .replace(&self.project().display().to_string(), "[project]")
            .replace(&self.server.url(), "[archive]")
    }

    /// [`assert_whole`] of its store and cache.
    pub fn assert_whole(&self) {
        assert_whole(&self.project().join(".wharf/store"), &self.cache());
    }

    /// [`assert_usable`] of its store and cache.
    pub fn assert_usable(&self) {
        assert_usable(&self.project().join(".wharf/store"), &self.cache());
    }
}

/// Each blob of the store and each .deb of the cache is what its name says, and nothing half-written is about.
pub fn assert_whole(store: &Path, cache: &Path) {
    assert_usable(store, cache);
    assert_eq!(walk(&store.join(".wharf/scratch")), Vec::<PathBuf>::new());
    for entry in walk(cache) {
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!name.starts_with(".new-"), "{}", entry.display());
    }
}

/// As [`assert_whole`], but a killed process may leave files that bear no digest's name.
pub fn assert_usable(store: &Path, cache: &Path) {
    if store.exists() {
        assert_eq!(Store::open(store).unwrap().verify().unwrap(), []);
    }
    for entry in walk(&cache.join("debs")) {
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        if name.len() == 64 {
            assert_eq!(Digest::of(&fs::read(&entry).unwrap()).hex(), name);
        }
    }
}

/// A suite with these packages.
pub fn archive(debs: Vec<Deb>, date: i64) -> Archive {
    debs.into_iter().fold(Archive::new().arch("arm64").date(date), Archive::package)
}

/// Both streams of a process that ended with this code, and without a panic.
pub fn ended(code: i32, output: &Output) -> (String, String) {
    let (out, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{said}");
    assert!(!said.contains("panicked"), "{said}");
    (out.into_owned(), said.into_owned())
}

/// All files below a folder.
pub fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in folder.read_dir().into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}
