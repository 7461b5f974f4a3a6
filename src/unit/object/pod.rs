//! Pods: containers that share their network.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::unit::back_end::{PODMAN, Quadlet};
use crate::unit::container::{Life, Networking};
use crate::unit::file::UnitFile;
use crate::unit::head::{Head, line};
use crate::unit::key::QuadletSection;
use crate::unit::name::{ObjectName, UnitKind};
use crate::unit::period::Period;
use crate::unit::quote;
use crate::unit::say::{Sayings, Unsayable};
use crate::version::PodmanVersion;

/// What a pod does when its last container ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum ExitPolicy {
    Stop,
    Continue,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// The unit's name without its type.
    pub unit: ObjectName,
    /// podman's name of it.
    pub name: ObjectName,
    /// Description, order.
    #[serde(default)]
    pub head: Head,
    /// Networks, ports and names of all its containers.
    #[serde(default)]
    pub network: Networking,
    /// Their user namespace.
    #[serde(default)]
    pub userns: Option<String>,
    /// The size of their /dev/shm in bytes.
    #[serde(default)]
    pub shm: Option<u64>,
    /// What it does when the last of them ends; podman's generator says `stop` where nothing is said.
    #[serde(default)]
    pub exit_policy: Option<ExitPolicy>,
    /// How long they have to end.
    #[serde(default)]
    pub stop_timeout: Option<Period>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// How it lives.
    #[serde(default)]
    pub life: Life,
}

/// The first podman with .pod.
const SINCE: PodmanVersion = PodmanVersion::new(5, 0);

impl Pod {
    /// A pod, unit and object of one name.
    pub fn new(name: ObjectName) -> Self {
        Self {
            unit: name.clone(),
            name,
            head: Head::default(),
            network: Networking::default(),
            userns: None,
            shm: None,
            exit_policy: None,
            stop_timeout: None,
            labels: BTreeMap::new(),
            life: Life::default(),
        }
    }

    pub(in crate::unit) fn unit(&self, version: PodmanVersion) -> Result<UnitFile, Unsayable> {
        let unit = self.unit.unit(UnitKind::Pod);
        let mut head = self.head.clone();
        let mut say = Sayings::new(&unit, QuadletSection::Pod);
        // Only a .pod can name a .network.
        let by = if version < SINCE { PodmanVersion::OLDEST } else { version };
        self.network.say(&mut say, by, &mut head)?;
        say.maybe("UserNS", self.userns.as_ref())?;
        say.maybe("ShmSize", self.shm.map(crate::unit::container::bytes).as_ref())?;
        if let Some(policy) = self.exit_policy {
            say.text("ExitPolicy", if policy == ExitPolicy::Stop { "stop" } else { "continue" })?;
        }
        say.pairs("Label", &self.labels)?;
        if version >= SINCE {
            say.text("PodName", &self.name)?;
            say.maybe("StopTimeout", self.stop_timeout.map(Period::as_secs_up).as_ref())?;
            let mut file = Quadlet { head: &head, say: &say, service: &[] }.start(unit, version)?;
            self.life.write(&mut file, None, self.stop_timeout)?;
            head.write_end(&mut file)?;
            return Ok(file);
        }
        self.plain(&head, &say, version)
    }

    /// The service that podman's generator makes of a .pod, for a podman that reads none.
    fn plain(&self, head: &Head, say: &Sayings, version: PodmanVersion) -> Result<UnitFile, Unsayable> {
        const SERVICE: &str = "Service";
        let mut file = UnitFile::new(self.unit.unit(UnitKind::Pod).service());
        let name = self.name.as_str();
        let mut create: Vec<String> = Vec::new();
        if self.exit_policy.is_none() {
            create.push("--exit-policy=stop".to_owned());
        }
        for saying in say.list() {
            create.extend(saying.flags(say.unit(), version)?);
        }
        create.extend([format!("--infra-name={name}-infra"), format!("--name={name}")]);
        head.write_unit(&mut file)?;
        line(&mut file, "Unit", "RequiresMountsFor", "%t/containers")?;
        // `%t/%N` are systemd's to expand.
        let pid = "--infra-conmon-pidfile=%t/%N.pid";
        let create: Vec<String> = create.iter().map(|text| quote::word(&quote::argument(text)).into_owned()).collect();
        let create = format!("{PODMAN} pod create {pid} --replace {}", create.join(" "));
        let time = self.stop_timeout.map_or(10, Period::as_secs_up);
        line(&mut file, SERVICE, "Type", "forking")?;
        line(&mut file, SERVICE, "PIDFile", "%t/%N.pid")?;
        line(&mut file, SERVICE, "SyslogIdentifier", "%N")?;
        line(&mut file, SERVICE, "Environment", "PODMAN_SYSTEMD_UNIT=%n")?;
        line(&mut file, SERVICE, "ExecStartPre", create)?;
        line(&mut file, SERVICE, "ExecStart", format!("{PODMAN} pod start {name}"))?;
        line(&mut file, SERVICE, "ExecStop", format!("{PODMAN} pod stop --ignore --time={time} {name}"))?;
        line(&mut file, SERVICE, "ExecStopPost", format!("{PODMAN} pod rm --ignore --force {name}"))?;
        if self.life.restart.is_none() {
            line(&mut file, SERVICE, "Restart", "on-failure")?;
        }
        self.life.write(&mut file, None, self.stop_timeout)?;
        head.write_end(&mut file)?;
        Ok(file)
    }
}
