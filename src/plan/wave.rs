//! Waves: which groups are changed on which hosts at the same time, and what is done there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::batch::{Batch, batch};
use super::gate::{amount, away, hold_back, tolerance};
use super::task::{self, Event, Place};
use super::{Change, Class, Content, Grant, HostPlan, Known, Purpose, Standing, Step, order};
use crate::desired::Ground;
use crate::estate::{Service, UpdateFailure};
use crate::name::{HostName, ServiceName};
use crate::unit::Meaning;

/// How long a target may take whose units are up, in seconds.
const TARGET: u64 = 60;

/// Hosts that are changed at the same time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Wave {
    /// What providers make for those that need them, before any host of the wave changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
    /// What happens where.
    pub hosts: BTreeMap<HostName, Batch>,
    /// For each group, on how many hosts it may have failed so far before the plan stops; none where it is not named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub max_failed: BTreeMap<ServiceName, usize>,
}

/// What is done for a group in a batch.
struct Slot {
    wave: usize,
    place: Place,
    /// Whether others wait to see how it goes here.
    canary: bool,
}

/// How much a group is disturbed, by host.
type OnHosts<'a> = BTreeMap<&'a HostName, Class>;

/// The waves of a plan; changes are told in which they happen.
pub(super) fn waves(
    ground: Ground<'_>,
    wanted: &BTreeMap<HostName, Content>,
    known: &Known,
    hosts: &mut BTreeMap<HostName, HostPlan>,
    purpose: Purpose,
) -> Vec<Wave> {
    let mut slots = slots(ground, hosts, purpose);
    if purpose == Purpose::Forward {
        leftovers(ground, wanted, known, hosts, &mut slots);
    }
    let mut waves: Vec<Wave> = Vec::new();
    let mut batches: BTreeMap<(usize, HostName), BTreeSet<ServiceName>> = BTreeMap::new();
    for ((group, host), slot) in &slots {
        batches.entry((slot.wave, host.clone())).or_default().insert(group.clone());
    }
    // What is the estate's alone goes with the host's first wave.
    let with: BTreeSet<HostName> = batches.keys().map(|(_, name)| name.clone()).collect();
    for (name, host) in hosts.iter().filter(|(_, host)| host.standing == Standing::Ready) {
        let any = with.contains(name);
        let unconfirmed = known.get(name).is_some_and(|facts| facts.as_ref().is_ok_and(|facts| facts.intent.is_some()));
        if !any && (!host.changes.is_empty() || unconfirmed) {
            batches.insert((0, name.clone()), BTreeSet::new());
        }
    }
    let events = match purpose {
        Purpose::Forward => events(ground, wanted, known, slots.keys().map(|(group, _)| group)),
        Purpose::Back | Purpose::Stop | Purpose::Destroy => BTreeMap::new(),
    };
    let mut ends: BTreeMap<HostName, (usize, usize)> = BTreeMap::new();
    for (wave, name) in batches.keys() {
        let (_, last) = ends.entry(name.clone()).or_insert((*wave, *wave));
        *last = *wave;
    }
    let numbers: BTreeSet<usize> = batches.keys().map(|(wave, _)| *wave).collect();
    for (number, wave) in numbers.into_iter().enumerate() {
        let mut made = Wave::default();
        let mine: Vec<(&HostName, &BTreeSet<ServiceName>)> =
            batches.iter().filter(|((of, _), _)| *of == wave).map(|((_, host), groups)| (host, groups)).collect();
        let mut granted = BTreeSet::new();
        for (name, groups) in mine {
            let (Some(host), Some(content)) = (hosts.get_mut(name), wanted.get(name)) else { continue };
            let (first, last) = ends.get(name).map_or((true, true), |(first, last)| (*first == wave, *last == wave));
            let last = last && host.waits.is_empty();
            for change in &mut host.changes {
                let here = if change.class == Class::Destroy {
                    // After all that may have used it.
                    last
                } else if change.services.is_empty() {
                    first
                } else {
                    change.wave == 0 && change.services.iter().any(|service| groups.contains(service))
                };
                if here || last && change.wave == 0 {
                    change.wave = number + 1;
                }
            }
            let now: Vec<&Change> = host.changes.iter().filter(|change| change.wave == number + 1).collect();
            let facts = known.get(name).and_then(|facts| facts.as_ref().ok());
            let applied = facts.and_then(|facts| facts.generation.as_ref()).map(|generation| &generation.content);
            let slot = |group: &ServiceName| slots.get(&(group.clone(), name.clone()));
            let mut batch = batch(ground, name, groups, &now, (applied, content, known), &events, |group| {
                slot(group).map(|slot| slot.place)
            });
            batch.last = last;
            if last {
                // All that it wants is up: from now on it says so, and brings it up at the next boot.
                let targets = content.meanings.iter().filter(|(_, meaning)| matches!(&***meaning, Meaning::Target(_)));
                let units: Vec<String> = targets.flat_map(|(path, meaning)| content.units_of(path, meaning)).collect();
                if !units.is_empty() {
                    batch.steps.push(Step::Deadline { seconds: TARGET, stay: 0 });
                    batch.steps.push(Step::Start { seconds: TARGET, units });
                }
            }
            for group in groups {
                let Some(group) = ground.placed.groups.get(group) else { continue };
                if purpose == Purpose::Forward && granted.insert(group.name.clone()) {
                    made.grants.extend(task::grants(ground, group, known));
                }
                if let Some(update) = ground.project.services.get(&group.service).map(|service| &service.update) {
                    let may = match slot(&group.name).is_some_and(|slot| slot.canary) {
                        true => 0,
                        false => tolerance(update, group.members.len()),
                    };
                    if may > 0 {
                        made.max_failed.insert(group.name.clone(), may);
                    }
                    batch.rollback |= update.on_failure == UpdateFailure::Rollback;
                }
            }
            made.hosts.insert(name.clone(), batch);
        }
        waves.push(made);
    }
    owned(&mut waves, wanted, known);
    // A grant is made once, in the first wave that wants it.
    let mut seen = BTreeSet::new();
    for wave in &mut waves {
        wave.grants.retain(|grant| seen.insert(grant.record.clone()));
    }
    waves
}

