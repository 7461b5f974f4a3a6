//! An estate's secrets, opened for verbs that make what hosts get.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::Failure;
use super::secrets::identities;
use crate::config;
use crate::desired;
use crate::estate::{Estate, Project};
use crate::name::SecretName;
use crate::secrets::{Safe, Vault};

/// Which keys open the secrets.
#[derive(Debug, clap::Args)]
pub struct VaultOptions {
    /// Read secrets with the keys in this file; `WHARF_IDENTITY`, else wharf/identity in the user's configuration folder,
    /// unless told
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

/// Secrets that were decrypted; none where the estate has no file of them.
pub struct Opened(Option<Safe>);

impl VaultOptions {
    /// Opens the secrets of an estate.
    pub fn open(&self, project: &Project, estate: &Estate) -> Result<Opened, Failure> {
        let vault = Vault::of(&project.root, &estate.name);
        if !vault.exists() {
            return Ok(Opened(None));
        }
        Ok(Opened(Some(vault.read(&identities(self.identity.clone())?)?)))
    }
}

impl desired::Vault for Opened {
    fn names(&self) -> Vec<SecretName> {
        self.0.iter().flat_map(|safe| safe.entries().keys().cloned()).collect()
    }

    fn object(&self, name: &SecretName) -> Option<String> {
        let safe = self.0.as_ref()?;
        Some(safe.keyed_name(name, safe.get(name).ok()?))
    }

    fn object_of(&self, label: &str, file: &config::File) -> Result<String, String> {
        let Some(safe) = &self.0 else {
            return Err("the estate has no file of secrets: `wharf secrets generate` makes it".to_owned());
        };
        let lookup = |name: &str| {
            let secret = safe.get(&SecretName::new(name).ok()?).ok()?;
            Some(Zeroizing::new(secret.expose().to_vec()))
        };
        let bytes = file.reveal(&lookup).map_err(|error| error.to_string())?;
        Ok(safe.keyed_name_of(label, &bytes))
    }
}
