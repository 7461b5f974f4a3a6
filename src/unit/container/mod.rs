//! A container that systemd runs by podman.

mod life;
mod network;
mod process;
mod security;
mod storage;
mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use life::{Life, Notify, Reload, Restart, Run, Timeout};
pub use network::{Net, Networking, Protocol, Publish};
pub use process::Process;
pub use security::{Label, Limits, Namespace, Security};
pub(super) use storage::bytes;
pub use storage::{Mount, Secret, SecretAs, Source, Storage, Tmpfs};

use super::head::Head;
use super::health::Health;
use super::key::QuadletSection;
use super::name::{ImageRef, ObjectName, UnitKind, UnitName};
use super::period::Period;
use super::say::{Sayings, Unsayable};
use super::version::PodmanVersion;

/// What a container is made of. Nothing but the names has to be said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerParts {
    /// The unit's name without its type.
    pub unit: ObjectName,
    /// podman's name of it.
    pub name: ObjectName,
    /// Its image. It is on the host already: units never pull.
    pub image: ImageRef,
    /// Description, order, what starts it.
    #[serde(default)]
    pub head: Head,
    /// What runs in it.
    #[serde(default)]
    pub process: Process,
    /// What it sees of the host's files.
    #[serde(default)]
    pub storage: Storage,
    /// How it is reached.
    #[serde(default)]
    pub network: Networking,
    /// What it may do.
    #[serde(default)]
    pub security: Security,
    /// How much it may take.
    #[serde(default)]
    pub limits: Limits,
    /// Its health check; none, and the image's counts.
    #[serde(default)]
    pub health: Option<Health>,
    /// What ends its run.
    #[serde(default)]
    pub run: Run,
    /// How it lives.
    #[serde(default)]
    pub life: Life,
    /// The pod it is in: podman's name and the unit's base.
    #[serde(default)]
    pub pod: Option<(ObjectName, ObjectName)>,
    /// Where its output goes.
    #[serde(default)]
    pub log_driver: Option<String>,
    /// Options of that.
    #[serde(default)]
    pub log_options: BTreeMap<String, String>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Arguments of podman that nothing above says, one a word.
    #[serde(default)]
    pub arguments: Vec<String>,
}

impl ContainerParts {
    /// A container of an image, unit and container of one name.
    pub fn new(name: ObjectName, image: ImageRef) -> Self {
        Self {
            unit: name.clone(),
            name,
            image,
            head: Head::default(),
            process: Process::default(),
            storage: Storage::default(),
            network: Networking::default(),
            security: Security::default(),
            limits: Limits::default(),
            health: None,
            run: Run::default(),
            life: Life::default(),
            pod: None,
            log_driver: None,
            log_options: BTreeMap::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            arguments: Vec::new(),
        }
    }
}

/// A container whose parts go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ContainerParts", into = "ContainerParts")]
pub struct Container(ContainerParts);

/// Parts that do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeaningError {
    /// The unit would count as started at once.
    #[error("it counts as started when it is healthy, and has no health check")]
    HealthyWithoutHealth,
    /// Nothing looks at the health of what ends.
    #[error("what runs once and ends has no health check")]
    OneshotWithHealth,
    /// systemd refuses it.
    #[error("what runs once and ends cannot be restarted `{0}`")]
    OneshotRestarts(String),
    /// The start always fails.
    #[error("its start may take {timeout}, and its health check does not count before {start_period}")]
    StartTooShort {
        /// The start's timeout.
        timeout: Period,
        /// The health check's start period.
        start_period: Period,
    },
    /// systemd would kill podman before podman kills the process.
    #[error("its stop may take {timeout}, and its process is given {grace} to end")]
    StopTooShort {
        /// The stop's timeout.
        timeout: Period,
        /// The process's.
        grace: Period,
    },
    /// podman refuses it.
    #[error("it has a group and no user")]
    GroupWithoutUser,
    /// podman refuses it.
    #[error("an address of its own needs exactly one network")]
    AddressWithoutNetwork,
    /// podman refuses or misreads it.
    #[error("on the host's network, or none, nothing can be published or have another name")]
    HostNetwork,
    /// A path that podman would cut.
    #[error("`{path}` cannot be the path of {what}: podman cuts it at `{sign}`")]
    Path {
        /// The path.
        path: String,
        /// What it is for.
        what: &'static str,
        /// Where it would be cut.
        sign: char,
    },
    /// An option that podman would cut.
    #[error("`{}` cannot be a mount's option", .0.escape_debug())]
    Option(String),
    /// A name that is no variable's.
    #[error("`{}` cannot name an environment variable", .0.escape_debug())]
    Variable(String),
    /// A key with `=`, or none.
    #[error("`{}` cannot be a {what}'s name", .name.escape_debug())]
    Pair {
        /// The name.
        name: String,
        /// What it would name.
        what: &'static str,
    },
    /// A line that wharf or podman writes itself.
    #[error("`{0}=` in [Service] is not free: it is said otherwise, or podman's generator does not support it")]
    Taken(String),
    /// A service without a command.
    #[error("it runs nothing")]
    Nothing,
    /// A program that systemd would not find or would misread.
    #[error("`{}` cannot be a program's path: it is absolute and begins with no sign of systemd's", .0.escape_debug())]
    Program(String),
    /// A timer that never fires.
    #[error("it never fires")]
    NeverFires,
    /// podman refuses it.
    #[error("a network has at most as many gateways and ranges as subnets")]
    Subnets,
    /// podman refuses it.
    #[error("a volume's type needs a device")]
    TypeWithoutDevice,
}

