//! Debian: archives, control files, versions, .deb files, maintainer scripts, solving.

mod control;
mod openpgp;
mod package;
mod record;

pub use control::{Control, ControlError};
pub use openpgp::{At, Keyring, KeyringError, Reason, Rejection, SignatureError};
pub use package::{Call, Conffile, PackageInfo};
pub use record::{Field, MultiArch, PackageRecord, Priority, Relations, SuiteFacts, Universe};
