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
pub mod ar;
mod control;
mod decode;
mod fault;
pub mod file;
mod openpgp;
mod package;
mod record;
mod relation;
pub mod solve;
mod version;
pub mod script;
mod spool;
mod tarball;

pub use control::{Control, ControlError};
pub use fault::{DebError, Fault};
pub use openpgp::{At, Keyring, KeyringError, Reason, Rejection, SignatureError};
pub use package::{Call, Conffile, PackageInfo};
pub use record::{Field, MultiArch, PackageRecord, Priority, Relations, SuiteFacts, Universe};
pub use relation::{AllOf, AnyOf, Dependency, Provided, Qualifier, RelationError, Term, meets, sign};
pub use version::{Version, VersionError};
pub use spool::Spool;
