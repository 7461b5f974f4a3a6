//! Debian: archives, control files, versions, .deb files, maintainer scripts, solving.

mod control;
mod package;
mod record;
pub mod script;

pub use control::{Control, ControlError};
pub use package::{Call, Conffile, PackageInfo};
pub use record::{Field, MultiArch, PackageRecord, Priority, Relations, SuiteFacts, Universe};
