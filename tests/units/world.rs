//! A project that imports the catalogue and its estates, with made-up manifests and secrets of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use wharf::digest::Digest;

use crate::oracle::{joined, stdout};
use crate::support::place::scratch;

/// The estates that the catalogue has.
pub const ESTATES: [&str; 3] = ["all-in-one", "multinode", "two-cells"];

/// Bytes by path, below some folder.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Where a world lies.
enum Place {
    /// As long as the world.
    Own(tempfile::TempDir),
    /// A static one is never dropped: below `target/tmp`, until the next run.
    Kept(PathBuf),
}

/// A project, and the identity that opens its secrets beside it.
pub struct World {
    place: Place,
    /// The node that names the identity.
    pub recipient: String,
}

impl World {
    /// With the catalogue's estates, whose secrets are made.
    fn at(place: Place) -> Self {
        let mut world = Self { place, recipient: String::new() };
        world.write("specs/own.kdl", "import \"catalogue\"\n");
        world.recipient = world.out(&["secrets", "keygen"]).trim().to_owned();
        let named = |mut text: String, estate| {
            let _ = writeln!(text, "extend estate \"{estate}\" {{ {} }}", world.recipient);
            text
        };
        world.write("targets/recipients.kdl", &ESTATES.into_iter().fold(String::new(), named));
        world.write("releases/current.kdl", &world.release());
        ESTATES.into_iter().for_each(|estate| world.generate(estate));
        world
    }

    /// One that nobody changes, for all who only read.
    pub fn shared() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| Self::at(Place::Kept(scratch("units"))))
    }

    /// Every image that there is, with the digest of its name as its manifest.
    fn release(&self) -> String {
        let images: serde_json::Value =
            serde_json::from_str(&self.out(&["--json", "list", "images", "--all"])).unwrap();
        let mut text = String::new();
        for image in images["images"].as_array().unwrap() {
            let name = image["name"].as_str().unwrap();
            for build in image["builds"].as_array().unwrap() {
                let (distro, arch) = (build["distro"].as_str().unwrap(), build["arch"].as_str().unwrap());
                let manifest = Digest::of(format!("{name} {distro} {arch}").as_bytes());
                let _ = writeln!(text, "image \"{name}\" distro=\"{distro}\" arch=\"{arch}\" manifest=\"{manifest}\"");
            }
        }
        text
    }

    /// The same project again, to be changed.
    pub fn copy(&self) -> Self {
        let world = Self { place: Place::Own(tempfile::tempdir().unwrap()), recipient: self.recipient.clone() };
        let (from, to) = (self.folder().join("."), world.folder().display().to_string());
        stdout("cp", &["-r", "--preserve=mode", &from.display().to_string(), &to]);
        world
    }

    /// The same project with these nodes too.
    pub fn with(&self, nodes: &str) -> Self {
        let world = self.copy();
        world.write("targets/more.kdl", nodes);
        world
    }

    /// One of the catalogue's estates under another name, changed by `change`, with its secrets made.
    pub fn estate(&self, from: &str, name: &str, change: impl FnOnce(String) -> String) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets/estates").join(format!("{from}.kdl"));
        let head = format!("estate \"{from}\" {{\n");
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains(&head), "{text}");
        let text = text.replace(&head, &format!("estate \"{name}\" {{\n    {}\n", self.recipient));
        self.write(&format!("targets/{name}.kdl"), &change(text));
        self.generate(name);
    }

    /// Makes the secrets of an estate.
    pub fn generate(&self, estate: &str) {
        self.out(&["--estate", estate, "secrets", "generate"]);
    }

    fn folder(&self) -> &Path {
        match &self.place {
            Place::Own(folder) => folder.path(),
            Place::Kept(folder) => folder,
        }
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder().join("project").join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// wharf in the project, with nothing of the user's own settings.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        command.arg("-C").arg(self.path(".")).args(arguments).stdin(Stdio::null());
        command.env("WHARF_IDENTITY", self.folder().join("identity")).env_remove("XDG_RUNTIME_DIR");
        command.output().unwrap()
    }

    /// What a run that ended well printed.
    pub fn out(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a run that did not end well said, in one line; it printed nothing else.
    pub fn said(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
        joined(&said)
    }

    /// A document.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.out(&[&["--json"], arguments].concat())).unwrap()
    }

    /// All that `wharf units --to` writes, by `HOST/PATH` and `HOST.json`.
    pub fn units(&self, estate: &str, arguments: &[&str]) -> Files {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("to");
        self.out(&[&["--estate", estate, "units", "--to", to.to_str().unwrap()], arguments].concat());
        files(&to)
    }
}

/// All files below a folder, by their paths in it.
pub fn files(folder: &Path) -> Files {
    let mut found = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

/// The texts of a host's files in one of its folders, by their names.
pub fn texts(files: &Files, host: &str, folder: &str) -> Vec<(String, String)> {
    let start = format!("{host}{folder}/");
    let here = files.iter().filter_map(|(path, bytes)| Some((path.strip_prefix(&start)?, bytes)));
    let here = here.filter(|(name, _)| !name.contains('/'));
    here.map(|(name, bytes)| (name.to_owned(), String::from_utf8(bytes.clone()).unwrap())).collect()
}

/// The hosts that files are for.
pub fn hosts(files: &Files) -> Vec<String> {
    files
        .keys()
        .filter_map(|path| path.strip_suffix(".json"))
        .filter(|name| !name.contains('/'))
        .map(Into::into)
        .collect()
}

/// A text without what is made of bytes: `<digest>` for 64 hex digits, `<key>` for the keyed hash at the end of a secret's
/// name.
pub fn filtered(text: &str) -> String {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let end = rest.find(|c| !hex(c)).unwrap_or(rest.len());
        match end {
            0 => out.push(c),
            64 => out.push_str("<digest>"),
            12 if out.ends_with('-') => out.push_str("<key>"),
            _ => out.push_str(&rest[..end]),
        }
        rest = &rest[end.max(if end == 0 { c.len_utf8() } else { 0 })..];
    }
    out
}
