//! What stays and what is lost where something is taken away.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Change, Class, Content, Facts, Reason, Volumes};
use crate::unit::Meaning;

/// Something that is gone for good.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Loss {
    /// What it is.
    pub kind: LossKind,
    /// podman's name for it.
    pub name: String,
}

/// What is gone for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// A volume, and what it holds.
    Volume,
    /// A container, and what it wrote outside its volumes.
    Container,
    /// A network.
    Network,
}

impl LossKind {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Container => "container",
            Self::Network => "network",
        }
    }
}

/// Adds the volumes that are taken away though they hold something; what is wanted keeps its own.
pub(super) fn destroyed(changes: &mut Vec<Change>, wanted: &Content, facts: &Facts, volumes: &Volumes) {
    if volumes.is_none() {
        return;
    }
    let used: BTreeSet<String> = wanted.volumes().collect();
    let goes = |name: &&String| volumes.has(name) && !used.contains(*name);
    changes.extend(facts.volumes.keys().filter(goes).map(|name| Change {
        object: name.clone(),
        services: BTreeSet::new(),
        class: Class::Destroy,
        reasons: vec![Reason::Asked],
        wave: 0,
    }));
}

/// The volumes that stay though nothing uses them any more, and what is lost.
pub(super) fn removal(applied: &Content, wanted: &Content, changes: &[Change]) -> (BTreeSet<String>, BTreeSet<Loss>) {
    let mut loses = BTreeSet::new();
    let mut lose = |kind, name: String| loses.insert(Loss { kind, name });
    let used: BTreeSet<String> = wanted.volumes().collect();
    let mut keeps: BTreeSet<String> = applied.volumes().filter(|name| !used.contains(name)).collect();
    let gone = |class: Class| {
        let objects: BTreeSet<&str> =
            changes.iter().filter(|change| change.class == class).map(|change| change.object.as_str()).collect();
        objects
    };
    let (removed, replaced) = (gone(Class::Remove), gone(Class::Replace));
    for (path, meaning) in &applied.meanings {
        let unit = meaning.unit().to_string();
        let (is_removed, is_replaced) = (removed.contains(unit.as_str()), replaced.contains(unit.as_str()));
        match &**meaning {
            Meaning::Container(container) if is_removed && !super::differ::is_task(container) => {
                lose(LossKind::Container, applied.object(path, container.parts().name.as_str()));
            }
            // A network that is made anew holds nothing.
            Meaning::Network(network) if is_removed => {
                lose(LossKind::Network, applied.object(path, network.parts().name.as_str()));
            }
            Meaning::Volume(volume) if is_replaced => {
                lose(LossKind::Volume, applied.object(path, volume.parts().name.as_str()));
            }
            _ => {}
        }
    }
    for name in gone(Class::Destroy) {
        keeps.remove(name);
        lose(LossKind::Volume, name.to_owned());
    }
    (keeps, loses)
}
