//! What a container sees of the host's files, volumes, secrets and devices.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::MeaningError;
use crate::path::ImagePath;
use crate::unit::head::Head;
use crate::unit::name::{ObjectName, UnitKind};
use crate::unit::say::{Sayings, Unsayable};
use crate::version::PodmanVersion;

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A path of the host.
    Bind(ImagePath),
    /// A volume.
    Volume {
        /// podman's name of it.
        name: ObjectName,
        /// The base of the unit that makes it, if one does.
        unit: Option<ObjectName>,
    },
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// What is mounted.
    pub source: Source,
    /// Where the container sees it.
    pub target: ImagePath,
    /// `ro`, `z`, `rshared` … (podman-run(1), `--volume`).
    #[serde(default)]
    pub options: Vec<String>,
}

/// A file system in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    /// Where the container sees it.
    pub target: ImagePath,
    /// `size=64m`, `mode=1777` … (podman-run(1), `--tmpfs`).
    #[serde(default)]
    pub options: Vec<String>,
}

/// How a secret reaches the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretAs {
    /// As a file.
    File {
        /// Where.
        target: ImagePath,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
        /// Its permissions, 0o400.
        mode: u32,
    },
    /// As an environment variable.
    Environment(String),
}

/// A secret of podman's, and how it is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// podman's name of it.
    pub name: ObjectName,
    /// How it is seen.
    #[serde(rename = "as")]
    pub seen: SecretAs,
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.seen {
            SecretAs::File { target, uid, gid, mode } => {
                write!(f, "{},type=mount,target={target},uid={uid},gid={gid},mode={mode:04o}", self.name)
            }
            SecretAs::Environment(variable) => write!(f, "{},type=env,target={variable}", self.name),
        }
    }
}

/// Files, volumes, secrets, devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Storage {
    /// Binds and volumes.
    pub mounts: Vec<Mount>,
    /// File systems in memory.
    pub tmpfs: Vec<Tmpfs>,
    /// Secrets.
    pub secrets: Vec<Secret>,
    /// `HOST[:CONTAINER[:PERMISSIONS]]`.
    pub devices: Vec<String>,
    /// Whether the image's files cannot be written.
    pub read_only: bool,
    /// Whether /tmp, /run and the like can all the same; podman's own yes where nothing is said.
    pub read_only_tmpfs: Option<bool>,
    /// The size of /dev/shm in bytes.
    pub shm: Option<u64>,
}

/// A number of bytes in podman's largest unit that divides it.
pub(in crate::unit) fn bytes(number: u64) -> String {
    let units = [('g', 30), ('m', 20), ('k', 10)];
    let unit = units.iter().find(|(_, shift)| number != 0 && number.is_multiple_of(1 << shift));
    unit.map_or_else(|| format!("{number}b"), |(letter, shift)| format!("{}{letter}", number >> shift))
}

fn joined(parts: [&str; 2], options: &[String]) -> String {
    let mut text = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(":");
    if !options.is_empty() {
        text.push(':');
        text.push_str(&options.join(","));
    }
    text
}

/// Whether podman's generator can copy a path into `RequiresMountsFor=` without quotes.
fn is_plain(path: &str) -> bool {
    !path.chars().any(|c| c.is_whitespace() || matches!(c, '"' | '\'' | '\\' | '$'))
}

impl Storage {
    pub(super) fn check(&self) -> Result<(), MeaningError> {
        let colon = |path: &ImagePath| path.as_str().contains(':');
        for mount in &self.mounts {
            let bind = if let Source::Bind(path) = &mount.source { Some(path) } else { None };
            if let Some(path) = bind.into_iter().chain([&mount.target]).find(|path| colon(path)) {
                return Err(MeaningError::Path { path: path.to_string(), what: "a mount", sign: ':' });
            }
        }
        if let Some(tmpfs) = self.tmpfs.iter().find(|tmpfs| colon(&tmpfs.target)) {
            return Err(MeaningError::Path { path: tmpfs.target.to_string(), what: "a mount", sign: ':' });
        }
        let options =
            self.mounts.iter().flat_map(|mount| &mount.options).chain(self.tmpfs.iter().flat_map(|t| &t.options));
        let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | ':' | '"');
        for option in options {
            if option.is_empty() || option.contains(bad) {
                return Err(MeaningError::Option(option.clone()));
            }
        }
        for secret in &self.secrets {
            match &secret.seen {
                SecretAs::File { target, .. } if target.as_str().contains(',') => {
                    return Err(MeaningError::Path { path: target.to_string(), what: "a secret", sign: ',' });
                }
                SecretAs::Environment(variable) if variable.is_empty() || variable.contains(['=', ',']) => {
                    return Err(MeaningError::Variable(variable.clone()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds what the mounts need to `head`, where podman's generator will not do that itself.
    pub(super) fn say(&self, say: &mut Sayings, version: PodmanVersion, head: &mut Head) -> Result<(), Unsayable> {
        let quadlet = version >= PodmanVersion::QUADLET;
        for mount in &self.mounts {
            match &mount.source {
                Source::Bind(path) => {
                    let text = joined([path.as_str(), mount.target.as_str()], &mount.options);
                    if quadlet && is_plain(path.as_str()) {
                        say.text("Volume", text)?;
                    } else {
                        head.mounts_for.insert(path.as_str().to_owned());
                        say.argument(format!("--volume={text}"))?;
                    }
                }
                Source::Volume { name, unit } => {
                    let mut source = name.to_string();
                    if let Some(unit) = unit.as_ref().map(|base| base.unit(UnitKind::Volume)) {
                        // From 4.7 on a .volume names its object, and wharf writes it as one.
                        if version >= PodmanVersion::NAMED {
                            source = unit.to_string();
                        } else {
                            head.needs(unit);
                        }
                    }
                    say.text("Volume", joined([&source, mount.target.as_str()], &mount.options))?;
                }
            }
        }
        say.texts("Tmpfs", self.tmpfs.iter().map(|tmpfs| joined([tmpfs.target.as_str(), ""], &tmpfs.options)))?;
        say.texts("Secret", &self.secrets)?;
        say.texts("AddDevice", &self.devices)?;
        if self.read_only {
            say.switch("ReadOnly", true)?;
            // Before 4.8 podman's generator turned it off by itself.
            say.switch("ReadOnlyTmpfs", self.read_only_tmpfs.unwrap_or(true))?;
        }
        say.maybe("ShmSize", self.shm.map(bytes).as_ref())
    }
}
