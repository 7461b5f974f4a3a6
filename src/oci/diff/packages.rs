//! Debian packages, from dpkg's status.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// A package that came, went or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// Its name; with `:ARCH` where the image holds it for several.
    pub name: String,
    /// The version before.
    pub old: Option<String>,
    /// The version now.
    pub new: Option<String>,
}

/// What differs, by name.
pub(super) fn changes(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<PackageChange> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .map(|name| PackageChange { name: name.clone(), old: old.get(name).cloned(), new: new.get(name).cloned() })
        .filter(|change| change.old != change.new)
        .collect()
}

/// The installed packages of a status file (dpkg(1), "Package states") and their versions.
pub(super) fn installed(status: &str) -> BTreeMap<String, String> {
    let mut found: BTreeMap<(String, String), String> = BTreeMap::new();
    for stanza in status.split("\n\n") {
        let field = |name: &str| {
            stanza
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(|value| value.trim().to_owned())
        };
        let state = field("Status").unwrap_or_default();
        let installed = state.split_whitespace().nth(2) == Some("installed");
        if let (true, Some(name), Some(version)) = (installed, field("Package"), field("Version")) {
            found.insert((name, field("Architecture").unwrap_or_default()), version);
        }
    }
    let mut arches: BTreeMap<String, usize> = BTreeMap::new();
    for (name, _) in found.keys() {
        *arches.entry(name.clone()).or_default() += 1;
    }
    let named = |(name, arch): (String, String)| match arches.get(&name) {
        Some(2..) => format!("{name}:{arch}"),
        _ => name,
    };
    found.into_iter().map(|(key, version)| (named(key), version)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_that_are_not_installed_do_not_count() {
        let status = "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nDescription: x\n Version: 9\n\n\
            Package: b\nStatus: deinstall ok config-files\nVersion: 2\n\n\
            Package: c\nVersion: 3\nStatus: hold ok installed\nArchitecture: amd64\n\n\
            Package: c\nVersion: 4\nStatus: hold ok installed\nArchitecture: i386\n\n";
        let found: Vec<String> =
            installed(status).into_iter().map(|(name, version)| format!("{name} {version}")).collect();
        assert_eq!(found, ["a 1", "c:amd64 3", "c:i386 4"]);
        assert_eq!(installed(""), BTreeMap::new());
    }
}
