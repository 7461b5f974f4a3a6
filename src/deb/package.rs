//! A package as the rest of the build sees it once its .deb was read.

use std::collections::BTreeMap;

use crate::estate::{ScriptKind, Worth};
use crate::name::PackageName;

use super::Control;

/// What a .deb says of itself; its files are in the fragment.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PackageInfo {
    /// `Package`
    pub name: PackageName,
    /// `Version`, as written.
    pub version: String,
    /// `Architecture`: `amd64`, `all`.
    pub arch: String,
    /// The control stanza, whole.
    pub control: Control,
    /// Every other member of control.tar that is text, by name: `postinst`, `triggers`, `shlibs`, `templates`.
    pub members: BTreeMap<String, String>,
    /// What the member `conffiles` names.
    pub conffiles: Vec<Conffile>,
}

impl PackageInfo {
    /// How files of this package are named in `/var/lib/dpkg/info`: `libc6:amd64`, `keystone`
    /// (dpkg: Multi-Arch: same packages carry their arch).
    pub fn info_name(&self) -> String {
        match self.control.get("Multi-Arch") {
            Some("same") => format!("{}:{}", self.name, self.arch),
            _ => self.name.to_string(),
        }
    }

    /// A maintainer script's text.
    pub fn script(&self, kind: ScriptKind) -> Option<&str> {
        self.members.get(kind.as_str()).map(String::as_str)
    }
}

/// A configuration file that dpkg looks after.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Conffile {
    /// The path as the package names it (before usr-merge), with its leading `/`.
    pub path: String,
    /// MD5 of the shipped file, hex; dpkg's status carries it. None for one that an upgrade is to remove
    /// (`remove-on-upgrade` in deb-conffiles(5)): the package does not ship it.
    pub md5: Option<String>,
}

/// A script, or a part of one, that was judged to be worth something.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Whose script.
    pub package: PackageName,
    /// Which.
    pub kind: ScriptKind,
    /// The part's text, for effects that read their arguments from it.
    pub text: String,
    /// The judgement.
    pub worth: Worth,
}
