//! A package as an archive's index names it: what the solver chooses from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::control::Control;
use super::index::source;
use crate::digest::Digest;
use crate::lock::{LockedPackage, SuiteKey};
use crate::name::PackageName;

/// One stanza of a `Packages` index, or one .deb of a folder of one's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRecord {
    /// `Package`
    pub name: PackageName,
    /// `Version`, as written.
    pub version: String,
    /// `Architecture`: `amd64`, `all`.
    pub arch: String,
    /// `Source`, its version filled in where the field has none; the package itself where there is no field.
    pub source: (PackageName, String),
    /// The relation fields, as written.
    pub relations: Relations,
    /// `Essential: yes`
    pub essential: bool,
    /// `Multi-Arch`
    pub multi_arch: MultiArch,
    /// `Priority`
    pub priority: Priority,
    /// `Filename`: path below the archive's address.
    pub path: String,
    /// `Size`: bytes of the .deb.
    pub size: u64,
    /// `Installed-Size`, in KiB; 0 where the field is missing.
    pub installed_size: u64,
    /// Of the .deb.
    pub sha256: Digest,
    /// Where it comes from: what pins look at.
    pub suite: Arc<SuiteFacts>,
}

impl PackageRecord {
    /// From the control stanza of a .deb; what is wrong with it, in words, otherwise.
    pub fn of_control(
        control: &Control,
        path: String,
        size: u64,
        sha256: Digest,
        suite: &Arc<SuiteFacts>,
    ) -> Result<Self, String> {
        let text = |field: &str| control.get(field).unwrap_or_default();
        let needed = |field: &str| match text(field) {
            "" => Err(format!("its control file has no `{field}`")),
            value => Ok(value.to_owned()),
        };
        let name = PackageName::new(needed("Package")?).map_err(|error| error.to_string())?;
        let version = needed("Version")?;
        Ok(Self {
            source: source(text("Source"), &name, &version),
            arch: needed("Architecture")?,
            relations: Relations::new(|field| control.get(field.as_str())),
            essential: text("Essential").eq_ignore_ascii_case("yes"),
            multi_arch: MultiArch::parse(text("Multi-Arch")),
            priority: Priority::parse(text("Priority")),
            path,
            size,
            installed_size: text("Installed-Size").parse().unwrap_or(0),
            sha256,
            suite: Arc::clone(suite),
            name,
            version,
        })
    }

    /// The line of the lock for this record; what comes from reading the .deb is left empty:
    /// scripts, fragment (the digest of nothing), bytecode and group.
    pub fn to_locked(&self) -> LockedPackage {
        LockedPackage {
            name: self.name.clone(),
            version: self.version.clone(),
            arch: self.arch.clone(),
            source: self.source.clone(),
            archive: self.suite.archive.clone(),
            path: self.path.clone(),
            size: self.size,
            sha256: self.sha256,
            scripts: BTreeMap::new(),
            fragment: Digest::of(b""),
            bytecode: None,
            group: 0,
        }
    }
}

/// A field that relates packages (Debian Policy 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// `Pre-Depends`
    PreDepends,
    /// `Depends`
    Depends,
    /// `Recommends`
    Recommends,
    /// `Conflicts`
    Conflicts,
    /// `Breaks`
    Breaks,
    /// `Replaces`
    Replaces,
    /// `Provides`
    Provides,
}

impl Field {
    /// All of them, in their order of declaration.
    pub const ALL: [Self; 7] = [
        Self::PreDepends,
        Self::Depends,
        Self::Recommends,
        Self::Conflicts,
        Self::Breaks,
        Self::Replaces,
        Self::Provides,
    ];

    /// The name in a stanza.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreDepends => "Pre-Depends",
            Self::Depends => "Depends",
            Self::Recommends => "Recommends",
            Self::Conflicts => "Conflicts",
            Self::Breaks => "Breaks",
            Self::Replaces => "Replaces",
            Self::Provides => "Provides",
        }
    }
}

/// The relation fields of a package in one piece of memory: an index has 65,000 of these.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Relations {
    text: Box<str>,
    /// Where each field of [`Field::ALL`] ends in `text`; it starts where the one before ends.
    ends: [u32; 7],
}