fn pairs<'a>(mut keys: impl Iterator<Item = &'a String>, what: &'static str) -> Result<(), MeaningError> {
    match keys.find(|key| key.is_empty() || key.contains('=')) {
        Some(name) => Err(MeaningError::Pair { name: name.clone(), what }),
        None => Ok(()),
    }
}

impl Container {
    /// Checks that the parts go together.
    pub fn new(parts: ContainerParts) -> Result<Self, MeaningError> {
        let life = &parts.life;
        match (parts.run, &parts.health) {
            (Run::Service(Notify::Healthy), None) => return Err(MeaningError::HealthyWithoutHealth),
            (Run::Service(Notify::Healthy), Some(health)) => {
                let start_period = health.parts().start_period;
                if let Some(Timeout::After(timeout)) = life.start
                    && timeout <= start_period
                {
                    return Err(MeaningError::StartTooShort { timeout, start_period });
                }
            }
            (Run::Oneshot { .. }, Some(_)) => return Err(MeaningError::OneshotWithHealth),
            (Run::Oneshot { .. }, None) => {
                if let Some(restart @ (Restart::Always | Restart::OnSuccess)) = life.restart {
                    return Err(MeaningError::OneshotRestarts(restart.to_string()));
                }
            }
            (Run::Service(_), _) => {}
        }
        let grace = parts.process.stop_timeout.unwrap_or(Period::from_secs(10));
        if let Some(Timeout::After(timeout)) = life.stop
            && timeout <= grace
        {
            return Err(MeaningError::StopTooShort { timeout, grace });
        }
        if parts.process.group.is_some() && parts.process.user.is_none() {
            return Err(MeaningError::GroupWithoutUser);
        }
        let network = &parts.network;
        if (network.ip.is_some() || network.ip6.is_some()) && network.networks.len() != 1 {
            return Err(MeaningError::AddressWithoutNetwork);
        }
        let shared = network.networks.iter().any(|net| matches!(net, Net::Host | Net::None));
        if shared && (network.networks.len() > 1 || !network.publish.is_empty() || !network.aliases.is_empty()) {
            return Err(MeaningError::HostNetwork);
        }
        pairs(parts.process.environment.keys(), "variable")?;
        pairs(parts.labels.keys(), "label")?;
        pairs(parts.annotations.keys(), "annotation")?;
        pairs(parts.log_options.keys(), "log option")?;
        if let Some(key) = life.taken() {
            return Err(MeaningError::Taken(key.to_owned()));
        }
        parts.storage.check()?;
        Ok(Self(parts))
    }

    /// What it is made of.
    pub fn parts(&self) -> &ContainerParts {
        &self.0
    }

    /// The unit's file where podman's generator makes it.
    pub fn unit(&self) -> UnitName {
        self.0.unit.unit(UnitKind::Container)
    }

    /// All that `[Container]` says, besides the image and the command; what it needs of other units goes into `head`.
    pub(super) fn say(&self, version: PodmanVersion, head: &mut Head) -> Result<Sayings, Unsayable> {
        let parts = &self.0;
        let mut say = Sayings::new(self.unit(), QuadletSection::Container);
        say.text("Pull", "never")?;
        parts.process.say(&mut say, version)?;
        parts.network.say(&mut say, version, head)?;
        parts.storage.say(&mut say, version, head)?;
        parts.security.say(&mut say)?;
        parts.limits.say(&mut say)?;
        if let Some(health) = &parts.health {
            health.say(&mut say)?;
        }
        say.maybe("LogDriver", parts.log_driver.as_ref())?;
        say.pairs("LogOpt", &parts.log_options)?;
        say.pairs("Label", &parts.labels)?;
        say.pairs("Annotation", &parts.annotations)?;
        for argument in &parts.arguments {
            say.argument(argument)?;
        }
        Ok(say)
    }
}

impl TryFrom<ContainerParts> for Container {
    type Error = MeaningError;

    fn try_from(parts: ContainerParts) -> Result<Self, MeaningError> {
        Self::new(parts)
    }
}

impl From<Container> for ContainerParts {
    fn from(container: Container) -> Self {
        container.0
    }
}
