//! The file that holds an estate's secrets: `secrets/ESTATE.age`, ASCII-armoured age.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::{DecryptError, EncryptError};

use super::safe::Unread;
use super::value::{Buffer, read_all};
use super::{Identities, Recipients, Safe, SecretsError};
use crate::digest::Digest;
use crate::name::EstateName;

/// Where an estate's secrets are.
#[derive(Debug, Clone)]
pub struct Vault {
    estate: EstateName,
    path: PathBuf,
    lock: PathBuf,
}

/// A vault that nobody else changes.
#[derive(Debug)]
pub struct Held {
    vault: Vault,
    /// The digest of the file when it was taken; none where there was no file.
    seen: Option<Digest>,
    /// Unlocked when it goes.
    _lock: File,
}

impl Vault {
    /// The vault of an estate of the project at `root`.
    pub fn of(root: &Path, estate: &EstateName) -> Self {
        let path = root.join(format!("secrets/{estate}.age"));
        let lock = root.join(format!(".wharf/secrets-{estate}.lock"));
        Self { estate: estate.clone(), path, lock }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the secrets.
    pub fn read(&self, identities: &Identities) -> Result<Safe, SecretsError> {
        self.decrypt(&self.bytes()?, identities)
    }

    /// Whether there is a file.
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Holds it for a change; somebody else who does so is an error.
    pub fn hold(&self) -> Result<Held, SecretsError> {
        if let Some(folder) = self.lock.parent() {
            fs::create_dir_all(folder).map_err(SecretsError::at(folder))?;
        }
        let options = File::options().create(true).truncate(false).write(true).open(&self.lock);
        let lock = options.map_err(SecretsError::at(&self.lock))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => SecretsError::Busy { path: self.path.clone() },
            TryLockError::Error(source) => SecretsError::Io { path: self.lock.clone(), source },
        })?;
        let seen = self.seen()?;
        Ok(Held { vault: self.clone(), seen, _lock: lock })
    }

    fn bytes(&self) -> Result<Vec<u8>, SecretsError> {
        fs::read(&self.path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => SecretsError::NoFile { estate: self.estate.clone(), path: self.path.clone() },
            _ => SecretsError::Io { path: self.path.clone(), source },
        })
    }

    fn seen(&self) -> Result<Option<Digest>, SecretsError> {
        match self.bytes() {
            Ok(bytes) => Ok(Some(Digest::of(&bytes))),
            Err(SecretsError::NoFile { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn decrypt(&self, bytes: &[u8], identities: &Identities) -> Result<Safe, SecretsError> {
        let path = || self.path.clone();
        let damaged = |why| SecretsError::Damaged { path: path(), why };
        let wrong = |error: DecryptError| match error {
            DecryptError::NoMatchingKeys => {
                SecretsError::NotForYou { path: path(), identity: identities.path().to_owned() }
            }
            DecryptError::InvalidMac => damaged("its header was changed"),
            DecryptError::UnknownFormat => damaged("it is of a version of age that is not known"),
            DecryptError::Io(_) | DecryptError::InvalidHeader => damaged("it is no whole age file"),
            _ => damaged("some of it was changed"),
        };
        let decryptor = age::Decryptor::new_buffered(ArmoredReader::new(bytes)).map_err(wrong)?;
        let mut reader = decryptor.decrypt(identities.keys()).map_err(wrong)?;
        let text = read_all(&mut reader).map_err(|_| damaged("some of it was changed or lacks"))?;
        Safe::read(text.bytes()).map_err(|unread| match unread {
            Unread::Newer(version) => SecretsError::Newer { path: path(), version },
            Unread::Foreign(line, column) => SecretsError::Foreign { path: path(), line, column },
        })
    }
}

impl Held {
    /// The vault.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Reads the secrets.
    pub fn read(&self, identities: &Identities) -> Result<Safe, SecretsError> {
        let bytes = self.vault.bytes()?;
        if self.seen != Some(Digest::of(&bytes)) {
            return Err(SecretsError::Changed { path: self.vault.path.clone() });
        }
        self.vault.decrypt(&bytes, identities)
    }

    /// Writes the secrets for their recipients: beside, then in the old file's place.
    pub fn write(&mut self, safe: &Safe) -> Result<(), SecretsError> {
        let path = &self.vault.path;
        let recipients = Recipients::parse(&self.vault.estate, safe.recipients().iter().map(String::as_str))?;
        let bytes = encrypt(&safe.write(), &recipients).map_err(SecretsError::at(path))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(SecretsError::at(folder))?;
        // 0600, as all that this makes.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(SecretsError::at(folder))?;
        file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(SecretsError::at(path))?;
        if self.vault.seen()? != self.seen {
            return Err(SecretsError::Changed { path: path.clone() });
        }
        file.persist(path).map_err(|error| SecretsError::Io { path: path.clone(), source: error.error })?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(SecretsError::at(folder))?;
        self.seen = Some(Digest::of(&bytes));
        Ok(())
    }
}

fn encrypt(text: &Buffer, recipients: &Recipients) -> io::Result<Vec<u8>> {
    let encryptor = age::Encryptor::with_recipients(recipients.keys()).map_err(|error| match error {
        EncryptError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    })?;
    let mut bytes = Vec::new();
    let armor = ArmoredWriter::wrap_output(&mut bytes, Format::AsciiArmor)?;
    let mut writer = encryptor.wrap_output(armor)?;
    writer.write_all(text.bytes())?;
    writer.finish()?.finish()?;
    Ok(bytes)
}
