//! Effects: what maintainer scripts would have done, done by wharf itself. One file per effect.
//!
//! They run once over the whole resolved tree, in the order of [`run`]; later ones see what earlier
//! ones and the image's own files made.

mod ld_so_cache;

#[cfg(test)]
mod fixture;

use crate::deb::{Call, PackageInfo};
use crate::estate::{Arch, Distro, Image};
use crate::tree::Tree;

pub use ld_so_cache::LdSoCacheError;

/// What every effect may look at.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The image.
    pub image: &'a Image,
    /// Its arch.
    pub arch: &'a Arch,
    /// Its distro.
    pub distro: &'a Distro,
    /// Its packages, sorted by name.
    pub packages: &'a [PackageInfo],
    /// What their scripts were judged to be worth, packages in order of configuration.
    pub calls: &'a [Call],
    /// The mtime of all that wharf makes: the newest of the image's packages.
    pub mtime: i64,
}

/// An effect that cannot be done.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum EffectError {
    /// ld_so_cache
    #[error(transparent)]
    #[diagnostic(transparent)]
    LdSoCache(#[from] LdSoCacheError),
}

/// Runs every effect over `tree`.
pub fn run(tree: &mut Tree, context: &Context<'_>) -> Result<(), EffectError> {
    ld_so_cache::run(tree, context)?;
    Ok(())
}
