//! Python bytecode: made by the distro's own interpreter, as a tool of this machine's arch.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::deb::archive::Access;
use crate::digest::Digest;
use crate::estate::{Arch, Distro, Image};
use crate::layer::{Fragment, Fragments};
use crate::lock::{Lock, LockedPackage};
use crate::name::PackageName;
use crate::tree::Tree;

use super::error::BuildError;
use super::workshop::Workshop;

/// Why python was not compiled.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum BytecodeError {}

/// The tools that a distro's images need.
pub fn tools(_distro: &Distro) -> BTreeMap<String, Vec<PackageName>> {
    BTreeMap::new()
}

/// Whether the lock lacks the tool for this machine.
pub fn tool_is_missing(_lock: &Lock, _distro: &Distro, _host: Option<&Arch>) -> bool {
    false
}

/// The digests of bytecode by .deb.
pub fn digests(
    _lock: &Lock,
    _distro: &Distro,
    _host: Option<&Arch>,
    _access: Access<'_>,
    _fragments: &Fragments,
    _made: &BTreeMap<Digest, Arc<Fragment>>,
) -> Result<BTreeMap<Digest, Digest>, Vec<BuildError>> {
    Ok(BTreeMap::new())
}

/// The bytecode of an image's packages.
pub fn fragments(
    _workshop: &Workshop<'_>,
    _image: &Image,
    _distro: &Distro,
    _tree: &Tree,
    _locked: &[Vec<&LockedPackage>],
    _fragments: &[Vec<Arc<Fragment>>],
) -> Result<BTreeMap<PackageName, Arc<Fragment>>, BuildError> {
    Ok(BTreeMap::new())
}
