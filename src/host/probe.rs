//! What a host said that it is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::frame::Frame;
use super::generation::Generation;
use crate::digest::Digest;
use crate::name::HostName;
use crate::unit::PodmanVersion;

/// Everything that a plan has to know of a host. Can be written down and read again: `plan --facts`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Facts {
    /// As /etc/os-release has it: `debian 13`.
    pub os: String,
    /// As `uname -m` says it.
    pub arch: String,
    /// Its podman's version; none where it has no podman.
    pub podman: Option<String>,
    /// Its systemd's version.
    pub systemd: Option<u32>,
    /// The file system of its control groups: `cgroup2fs` where they are of version 2.
    pub cgroups: String,
    /// The boot that it is in.
    pub boot: String,
    /// Seconds since then.
    pub uptime: u64,
    /// Its clock: seconds since 1970.
    pub clock: u64,
    /// Programs that it does not have, of those that wharf runs there.
    pub lacks: BTreeSet<String>,
    /// Accounts that were asked for and are there, with their ids.
    pub accounts: BTreeMap<String, u32>,
    /// Free room, by path.
    pub disks: BTreeMap<String, Disk>,
    /// The estate whose host it is.
    pub estate: Option<String>,
    /// Hosts that had something of that estate, as far as this one was told.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hosts: BTreeMap<HostName, Remembered>,
    /// The number of the live generation; 0 where there is none.
    pub current: u64,
    /// The live generation.
    pub generation: Option<Generation>,
    /// A change that nobody confirmed.
    pub intent: Option<Intent>,
    /// What was live when something was confirmed last, where there is an intent.
    pub before: Option<Generation>,
    /// The change that was taken back last, where nothing was confirmed since.
    pub undone: Option<Undone>,
    /// Files that are there, of those that were asked for.
    pub files: BTreeMap<String, FileSeen>,
    /// Units that were asked for.
    pub units: BTreeMap<String, UnitSeen>,
    /// Images, by `NAME@DIGEST`.
    pub images: BTreeSet<String>,
    /// podman's secrets, by name.
    pub secrets: BTreeSet<String>,
    /// Containers and what podman says of them: `running healthy`.
    pub containers: BTreeMap<String, String>,
    /// Who may change it.
    pub lease: Option<Lease>,
    /// Tasks that were run, by their record's name.
    pub tasks: BTreeMap<String, TaskRecord>,
    /// Volumes that units of ours have made, and that are there.
    pub volumes: BTreeMap<String, VolumeSeen>,
}

/// When a host was known to have something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Remembered {
    /// The plan whose apply told of it.
    pub plan: String,
    /// When that was, by the operator's clock.
    pub when: String,
}

/// A volume that is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct VolumeSeen {
    /// What it holds, in KiB; none where nobody asked, or it takes too long to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kib: Option<u64>,
}

/// Free room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Disk {
    /// In KiB.
    pub free_kib: u64,
}

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSeen {
    /// The digest of its bytes; none of what is no file.
    pub sha256: Option<Digest>,
    /// Its permissions.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// What systemd says of a unit (org.freedesktop.systemd1(5)).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct UnitSeen {
    /// `loaded`, `not-found`, …
    pub load: String,
    /// `active`, `failed`, …
    pub active: String,
    /// `running`, `exited`, …
    pub sub: String,
    /// `success`, `exit-code`, `timeout`, …
    pub result: String,
    /// How often systemd started it again by itself.
    pub restarts: u32,
    /// When it became active: microseconds since the boot.
    pub since: u64,
    /// Whether its file changed since systemd read it.
    pub reload_needed: bool,
}

impl UnitSeen {
    /// Whether it runs.
    pub fn is_up(&self) -> bool {
        self.active == "active"
    }
}

/// A change that nobody confirmed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Intent {
    /// The generation before it.
    pub from: u64,
    /// The generation that it makes live.
    pub to: u64,
    /// The plan that it is of.
    pub plan: String,
    /// Whether the host takes it back by itself.
    pub auto: bool,
    /// Whether it is being taken back.
    pub undoing: bool,
}

/// A change that was taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Undone {
    /// Its generation.
    pub generation: u64,
    /// Its plan.
    pub plan: String,
    /// The generation that was gone back to.
    pub back: u64,
    /// When, by the host's clock.
    pub when: String,
    /// Why.
    pub why: String,
}

