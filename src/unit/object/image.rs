//! Images that a unit pulls. wharf itself pulls before it starts anything; this is for hosts that shall pull by themselves.

use serde::{Deserialize, Serialize};

use crate::path::ImagePath;
use crate::unit::back_end::{self, Quadlet};
use crate::unit::file::UnitFile;
use crate::unit::head::Head;
use crate::unit::key::QuadletSection;
use crate::unit::name::{ImageRef, ObjectName, UnitKind};
use crate::unit::period::Period;
use crate::unit::say::{Sayings, Unsayable};
use crate::version::PodmanVersion;

/// An image that a unit pulls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageUnit {
    /// The unit's name without its type.
    pub unit: ObjectName,
    /// The image.
    pub image: ImageRef,
    /// Description, order.
    #[serde(default)]
    pub head: Head,
    /// A file of credentials on the host.
    #[serde(default)]
    pub auth_file: Option<ImagePath>,
    /// A folder of certificates on the host.
    #[serde(default)]
    pub cert_dir: Option<ImagePath>,
    /// Whether the registry must prove who it is; podman's own yes where nothing is said.
    #[serde(default)]
    pub tls_verify: Option<bool>,
    /// `missing`, `newer`, `always`, `never`.
    #[serde(default)]
    pub policy: Option<String>,
    /// How often it is tried again.
    #[serde(default)]
    pub retry: Option<u32>,
    /// How long after.
    #[serde(default)]
    pub retry_delay: Option<Period>,
}

/// The first podman with .image.
const SINCE: PodmanVersion = PodmanVersion::new(4, 8);

impl ImageUnit {
    /// An image, pulled as podman does by itself.
    pub fn new(unit: ObjectName, image: ImageRef) -> Self {
        Self {
            unit,
            image,
            head: Head::default(),
            auth_file: None,
            cert_dir: None,
            tls_verify: None,
            policy: None,
            retry: None,
            retry_delay: None,
        }
    }

    pub(in crate::unit) fn unit(&self, version: PodmanVersion) -> Result<UnitFile, Unsayable> {
        let unit = self.unit.unit(UnitKind::Image);
        let mut say = Sayings::new(&unit, QuadletSection::Image);
        say.maybe("AuthFile", self.auth_file.as_ref())?;
        say.maybe("CertDir", self.cert_dir.as_ref())?;
        if let Some(verify) = self.tls_verify {
            say.switch("TLSVerify", verify)?;
        }
        say.maybe("Policy", self.policy.as_ref())?;
        say.maybe("Retry", self.retry.as_ref())?;
        say.maybe("RetryDelay", self.retry_delay.as_ref())?;
        if version >= SINCE {
            say.text("Image", &self.image)?;
            return Quadlet { head: &self.head, say: &say, service: &[] }.write(unit, version);
        }
        let mut words = vec!["image".to_owned(), "pull".to_owned()];
        for saying in say.list() {
            words.extend(saying.flags(say.unit(), version)?);
        }
        words.push(self.image.to_string());
        back_end::once(unit.service(), &self.head, &words, &[])
    }
}
