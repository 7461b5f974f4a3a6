//! Quadlet and systemd units: what a host shall run, and the text that the host's podman understands.

pub mod file;
pub mod name;
pub mod quote;
pub mod version;

pub use file::{Entry, FileError, Section, UnitFile};
pub use name::{ImageRef, NameError, ObjectName, UnitKind, UnitName};
pub use version::{PodmanVersion, VersionError};
