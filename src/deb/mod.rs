//! Debian: archives, control files, versions, .deb files, maintainer scripts, solving.

mod control;
mod package;
mod relation;
mod version;

pub use control::Control;
pub use package::{Call, Conffile, PackageInfo};
pub use relation::{AnyOf, Dependency, Provided, Qualifier, RelationError, Relations, Term, meets, sign};
pub use version::{Version, VersionError};
