//! Ordinary accounts whose own managers run units: what of theirs is called so that nothing of the system's is.
//!
//! As a shell calls an account's home: the unit `own.service` of the account `svc` is `~svc/own.service`; its images,
//! secrets, volumes and containers likewise.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Content;
use crate::name::AccountName;
use crate::unit::Meaning;

/// An account of the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Account {
    /// Its name.
    pub name: AccountName,
    /// Its id.
    pub uid: u32,
}

impl Account {
    /// What an object of its is called.
    pub fn object(&self, name: &str) -> String {
        format!("~{}/{name}", self.name)
    }
}

/// What an object is called by whoever owns it: `own.service` of `~svc/own.service`.
pub fn bare(object: &str) -> &str {
    let own = object.strip_prefix('~').and_then(|rest| rest.split_once('/'));
    own.map_or(object, |(_, name)| name)
}

impl Content {
    /// What an object is called that the unit in the file at `path` makes or uses.
    pub fn object(&self, path: &str, name: &str) -> String {
        self.accounts.get(path).map_or_else(|| name.to_owned(), |account| account.object(name))
    }

    /// What the unit in the file at `path` is called: once for each manager that runs it, and all accounts' managers read
    /// their targets from one file.
    pub fn units_of(&self, path: &str, meaning: &Meaning) -> Vec<String> {
        let name = meaning.unit().service().to_string();
        if path.starts_with("/etc/systemd/user/") && !self.accounts.contains_key(path) {
            let all: BTreeSet<&Account> = self.accounts.values().collect();
            return all.into_iter().map(|account| account.object(&name)).collect();
        }
        vec![self.object(path, &name)]
    }

    /// All units as they are called.
    pub fn units(&self) -> BTreeSet<String> {
        self.meanings.iter().flat_map(|(path, meaning)| self.units_of(path, meaning)).collect()
    }

    /// What accounts' objects are called, by what they call them themselves: units that one account has, containers, volumes
    /// and networks.
    pub fn owned(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for (path, account) in &self.accounts {
            let Some(meaning) = self.meanings.get(path) else { continue };
            let object = match &**meaning {
                Meaning::Container(container) => Some(container.parts().name.to_string()),
                Meaning::Network(network) => Some(network.parts().name.to_string()),
                Meaning::Volume(volume) => Some(volume.parts().name.to_string()),
                _ => None,
            };
            let names = object.into_iter().chain([meaning.unit().service().to_string()]);
            found.extend(names.map(|name| (name.clone(), account.object(&name))));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_called_after_its_account() {
        let account = Account { name: AccountName::new("svc").unwrap(), uid: 2001 };
        let object = account.object("registry/own@sha256:00");
        assert_eq!(object, "~svc/registry/own@sha256:00");
        assert_eq!(bare(&object), "registry/own@sha256:00");
        assert_eq!(bare("registry/own@sha256:00"), "registry/own@sha256:00");
    }
}
