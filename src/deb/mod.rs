//! Debian: archives, control files, versions, .deb files, maintainer scripts, solving.

pub mod ar;
mod control;
mod decode;
mod fault;
pub mod file;
mod package;
mod spool;
mod tarball;

pub use control::Control;
pub use fault::{DebError, Fault};
pub use package::{Call, Conffile, PackageInfo};
pub use spool::Spool;
