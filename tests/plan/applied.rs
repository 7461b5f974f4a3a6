//! A small estate without secrets, and what its hosts say after an apply of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use wharf::config::File;
use wharf::desired::{Desired, Ground, Vault, desired};
use wharf::digest::Digest;
use wharf::host::{Content, Facts, FileSeen, Generation, Header, Text, UnitSeen, VolumeSeen};
use wharf::name::{EstateName, SecretName};
use wharf::plan::content;
use wharf::release::Release;

/// Two hosts that each run a cache, and what keeps data and needs it.
pub const SPEC: &str = r##"
import "catalogue"

image "box" {
    build-for distro="debian-trixie"
    health "true"
}

service "cache" {
    image "box"
    role "box"
    provides "cache" port=11311
}

service "store" {
    image "box"
    role "box"
    stateful
    needs "cache"
    mount "/var/lib/store" volume="data"
    config "/etc/store/store.conf" "[store]\nword = one\n"
    network "store"
}
"##;

/// Its hosts.
pub const TARGET: &str = r#"
estate "small" {
    registry "registry.example/small"
    distro "debian-trixie"
    host "a" address="10.0.0.1" { role "box" }
    host "b" address="10.0.0.2" { role "box" }
}
"#;

struct Nothing;

impl Vault for Nothing {
    fn object(&self, _: &SecretName) -> Option<String> {
        None
    }

    fn object_of(&self, _: &str, _: &File) -> Result<String, String> {
        Err("there are no secrets".to_owned())
    }

    fn names(&self) -> Vec<SecretName> {
        Vec::new()
    }
}

/// A project in a folder of its own.
pub struct Small {
    folder: tempfile::TempDir,
    /// What files said when they were applied.
    texts: RefCell<BTreeMap<Digest, Text>>,
}

impl Small {
    pub fn new() -> Self {
        let small = Self { folder: tempfile::tempdir().unwrap(), texts: RefCell::default() };
        small.write("specs/small.kdl", SPEC);
        small.write("targets/small.kdl", TARGET);
        small.release("1");
        small
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The specs with something else in the place of some text of theirs.
    pub fn change(&self, from: &str, to: &str) {
        for (path, text) in [("specs/small.kdl", SPEC), ("targets/small.kdl", TARGET)] {
            if text.contains(from) {
                return self.write(path, &text.replace(from, to));
            }
        }
        panic!("nothing says {from}");
    }

    /// A manifest for the image.
    pub fn release(&self, word: &str) {
        let manifest = Digest::of(word.as_bytes());
        let text = format!("image \"box\" distro=\"debian-trixie\" arch=\"x86_64\" manifest=\"{manifest}\"\n");
        self.write("releases/current.kdl", &text);
    }

    /// What hosts shall have.
    pub fn desired(&self) -> Desired {
        let project = wharf::estate::load(self.path()).unwrap();
        let text = fs::read_to_string(self.path().join("releases/current.kdl")).unwrap();
        let release = Release::read("releases/current.kdl", &text).unwrap();
        let name = EstateName::new("small").unwrap();
        let (estate, placed) = (&project.estates[&name], &project.placed[&name]);
        let ground = Ground { project: &project, estate, placed, release: &release, vault: &Nothing };
        desired(ground, estate.hosts.keys()).unwrap_or_else(|wrong| panic!("{:?}", wrong.mistakes))
    }

    /// What hosts say that have all of it.
    pub fn applied(&self) -> BTreeMap<String, Facts> {
        let desired = self.desired();
        for file in desired.hosts.values().flat_map(|host| host.files.values()) {
            let text = String::from_utf8(file.bytes.to_vec()).unwrap();
            self.texts.borrow_mut().insert(file.digest(), Text::Whole(text));
        }
        desired.hosts.iter().map(|(name, host)| (name.to_string(), having(content(host)))).collect()
    }

    /// Loses what files said.
    pub fn forget(&self) {
        self.texts.borrow_mut().clear();
    }

    /// A run of wharf on recorded facts.
    pub fn run(&self, facts: &BTreeMap<String, Facts>, words: &[&str]) -> Output {
        let hosts: BTreeMap<&String, Value> =
            facts.iter().map(|(name, facts)| (name, json!({"facts": facts}))).collect();
        self.write("facts.json", &json!({"version": 1, "hosts": hosts, "texts": *self.texts.borrow()}).to_string());
        self.wharf(&[words, &["--facts", self.path().join("facts.json").to_str().unwrap()]].concat())
    }

    pub fn wharf(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        command.arg("-C").arg(self.path()).args(words).stdin(Stdio::null()).env_remove("XDG_RUNTIME_DIR");
        command.output().unwrap()
    }

    /// What a run printed: its results, and what it said beside them, with its exit code.
    pub fn said(&self, facts: &BTreeMap<String, Facts>, words: &[&str]) -> String {
        let output = self.run(facts, words);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        format!("{out}{err}exit {}", output.status.code().unwrap())
    }
}

/// What a host says that has this and nothing else, all of it up.
pub fn having(content: Content) -> Facts {
    let seen = |record: &wharf::host::FileRecord| FileSeen {
        sha256: Some(record.sha256),
        mode: record.mode.into(),
        uid: record.uid,
        gid: record.gid,
    };
    let up = || UnitSeen { load: "loaded".to_owned(), active: "active".to_owned(), ..UnitSeen::default() };
    let header = Header {
        estate: EstateName::new("small").unwrap(),
        plan: "0123456789ab".to_owned(),
        commit: None,
        who: "op@desk".to_owned(),
        when: "2026-01-01T00:00:00Z".to_owned(),
        why: None,
        wharf: "0.1.0".to_owned(),
    };
    Facts {
        os: "debian 13".to_owned(),
        arch: "x86_64".to_owned(),
        podman: Some("5.4.2".to_owned()),
        estate: (!content.is_empty()).then(|| "small".to_owned()),
        current: 1,
        files: content.files.iter().map(|(path, record)| (path.clone(), seen(record))).collect(),
        units: content.meanings.values().map(|meaning| (meaning.unit().service().to_string(), up())).collect(),
        images: content.images.keys().cloned().collect(),
        volumes: content.volumes().map(|name| (name.to_owned(), VolumeSeen { kib: Some(12 * 1024) })).collect(),
        generation: Some(Generation::new(1, header, content)),
        ..Facts::default()
    }
}
