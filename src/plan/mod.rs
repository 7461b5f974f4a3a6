//! Desired less observed: what changes on which host, why, and in which order.
//!
//! Pure: the same specs and facts give the same plan. Printing it, saving it and applying it are three readers of one value.

mod aim;
mod batch;
mod change;
mod differ;
mod gate;
mod guard;
mod memory;
mod order;
mod removal;
mod task;
#[cfg(test)]
mod tests;
mod wave;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::desired::{Ground, HostDesired};
use crate::digest::Digest;
use crate::host::{Account, Content, Facts, FileRecord, Intent, Step};
use crate::name::{EstateName, HostName, SecretName, ServiceName};
use crate::unit::Meaning;

pub use aim::{Aim, Purpose, Volumes, destroyed, left_over, stopped};
pub use batch::Batch;
pub use change::{Change, Class, Drift, Odd, Reason};
pub use guard::{Allow, Refusal, Scene, behind, refusals};
pub use memory::{Memory, Vanished, vanished};
pub use removal::{Loss, LossKind};
pub use wave::Wave;

/// The version of the plan's JSON.
pub const VERSION: u32 = 1;

/// What is going to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// Of this document's shape.
    pub version: u32,
    /// The digest of all that follows, shortened: what hosts and people call it.
    pub id: String,
    /// The estate.
    pub estate: EstateName,
    /// What was asked for.
    pub aim: Aim,
    /// Every host of the estate that the plan is about.
    pub hosts: BTreeMap<HostName, HostPlan>,
    /// What happens, in order. Hosts of one wave are changed at the same time.
    pub waves: Vec<Wave>,
}

/// What is known of one host, and what changes there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostPlan {
    /// Whether it can be changed.
    pub standing: Standing,
    /// What has to be so still when the plan is applied.
    pub precondition: Precondition,
    /// The digest of what it shall have.
    pub wanted: Digest,
    /// What changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Volumes that nothing uses any more, and that stay with what they hold.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keeps: BTreeSet<String>,
    /// What is gone for good.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub loses: BTreeSet<Loss>,
    /// What is not as wharf left it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Drift>,
    /// Groups whose changes have to wait, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waits: BTreeMap<ServiceName, String>,
}

/// Whether a host can be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It can.
    Ready,
    /// It did not answer.
    Unreachable {
        /// Why.
        why: String,
    },
    /// It is left alone.
    Maintenance {
        /// Why.
        why: String,
    },
    /// It is another estate's.
    Foreign {
        /// Whose.
        estate: String,
    },
    /// It cannot do what it is asked for.
    Unfit {
        /// Why.
        why: String,
    },
    /// A change that nobody confirmed is in the way; it has to be gone back from or confirmed first.
    Unsettled {
        /// Which.
        intent: Intent,
    },
}

/// What has to be so still when a plan is applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Precondition {
    /// The live generation; 0 where there is none.
    pub generation: u64,
    /// The digest of what it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Digest>,
    /// The host's podman.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub podman: Option<String>,
}

impl Precondition {
    /// What holds of a host.
    pub fn of(facts: &Facts) -> Self {
        let content = facts.generation.as_ref().map(|generation| generation.content.digest());
        Self { generation: facts.current, content, podman: facts.podman.clone() }
    }
}

/// An account, a database, a vhost that a group's need asks of its provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Grant {
    /// A host of the provider.
    pub host: HostName,
    /// The provider.
    pub provider: ServiceName,
    /// Whose need it is.
    pub consumer: ServiceName,
    /// How the consumer calls the need.
    pub need: String,
    /// The container in which it is run.
    pub container: String,
    /// Program and arguments.
    pub run: Vec<String>,
    /// The secret that it reads on standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretName>,
    /// What its record is called.
    pub record: String,
    /// What tells this run of it from another.
    pub identity: String,
}

/// What is known of the hosts of an estate: facts, or why there are none.
pub type Known = BTreeMap<HostName, Result<Facts, String>>;