/// Who may change a host, as the host has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lease {
    /// What tells one holder from another.
    pub token: String,
    /// Until when, in seconds since the host's boot.
    pub until: u64,
    /// The person and machine.
    pub who: String,
    /// When it was taken, by the holder's clock.
    pub when: String,
    /// The plan that it is for.
    pub plan: String,
    /// Why.
    pub why: String,
    /// The holder's process, as its machine knows it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub process: String,
    /// For how many seconds it lasts still.
    #[serde(skip)]
    pub left: u64,
}

/// Lines of a word and what belongs to it.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.split_once(' '))
}

impl Lease {
    /// Reads the lines of a lease.
    pub fn read(text: &str) -> Self {
        let mut lease = Self::default();
        for (key, value) in pairs(text) {
            match key {
                "process" => lease.process = value.to_owned(),
                "left" => lease.left = value.parse().unwrap_or(0),
                "token" => lease.token = value.to_owned(),
                "until" => lease.until = value.parse().unwrap_or(0),
                "who" => lease.who = value.to_owned(),
                "when" => lease.when = value.to_owned(),
                "plan" => lease.plan = value.to_owned(),
                "why" => lease.why = value.to_owned(),
                _ => {}
            }
        }
        lease
    }
}

/// How a task ended on a host, or where it was done for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// `running`, `done` or `failed`.
    pub state: String,
    /// What was run.
    pub identity: String,
}

/// An answer that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FactError {
    /// What lies in its generation's manifest is none.
    #[error("its live generation's manifest cannot be read: {0}")]
    Manifest(String),
    /// It said nothing of itself.
    #[error("it said nothing of itself")]
    Nothing,
}

impl Facts {
    /// Reads the frames of a probe.
    ///
    /// # Errors
    /// Where the manifest is none of ours, or the facts are missing. What else is odd is passed over: a host that says
    /// less is one that has less.
    pub fn read(frames: &[Frame]) -> Result<Self, FactError> {
        let mut facts = Self::default();
        let mut heard = false;
        let (mut made, mut there) = (BTreeSet::new(), BTreeSet::new());
        for frame in frames {
            let text = frame.text.as_str();
            match frame.name.as_str() {
                "facts" => {
                    heard = true;
                    facts.itself(text);
                }
                "estate" => facts.estate = Some(text.trim().to_owned()),
                "hosts" => facts.hosts = text.lines().filter_map(remembered).collect(),
                "current" => facts.current = text.trim().parse().unwrap_or(0),
                "manifest" => {
                    let generation = Generation::read(text).map_err(|error| FactError::Manifest(error.to_string()))?;
                    facts.generation = Some(generation);
                }
                "intent" => facts.intent = intent(text, false),
                "undoing" => facts.intent = intent(text, true),
                // Where nothing was live before, or it is kept no more, there is none.
                "before" => facts.before = Generation::read(text).ok(),
                "undone" => facts.undone = Some(undone(text)),
                "stat" => facts.stat(text),
                "sums" => facts.sums(text),
                "units" => facts.units.extend(units(text)),
                "images" => facts.images.extend(text.split_whitespace().map(str::to_owned)),
                "secrets" => facts.secrets.extend(text.lines().map(str::to_owned)),
                "containers" => {
                    let lines = text.lines().filter_map(|line| line.split_once(' '));
                    facts.containers.extend(lines.map(|(name, state)| (name.to_owned(), container(state))));
                }
                "made" => made = text.lines().collect(),
                "volumes" => there.extend(text.lines()),
                "lease" => facts.lease = Some(Lease::read(text)),
                "tasks" => {
                    let words = text.lines().filter_map(|line| {
                        let mut words = line.splitn(3, ' ');
                        Some((words.next()?, words.next()?, words.next()?))
                    });
                    let record = |(name, state, identity): (&str, &str, &str)| {
                        (name.to_owned(), TaskRecord { state: state.to_owned(), identity: identity.to_owned() })
                    };
                    facts.tasks = words.map(record).collect();
                }
                _ => {}
            }
        }
        let volumes = made.intersection(&there).map(|name| ((*name).to_owned(), VolumeSeen::default()));
        facts.volumes = volumes.collect();
        if heard { Ok(facts) } else { Err(FactError::Nothing) }
    }