/// Calls units and objects of accounts what hosts call them.
fn owned(waves: &mut [Wave], wanted: &BTreeMap<HostName, Content>, known: &Known) {
    let mut names: BTreeMap<&HostName, BTreeMap<String, String>> = BTreeMap::new();
    for (host, content) in wanted {
        let applied = known.get(host).and_then(|facts| facts.as_ref().ok()?.generation.as_ref());
        let mut all = applied.map(|generation| generation.content.owned()).unwrap_or_default();
        all.extend(content.owned());
        names.insert(host, all);
    }
    let call = |host: &HostName, name: &mut String| {
        if let Some(owned) = names.get(host).and_then(|names| names.get(name)) {
            name.clone_from(owned);
        }
    };
    for wave in waves {
        for grant in &mut wave.grants {
            call(&grant.host, &mut grant.container);
        }
        for (host, batch) in &mut wave.hosts {
            for step in batch.steps.iter_mut().chain(&mut batch.undo) {
                step.objects().into_iter().for_each(|name| call(host, name));
            }
        }
    }
}

/// Adds tasks that an earlier plan had to run and did not come to, of groups that do not change in this one.
fn leftovers(
    ground: Ground<'_>,
    wanted: &BTreeMap<HostName, Content>,
    known: &Known,
    hosts: &BTreeMap<HostName, HostPlan>,
    slots: &mut BTreeMap<(ServiceName, HostName), Slot>,
) {
    let mut next = slots.values().map(|slot| slot.wave + 1).max().unwrap_or(0);
    let levels = order::levels(ground);
    let mut groups: Vec<_> = ground.placed.groups.values().collect();
    groups.sort_by_key(|group| levels.get(&group.name));
    for group in groups {
        let ready = |host: &&HostName| hosts.get(*host).is_some_and(|host| host.standing == Standing::Ready);
        let Some(at) = group.members.iter().find(ready) else { continue };
        let changes = slots.keys().any(|(name, _)| *name == group.name);
        let (Some(service), Some(content)) = (ground.project.services.get(&group.service), wanted.get(at)) else {
            continue;
        };
        if !changes && task::is_left(service, group, content, known) {
            let place = Place { first: true, last: true };
            slots.insert((group.name.clone(), at.clone()), Slot { wave: next, place, canary: false });
            next += 1;
        }
    }
}

/// What happens to each group that changes.
fn events<'a>(
    ground: Ground<'_>,
    wanted: &BTreeMap<HostName, Content>,
    known: &Known,
    names: impl Iterator<Item = &'a ServiceName>,
) -> BTreeMap<ServiceName, Event> {
    let mut events = BTreeMap::new();
    for name in names.collect::<BTreeSet<_>>() {
        let Some(group) = ground.placed.groups.get(name) else { continue };
        let members: Vec<&HostName> = group.members.iter().collect();
        let Some(content) = members.iter().find_map(|host| wanted.get(*host)) else { continue };
        events.insert(name.clone(), Event::of(name, &members, content, known));
    }
    events
}

