//! What an apply says while it goes on.

use serde::Serialize;

use crate::name::HostName;

/// What is done with a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Phase {
    Settle,
    Lease,
    Pull,
    Stage,
    Grant,
    Activate,
    Confirm,
    Undo,
    Release,
}

impl Phase {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settle => "settle",
            Self::Lease => "lease",
            Self::Pull => "pull",
            Self::Stage => "stage",
            Self::Grant => "grant",
            Self::Activate => "activate",
            Self::Confirm => "confirm",
            Self::Undo => "undo",
            Self::Release => "release",
        }
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A wave begins.
    Wave {
        /// From 1 on.
        wave: usize,
        /// How many there are.
        of: usize,
        /// Its hosts.
        hosts: Vec<HostName>,
    },
    /// A phase begins on a host.
    Begin {
        /// The host.
        host: HostName,
        /// The phase.
        phase: Phase,
    },
    /// What a host says of a step: `begin restart …`, `end restart …`, `pulled …`.
    Step {
        /// The host.
        host: HostName,
        /// What it says.
        says: String,
    },
    /// The end of a unit's journal, where it did not come up.
    Journal {
        /// The host.
        host: HostName,
        /// The unit.
        unit: String,
        /// Its last lines.
        lines: String,
    },
    /// A phase ended well.
    End {
        /// The host.
        host: HostName,
        /// The phase.
        phase: Phase,
    },
    /// A phase ended badly.
    Failed {
        /// The host.
        host: HostName,
        /// The phase.
        phase: Phase,
        /// Why.
        why: String,
    },
    /// A host went back to what it had.
    Undone {
        /// The host.
        host: HostName,
    },
}
