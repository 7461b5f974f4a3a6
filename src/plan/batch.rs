//! What is done on one host for the groups that change there together.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::task::{self, Event, Place};
use super::{Change, Class, Content, Known, Reason, Step, differ};
use crate::desired::Ground;
use crate::estate::{Service, Text, Update};
use crate::host;
use crate::name::{HostName, ServiceName};
use crate::spec::Log;
use crate::unit::Meaning;

/// Between a host's last step and the moment at which it takes the change back by itself, in seconds.
const MARGIN: u64 = 60;

/// What happens on one host in one wave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Batch {
    /// The groups that are changed.
    pub groups: BTreeSet<ServiceName>,
    /// What is done.
    pub steps: Vec<Step>,
    /// What is done to go back.
    pub undo: Vec<Step>,
    /// After how many seconds the host goes back by itself where nobody confirms; never where it could lose something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<u64>,
    /// Whether it is the host's last: then it has all that is wanted.
    #[serde(default)]
    pub last: bool,
    /// Whether the host takes it back at once where it does not end well, and it may be taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
}

/// What is done on a host for some groups.
pub(super) fn batch(
    ground: Ground<'_>,
    host: &HostName,
    groups: &BTreeSet<ServiceName>,
    changes: &[&Change],
    (applied, wanted, known): (Option<&Content>, &Content, &Known),
    events: &BTreeMap<ServiceName, Event>,
    place: impl Fn(&ServiceName) -> Option<Place>,
) -> Batch {
    let service_of = |name: &ServiceName| {
        let group = ground.placed.groups.get(name)?;
        Some((group, ground.project.services.get(&group.service)?))
    };
    let mut batch = Batch { groups: groups.clone(), ..Batch::default() };
    let by_class = |class: Class| changes.iter().filter(move |change| change.class == class);
    let unit = |change: &&&Change| unit_of(change);
    // What is told before it ends: only what has to end.
    let disturbed: BTreeSet<&ServiceName> = changes
        .iter()
        .filter(|change| change.class >= Class::Restart)
        .flat_map(|change| &change.services)
        .filter(|name| groups.contains(*name))
        .collect();
    for name in &disturbed {
        batch.steps.extend(exec(ground, host, name, |update| &update.drain, None));
    }
    let removed: Vec<String> =
        by_class(Class::Stop).chain(by_class(Class::Remove)).filter_map(|change| unit(&change)).collect();
    let ending = Ending { contents: [applied, Some(wanted)] };
    if !removed.is_empty() {
        batch.steps.push(ending.stop(removed.clone()));
    }
    // A network or a volume is made by a unit that runs once: it has to end, with all that uses it, to begin again.
    let replaced: Vec<&&Change> = by_class(Class::Replace).collect();
    let users: Vec<String> = changes
        .iter()
        .filter(|change| change.reasons.iter().any(|reason| matches!(reason, Reason::Uses { .. })))
        .filter_map(|change| unit_of(change))
        .collect();
    if !replaced.is_empty() {
        let units = users.iter().cloned().chain(replaced.iter().filter_map(|change| unit_of(change))).collect();
        batch.steps.push(ending.stop(units));
    }
    for change in &replaced {
        let meaning = wanted.meanings.values().find(|meaning| meaning.unit().to_string() == change.object);
        if let Some((kind, name)) = meaning.and_then(|meaning| object_of(meaning)) {
            batch.steps.push(Step::Drop { kind: kind.to_owned(), name });
        }
    }
    batch.steps.push(Step::Switch);
    // A network holds nothing; volumes stay.
    for change in by_class(Class::Remove) {
        let mut meanings = applied.into_iter().flat_map(|content| content.meanings.values());
        let meaning = meanings.find(|meaning| meaning.unit().to_string() == change.object);
        let object = meaning.and_then(|meaning| object_of(meaning)).filter(|(kind, _)| *kind == "network");
        batch.steps.extend(object.map(|(kind, name)| Step::Drop { kind: kind.to_owned(), name }));
    }
    let destroyed = by_class(Class::Destroy).map(|change| change.object.clone());
    batch.steps.extend(destroyed.map(|name| Step::Drop { kind: "volume".to_owned(), name }));
    // What a volume held comes back by nothing.
    let mut one_way =
        batch.steps.iter().any(|step| matches!(step, Step::Drop { kind, .. } if kind.as_str() == "volume"));
    for change in changes.iter().filter(|change| change.class != Class::Remove) {
        let path = change.object.clone();
        if path.starts_with("/etc/sysctl.d/") {
            batch.steps.push(Step::Sysctl(path));
        } else if path.starts_with("/etc/modules-load.d/") {
            batch.steps.push(Step::Modules(path));
        } else if path.starts_with("/etc/tmpfiles.d/") {
            batch.steps.push(Step::Tmpfiles(path));
        }
    }
    let tasks = |before: bool, steps: &mut Vec<Step>, one_way: &mut bool| {
        for name in groups {
            let (Some((group, service)), Some(event), Some(place)) = (service_of(name), events.get(name), place(name))
            else {
                continue;
            };
            let here = Event::of(name, &[host], wanted, known);
            let found = task::steps(service, group, (*event, here), place, before, (wanted, known));
            *one_way |= task::is_one_way(service, *event, &found, name);
            steps.extend(found);
        }
    };
    tasks(true, &mut batch.steps, &mut one_way);
    let started: Vec<String> = by_class(Class::Start).filter_map(|change| unit(&change)).collect();
    let restarted: Vec<String> = by_class(Class::Restart).filter_map(|change| unit(&change)).collect();
    let mut reloaded: Vec<String> =
        by_class(Class::Reload).flat_map(|change| differ::reloaded(&change.object, wanted)).collect();
    reloaded.sort();
    reloaded.dedup();
    reloaded.retain(|unit| !started.contains(unit) && !restarted.contains(unit));
    // The longest of those that come up together; before one can start anew it has to end.
    let longest =
        |of: fn(&Service) -> u64| groups.iter().filter_map(service_of).map(move |(_, service)| of(service)).max();
    let seconds = longest(deadline).unwrap_or(300).saturating_add(ending.seconds(&restarted));
    let stay = longest(healthy_for).unwrap_or(0);
    let up = Up { started: &started, restarted: &restarted, reloaded: &reloaded, seconds };
    batch.steps.extend(up.steps(stay));
    let touched = |container: &crate::unit::Container| {
        let unit = container.parts().unit.unit(crate::unit::UnitKind::Service).to_string();
        started.contains(&unit) || restarted.contains(&unit) || reloaded.contains(&unit)
    };
    let containers: Vec<String> = wanted
        .meanings
        .values()
        .filter_map(|meaning| match &**meaning {
            Meaning::Container(container) if touched(container) && !differ::is_task(container) => {
                Some(container.parts().name.to_string())
            }
            _ => None,
        })
        .collect();
    if !containers.is_empty() {
        batch.steps.push(Step::Gate { seconds, stay, containers });
        for name in groups {
            batch.steps.extend(exec(ground, host, name, |update| &update.ready, Some(seconds)));
        }
    }
    for name in &disturbed {
        batch.steps.extend(exec(ground, host, name, |update| &update.undrain, None));
    }
    tasks(false, &mut batch.steps, &mut one_way);
    batch.undo = undo(up, &removed, ending);
    batch.back = (!one_way).then_some(host::budget(&batch.steps).saturating_add(MARGIN));
    batch
}

