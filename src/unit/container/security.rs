//! What a container may do, and how much it may take.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::storage::bytes;
use crate::unit::say::{Sayings, Unsayable};

/// The SELinux label.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Label {
    /// Whether there is none.
    pub disable: bool,
    /// Whether containers inside may have their own.
    pub nested: bool,
    /// The process's type.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The files' type.
    pub file_type: Option<String>,
    /// The level.
    pub level: Option<String>,
}

/// Whose namespace of one kind a container has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Namespace {
    Pid,
    Ipc,
    Uts,
    Cgroup,
}

/// Rights.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    /// Whether it has all rights and devices of the host.
    pub privileged: bool,
    /// Capabilities it has besides podman's own.
    pub add_capabilities: BTreeSet<String>,
    /// Capabilities it has not; `all` for all but those added.
    pub drop_capabilities: BTreeSet<String>,
    /// Whether no program in it gains rights.
    pub no_new_privileges: bool,
    /// A file of system calls, or `unconfined`.
    pub seccomp: Option<String>,
    /// An AppArmor profile, or `unconfined`.
    pub apparmor: Option<String>,
    /// The SELinux label.
    pub label: Label,
    /// Paths of the kernel's that it does not see.
    pub mask: Vec<String>,
    /// Such that it sees; `ALL` for all.
    pub unmask: Vec<String>,
    /// Namespaces that are the host's.
    pub host: BTreeSet<Namespace>,
    /// The user namespace: `auto`, `keep-id`, `host` … (podman-run(1), `--userns`).
    pub userns: Option<String>,
}

/// Limits of the kernel's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Thousandths of a processor.
    pub millicpus: Option<u32>,
    /// By name, as `nofile`: soft and hard, none for `unlimited`.
    pub ulimits: BTreeMap<String, (Option<u64>, Option<u64>)>,
    /// Kernel settings of its namespaces.
    pub sysctl: BTreeMap<String, String>,
}

impl Security {
    pub(super) fn say(&self, say: &mut Sayings) -> Result<(), Unsayable> {
        if self.privileged {
            say.argument("--privileged")?;
        }
        say.texts("DropCapability", &self.drop_capabilities)?;
        say.texts("AddCapability", &self.add_capabilities)?;
        if self.no_new_privileges {
            say.switch("NoNewPrivileges", true)?;
        }
        say.maybe("SeccompProfile", self.seccomp.as_ref())?;
        say.maybe("AppArmor", self.apparmor.as_ref())?;
        if self.label.disable {
            say.switch("SecurityLabelDisable", true)?;
        }
        if self.label.nested {
            say.switch("SecurityLabelNested", true)?;
        }
        say.maybe("SecurityLabelType", self.label.kind.as_ref())?;
        say.maybe("SecurityLabelFileType", self.label.file_type.as_ref())?;
        say.maybe("SecurityLabelLevel", self.label.level.as_ref())?;
        say.texts("Mask", &self.mask)?;
        say.texts("Unmask", &self.unmask)?;
        for namespace in &self.host {
            say.argument(match namespace {
                Namespace::Pid => "--pid=host",
                Namespace::Ipc => "--ipc=host",
                Namespace::Uts => "--uts=host",
                Namespace::Cgroup => "--cgroupns=host",
            })?;
        }
        say.maybe("UserNS", self.userns.as_ref())
    }
}

impl Limits {
    pub(super) fn say(&self, say: &mut Sayings) -> Result<(), Unsayable> {
        say.maybe("Memory", self.memory.map(bytes).as_ref())?;
        say.maybe("PidsLimit", self.pids.as_ref())?;
        if let Some(thousandths) = self.millicpus {
            let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
            say.argument(format!("--cpus={}", text.trim_end_matches('0').trim_end_matches('.')))?;
        }
        let number = |limit: &Option<u64>| limit.map_or_else(|| "-1".to_owned(), |limit| limit.to_string());
        let ulimits =
            self.ulimits.iter().map(|(name, (soft, hard))| format!("{name}={}:{}", number(soft), number(hard)));
        say.texts("Ulimit", ulimits)?;
        say.pairs("Sysctl", &self.sysctl)
    }
}
