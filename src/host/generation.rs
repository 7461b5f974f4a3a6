//! A generation: everything that wharf put on one host at one time, as the host keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::account::Account;
use crate::digest::Digest;
use crate::name::{EstateName, ServiceName};
use crate::unit::Meaning;

/// The version of the manifest that this wharf writes.
const VERSION: u32 = 1;

/// Who made a generation, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Header {
    /// The estate whose host it is.
    pub estate: EstateName,
    /// The plan that it is of.
    pub plan: String,
    /// The commit of the project, where it lies in git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The person and machine.
    pub who: String,
    /// When, by the operator's clock (RFC 3339).
    pub when: String,
    /// Why, where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The wharf that wrote it.
    pub wharf: String,
}

/// A file of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileRecord {
    /// The digest of its bytes.
    pub sha256: Digest,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its permissions.
    pub mode: u16,
    /// The groups that it is there for; none for what is the estate's.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub of: BTreeSet<ServiceName>,
}

/// All that a host has of an estate, or shall have: the bytes of files by their digests, secrets by names alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Content {
    /// Files at their own paths, and those by content.
    pub files: BTreeMap<String, FileRecord>,
    /// What its units mean, by the path of their file.
    pub meanings: BTreeMap<String, Arc<Meaning>>,
    /// Whose manager runs a unit, by the path of its file, where it is not the system's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accounts: BTreeMap<String, Account>,
    /// podman's secrets, by name, and the groups that use them.
    pub secrets: BTreeMap<String, BTreeSet<ServiceName>>,
    /// Images, by the reference that units name, and the groups that run them.
    pub images: BTreeMap<String, BTreeSet<ServiceName>>,
    /// Units that were stopped on purpose, by the path that their file had.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub halted: BTreeMap<String, Halted>,
}

/// A unit that was stopped on purpose. Its file is away, so that no boot starts it; what it uses stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Halted {
    /// The groups that it is there for.
    pub of: BTreeSet<ServiceName>,
    /// What it means.
    pub meaning: Arc<Meaning>,
}

/// Everything that wharf put on one host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Generation {
    version: u32,
    /// Its number: one more than that of the one before it.
    pub number: u64,
    /// Who, when, why.
    pub header: Header,
    /// Whether something was done for it that going back does not undo.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_way: bool,
    /// What it holds.
    pub content: Content,
}

/// A manifest that is none.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// Not JSON of this shape.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// Another wharf's.
    #[error(
        "it is of version {0}, and this wharf reads version {VERSION}: use the wharf that wrote it, or a newer one"
    )]
    Version(u32),
}

impl Generation {
    /// A generation.
    pub fn new(number: u64, header: Header, content: Content) -> Self {
        Self { version: VERSION, number, header, one_way: false, content }
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn read(text: &str) -> Result<Self, GenerationError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let head: Head = serde_json::from_str(text)?;
        if head.version != VERSION {
            return Err(GenerationError::Version(head.version));
        }
        Ok(serde_json::from_str(text)?)
    }

    /// The manifest's text.
    pub fn text(&self) -> String {
        // Of maps and texts alone: it can always be written.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

impl Content {
    /// The digest of all of it. What units mean is said by the bytes of their files.
    pub fn digest(&self) -> Digest {
        let halted: Vec<&String> = self.halted.keys().collect();
        let content = (&self.files, &self.secrets, &self.images, halted);
        Digest::of(serde_json::to_string(&content).unwrap_or_default().as_bytes())
    }

    /// Files that lie at a path of their own: all but those by content.
    pub fn live(&self) -> impl Iterator<Item = (&str, &FileRecord)> {
        self.files.iter().filter(|(path, _)| !is_content(path)).map(|(path, file)| (path.as_str(), file))
    }

    /// `SHA MODE UID GID PATH` of each live file, as the host's script reads it.
    pub fn file_list(&self) -> String {
        let mut text = String::new();
        for (path, file) in self.live() {
            let _ = writeln!(text, "{} {:04o} {} {} {path}", file.sha256.hex(), file.mode, file.uid, file.gid);
        }
        text
    }

    /// The names of files by content.
    pub fn content_list(&self) -> String {
        let names = self.files.keys().filter(|path| is_content(path)).filter_map(|path| path.rsplit('/').next());
        names.fold(String::new(), |text, name| text + name + "\n")
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.halted.is_empty()
    }

    /// The volumes that its units make, as podman knows them and whose they are.
    pub fn volumes(&self) -> impl Iterator<Item = String> {
        self.meanings.iter().filter_map(|(path, meaning)| match &**meaning {
            Meaning::Volume(volume) => Some(self.object(path, volume.parts().name.as_str())),
            _ => None,
        })
    }

    /// The same, a line each.
    pub fn volume_list(&self) -> String {
        self.volumes().fold(String::new(), |text, name| text + &name + "\n")
    }

    /// The units to ask about, as systemd names them.
    pub fn unit_list(&self) -> String {
        self.units().into_iter().fold(String::new(), |text, name| text + &name + "\n")
    }
}

/// Whether a path is that of a file by content.
pub(super) fn is_content(path: &str) -> bool {
    path.starts_with("/var/lib/wharf/files/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            estate: EstateName::new("e").unwrap(),
            plan: "p1".to_owned(),
            commit: None,
            who: "op@desk".to_owned(),
            when: "2026-01-01T00:00:00Z".to_owned(),
            why: None,
            wharf: "0.1.0".to_owned(),
        }
    }

    fn some() -> Generation {
        let mut content = Content::default();
        let record = |text: &str| FileRecord {
            sha256: Digest::of(text.as_bytes()),
            uid: 0,
            gid: 0,
            mode: 0o644,
            of: BTreeSet::new(),
        };
        content.files.insert("/etc/containers/systemd/a b.container".to_owned(), record("a"));
        content.files.insert("/var/lib/wharf/files/ff".to_owned(), record("b"));
        Generation::new(3, header(), content)
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let generation = some();
        assert_eq!(Generation::read(&generation.text()).unwrap(), generation);
    }

    #[test]
    fn a_manifest_of_another_version_is_refused() {
        let text = some().text().replace("\"version\":1", "\"version\":9");
        assert!(matches!(Generation::read(&text), Err(GenerationError::Version(9))));
        assert!(Generation::read("{}").is_err());
    }

    #[test]
    fn who_made_it_is_no_part_of_what_it_is() {
        let (one, mut other) = (some(), some());
        other.header.when = "2027-01-01T00:00:00Z".to_owned();
        other.number = 9;
        assert_eq!(one.content.digest(), other.content.digest());
        other.content.secrets.insert("s".to_owned(), BTreeSet::new());
        assert_ne!(one.content.digest(), other.content.digest());
    }

    #[test]
    fn lists_are_what_the_host_reads() {
        let hex = Digest::of(b"a").hex();
        assert_eq!(some().content.file_list(), format!("{hex} 0644 0 0 /etc/containers/systemd/a b.container\n"));
        assert_eq!(some().content.content_list(), "ff\n");
    }
}
