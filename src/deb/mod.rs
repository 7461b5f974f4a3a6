//! Debian: archives, control files, versions, .deb files, maintainer scripts, solving.

pub mod ar;
mod control;
mod decode;
mod fault;
pub mod file;
mod package;
mod record;
mod relation;
pub mod script;
pub mod solve;
mod spool;
mod tarball;
mod version;

pub use control::{Control, ControlError};
pub use fault::{DebError, Fault};
pub use package::{Call, Conffile, PackageInfo};
pub use record::{Field, MultiArch, PackageRecord, Priority, Relations, SuiteFacts, Universe};
pub use relation::{AllOf, AnyOf, Dependency, Provided, Qualifier, RelationError, Term, meets, sign};
pub use spool::Spool;
pub use version::{Version, VersionError};