    fn itself(&mut self, text: &str) {
        for (key, value) in pairs(text) {
            match key {
                "lacks" => self.lacks.extend([value.to_owned()]),
                "os" => self.os = value.trim().to_owned(),
                "arch" => self.arch = value.to_owned(),
                "podman" => self.podman = Some(value.to_owned()),
                "systemd" => self.systemd = value.parse().ok(),
                "cgroups" => self.cgroups = value.to_owned(),
                "boot" => self.boot = value.to_owned(),
                "uptime" => self.uptime = value.parse().unwrap_or(0),
                "clock" => self.clock = value.parse().unwrap_or(0),
                "account" => {
                    let account = value.split_once(' ').and_then(|(name, uid)| Some((name, uid.parse().ok()?)));
                    self.accounts.extend(account.map(|(name, uid)| (name.to_owned(), uid)));
                }
                "disk" => {
                    let disk = value.rsplit_once(' ').and_then(|(path, free)| Some((path, free.parse().ok()?)));
                    self.disks.extend(disk.map(|(path, free_kib)| (path.to_owned(), Disk { free_kib })));
                }
                _ => {}
            }
        }
    }

    /// Lines of `stat -c "%a %u %g %f %n"`.
    fn stat(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.splitn(5, ' ');
            let mut number = |radix| words.next().and_then(|word| u32::from_str_radix(word, radix).ok());
            let (Some(mode), Some(uid), Some(gid), Some(_)) = (number(8), number(10), number(10), number(16)) else {
                continue;
            };
            if let Some(path) = words.next() {
                self.files.insert(path.to_owned(), FileSeen { sha256: None, mode, uid, gid });
            }
        }
    }

    /// Lines of sha256sum(1).
    fn sums(&mut self, text: &str) {
        for (sum, path) in text.lines().filter_map(|line| line.split_once("  ")) {
            if let Some(seen) = self.files.get_mut(path) {
                seen.sha256 = format!("sha256:{sum}").parse().ok();
            }
        }
    }

    /// Its podman's version, where it can be read.
    pub fn podman_version(&self) -> Option<PodmanVersion> {
        self.podman.as_ref()?.parse().ok()
    }
}

/// `NAME PLAN WHEN`
fn remembered(line: &str) -> Option<(HostName, Remembered)> {
    let mut words = line.split(' ');
    let name = HostName::new(words.next()?).ok()?;
    Some((name, Remembered { plan: words.next()?.to_owned(), when: words.next()?.to_owned() }))
}

fn undone(text: &str) -> Undone {
    let mut undone = Undone::default();
    for (key, value) in pairs(text) {
        match key {
            "generation" => undone.generation = value.parse().unwrap_or(0),
            "plan" => undone.plan = value.to_owned(),
            "back" => undone.back = value.parse().unwrap_or(0),
            "when" => undone.when = value.to_owned(),
            "why" => undone.why = value.to_owned(),
            _ => {}
        }
    }
    undone
}

fn intent(text: &str, undoing: bool) -> Option<Intent> {
    let mut words = text.split_whitespace();
    let from = words.next()?.parse().ok()?;
    let to = words.next()?.parse().ok()?;
    let plan = words.next()?.to_owned();
    Some(Intent { from, to, plan, auto: words.next()? == "auto", undoing })
}

/// Blocks of `systemctl show`, blank lines between them.
fn units(text: &str) -> BTreeMap<String, UnitSeen> {
    let mut units = BTreeMap::new();
    for block in text.split("\n\n") {
        let mut unit = UnitSeen::default();
        let mut id = None;
        for (key, value) in block.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "Id" => id = Some(value.to_owned()),
                "LoadState" => unit.load = value.to_owned(),
                "ActiveState" => unit.active = value.to_owned(),
                "SubState" => unit.sub = value.to_owned(),
                "Result" => unit.result = value.to_owned(),
                "NRestarts" => unit.restarts = value.parse().unwrap_or(0),
                "ActiveEnterTimestampMonotonic" => unit.since = value.parse().unwrap_or(0),
                "NeedDaemonReload" => unit.reload_needed = value == "yes",
                _ => {}
            }
        }
        units.extend(id.map(|id| (id, unit)));
    }
    units
}

/// `running Up 3 minutes (healthy)` as `running healthy`.
fn container(text: &str) -> String {
    let state = text.split(' ').next().unwrap_or_default();
    let health = text.rsplit_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    match health {
        Some(health) if ["healthy", "unhealthy", "starting"].contains(&health) => format!("{state} {health}"),
        _ => state.to_owned(),
    }
}