/// What a host shall have, as its generation would hold it.
pub fn content(host: &HostDesired) -> Content {
    let files = host.files.iter().map(|(path, file)| {
        let record =
            FileRecord { sha256: file.digest(), uid: file.uid, gid: file.gid, mode: file.mode, of: file.of.clone() };
        (path.clone(), record)
    });
    let mut content = Content {
        files: files.collect(),
        meanings: host.meanings.clone(),
        accounts: host.accounts.clone(),
        ..Content::default()
    };
    let (mut secrets, mut images): (BTreeMap<String, BTreeSet<ServiceName>>, BTreeMap<String, BTreeSet<ServiceName>>) =
        Default::default();
    for (path, meaning) in &host.meanings {
        let Meaning::Container(container) = &**meaning else { continue };
        let of = host.files.get(path).map(|file| file.of.clone()).unwrap_or_default();
        let parts = container.parts();
        for secret in &parts.storage.secrets {
            secrets.entry(content.object(path, secret.name.as_str())).or_default().extend(of.iter().cloned());
        }
        images.entry(content.object(path, &parts.image.to_string())).or_default().extend(of);
    }
    content.secrets = secrets;
    content.images = images;
    content
}

/// What to do so that hosts have what they shall have. `wanted` holds the hosts that the plan is about.
pub fn plan(ground: Ground<'_>, wanted: &BTreeMap<HostName, Content>, known: &Known, aim: &Aim) -> Plan {
    let mut hosts = BTreeMap::new();
    for (name, content) in wanted {
        hosts.insert(name.clone(), host_plan(ground, name, content, known.get(name), aim));
    }
    let waves = wave::waves(ground, wanted, known, &mut hosts, aim.purpose);
    let mut plan = Plan {
        version: VERSION,
        id: String::new(),
        estate: ground.estate.name.clone(),
        aim: aim.clone(),
        hosts,
        waves,
    };
    plan.id = plan.digest();
    plan
}

fn host_plan(
    ground: Ground<'_>,
    name: &HostName,
    wanted: &Content,
    known: Option<&Result<Facts, String>>,
    aim: &Aim,
) -> HostPlan {
    let bare = |standing| HostPlan {
        standing,
        precondition: Precondition::default(),
        wanted: wanted.digest(),
        changes: Vec::new(),
        keeps: BTreeSet::new(),
        loses: BTreeSet::new(),
        drift: Vec::new(),
        waits: BTreeMap::new(),
    };
    if let Some(why) = ground.estate.hosts.get(name).and_then(|host| host.maintenance.clone()) {
        return bare(Standing::Maintenance { why });
    }
    let facts = match known {
        None => return bare(Standing::Unreachable { why: "it was not asked".to_owned() }),
        Some(Err(why)) => return bare(Standing::Unreachable { why: why.clone() }),
        Some(Ok(facts)) => facts,
    };
    let mut host = bare(standing(ground, name, wanted, facts));
    host.precondition = Precondition::of(facts);
    if host.standing == Standing::Ready {
        let empty = Content::default();
        let applied = facts.generation.as_ref().map_or(&empty, |generation| &generation.content);
        host.changes = differ::changes(applied, wanted, facts);
        if facts.intent.is_some() {
            // Nobody knows how far it came: what differs from what was confirmed last is done again.
            let before = facts.before.as_ref().map_or(&empty, |generation| &generation.content);
            differ::again(&mut host.changes, differ::changes(before, wanted, facts), applied);
        }
        removal::destroyed(&mut host.changes, wanted, facts, &aim.volumes);
        (host.keeps, host.loses) = removal::removal(applied, wanted, &host.changes);
        host.drift = differ::drift(applied, facts);
    }
    host
}

fn standing(ground: Ground<'_>, name: &HostName, wanted: &Content, facts: &Facts) -> Standing {
    // A generation that holds nothing is nobody's.
    let live = facts.generation.as_ref().filter(|generation| !generation.content.is_empty());
    let estate = live.map(|generation| generation.header.estate.as_str());
    if let Some(estate) = estate.or(facts.estate.as_deref()).filter(|estate| *estate != ground.estate.name.as_str()) {
        return Standing::Foreign { estate: estate.to_owned() };
    }
    if !facts.lacks.is_empty() {
        let lacks: Vec<&str> = facts.lacks.iter().map(String::as_str).collect();
        return Standing::Unfit { why: format!("it has no {}: install what has them there", lacks.join(", no ")) };
    }
    let Some(has) = facts.podman_version() else {
        let why = match &facts.podman {
            None => "it has no podman".to_owned(),
            Some(said) => format!("its podman says that it is `{said}`, which is no version"),
        };
        return Standing::Unfit { why };
    };
    let host = ground.estate.hosts.get(name);
    let said = host.map(crate::estate::Host::podman);
    // Units are written for the podman that the specs say; an older one would not understand them.
    if let Some(said) = said.filter(|said| has < *said) {
        return Standing::Unfit {
            why: format!("it has podman {has}, and its units are for {said}: write `podman=\"{has}\"` in its node"),
        };
    }
    if let Some((_, arch)) = host.and_then(|host| ground.estate.target(host, ground.project))
        && !facts.arch.is_empty()
        && arch.as_str() != facts.arch
    {
        return Standing::Unfit { why: format!("it is a {}, and its node says {arch}", facts.arch) };
    }
    if let Some(why) = wanted.accounts.values().find_map(|account| unfit(account, facts)) {
        return Standing::Unfit { why };
    }
    match &facts.intent {
        // Held ones are gone on from: what they began stays.
        Some(intent) if intent.auto || intent.undoing => Standing::Unsettled { intent: intent.clone() },
        _ => Standing::Ready,
    }
}