impl Relations {
    /// Takes the fields that `get` knows.
    pub fn new<'a>(get: impl Fn(Field) -> Option<&'a str>) -> Self {
        let mut text = String::new();
        let ends = Field::ALL.map(|field| {
            text.push_str(get(field).unwrap_or_default().trim());
            u32::try_from(text.len()).unwrap_or(u32::MAX)
        });
        Self { text: text.into_boxed_str(), ends }
    }

    /// The text of a field; none where it is missing or empty.
    pub fn get(&self, field: Field) -> Option<&str> {
        let at = field as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(at).copied()?;
        self.text.get(start as usize..end as usize).filter(|text| !text.is_empty())
    }
}

impl fmt::Debug for Relations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = Field::ALL.iter().filter_map(|field| Some((field.as_str(), self.get(*field)?)));
        f.debug_map().entries(fields).finish()
    }
}

/// `Multi-Arch` (Debian Policy has none of it; see deb-control(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MultiArch {
    /// Satisfies relations of its own arch only.
    #[default]
    No,
    /// Can be installed beside itself of another arch.
    Same,
    /// Satisfies relations of any arch.
    Foreign,
    /// Satisfies relations of any arch that ask with `:any`.
    Allowed,
}

impl MultiArch {
    /// Reads the field; what is unknown counts as `no`, as it does for dpkg's readers.
    pub fn parse(text: &str) -> Self {
        match text.trim() {
            "same" => Self::Same,
            "foreign" => Self::Foreign,
            "allowed" => Self::Allowed,
            _ => Self::No,
        }
    }
}

/// `Priority` (Debian Policy 2.5), the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Priority {
    /// A system does not work without.
    Required,
    /// What a Unix user expects.
    Important,
    /// A small text-mode system.
    Standard,
    /// The rest.
    #[default]
    Optional,
    /// Deprecated: as optional.
    Extra,
}

impl Priority {
    /// Reads the field; what is unknown counts as `optional`.
    pub fn parse(text: &str) -> Self {
        match text.trim() {
            "required" => Self::Required,
            "important" => Self::Important,
            "standard" => Self::Standard,
            "extra" => Self::Extra,
            _ => Self::Optional,
        }
    }
}

/// What the Release file of a suite says of itself, as far as pins ask (apt_preferences(5)).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SuiteFacts {
    /// The archive's name in the spec.
    pub archive: String,
    /// The suite as the spec names it: `trixie-updates`; empty for a folder of .debs.
    pub name: String,
    /// `Suite`: `stable-updates`.
    pub suite: Option<String>,
    /// `Codename`: `trixie-updates`.
    pub codename: Option<String>,
    /// `Origin`
    pub origin: Option<String>,
    /// `Label`
    pub label: Option<String>,
    /// `NotAutomatic: yes`: apt's priority 1 where nothing is pinned.
    pub not_automatic: bool,
    /// `ButAutomaticUpgrades: yes`: with `NotAutomatic`, apt's priority 100.
    pub but_automatic_upgrades: bool,
}

/// All that can be chosen from for one distro and arch: packages of the arch and of `all`, from all archives and suites.
#[derive(Debug, Clone, Default)]
pub struct Universe {
    packages: Vec<PackageRecord>,
    /// The suites that were read; none for folders.
    pub suites: Vec<SuiteKey>,
}

impl Universe {
    /// Sorts by name. Among equal names the order of archives, suites and indexes stays; one version
    /// that several suites hold is there once for each, since pins tell them apart.
    pub fn new(mut packages: Vec<PackageRecord>, suites: Vec<SuiteKey>) -> Self {
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Self { packages, suites }
    }

    /// All records, sorted by name.
    pub fn packages(&self) -> &[PackageRecord] {
        &self.packages
    }

    /// The records of a name.
    pub fn named(&self, name: &str) -> &[PackageRecord] {
        let start = self.packages.partition_point(|record| record.name.as_str() < name);
        let end = self.packages.partition_point(|record| record.name.as_str() <= name);
        self.packages.get(start..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_field_is_none_and_its_neighbours_stay() {
        let relations = Relations::new(|field| match field {
            Field::Depends => Some("libc6 (>= 2.36), foo | bar"),
            Field::Provides => Some(" mail-transport-agent "),
            _ => None,
        });
        assert_eq!(relations.get(Field::PreDepends), None);
        assert_eq!(relations.get(Field::Depends), Some("libc6 (>= 2.36), foo | bar"));
        assert_eq!(relations.get(Field::Recommends), None);
        assert_eq!(relations.get(Field::Provides), Some("mail-transport-agent"));
    }

    #[test]
    fn priorities_sort_by_importance() {
        assert!(Priority::parse("required") < Priority::parse("important"));
        assert_eq!(Priority::parse("what"), Priority::Optional);
    }
}
