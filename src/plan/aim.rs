//! What a plan is for, and what hosts shall have then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Content, differ};
use crate::host::Halted;
use crate::name::ServiceName;
use crate::unit::Meaning;

/// What a plan is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Hosts get what the specs say: tasks run, providers make what is needed of them.
    #[default]
    Forward,
    /// Hosts get what they had: nothing is run.
    Back,
    /// Services end; all that they use stays.
    Stop,
    /// Services, or volumes that are left over, are taken away.
    Destroy,
}

impl Purpose {
    /// Whether things end, so that who needs goes before what it needs.
    pub(super) fn ends(self) -> bool {
        matches!(self, Self::Stop | Self::Destroy)
    }
}

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Aim {
    /// What it is for.
    pub purpose: Purpose,
    /// Hosts, roles, cells and services that it is limited to; none for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limit: Vec<String>,
    /// Volumes that are taken away with what they hold.
    #[serde(default, skip_serializing_if = "Volumes::is_none")]
    pub volumes: Volumes,
}

/// Which volumes are taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Volumes {
    /// None.
    #[default]
    None,
    /// Those of the services that are taken away, and what was left over before.
    All,
    /// These, and nothing else.
    Named(BTreeSet<String>),
}

impl Volumes {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Whether a volume is one.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Named(names) => names.contains(name),
        }
    }
}

impl Aim {
    /// An aim that is limited to nothing.
    pub fn of(purpose: Purpose) -> Self {
        Self { purpose, ..Self::default() }
    }
}

/// A host's content without what runs for some groups, or for all.
pub fn stopped(applied: &Content, groups: Option<&BTreeSet<ServiceName>>) -> Content {
    let mut content = applied.clone();
    let runs = |meaning: &Meaning| match meaning {
        Meaning::Container(container) => !differ::is_task(container),
        Meaning::Service(_) | Meaning::Timer(_) | Meaning::Pod(_) => true,
        Meaning::Image(_) | Meaning::Network(_) | Meaning::Volume(_) | Meaning::Target(_) => false,
    };
    for (path, meaning) in &applied.meanings {
        let of = applied.files.get(path).map(|file| file.of.clone()).unwrap_or_default();
        let all = groups.is_none_or(|groups| !of.is_empty() && of.is_subset(groups));
        if all && runs(meaning) {
            content.meanings.remove(path);
            content.files.remove(path);
            content.halted.insert(path.clone(), Halted { of, meaning: Arc::clone(meaning) });
        }
    }
    content
}

/// A host's content without some groups, or nothing at all.
pub fn destroyed(applied: &Content, groups: Option<&BTreeSet<ServiceName>>) -> Content {
    let Some(groups) = groups else { return Content::default() };
    let stays = |of: &mut BTreeSet<ServiceName>| {
        let is_estates = of.is_empty();
        of.retain(|group| !groups.contains(group));
        is_estates || !of.is_empty()
    };
    let mut content = applied.clone();
    content.files.retain(|_, file| stays(&mut file.of));
    content.halted.retain(|_, halted| stays(&mut halted.of));
    content.secrets.retain(|_, of| stays(of));
    content.images.retain(|_, of| stays(of));
    let files = &content.files;
    content.meanings.retain(|path, _| files.contains_key(path));
    content
}

/// The volumes of a host that nothing of its live generation uses, and how many KiB they hold where that is known.
pub fn left_over(facts: &crate::host::Facts) -> BTreeMap<&str, Option<u64>> {
    let used: BTreeSet<String> = facts.generation.iter().flat_map(|generation| generation.content.volumes()).collect();
    let over = facts.volumes.iter().filter(|(name, _)| !used.contains(*name));
    over.map(|(name, seen)| (name.as_str(), seen.kib)).collect()
}
