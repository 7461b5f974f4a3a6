//! Debian: archives, control files, versions, .deb files, maintainer scripts, solving.

mod control;
mod package;
mod record;
mod relation;
pub mod solve;
mod version;

pub use control::{Control, ControlError};
pub use package::{Call, Conffile, PackageInfo};
pub use record::{Field, MultiArch, PackageRecord, Priority, Relations, SuiteFacts, Universe};
pub use relation::{AllOf, AnyOf, Dependency, Provided, Qualifier, RelationError, Term, meets, sign};
pub use version::{Version, VersionError};
