//! Debian: archives, control files, versions, .deb files, maintainer scripts, solving.

mod control;
mod package;
pub mod script;

pub use control::Control;
pub use package::{Call, Conffile, PackageInfo};
