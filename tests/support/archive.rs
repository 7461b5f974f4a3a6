//! A small signed archive on disk, as apt reads one.
//!
//! ```ignore
//! let archive = Archive::new().package(Deb::new("hello", "1.0")).write(folder.path());
//! let keyring = archive.key.binary();
//! ```
//! To make a bad one, write it and spoil its files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use wharf::digest::Digest;

use super::deb::{Deb, Packing};
use super::key::Key;

/// 2025-11-15 12:00:00 UTC: the `Date` of suites that are not told theirs.
pub const DATE: i64 = 1_763_208_000;

/// How a suite is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// InRelease
    Inline,
    /// Release and Release.gpg
    Detached,
    /// Release alone
    Not,
}

/// An archive to be written: suites of packages. Knobs that a suite has turn the suite that was named last.
pub struct Archive {
    key: Key,
    origin: String,
    label: String,
    arches: Vec<String>,
    component: String,
    suites: Vec<Suite>,
}

struct Suite {
    name: String,
    codename: String,
    suite: String,
    date: i64,
    valid_until: Option<i64>,
    by_hash: bool,
    signing: Signing,
    packing: Vec<Packing>,
    fields: Vec<(String, String)>,
    debs: Vec<Deb>,
}

impl Suite {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            codename: name.to_owned(),
            suite: name.replacen("trixie", "stable", 1),
            date: DATE,
            valid_until: None,
            by_hash: true,
            signing: Signing::Inline,
            packing: vec![Packing::Plain, Packing::Gz, Packing::Xz],
            fields: Vec::new(),
            debs: Vec::new(),
        }
    }
}

/// An archive as it was written.
pub struct Written {
    /// What signed it.
    pub key: Key,
    /// Its root: what a source line calls the URI.
    pub root: PathBuf,
    /// The pool path of each package, by file name: `hello_1.0_amd64.deb`.
    pub pool: BTreeMap<String, String>,
}

impl Default for Archive {
    fn default() -> Self {
        Self::new()
    }
}

impl Archive {
    /// One suite, trixie, with the component main for amd64; Origin and Label are `Test`.
    pub fn new() -> Self {
        Self {
            key: Key::default(),
            origin: "Test".to_owned(),
            label: "Test".to_owned(),
            arches: vec!["amd64".to_owned()],
            component: "main".to_owned(),
            suites: vec![Suite::new("trixie")],
        }
    }

    pub fn key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    pub fn origin(mut self, origin: &str) -> Self {
        self.origin = origin.to_owned();
        self
    }

    pub fn label(mut self, label: &str) -> Self {
        self.label = label.to_owned();
        self
    }

    /// One more arch.
    pub fn arch(mut self, arch: &str) -> Self {
        self.arches.push(arch.to_owned());
        self
    }

    /// One more suite; what follows is about it.
    pub fn suite(mut self, name: &str) -> Self {
        self.suites.push(Suite::new(name));
        self
    }

    fn last(&mut self) -> &mut Suite {
        self.suites.last_mut().unwrap()
    }

    pub fn package(mut self, deb: Deb) -> Self {
        self.last().debs.push(deb);
        self
    }

    /// `Date`, seconds since 1970.
    pub fn date(mut self, date: i64) -> Self {
        self.last().date = date;
        self
    }

    /// `Valid-Until`, seconds since 1970.
    pub fn valid_until(mut self, date: i64) -> Self {
        self.last().valid_until = Some(date);
        self
    }

    /// `Codename` and `Suite`, where they are not what the suite's folder says.
    pub fn names(mut self, codename: &str, suite: &str) -> Self {
        self.last().codename = codename.to_owned();
        self.last().suite = suite.to_owned();
        self
    }

    /// Any other field of the Release file.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.last().fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without_by_hash(mut self) -> Self {
        self.last().by_hash = false;
        self
    }

    pub fn signing(mut self, signing: Signing) -> Self {
        self.last().signing = signing;
        self
    }

    /// The forms in which indexes are there.
    pub fn packing(mut self, packing: &[Packing]) -> Self {
        self.last().packing = packing.to_vec();
        self
    }

    /// Writes all of it below `root`.
    pub fn write(self, root: &Path) -> Written {
        let mut pool = BTreeMap::new();
        for suite in &self.suites {
            let mut files = BTreeMap::new();
            for arch in &self.arches {
                let mut index = String::new();
                for deb in suite.debs.iter().filter(|deb| deb.arch == *arch || deb.arch == "all") {
                    let bytes = deb.bytes();
                    let path = deb.pool_path(&self.component);
                    put(&root.join(&path), &bytes);
                    index += &format!(
                        "{}Filename: {path}\nSize: {}\nSHA256: {}\n\n",
                        deb.control(),
                        bytes.len(),
                        Digest::of(&bytes).hex()
                    );
                    pool.insert(deb.file_name(), path);
                }
                for packing in &suite.packing {
                    let name = format!("{}/binary-{arch}/Packages{}", self.component, packing.suffix());
                    files.insert(name, packing.pack(index.as_bytes()));
                }
            }
            self.write_suite(&root.join("dists").join(&suite.name), suite, &files);
        }
        Written { key: self.key, root: root.to_owned(), pool }
    }

    fn write_suite(&self, folder: &Path, suite: &Suite, files: &BTreeMap<String, Vec<u8>>) {
        let mut release = format!(
            "Origin: {}\nLabel: {}\nSuite: {}\nCodename: {}\nDate: {}\n",
            self.origin,
            self.label,
            suite.suite,
            suite.codename,
            rfc822(suite.date)
        );
        if let Some(date) = suite.valid_until {
            release += &format!("Valid-Until: {}\n", rfc822(date));
        }
        if suite.by_hash {
            release += "Acquire-By-Hash: yes\n";
        }
        for (name, value) in &suite.fields {
            release += &format!("{name}: {value}\n");
        }
        release += &format!("Architectures: {}\nComponents: {}\nSHA256:\n", self.arches.join(" "), self.component);
        for (name, bytes) in files {
            let digest = Digest::of(bytes).hex();
            release += &format!(" {digest} {:8} {name}\n", bytes.len());
            let path = folder.join(name);
            put(&path, bytes);
            if suite.by_hash {
                put(&path.with_file_name("by-hash").join("SHA256").join(digest), bytes);
            }
        }
        let created = u32::try_from(suite.date).unwrap();
        match suite.signing {
            Signing::Inline => put(&folder.join("InRelease"), self.key.clearsign(&release, created).as_bytes()),
            Signing::Detached => {
                put(&folder.join("Release"), release.as_bytes());
                put(&folder.join("Release.gpg"), self.key.detached(&release, created).as_bytes());
            }
            Signing::Not => put(&folder.join("Release"), release.as_bytes()),
        }
    }
}

fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// `Sat, 15 Nov 2025 12:00:00 UTC`
pub fn rfc822(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap().strftime("%a, %d %b %Y %H:%M:%S UTC").to_string()
}
