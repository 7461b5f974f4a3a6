//! Volumes. A unit makes one where there is none of its name; it never changes one that is there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::unit::back_end::{self, Quadlet};
use crate::unit::container::MeaningError;
use crate::unit::file::UnitFile;
use crate::unit::head::Head;
use crate::unit::key::QuadletSection;
use crate::unit::name::{ObjectName, UnitKind};
use crate::unit::say::{Sayings, Unsayable};
use crate::version::PodmanVersion;

/// What a volume is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeParts {
    /// The unit's name without its type.
    pub unit: ObjectName,
    /// podman's name of it.
    pub name: ObjectName,
    /// Description, order.
    #[serde(default)]
    pub head: Head,
    /// podman's `local` where none is given.
    #[serde(default)]
    pub driver: Option<String>,
    /// What is mounted (mount(8)).
    #[serde(default)]
    pub device: Option<String>,
    /// Its file system's type.
    #[serde(default)]
    pub kind: Option<String>,
    /// Mount options.
    #[serde(default)]
    pub options: Vec<String>,
    /// The owner's number.
    #[serde(default)]
    pub uid: Option<u32>,
    /// The group's number.
    #[serde(default)]
    pub gid: Option<u32>,
    /// Whether the image's files at the mount are copied into an empty one; podman's own yes where nothing is said.
    #[serde(default)]
    pub copy: Option<bool>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A volume whose parts go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "VolumeParts", into = "VolumeParts")]
pub struct Volume(VolumeParts);

impl VolumeParts {
    /// A volume of podman's own kind, unit and object of one name.
    pub fn new(name: ObjectName) -> Self {
        Self {
            unit: name.clone(),
            name,
            head: Head::default(),
            driver: None,
            device: None,
            kind: None,
            options: Vec::new(),
            uid: None,
            gid: None,
            copy: None,
            labels: BTreeMap::new(),
        }
    }
}

impl Volume {
    /// Checks that the parts go together.
    pub fn new(parts: VolumeParts) -> Result<Self, MeaningError> {
        if parts.kind.is_some() && parts.device.is_none() {
            return Err(MeaningError::TypeWithoutDevice);
        }
        if let Some(option) = parts.options.iter().find(|option| option.is_empty() || option.contains(',')) {
            return Err(MeaningError::Option(option.clone()));
        }
        Ok(Self(parts))
    }

    /// What it is made of.
    pub fn parts(&self) -> &VolumeParts {
        &self.0
    }

    pub(in crate::unit) fn unit(&self, version: PodmanVersion) -> Result<UnitFile, Unsayable> {
        let parts = &self.0;
        let unit = parts.unit.unit(UnitKind::Volume);
        let mut say = Sayings::new(&unit, QuadletSection::Volume);
        say.maybe("Driver", parts.driver.as_ref())?;
        say.maybe("Device", parts.device.as_ref())?;
        say.maybe("Type", parts.kind.as_ref())?;
        let options = parts.options.join(",");
        // podman keeps one value of `o`: what its generator would put there is joined wherever wharf writes it.
        let ids = [parts.uid.map(|uid| format!("uid={uid}")), parts.gid.map(|gid| format!("gid={gid}"))];
        let all: Vec<String> =
            ids.into_iter().flatten().chain((!options.is_empty()).then(|| options.clone())).collect();
        if version >= PodmanVersion::NAMED {
            say.text("VolumeName", &parts.name)?;
            if parts.device.is_none() && !options.is_empty() {
                // Before 6.0 the generator refuses Options= without Device=; podman itself does not.
                say.argument(format!("--opt=o={}", all.join(",")))?;
            } else {
                say.maybe("User", parts.uid.as_ref())?;
                say.maybe("Group", parts.gid.as_ref())?;
                say.maybe("Options", (!options.is_empty()).then_some(&options))?;
            }
            if let Some(copy) = parts.copy {
                say.switch("Copy", copy)?;
            }
            say.pairs("Label", &parts.labels)?;
            return Quadlet { head: &parts.head, say: &say, service: &[] }.write(unit, version);
        }
        if !all.is_empty() {
            say.text("Options", all.join(","))?;
        }
        match parts.copy {
            Some(true) => say.switch("Copy", true)?,
            Some(false) => say.argument("--opt=nocopy")?,
            None => {}
        }
        say.pairs("Label", &parts.labels)?;
        back_end::create(unit.service(), &parts.head, "volume", &parts.name, &say, version, &[])
    }
}

impl TryFrom<VolumeParts> for Volume {
    type Error = MeaningError;

    fn try_from(parts: VolumeParts) -> Result<Self, MeaningError> {
        Self::new(parts)
    }
}

impl From<Volume> for VolumeParts {
    fn from(volume: Volume) -> Self {
        volume.0
    }
}
