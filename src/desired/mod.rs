//! What each host shall have: units, files and secrets' names, made of a project without asking any host.
//!
//! Pure: the same project, release and vault give the same bytes.

mod context;
mod files;
mod host;
mod meaning;
mod member;
mod shared;
mod storage;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::config::{Fault, Setting};
use crate::digest::Digest;
use crate::estate::{Estate, Placed, Project};
use crate::host::Account;
use crate::name::{HostName, SecretName, ServiceName};
use crate::release::Release;
use crate::spec::{Log, Mistake};
use crate::unit::{Ask, Meaning};

pub use context::context;
pub use meaning::LOCAL;

pub use member::{Member, members_on};

/// What gives secrets. Values never leave it but for a file that holds one.
pub trait Vault: Sync {
    /// The name under which podman knows a secret: its own and a keyed hash of its value; none where it has no value.
    fn object(&self, name: &SecretName) -> Option<String>;
    /// The name under which podman knows a rendered file that holds secrets; the error is why it cannot hold them.
    fn object_of(&self, label: &str, file: &crate::config::File) -> Result<String, String>;
    /// Every secret that has a value.
    fn names(&self) -> Vec<SecretName>;
}

/// What an estate's hosts shall have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// By host.
    pub hosts: BTreeMap<HostName, HostDesired>,
}

/// What one host shall have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostDesired {
    /// Files, by absolute path.
    pub files: BTreeMap<String, HostFile>,
    /// What its units mean, by the path of their file; hosts share those that are equal.
    pub meanings: BTreeMap<String, Arc<Meaning>>,
    /// Whose manager runs a unit, by the path of its file, where it is not the system's.
    pub accounts: BTreeMap<String, Account>,
    /// What wharf has to do for a unit that its podman cannot.
    pub asks: BTreeMap<String, Vec<Ask>>,
    /// Secrets of podman's, by its name for them.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Images, by the reference that units name.
    pub images: BTreeMap<String, ImageNeed>,
}

/// A file of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFile {
    /// Its bytes; never a secret. Hosts share those that were made of equal things.
    pub bytes: Arc<[u8]>,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its permissions.
    pub mode: u16,
    /// The groups that it is there for; empty for what is the estate's.
    pub of: BTreeSet<ServiceName>,
}

impl HostFile {
    /// A file of root's that all can read.
    pub fn plain(bytes: impl Into<Arc<[u8]>>, of: BTreeSet<ServiceName>) -> Self {
        Self { bytes: bytes.into(), uid: 0, gid: 0, mode: 0o644, of }
    }

    /// The digest of its bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

/// What a secret of podman's is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// A secret's value.
    Value(SecretName),
    /// A rendered file that holds secrets.
    File {
        /// The group whose file it is.
        service: ServiceName,
        /// Where the container sees it.
        path: String,
        /// The secrets in it.
        secrets: Vec<SecretName>,
    },
}

/// An image that a host needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageNeed {
    /// Its name.
    pub image: String,
    /// What it is built for.
    pub distro: String,
    /// What it is built for.
    pub arch: String,
    /// Its manifest.
    pub manifest: Digest,
}

/// What everything here is made of.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The project.
    pub project: &'a Project,
    /// The estate.
    pub estate: &'a Estate,
    /// Its services in place.
    pub placed: &'a Placed,
    /// The manifests of images.
    pub release: &'a Release,
    /// The secrets.
    pub vault: &'a dyn Vault,
}

/// Why hosts cannot have what they shall have: all of it, not the first.
#[derive(Debug, Default)]
pub struct Wrong {
    /// In specs.
    pub mistakes: Log,
    /// In templates and in what they gave.
    pub faults: Vec<Fault>,
}

/// What some hosts shall have, or every reason why they cannot.
pub fn desired<'a>(ground: Ground<'a>, hosts: impl IntoIterator<Item = &'a HostName>) -> Result<Desired, Wrong> {
    host::all(ground, hosts)
}

/// The files of a member by their paths, each with all of its options and where they come from.
pub type Settings = Vec<(String, Vec<Setting>)>;

/// The settings of each of some members.
pub fn settings(ground: Ground<'_>, members: &[&Member<'_>], wrong: &mut Wrong) -> Vec<Settings> {
    let common = match shared::Common::new(ground) {
        Ok(common) => common,
        Err(error) => {
            wrong.mistakes.push(Mistake::new("reserved-character", ground.estate.span, error.to_string()));
            return Vec::new();
        }
    };
    let of = |member: &&Member<'_>| {
        member.check_needs(&mut wrong.mistakes);
        files::settings(member, &common, wrong)
    };
    members.iter().map(of).collect()
}
