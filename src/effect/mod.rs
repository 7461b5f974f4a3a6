//! Effects: what maintainer scripts would have done, done by wharf itself. One file per effect.
//!
//! They run once over the whole resolved tree, in the order of [`run`]; later ones see what earlier
//! ones and the image's own files made. Where a judged script names an effect (`effect "pam"`), that effect
//! runs; the image's own nodes and the package database always do. `debconf` and `ldconfig` are names that a
//! judgement may give although nothing is made for the first (debconf makes its database at its first
//! question) and the second runs for every image.

mod accounts;
mod alternatives;
mod apache;
mod attr;
mod base_files;
pub mod bytecode;
mod ca_certificates;
mod capability;
mod database;
pub mod diversions;
mod dpkg;
mod files;
mod ld_so_cache;
mod nsswitch;
mod pam;
mod shell;
mod shells;
mod status;
mod sysusers;
mod tmpfiles;
mod ucf;

#[cfg(test)]
pub(crate) mod fixture;

use crate::deb::{Call, PackageInfo};
use crate::estate::{Arch, Distro, EffectUse, Image, Owner};
use crate::path::{ImagePath, PathError};
use crate::spec::Span;
use crate::tree::{Content, Node, Origin, Tree, TreeError};

pub use accounts::{AccountError, Missing};
pub use alternatives::AlternativeError;
pub use attr::AttrError;
pub use base_files::BaseFilesError;
pub use capability::CapabilityError;
pub use database::{DatabaseError, LineError, NoSuchAccount};
pub use dpkg::DpkgError;
pub use files::FileError;
pub use pam::PamError;
pub use shells::ShellsError;
pub use sysusers::SysusersError;
pub use tmpfiles::TmpfilesError;
pub use ucf::UcfError;

pub use crate::estate::EFFECTS as NAMES;

pub use apache::{ApacheError, Piece};
pub use ca_certificates::CaCertificatesError;
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

impl<'a> Context<'a> {
    /// The calls whose judgement names `effect`, in order.
    fn calls_for(&self, effect: &'static str) -> impl Iterator<Item = &'a Call> + use<'a> {
        self.uses(effect).map(|(call, _)| call)
    }

