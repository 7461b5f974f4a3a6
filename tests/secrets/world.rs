//! A project with an estate, and people who can read its secrets.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::oracle::joined;

const TARGETS: &str = r#"
arch "x86_64" {
    oci "amd64"; debian "amd64"; triplet "x86_64-linux-gnu"; qemu "qemu-x86_64-static"
    loader "/lib64/ld-linux-x86-64.so.2" flags=0x0303 machine=62 { hwcaps "x86-64-v2" }
}
distro "trixie" {
    default
    arches "x86_64"
    archive "debian" { url "http://ftp.debian.org/debian"; suites "trixie"; components "main"; keyring "key.gpg" }
}
"#;

pub const SERVICE: &str = r#"
image "api"
service "api" {
    role "control"
    config "/etc/api.conf" template="api.conf"
    secret "api-db"
    secret "smtp-password" env="SMTP_PASSWORD"
    generate "api-db" length=24
}
"#;

/// The folder, and an identity in it that is not yet used by anything.
pub struct World {
    folder: tempfile::TempDir,
    identity: PathBuf,
    /// Of the identity.
    pub recipient: String,
}

impl World {
    /// An estate `cloud` that holds these nodes and names the recipient.
    pub fn new(nodes: &str) -> Self {
        let world = Self::without_recipient();
        world.estate(&format!("recipient \"{}\"\n{nodes}", world.recipient));
        world
    }

    /// As it is before anybody was named.
    pub fn without_recipient() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identity = folder.path().join("keys/me");
        let mut world = Self { folder, identity, recipient: String::new() };
        world.file("p/targets/targets.kdl", TARGETS);
        world.file("p/targets/key.gpg", "key");
        world.file("p/specs/api.kdl", SERVICE);
        world.file("p/templates/api.conf", "dsn = {{ secret(\"api-db\") }}\ntoken = {{ secret('api-token') }}\n");
        world.estate("");
        world.recipient = world.key("me");
        world
    }

    /// Makes an identity; its recipient.
    pub fn key(&self, name: &str) -> String {
        let path = self.folder.path().join("keys").join(name);
        let output = self.command(&["--identity", path.to_str().unwrap(), "keygen"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let line = String::from_utf8(output.stdout).unwrap();
        line.trim().strip_prefix("recipient \"").unwrap().strip_suffix('"').unwrap().to_owned()
    }

    pub fn file(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes the estate anew.
    pub fn estate(&self, nodes: &str) {
        let text =
            format!("estate \"cloud\" {{\nhost \"h\" address=\"10.0.0.1\" {{ role \"control\" }}\n{nodes}\n}}\n");
        self.file("p/targets/cloud.kdl", &text);
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The file with the secrets.
    pub fn vault(&self) -> PathBuf {
        self.path("p/secrets/cloud.age")
    }

    /// `wharf secrets …`, with nothing of the user's own settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        command.arg("-C").arg(self.path("p")).arg("secrets").args(arguments).stdin(Stdio::null());
        for name in ["VISUAL", "EDITOR", "XDG_RUNTIME_DIR"] {
            command.env_remove(name);
        }
        command.env("WHARF_IDENTITY", &self.identity).env("XDG_CONFIG_HOME", self.path("config"));
        command
    }

    /// Both streams of a run that ended with this code.
    pub fn ends(&self, code: i32, arguments: &[&str]) -> (String, String) {
        streams(code, &self.command(arguments).output().unwrap())
    }

    /// What a run that ended well printed.
    pub fn out(&self, arguments: &[&str]) -> String {
        self.ends(0, arguments).0
    }

    /// Sets a secret from standard input.
    pub fn set(&self, name: &str, value: &[u8]) -> Output {
        let mut command = self.command(&["set", name]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(value).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Edits by this script; its first argument is the file.
    pub fn edit(&self, script: &str) -> Output {
        let path = self.path("editor");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self.command(&["edit"]).env("EDITOR", &path).output().unwrap()
    }

    /// All files of the project with what is in them.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        walk(&self.path("p"), &mut files);
        files
    }
}

/// Both streams; an error's lines are joined.
pub fn streams(code: i32, output: &Output) -> (String, String) {
    let (out, said) =
        (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap());
    assert_eq!(output.status.code(), Some(code), "{out}{said}");
    (out, if code == 0 { said } else { joined(&said) })
}

fn walk(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), files);
        } else {
            files.push((entry.path(), fs::read(entry.path()).unwrap()));
        }
    }
}
