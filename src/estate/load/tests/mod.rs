//! A project written in a test, resolved.

mod extend;
mod lints;
mod messages;
mod names;
mod rules;
mod secrets;
mod services;

use std::fs;
use std::path::Path;

use super::super::{Image, Project};
use super::load;
use crate::spec::Mistakes;

/// Two distros and two arches, the least that can be said of them.
pub const TARGETS: &str = r#"
arch "x86_64" {
    oci "amd64"; debian "amd64"; triplet "x86_64-linux-gnu"; qemu "qemu-x86_64-static"
    loader "/lib64/ld-linux-x86-64.so.2" flags=0x0303 machine=62 { hwcaps "x86-64-v2" }
}
arch "ppc64le" {
    oci "ppc64le"; debian "ppc64el"; triplet "powerpc64le-linux-gnu"; qemu "qemu-ppc64le-static"
    loader "/lib64/ld64.so.2" flags=0x0503 machine=21
    tier "best-effort"
}
distro "trixie" {
    default
    arches "x86_64" "ppc64le"
    archive "debian" { url "http://ftp.debian.org/debian"; suites "trixie"; components "main"; keyring "key.gpg" }
}
distro "bookworm" {
    arches "x86_64"
    archive "debian" { url "http://ftp.debian.org/debian"; suites "bookworm"; components "main"; keyring "key.gpg" }
}
"#;

/// A project on disk.
pub struct Written(tempfile::TempDir);

impl Written {
    /// Files by path; targets and a key are there already.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let written = Self(tempfile::tempdir().unwrap());
        written.file("targets/targets.kdl", TARGETS);
        written.file("targets/key.gpg", "key");
        for (path, text) in files {
            written.file(path, text);
        }
        written
    }

    pub fn file(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn load(&self) -> Result<Project, Mistakes> {
        load(self.0.path())
    }
}

/// A project of one file of images, resolved.
pub fn project(images: &str) -> Project {
    Written::new(&[("specs/a.kdl", images)]).load().unwrap_or_else(|mistakes| panic!("{}", plain(&mistakes)))
}

/// The mistakes of a project of one file of images.
pub fn mistakes(images: &str) -> String {
    mistakes_of(&[("specs/a.kdl", images)])
}

pub fn mistakes_of(files: &[(&str, &str)]) -> String {
    match Written::new(files).load() {
        Ok(_) => "none".to_owned(),
        Err(mistakes) => plain(&mistakes),
    }
}

/// Every mistake in a few lines: place, message, the underlined text with its label, other places, help.
pub fn plain(mistakes: &Mistakes) -> String {
    let sources = mistakes.sources();
    let mut lines = Vec::new();
    for mistake in mistakes.iter() {
        let text = |span: crate::spec::Span| {
            let text = sources.text(span.source);
            text[span.start as usize..(span.start + span.len) as usize].to_owned()
        };
        match mistake.span {
            Some(span) => {
                lines.push(format!("{} {}", sources.place(span), mistake.message));
                lines.push(format!("    [{}] {}", text(span), mistake.label));
            }
            None => lines.push(mistake.message.clone()),
        }
        for (span, label) in &mistake.also {
            lines.push(format!("    {} [{}] {label}", sources.place(*span), text(*span)));
        }
        lines.extend(mistake.help.iter().map(|help| format!("    help: {help}")));
    }
    lines.join("\n")
}

/// An image of a project on the first distro.
pub fn image<'a>(project: &'a Project, name: &str, arch: &str) -> &'a Image {
    project
        .images
        .iter()
        .find(|(key, _)| key.image.as_str() == name && key.arch.as_str() == arch && key.distro.as_str() == "trixie")
        .map(|(_, image)| image)
        .unwrap()
}