    /// The same with what each gives the effect.
    fn uses(&self, effect: &'static str) -> impl Iterator<Item = (&'a Call, &'a EffectUse)> + use<'a> {
        self.calls
            .iter()
            .flat_map(|call| call.worth.effects.iter().map(move |used| (call, used)))
            .filter(move |(_, used)| used.name == effect)
    }

    /// A file that `effect` makes, 0644 root:root.
    fn file(&self, effect: &'static str, content: impl Into<Content>) -> Node {
        Node::file(content, Origin::Effect(effect), self.mtime)
    }

    /// A directory that `effect` makes, 0755 root:root.
    fn dir(&self, effect: &'static str) -> Node {
        Node::dir(Origin::Effect(effect), self.mtime)
    }

    /// A link that `effect` makes.
    fn link(&self, effect: &'static str, target: impl Into<String>) -> Node {
        Node::symlink(target, Origin::Effect(effect), self.mtime)
    }
}

/// An effect that cannot be done.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum EffectError {
    /// apache
    #[error(transparent)]
    #[diagnostic(transparent)]
    Apache(#[from] ApacheError),
    /// ca_certificates
    #[error(transparent)]
    #[diagnostic(transparent)]
    CaCertificates(#[from] CaCertificatesError),
    /// ld_so_cache
    #[error(transparent)]
    #[diagnostic(transparent)]
    LdSoCache(#[from] LdSoCacheError),
    /// A judgement names an effect that there is not.
    #[error("the judgement of `{package}` names the effect `{name}`, which there is not{}", or(.nearest.as_ref()))]
    #[diagnostic(code(wharf::effect::unknown), help("effects are: {}", NAMES.join(", ")))]
    Unknown {
        /// Whose script.
        package: String,
        /// The name.
        name: String,
        /// The nearest that there is.
        nearest: Option<String>,
    },
    /// diversions.rs
    #[error(transparent)]
    Diversions(TreeError),
    /// base_files.rs
    #[error(transparent)]
    #[diagnostic(transparent)]
    BaseFiles(#[from] BaseFilesError),
    /// accounts.rs
    #[error(transparent)]
    #[diagnostic(transparent)]
    Accounts(#[from] AccountError),
    /// files.rs
    #[error(transparent)]
    #[diagnostic(transparent)]
    Files(#[from] FileError),
    /// ucf.rs
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ucf(#[from] UcfError),
    /// tmpfiles.rs
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tmpfiles(#[from] TmpfilesError),
    /// alternatives.rs
    #[error(transparent)]
    #[diagnostic(transparent)]
    Alternatives(#[from] AlternativeError),
    /// shells.rs
    #[error(transparent)]
    #[diagnostic(transparent)]
    Shells(#[from] ShellsError),
    /// pam.rs
    #[error(transparent)]
    #[diagnostic(transparent)]
    Pam(#[from] PamError),
    /// nsswitch.rs
    #[error(transparent)]
    Nsswitch(TreeError),
    /// attr.rs
    #[error(transparent)]
    #[diagnostic(transparent)]
    Attr(#[from] AttrError),
    /// dpkg.rs
    #[error(transparent)]
    #[diagnostic(transparent)]
    Dpkg(#[from] DpkgError),
}

impl EffectError {
    /// Where a person wrote what is wrong.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Accounts(error) => error.span(),
            Self::Files(error) => error.span(),
            Self::Attr(error) => error.span(),
            _ => None,
        }
    }
}

/// Runs every effect over `tree`.
pub fn run(tree: &mut Tree, context: &Context<'_>) -> Result<(), EffectError> {
    known(context)?;
    diversions::run(tree, context).map_err(EffectError::Diversions)?;
    base_files::run(tree, context)?;
    accounts::run(tree, context)?;
    // ucf's copies and what scripts make have owners: they need the accounts.
    ucf::run(tree, context)?;
    files::of_packages(tree, context)?;
    attr::of_packages(tree, context)?;
    files::of_image(tree, context)?;
    tmpfiles::run(tree, context)?;
    alternatives::run(tree, context)?;
    nsswitch::run(tree, context).map_err(EffectError::Nsswitch)?;
    shells::run(tree, context)?;
    pam::run(tree, context)?;
    apache::run(tree, context)?;
    ca_certificates::run(tree, context)?;
    attr::of_image(tree, context)?;
    ld_so_cache::run(tree, context)?;
    dpkg::run(tree, context)?;
    Ok(())
}

/// Makes anew what follows from all files together, once others than effects brought some.
pub fn refresh(tree: &mut Tree, context: &Context<'_>) -> Result<(), EffectError> {
    Ok(ld_so_cache::run(tree, context)?)
}

/// The numbers of an owner and a group, by the accounts of `tree`.
pub fn ids(tree: &Tree, owner: Option<&Owner>, group: Option<&Owner>) -> Result<(u32, u32), String> {
    let database = database::Database::of(tree).map_err(|error| error.to_string())?;
    database.ids(owner, group).map_err(|error| error.to_string())
}

fn known(context: &Context<'_>) -> Result<(), EffectError> {
    for call in context.calls {
        for used in &call.worth.effects {
            if !NAMES.contains(&used.name.as_str()) {
                let (package, name) = (call.package.to_string(), used.name.clone());
                let nearest = nearest(&name, NAMES.into_iter());
                return Err(EffectError::Unknown { package, name, nearest });
            }
        }
    }
    Ok(())
}

/// A path that stands in this source, or in a file of the image.
fn at(text: &str) -> Result<ImagePath, PathError> {
    ImagePath::new(text)
}

/// The name that is most like `name`, if one is.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    names
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(distance, other)| *distance <= 1 + other.len().min(name.len()) / 4)
        .min()
        .map(|(_, other)| other.to_owned())
}

/// `, but there is …`
fn or(nearest: Option<&String>) -> String {
    nearest.map(|near| format!("; `{near}` there is")).unwrap_or_default()
}

/// `NAME` of `/etc/KIND`, `/usr/local/lib/KIND` or `/usr/lib/KIND`, the first that has it
/// (sysusers.d(5), tmpfiles.d(5): `/run` holds nothing in an image).
fn read_conf(tree: &Tree, kind: &str, name: &str) -> Result<Option<(ImagePath, String)>, TreeError> {
    for dir in ["/etc", "/usr/local/lib", "/usr/lib"] {
        let Ok(path) = at(&format!("{dir}/{kind}/{name}")) else { continue };
        if let Some(text) = tree.read_text(&path)? {
            return Ok(Some((path, text)));
        }
    }
    Ok(None)
}

/// Fields of a line that are separated by blanks, some quoted; none where a quote does not end.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let field = match first {
            '"' | '\'' => {
                let (field, after) = rest.get(1..)?.split_once(first)?;
                rest = after;
                field
            }
            _ => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                let (field, after) = rest.split_at_checked(end)?;
                rest = after;
                field
            }
        };
        fields.push(field.to_owned());
        rest = rest.trim_start();
    }
    Some(fields)
}
