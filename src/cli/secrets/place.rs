//! Whose secrets, and who reads them.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use ring::rand::SecureRandom as _;

use super::super::{Failure, Global, chosen_estate, load_project};
use crate::estate::{Estate, Project, Secrets};
use crate::name::EstateName;
use crate::secrets::{Held, Identities, NoRandom, Recipients, Safe, SecretsError, Vault};
use crate::ui::Screen;

/// An estate, its file, and the identity to read it with.
pub struct Desk {
    project: Project,
    estate: EstateName,
    identity: Option<PathBuf>,
    /// The estate's file.
    pub vault: Vault,
}

/// The file for identities: what was told, else `WHARF_IDENTITY`, else the user's.
pub fn identity_file(told: Option<PathBuf>) -> Option<PathBuf> {
    let variable = || std::env::var_os("WHARF_IDENTITY").filter(|value| !value.is_empty()).map(PathBuf::from);
    told.or_else(variable).or_else(|| Some(etcetera::choose_base_strategy().ok()?.config_dir().join("wharf/identity")))
}

/// The identities of this user, unless told.
pub fn identities(told: Option<PathBuf>) -> Result<Identities, SecretsError> {
    let none = |searched: String| SecretsError::NoIdentity { searched };
    let Some(path) = identity_file(told) else {
        return Err(none("this user has no configuration folder".to_owned()));
    };
    if !path.exists() {
        return Err(none(format!("there is no {}", path.display())));
    }
    Identities::read(&path)
}

/// Seconds since 1970.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// From the system.
pub fn random(bytes: &mut [u8]) -> Result<(), NoRandom> {
    ring::rand::SystemRandom::new().fill(bytes).map_err(|_| NoRandom)
}

impl Desk {
    /// Reads the project and finds the estate.
    pub fn open(identity: Option<PathBuf>, global: &Global) -> Result<Self, Failure> {
        let project = load_project(global)?;
        let estate = chosen_estate(&project, global)?.name.clone();
        let vault = Vault::of(&project.root, &estate);
        Ok(Self { project, estate, identity, vault })
    }

    /// The estate's name.
    pub fn name(&self) -> &EstateName {
        &self.estate
    }

    /// The estate.
    fn estate(&self) -> Option<&Estate> {
        self.project.estates.get(&self.estate)
    }

    /// What is made and used.
    pub fn secrets(&self) -> Secrets {
        self.project.placed.get(&self.estate).map(|placed| placed.secrets.clone()).unwrap_or_default()
    }

    /// Whom the estate names.
    pub fn recipients(&self) -> Result<Recipients, SecretsError> {
        let texts = self.estate().into_iter().flat_map(|estate| &estate.recipients);
        Recipients::parse(&self.estate, texts.map(|text| text.value.as_str()))
    }

    /// Who reads.
    pub fn identities(&self) -> Result<Identities, SecretsError> {
        identities(self.identity.clone())
    }

    /// The secrets as they are; none where there is no file.
    pub fn read(&self) -> Result<Option<Safe>, SecretsError> {
        if !self.vault.exists() {
            return Ok(None);
        }
        self.vault.read(&self.identities()?).map(Some)
    }

    /// The secrets held for a change; new ones where there is no file.
    pub fn hold(&self, screen: &Screen) -> Result<(Held, Safe), Failure> {
        let held = self.take()?;
        if !self.vault.exists() {
            return Ok((held, Safe::new(&self.recipients()?, &mut random)?));
        }
        let safe = held.read(&self.identities()?)?;
        self.say_drift(&safe, screen);
        Ok((held, safe))
    }

    /// The file held for a change; exit code 5 where somebody else holds it.
    pub fn take(&self) -> Result<Held, Failure> {
        self.vault.hold().map_err(|error| {
            let code = if matches!(error, SecretsError::Busy { .. }) { 5 } else { 1 };
            Failure { code, ..Failure::from(error) }
        })
    }

    /// Says whether the file is for others than the estate names. A change keeps to what the file has: that a spec
    /// names somebody is not yet anybody's decision to show them everything.
    pub fn say_drift(&self, safe: &Safe, screen: &Screen) {
        let named = match self.recipients() {
            Ok(named) => named.texts().to_vec(),
            Err(SecretsError::NoRecipients { .. }) => Vec::new(),
            Err(error) => return screen.say(&format!("the estate `{}`: {error}", self.estate)),
        };
        for (text, words) in differences(&named, safe.recipients()) {
            screen.say(&format!("{} {words}: {text}; `wharf secrets rekey` brings it in line", self.shown()));
        }
    }

    /// The file as messages show it.
    pub fn shown(&self) -> String {
        let path = self.vault.path();
        path.strip_prefix(&self.project.root).unwrap_or(path).display().to_string()
    }
}

/// Each recipient that only one of both sides has.
fn differences<'a>(named: &'a [String], written: &'a [String]) -> impl Iterator<Item = (&'a String, &'static str)> {
    let new = named.iter().filter(|text| !written.contains(text));
    let gone = written.iter().filter(|text| !named.contains(text));
    new.map(|text| (text, "is not yet encrypted for a recipient of the estate"))
        .chain(gone.map(|text| (text, "is still encrypted for one whom the estate does not name")))
}

/// Whether a folder keeps its files in memory: tmpfs or ramfs (statfs(2)).
pub fn is_memory(folder: &Path) -> bool {
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    // The width of the field differs between architectures.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "it does on some")]
    let kind = rustix::fs::statfs(folder).map(|found| i64::from(found.f_type as u32));
    matches!(kind, Ok(TMPFS | RAMFS))
}
