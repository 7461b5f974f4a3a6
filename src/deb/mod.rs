//! Debian: archives, control files, versions, .deb files, maintainer scripts, solving.

pub mod ar;
mod control;
mod decode;
mod fault;
pub mod file;
mod package;
mod record;
pub mod script;

pub use control::{Control, ControlError};
pub use package::{Call, Conffile, PackageInfo};
pub use record::{Field, MultiArch, PackageRecord, Priority, Relations, SuiteFacts, Universe};
mod spool;
mod tarball;

pub use control::Control;
pub use fault::{DebError, Fault};
pub use package::{Call, Conffile, PackageInfo};
pub use spool::Spool;