/// A program that a service's `update` names, in its container on a host.
fn exec(
    ground: Ground<'_>,
    host: &HostName,
    group: &ServiceName,
    which: impl Fn(&Update) -> &Vec<Text>,
    until: Option<u64>,
) -> Option<Step> {
    // Most services say nothing, and a member is dear.
    let service = &ground.placed.groups.get(group)?.service;
    if which(&ground.project.services.get(service)?.update).is_empty() {
        return None;
    }
    let member = task::member(ground, group, host)?;
    let words = which(&member.service.update);
    let mut log = Log::new();
    let run: Vec<String> = words.iter().map(|word| member.fill(word, member.service.span, &mut log)).collect();
    // `check` says what has no value.
    (!run.is_empty() && log.is_empty()).then(|| Step::Exec { container: group.to_string(), run, until })
}

/// How long units may take to end, as those of a host mean them.
#[derive(Clone, Copy)]
struct Ending<'a> {
    contents: [Option<&'a Content>; 2],
}

impl Ending<'_> {
    /// So many seconds, one after the other: who needs ends before what it needs.
    fn seconds(self, units: &[String]) -> u64 {
        let mut known: BTreeMap<String, u64> = BTreeMap::new();
        for meaning in self.contents.into_iter().flatten().flat_map(|content| content.meanings.values()) {
            let seconds = known.entry(meaning.unit().service().to_string()).or_default();
            *seconds = meaning.ending().as_secs_up().max(*seconds);
        }
        units.iter().filter_map(|unit| known.get(unit)).sum()
    }

    fn stop(self, units: Vec<String>) -> Step {
        Step::Stop { seconds: self.seconds(&units), units }
    }
}

/// Units that come up, and how many seconds they have for it.
#[derive(Clone, Copy)]
struct Up<'a> {
    started: &'a [String],
    restarted: &'a [String],
    reloaded: &'a [String],
    seconds: u64,
}

impl Up<'_> {
    /// What lets them; `stay` of its time is for what follows.
    fn steps(self, stay: u64) -> Vec<Step> {
        let Self { started, restarted, reloaded, seconds } = self;
        let some = |units: &[String]| (!units.is_empty()).then(|| units.to_vec());
        let mut steps = Vec::new();
        steps.extend(some(started).map(|units| Step::Start { seconds, units }));
        steps.extend(some(restarted).map(|units| Step::Restart { seconds, units }));
        steps.extend(some(reloaded).map(|units| Step::Reload { seconds, units }));
        if !steps.is_empty() {
            steps.insert(0, Step::Deadline { seconds, stay });
        }
        steps
    }
}

/// The way back: what started ends, what was started anew is so once more, what was removed comes up.
fn undo(up: Up<'_>, removed: &[String], ending: Ending<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    steps.extend((!up.started.is_empty()).then(|| ending.stop(up.started.to_vec())));
    steps.push(Step::Switch);
    steps.extend(Up { started: removed, ..up }.steps(0));
    steps
}

/// How long a service may take on one host to come up and be well, in seconds.
fn deadline(service: &Service) -> u64 {
    service.update.deadline_ms.div_ceil(1000)
}

/// How long it has to stay so, in seconds.
fn healthy_for(service: &Service) -> u64 {
    service.update.healthy_for_ms.div_ceil(1000)
}

/// The unit that a change is of, as systemd names it; none for a file.
fn unit_of(change: &Change) -> Option<String> {
    crate::unit::UnitName::new(&change.object).ok().map(|name| name.service().to_string())
}

/// podman's object that a unit makes.
fn object_of(meaning: &Meaning) -> Option<(&'static str, String)> {
    match meaning {
        Meaning::Network(network) => Some(("network", network.parts().name.to_string())),
        Meaning::Volume(volume) => Some(("volume", volume.parts().name.to_string())),
        _ => None,
    }
}
