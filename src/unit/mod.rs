//! Quadlet and systemd units: what a host shall run, and the text that the host's podman understands.
//!
//! A [`Meaning`] says what is wanted, in types whose constructors refuse what cannot be. [`units`] gives its files for a
//! podman: Quadlet's where its generator can say it, arguments of podman where only those can, the services that the
//! generator would have made below podman 4.4, else an [`Unsayable`]. docs/design/units.md has the facts behind it.

mod back_end;
pub mod container;
pub mod file;
mod head;
mod health;
pub mod key;
mod name;
mod object;
mod period;
pub mod quote;
mod say;
mod service;

use serde::{Deserialize, Serialize};

pub use crate::version::{PodmanVersion, VersionError};
pub use container::{Container, ContainerParts, MeaningError, Timeout};
pub use file::{Entry, FileError, Section, UnitFile};
pub use head::{Condition, Head, StartLimit};
pub use health::{Health, HealthError, HealthParts, HealthTest, OnFailure};
pub use name::{ImageRef, NameError, ObjectName, UnitKind, UnitName};
pub use object::{ExitPolicy, ImageUnit, Network, NetworkParts, Pod, Subnet, Volume, VolumeParts};
pub use period::{Period, PeriodError};
pub use say::{Said, Saying, Sayings, Unsayable, Value};
pub use service::{Service, ServiceParts, Target, Timer, TimerParts};

/// Whose manager runs a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The system's.
    System,
    /// A user's own: rootless containers.
    User,
}

impl Scope {
    /// Where files of a kind lie: an absolute folder, or for a user's own one below the home directory.
    pub fn folder(self, kind: UnitKind) -> &'static str {
        match (self, kind.is_quadlet()) {
            (Self::System, true) => "/etc/containers/systemd",
            (Self::System, false) => "/etc/systemd/system",
            (Self::User, true) => ".config/containers/systemd",
            (Self::User, false) => ".config/systemd/user",
        }
    }

    /// The target that is reached when all is up: a user's manager knows no multi-user.target.
    pub fn default_target(self) -> UnitName {
        UnitName::target(if self == Self::System { "multi-user" } else { "default" })
    }
}

/// Anything that a host shall have as a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Meaning {
    Container(Box<Container>),
    Image(Box<ImageUnit>),
    Network(Box<Network>),
    Pod(Box<Pod>),
    Service(Box<Service>),
    Target(Box<Target>),
    Timer(Box<Timer>),
    Volume(Box<Volume>),
}

/// What a podman cannot do for a unit, so that wharf itself must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Its start does not wait for its health: ask `podman healthcheck run` until it passes.
    Health,
    /// systemd does not read its `[Install]` by itself as podman's generator does: let a target want it, or enable it.
    Enable,
}

/// The files of a meaning.
pub fn units(meaning: &Meaning, version: &PodmanVersion, scope: Scope) -> Result<Vec<UnitFile>, Unsayable> {
    let version = *version;
    if version < PodmanVersion::OLDEST
        && !matches!(meaning, Meaning::Service(_) | Meaning::Target(_) | Meaning::Timer(_))
    {
        let (unit, key) = (meaning.unit().to_string(), "a unit".to_owned());
        return Err(Unsayable::Version { unit, key, needs: PodmanVersion::OLDEST, has: version });
    }
    let file = match meaning {
        Meaning::Container(container) => container.write(version, scope),
        Meaning::Image(image) => image.unit(version),
        Meaning::Network(network) => network.unit(version),
        Meaning::Pod(pod) => pod.unit(version),
        Meaning::Service(service) => service.unit(scope),
        Meaning::Target(target) => target.unit(),
        Meaning::Timer(timer) => timer.unit(),
        Meaning::Volume(volume) => volume.unit(version),
    };
    file.map(|file| vec![file])
}

/// What wharf has to do itself for a meaning on a podman.
pub fn asks(meaning: &Meaning, version: &PodmanVersion) -> Vec<Ask> {
    let mut asks = Vec::new();
    if let Meaning::Container(container) = meaning
        && container.health_is_asked(*version)
    {
        asks.push(Ask::Health);
    }
    if !meaning.head().wanted_by.is_empty() && !meaning.is_quadlet(*version) {
        asks.push(Ask::Enable);
    }
    asks
}

impl Meaning {
    /// Its description, order and needs.
    pub fn head(&self) -> &Head {
        match self {
            Self::Container(container) => &container.parts().head,
            Self::Image(image) => &image.head,
            Self::Network(network) => &network.parts().head,
            Self::Pod(pod) => &pod.head,
            Self::Service(service) => &service.parts().head,
            Self::Target(target) => &target.head,
            Self::Timer(timer) => &timer.parts().head,
            Self::Volume(volume) => &volume.parts().head,
        }
    }

    /// Its unit, by the name of the file that podman's generator or systemd reads; [`UnitName::service`] is what
    /// systemd knows.
    pub fn unit(&self) -> UnitName {
        let (base, kind) = match self {
            Self::Container(container) => (&container.parts().unit, UnitKind::Container),
            Self::Image(image) => (&image.unit, UnitKind::Image),
            Self::Network(network) => (&network.parts().unit, UnitKind::Network),
            Self::Pod(pod) => (&pod.unit, UnitKind::Pod),
            Self::Service(service) => (&service.parts().unit, UnitKind::Service),
            Self::Target(target) => (&target.unit, UnitKind::Target),
            Self::Timer(timer) => (&timer.parts().unit, UnitKind::Timer),
            Self::Volume(volume) => (&volume.parts().unit, UnitKind::Volume),
        };
        base.unit(kind)
    }

    /// How long its unit may take to end before systemd ends it: as its file says, else systemd's own default
    /// (systemd-system.conf(5), "DefaultTimeoutStopSec="). What has no process ends at once.
    pub fn ending(&self) -> Period {
        let within = match self {
            Self::Container(container) => container.parts().life.stop_within(container.parts().process.stop_timeout),
            Self::Pod(pod) => pod.life.stop_within(pod.stop_timeout),
            Self::Service(service) => service.parts().life.stop_within(None),
            Self::Image(_) | Self::Network(_) | Self::Target(_) | Self::Timer(_) | Self::Volume(_) => {
                return Period::default();
            }
        };
        match within {
            None => Period::from_secs(90),
            Some(Timeout::After(period)) => period,
            // Nobody waits longer.
            Some(Timeout::Never) => Period::from_secs(3600),
        }
    }

    /// Whether podman's generator makes its service, on this podman.
    pub fn is_quadlet(&self, version: PodmanVersion) -> bool {
        version
            >= match self {
                Self::Container(_) => PodmanVersion::QUADLET,
                Self::Network(_) | Self::Volume(_) => PodmanVersion::NAMED,
                Self::Image(_) => PodmanVersion::new(4, 8),
                Self::Pod(_) => PodmanVersion::new(5, 0),
                Self::Service(_) | Self::Target(_) | Self::Timer(_) => return false,
            }
    }
}
