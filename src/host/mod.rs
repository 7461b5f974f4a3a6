//! Hosts: reached over ssh, asked what they are, given what they shall have.
//!
//! One round trip a phase: a script and what it needs go in on standard input, frames come back on standard output. A host
//! needs sh, tar, podman and systemd; nothing of wharf's runs there but what lies below /etc/wharf.

mod absence;
mod account;
mod bundle;
mod frame;
mod generation;
mod link;
mod probe;
mod script;
mod step;

pub use absence::LinkError;
pub use account::{Account, bare};
pub use bundle::{Bundle, BundleError};
pub use frame::{Frame, FrameError, Frames, Text};
pub use generation::{Content, FileRecord, Generation, GenerationError, Halted, Header};
pub use link::{Destination, Hops, Link, Ssh};
pub use probe::{
    Disk, FactError, Facts, FileSeen, Intent, Lease, Remembered, TaskRecord, Undone, UnitSeen, VolumeSeen,
};
pub use script::{Call, script};
pub use step::{Step, budget};