/// Why a host cannot run what an account shall run.
fn unfit(account: &Account, facts: &Facts) -> Option<String> {
    let Account { name, uid } = account;
    match facts.accounts.get(name.as_str()) {
        Some(has) if has == uid => None,
        Some(has) => Some(format!("its account `{name}` has the id {has}, and `run-as` says {uid}")),
        None => Some(format!("it has no account `{name}`: `useradd --uid {uid} --create-home {name}` makes it")),
    }
}

impl Plan {
    /// What identifies it: all but its name.
    fn digest(&self) -> String {
        let content = (&self.version, &self.estate, &self.aim, &self.hosts, &self.waves);
        let text = serde_json::to_string(&content).unwrap_or_default();
        Digest::of(text.as_bytes()).hex().chars().take(12).collect()
    }

    /// Whether it is what it says: nothing in it was changed after it was made.
    pub fn is_whole(&self) -> bool {
        self.id == self.digest()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.waves.is_empty()
    }

    /// Hosts with a change that nobody confirmed, and that is in the way.
    pub fn unsettled(&self) -> impl Iterator<Item = &HostName> {
        let unsettled = |host: &HostPlan| matches!(host.standing, Standing::Unsettled { .. });
        self.hosts.iter().filter(move |(_, host)| unsettled(host)).map(|(name, _)| name)
    }

    /// The hosts that it changes.
    pub fn changed(&self) -> BTreeSet<&HostName> {
        self.waves.iter().flat_map(|wave| wave.hosts.keys()).collect()
    }
}

/// What is not on a host as wharf left it.
pub fn drift(facts: &Facts) -> Vec<Drift> {
    facts.generation.as_ref().map(|generation| differ::drift(&generation.content, facts)).unwrap_or_default()
}

/// The content of a host after some of its groups were brought up to what is wanted.
pub fn after(applied: &Content, wanted: &Content, done: &BTreeSet<ServiceName>, last: bool) -> Content {
    if last {
        return wanted.clone();
    }
    let is_done = |of: &BTreeSet<ServiceName>| of.is_empty() || of.iter().any(|name| done.contains(name));
    let mut content = applied.clone();
    merge(&mut content.files, &wanted.files, |file| is_done(&file.of));
    merge(&mut content.secrets, &wanted.secrets, is_done);
    merge(&mut content.images, &wanted.images, is_done);
    merge(&mut content.halted, &wanted.halted, |halted| is_done(&halted.of));
    content.meanings = BTreeMap::new();
    content.accounts = BTreeMap::new();
    for path in content.files.keys() {
        let of = wanted.files.get(path).filter(|file| is_done(&file.of));
        let from = if of.is_some() { wanted } else { applied };
        if let Some(account) = from.accounts.get(path) {
            content.accounts.insert(path.clone(), account.clone());
        }
        if let Some(meaning) = from.meanings.get(path) {
            content.meanings.insert(path.clone(), meaning.clone());
        }
    }
    content
}

fn merge<T: Clone>(into: &mut BTreeMap<String, T>, wanted: &BTreeMap<String, T>, is_done: impl Fn(&T) -> bool) {
    into.retain(|key, value| wanted.contains_key(key) || !is_done(value));
    for (key, value) in wanted.iter().filter(|(_, value)| is_done(value)) {
        into.insert(key.clone(), value.clone());
    }
}
