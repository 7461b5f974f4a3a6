//! What changes on a host, of which kind, and why.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::name::ServiceName;

/// How much a change disturbs, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A file is written, and nothing is told.
    FileOnly,
    /// A service reads its files again.
    Reload,
    /// Something new is started.
    Start,
    /// A service is started anew.
    Restart,
    /// A service ends, and what it uses stays.
    Stop,
    /// A network or a volume is taken away and made anew.
    Replace,
    /// Something is taken away.
    Remove,
    /// A volume is taken away with what it holds.
    Destroy,
}

impl Class {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FileOnly => "file only",
            Self::Reload => "reload",
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Replace => "replace",
            Self::Remove => "remove",
            Self::Destroy => "destroy",
        }
    }
}

/// Why something changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It was not there.
    New,
    /// No spec asks for it any more.
    Gone,
    /// Whoever made the plan asks for it.
    Asked,
    /// It was stopped on purpose.
    Stopped,
    /// Its image is another one.
    Image {
        /// The manifest that runs.
        from: String,
        /// The manifest that shall run.
        to: String,
    },
    /// A file that it sees is another one.
    Config {
        /// Where the container sees it.
        path: String,
    },
    /// A secret of it has another value.
    Secret {
        /// Where the container sees it.
        place: String,
    },
    /// A part of its unit is another one.
    Setting {
        /// Which.
        name: String,
    },
    /// Its file has other words for the same.
    Words,
    /// Its bytes, owner or mode are others.
    File,
    /// It is not up.
    Down {
        /// What systemd says of it.
        state: String,
    },
    /// Somebody changed or removed it on the host.
    Drift,
    /// A network or volume that it uses is made anew.
    Uses {
        /// Which.
        unit: String,
    },
}

/// A change on one host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// A unit's name, or a file's path.
    pub object: String,
    /// The groups that it is there for; none for what is the estate's.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub services: BTreeSet<ServiceName>,
    /// How much it disturbs.
    pub class: Class,
    /// Why.
    pub reasons: Vec<Reason>,
    /// The wave in which it happens, from 1 on; 0 where it happens in none.
    pub wave: usize,
}

/// How something is not as wharf left it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Odd {
    /// It is gone.
    Missing,
    /// Its bytes are others.
    Bytes,
    /// Its owner or mode is another.
    Owner {
        /// `MODE UID:GID` as it is.
        is: String,
        /// As it was left.
        was: String,
    },
    /// It is not up.
    Down {
        /// What systemd says of it.
        state: String,
    },
}

/// Something that was changed outside wharf.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Drift {
    /// A path, a unit, an image or a secret.
    pub object: String,
    /// How.
    pub odd: Odd,
}
