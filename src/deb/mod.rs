//! Debian: archives, control files, versions, .deb files, maintainer scripts, solving.

pub mod ar;
pub mod archive;
mod control;
mod decode;
mod fault;
pub mod file;
mod index;
mod openpgp;
mod package;
mod proxy;
mod record;
mod relation;
mod release;
pub mod script;
pub mod solve;
mod sources;
mod spool;
mod tarball;
mod version;

pub use control::{Control, ControlError};
pub use fault::{DebError, Fault};
pub use index::{Index, IndexError};
pub use openpgp::{At, Keyring, KeyringError, Reason, Rejection, SignatureError};
pub use package::{Call, Conffile, PackageInfo};
pub use record::{Field, MultiArch, PackageRecord, Priority, Relations, SuiteFacts, Universe};
pub use relation::{AllOf, AnyOf, Dependency, Provided, Qualifier, RelationError, Term, meets, sign};
pub use release::{Form, IndexFile, Release, ReleaseError};
pub use sources::{AptSource, AptSources};
pub use spool::Spool;
pub use version::{Version, VersionError};
