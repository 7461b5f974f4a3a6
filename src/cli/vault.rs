//! An estate's secrets, opened for verbs that make what hosts get.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use super::Failure;
use super::secrets::identities;
use crate::apply::Values;
use crate::config;
use crate::desired::{self, SecretSource};
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
pub struct Opened {
    safe: Option<Safe>,
    /// Rendered files that hold secrets, by podman's name of them, where a host is going to get them.
    files: Option<Mutex<BTreeMap<String, Zeroizing<Vec<u8>>>>>,
}

impl Opened {
    /// No secrets at all.
    pub fn closed() -> Self {
        Self { safe: None, files: None }
    }

    /// A text without the values of secrets: their names stand for them. Values of a few letters are no secret, and would
    /// be found in any text.
    pub fn scrub(&self, mut text: String) -> String {
        for (name, _) in self.safe.iter().flat_map(|safe| safe.entries()) {
            let Some(value) = self.safe.as_ref().and_then(|safe| safe.get(name).ok()) else { continue };
            let Ok(value) = std::str::from_utf8(value.expose()) else { continue };
            let value = value.trim();
            if value.len() >= 6 && text.contains(value) {
                text = text.replace(value, &format!("<secret {name}>"));
            }
        }
        text
    }

    /// The same, keeping rendered files for hosts.
    pub fn keeping(self) -> Self {
        Self { files: Some(Mutex::default()), ..self }
    }
}

impl VaultOptions {
    /// Opens the secrets of an estate.
    pub fn open(&self, project: &Project, estate: &Estate) -> Result<Opened, Failure> {
        let vault = Vault::of(&project.root, &estate.name);
        if !vault.exists() {
            return Ok(Opened { safe: None, files: None });
        }
        let safe = Some(vault.read(&identities(self.identity.clone())?)?);
        Ok(Opened { safe, files: None })
    }
}

impl desired::Vault for Opened {
    fn names(&self) -> Vec<SecretName> {
        self.safe.iter().flat_map(|safe| safe.entries().keys().cloned()).collect()
    }

    fn object(&self, name: &SecretName) -> Option<String> {
        let safe = self.safe.as_ref()?;
        Some(safe.keyed_name(name, safe.get(name).ok()?))
    }

    fn object_of(&self, label: &str, file: &config::File) -> Result<String, String> {
        let Some(safe) = &self.safe else {
            return Err("the estate has no file of secrets: `wharf secrets generate` makes it".to_owned());
        };
        let lookup = |name: &str| {
            let secret = safe.get(&SecretName::new(name).ok()?).ok()?;
            Some(Zeroizing::new(secret.expose().to_vec()))
        };
        let bytes = file.reveal(&lookup).map_err(|error| error.to_string())?;
        let object = safe.keyed_name_of(label, &bytes);
        if let Some(files) = &self.files {
            files.lock().unwrap_or_else(PoisonError::into_inner).entry(object.clone()).or_insert(bytes);
        }
        Ok(object)
    }
}

impl Values for Opened {
    fn object(&self, object: &str, source: &SecretSource) -> Result<Zeroizing<Vec<u8>>, String> {
        match source {
            SecretSource::Value(name) => self.secret(name),
            SecretSource::File { path, .. } => {
                let files = self.files.as_ref().ok_or_else(|| "rendered files were not kept".to_owned())?;
                let files = files.lock().unwrap_or_else(PoisonError::into_inner);
                files.get(object).cloned().ok_or_else(|| format!("{path} was not rendered"))
            }
        }
    }

    fn secret(&self, name: &SecretName) -> Result<Zeroizing<Vec<u8>>, String> {
        let safe = self.safe.as_ref().ok_or_else(|| "the estate has no secrets".to_owned())?;
        safe.get(name).map(|secret| Zeroizing::new(secret.expose().to_vec())).map_err(|error| error.to_string())
    }
}
