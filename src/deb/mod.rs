//! Debian: archives, control files, versions, .deb files, maintainer scripts, solving.

pub mod archive;
mod control;
mod index;
mod openpgp;
mod package;
mod record;
mod release;
mod sources;

pub use control::{Control, ControlError};
pub use index::{Index, IndexError};
pub use openpgp::{At, Keyring, KeyringError, Reason, Rejection, SignatureError};
pub use package::{Call, Conffile, PackageInfo};
pub use record::{Field, MultiArch, PackageRecord, Priority, Relations, SuiteFacts, Universe};
pub use release::{Form, IndexFile, Release, ReleaseError};
pub use sources::{AptSource, AptSources};
