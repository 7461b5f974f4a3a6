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
use crate::version::PodmanVersion;

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
    #[error("it is in a pod, and has networks, ports or names of its own; they are the pod's")]
    PodNetwork,
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
    /// podman refuses it.
    #[error("the soft limit of `{0}` is above its hard one")]
    Ulimit(String),
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
    #[error("a subnet without a gateway, or a range, stands before one that has it")]
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
        if parts.pod.is_some() && *network != Networking::default() {
            return Err(MeaningError::PodNetwork);
        }
        pairs(parts.process.environment.keys(), "variable")?;
        pairs(parts.labels.keys(), "label")?;
        pairs(parts.annotations.keys(), "annotation")?;
        pairs(parts.log_options.keys(), "log option")?;
        let above =
            |(soft, hard): &(Option<u64>, Option<u64>)| hard.is_some_and(|hard| soft.is_none_or(|soft| soft > hard));
        if let Some((name, _)) = parts.limits.ulimits.iter().find(|(_, limits)| above(limits)) {
            return Err(MeaningError::Ulimit(name.clone()));
        }
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use insta::assert_snapshot;

    use super::*;
    use crate::digest::Digest;
    use crate::path::ImagePath;
    use crate::unit::{HealthParts, HealthTest, OnFailure, Scope};

    fn parts() -> ContainerParts {
        let image = ImageRef::new("registry.example/a", Digest::of(b"")).unwrap();
        ContainerParts::new(ObjectName::new("a").unwrap(), image)
    }

    fn health() -> Health {
        Health::new(HealthParts {
            test: HealthTest::Shell("true".to_owned()),
            interval: Period::from_secs(5),
            timeout: Period::from_secs(2),
            retries: 3,
            start_period: Period::from_secs(60),
            on_failure: OnFailure::None,
        })
        .unwrap()
    }

    fn path(text: &str) -> ImagePath {
        ImagePath::new(text).unwrap()
    }

    fn bind(from: &str, to: &str, option: &str) -> Mount {
        Mount { source: Source::Bind(path(from)), target: path(to), options: vec![option.to_owned()] }
    }

    #[test]
    fn parts_that_do_not_go_together_are_refused() {
        let changes: [fn(&mut ContainerParts); 22] = [
            |parts| parts.run = Run::Service(Notify::Healthy),
            |parts| {
                parts.run = Run::Oneshot { remain: false };
                parts.health = Some(health());
            },
            |parts| {
                parts.run = Run::Oneshot { remain: true };
                parts.life.restart = Some(Restart::Always);
            },
            |parts| {
                parts.run = Run::Service(Notify::Healthy);
                parts.health = Some(health());
                parts.life.start = Some(Timeout::After(Period::from_secs(60)));
            },
            |parts| {
                parts.process.stop_timeout = Some(Period::from_secs(30));
                parts.life.stop = Some(Timeout::After(Period::from_secs(30)));
            },
            |parts| parts.process.group = Some("a".to_owned()),
            |parts| parts.network.ip = Some(Ipv4Addr::LOCALHOST),
            |parts| {
                parts.network.networks = vec![Net::Host];
                parts.network.aliases = vec!["b".to_owned()];
            },
            |parts| parts.network.networks = vec![Net::Host, Net::Mode("pasta".to_owned())],
            |parts| {
                parts.pod = Some((parts.name.clone(), parts.unit.clone()));
                parts.network.hostname = Some("b".to_owned());
            },
            |parts| parts.storage.mounts = vec![bind("/a:b", "/c", "ro")],
            |parts| parts.storage.mounts = vec![bind("/a", "/c:d", "ro")],
            |parts| parts.storage.mounts = vec![bind("/a", "/c", "ro,rw")],
            |parts| parts.storage.tmpfs = vec![Tmpfs { target: path("/a:b"), options: Vec::new() }],
            |parts| {
                let seen = SecretAs::File { target: path("/a,b"), uid: 0, gid: 0, mode: 0o400 };
                parts.storage.secrets = vec![Secret { name: ObjectName::new("s").unwrap(), seen }];
            },
            |parts| {
                let seen = SecretAs::Environment("A=B".to_owned());
                parts.storage.secrets = vec![Secret { name: ObjectName::new("s").unwrap(), seen }];
            },
            |parts| drop(parts.process.environment.insert("A=B".to_owned(), String::new())),
            |parts| drop(parts.labels.insert(String::new(), String::new())),
            |parts| parts.limits.ulimits = [("nofile".to_owned(), (Some(2), Some(1)))].into(),
            |parts| parts.limits.ulimits = [("core".to_owned(), (None, Some(1)))].into(),
            |parts| parts.life.lines = vec![("Type".to_owned(), "simple".to_owned())],
            |parts| parts.life.lines = vec![("User".to_owned(), "a".to_owned())],
        ];
        let said: Vec<String> = changes
            .iter()
            .map(|change| {
                let mut parts = parts();
                change(&mut parts);
                Container::new(parts).unwrap_err().to_string()
            })
            .collect();
        assert_snapshot!(said.join("\n"), @r#"
        it counts as started when it is healthy, and has no health check
        what runs once and ends has no health check
        what runs once and ends cannot be restarted `always`
        its start may take 60s, and its health check does not count before 60s
        its stop may take 30s, and its process is given 30s to end
        it has a group and no user
        an address of its own needs exactly one network
        on the host's network, or none, nothing can be published or have another name
        on the host's network, or none, nothing can be published or have another name
        it is in a pod, and has networks, ports or names of its own; they are the pod's
        `/a:b` cannot be the path of a mount: podman cuts it at `:`
        `/c:d` cannot be the path of a mount: podman cuts it at `:`
        `ro,rw` cannot be a mount's option
        `/a:b` cannot be the path of a mount: podman cuts it at `:`
        `/a,b` cannot be the path of a secret: podman cuts it at `,`
        `A=B` cannot name an environment variable
        `A=B` cannot be a variable's name
        `` cannot be a label's name
        the soft limit of `nofile` is above its hard one
        the soft limit of `core` is above its hard one
        `Type=` in [Service] is not free: it is said otherwise, or podman's generator does not support it
        `User=` in [Service] is not free: it is said otherwise, or podman's generator does not support it
        "#);
        assert!(Container::new(parts()).is_ok());
    }

    #[test]
    fn what_was_read_is_checked_too() {
        let mut parts = parts();
        parts.run = Run::Service(Notify::Healthy);
        let json = serde_json::to_string(&parts).unwrap();
        let said = serde_json::from_str::<Container>(&json).unwrap_err().to_string();
        assert_eq!(said, "it counts as started when it is healthy, and has no health check");
    }

    #[test]
    fn a_text_that_cannot_be_said_is_named_with_its_unit_and_key() {
        let said = |change: fn(&mut ContainerParts), version| {
            let mut parts = parts();
            change(&mut parts);
            Container::new(parts).unwrap().write(version, Scope::System).unwrap_err().to_string()
        };
        let new = PodmanVersion::new(5, 4);
        let all = [
            said(|parts| parts.process.exec = vec!["a\0".to_owned()], new),
            said(|parts| parts.process.exec = vec!["\u{80}".to_owned()], PodmanVersion::OLDEST),
            said(|parts| drop(parts.process.environment.insert("A".to_owned(), "\u{9b}0m".to_owned())), new),
            said(|parts| parts.head.description = "a\nb".to_owned(), new),
            said(|parts| parts.life.lines = vec![("Nice".to_owned(), "5\\".to_owned())], new),
            said(|parts| parts.life.lines = vec![("No key".to_owned(), "5".to_owned())], new),
            said(|parts| parts.security.label.nested = true, PodmanVersion::new(4, 4)),
        ];
        assert_snapshot!(all.join("\n"), @r#"
        a.container: `Exec` cannot hold `a\0`: a NUL byte ends every argument
        a.container: `Exec` cannot hold `\u{80}`: podman's generator spoils the control characters U+0080 to U+009F
        a.container: `Environment` cannot hold `A=\u{9b}0m`: podman's generator spoils the control characters U+0080 to U+009F
        a.container: `Description` cannot hold `a\nb`: a control character would break the line
        a.container: `Nice` cannot hold `5\\`: a backslash at its end would continue the line
        a.container: `No key` cannot be a key: letters, digits and `-` are wanted
        a.container: `SecurityLabelNested` needs podman 4.5, and there is podman 4.4
        "#);
    }

    #[test]
    fn a_health_check_is_said_whole_on_every_podman() {
        let mut parts = parts();
        parts.health = Some(health());
        let container = Container::new(parts).unwrap();
        let versions = [(4, 3), (4, 4), (4, 5), (5, 8)].map(|(major, minor)| PodmanVersion::new(major, minor));
        for version in versions {
            let text = container.write(version, Scope::System).unwrap().render().to_lowercase().replace('-', "");
            for part in ["cmd", "interval", "timeout", "retries", "startperiod", "onfailure"] {
                assert!(text.contains(&format!("health{part}=")), "{part} for {version} in {text}");
            }
        }
    }
}