/// In which wave each group of each host is changed.
fn slots(
    ground: Ground<'_>,
    hosts: &mut BTreeMap<HostName, HostPlan>,
    purpose: Purpose,
) -> BTreeMap<(ServiceName, HostName), Slot> {
    if !purpose.ends() {
        hold_back(ground, hosts);
    }
    let mut changed: BTreeMap<ServiceName, OnHosts<'_>> = BTreeMap::new();
    for (name, host) in &*hosts {
        for change in &host.changes {
            for service in change.services.iter().filter(|service| !host.waits.contains_key(*service)) {
                let class = changed.entry(service.clone()).or_default().entry(name).or_insert(change.class);
                *class = (*class).max(change.class);
            }
        }
    }
    let levels = order::levels(ground);
    // What nothing asks for any more goes last.
    let (gone, kept): (Vec<_>, Vec<_>) = changed.into_iter().partition(|(name, _)| !levels.contains_key(name));
    let mut by_level: BTreeMap<usize, Vec<(ServiceName, OnHosts<'_>)>> = BTreeMap::new();
    for (name, on) in kept {
        by_level.entry(levels.get(&name).copied().unwrap_or(0)).or_default().push((name, on));
    }
    let mut slots = BTreeMap::new();
    let mut next = 0;
    let mut ordered: Vec<_> = by_level.into_values().collect();
    if purpose.ends() {
        // Who needs goes before what it needs.
        ordered.reverse();
    }
    for groups in ordered {
        let mut longest = 1;
        for (name, on) in groups {
            let service = ground.placed.groups.get(&name).and_then(|group| ground.project.services.get(&group.service));
            let members = ground.placed.groups.get(&name).map_or(1, |group| group.members.len());
            let batches = batches(service, (members, away(ground, &name, hosts).len()), &on, purpose);
            longest = longest.max(batches.len());
            let count = batches.len();
            let fresh = is_fresh(members, &on);
            let canary = count > 1 && !fresh && service.is_some_and(|service| service.update.canary.is_some());
            for (index, hosts) in batches.into_iter().enumerate() {
                for (at, host) in hosts.into_iter().enumerate() {
                    let place = Place { first: index == 0 && at == 0, last: index + 1 == count && at == 0 };
                    let slot = Slot { wave: next + index, place, canary: canary && index == 0 };
                    slots.insert((name.clone(), host.clone()), slot);
                }
            }
        }
        next += longest;
    }
    for (name, on) in gone {
        for host in on.into_keys() {
            let place = Place { first: false, last: false };
            slots.insert((name.clone(), host.clone()), Slot { wave: next, place, canary: false });
        }
    }
    slots
}

/// Whether all of a group begins now.
fn is_fresh(members: usize, on: &OnHosts<'_>) -> bool {
    let rest = || on.values().filter(|class| **class != Class::FileOnly);
    rest().count() == members && rest().all(|class| *class == Class::Start)
}

/// The hosts of a group that are changed together, in order.
fn batches<'a>(
    service: Option<&Service>,
    (members, away): (usize, usize),
    on: &OnHosts<'a>,
    purpose: Purpose,
) -> Vec<Vec<&'a HostName>> {
    // What disturbs nobody waits for nobody.
    let (gentle, rest): (Vec<_>, Vec<_>) = on.iter().partition(|(_, class)| **class == Class::FileOnly);
    let gentle: Vec<&HostName> = gentle.into_iter().map(|(host, _)| *host).collect();
    let mut rest: Vec<(&HostName, Class)> = rest.into_iter().map(|(host, class)| (*host, *class)).collect();
    // Who is not up comes up before anybody goes down.
    rest.sort_by_key(|(_, class)| *class != Class::Start);
    let mut found: Vec<Vec<&HostName>> = Vec::new();
    if let Some(service) = service {
        let update = &service.update;
        let fresh = is_fresh(members, on);
        let begins = rest.iter().all(|(_, class)| *class == Class::Start);
        let size = match (update.quorum, fresh, update.rolling) {
            // What ends has nobody left to serve; a cluster's members go one by one all the same.
            _ if purpose.ends() && !update.quorum => rest.len().max(1),
            // One begins the cluster, and the others join it.
            (true, true, _) if task::is_first_alone(service, true) => 1,
            // Nobody uses it yet; members of a cluster that nobody begins find each other.
            (_, true, _) | (false, false, false) => rest.len().max(1),
            (true, false, _) => 1,
            (false, false, true) => amount(&update.max_unavailable, members).saturating_sub(away).max(1),
        };
        let mut hosts: Vec<&HostName> = rest.into_iter().map(|(host, _)| host).collect();
        if let Some(canary) = update.canary.filter(|_| !fresh && !purpose.ends()) {
            let after = hosts.split_off(hosts.len().min(canary as usize));
            found.extend((!hosts.is_empty()).then_some(hosts));
            hosts = after;
        } else if task::is_first_alone(service, begins) && hosts.len() > 1 && !purpose.ends() {
            // The others start with what its tasks have made.
            let after = hosts.split_off(1);
            found.push(hosts);
            hosts = after;
        }
        found.extend(hosts.chunks(size).map(<[_]>::to_vec));
    } else if !rest.is_empty() {
        found.push(rest.into_iter().map(|(host, _)| host).collect());
    }
    match found.first_mut() {
        Some(first) => first.extend(gentle),
        None => found.push(gentle),
    }
    found
}
