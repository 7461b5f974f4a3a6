//! Waves: which groups are changed on which hosts at the same time, and what is done there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::task::{self, Event, Place};
use super::{Change, Class, Content, Grant, HostPlan, Known, Purpose, Reason, Standing, Step, differ, order};
use crate::desired::Ground;
use crate::estate::{Service, Text, Update, UpdateFailure};
use crate::name::{HostName, ServiceName};
use crate::spec::Log;
use crate::unit::Meaning;

/// Between a host's last step and the moment at which it takes the change back by itself, in seconds.
const MARGIN: u64 = 60;

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
    for (name, host) in hosts.iter().filter(|(_, host)| host.standing == Standing::Ready) {
        let any = batches.keys().any(|(_, other)| other == name);
        let unconfirmed = known.get(name).is_some_and(|facts| facts.as_ref().is_ok_and(|facts| facts.intent.is_some()));
        if !any && (!host.changes.is_empty() || unconfirmed) {
            batches.insert((0, name.clone()), BTreeSet::new());
        }
    }
    let events = match purpose {
        Purpose::Forward => events(ground, wanted, known, slots.keys().map(|(group, _)| group)),
        Purpose::Back | Purpose::Stop | Purpose::Destroy => BTreeMap::new(),
    };
    let numbers: BTreeSet<usize> = batches.keys().map(|(wave, _)| *wave).collect();
    for (number, wave) in numbers.into_iter().enumerate() {
        let mut made = Wave::default();
        let mine: Vec<(&HostName, &BTreeSet<ServiceName>)> =
            batches.iter().filter(|((of, _), _)| *of == wave).map(|((_, host), groups)| (host, groups)).collect();
        let mut granted = BTreeSet::new();
        for (name, groups) in mine {
            let (Some(host), Some(content)) = (hosts.get_mut(name), wanted.get(name)) else { continue };
            let first = !batches.keys().any(|(of, other)| *of < wave && other == name);
            let last = host.waits.is_empty() && !batches.keys().any(|(of, other)| *of > wave && other == name);
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
                batch.steps.extend((!units.is_empty()).then_some(Step::Start { seconds: TARGET, units }));
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

/// `3`, or `10%` of a number, rounded down.
fn amount(text: &str, of: usize) -> usize {
    match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<usize>().map_or(0, |percent| of * percent.min(100) / 100),
        None => text.trim().parse().unwrap_or(0),
    }
}

/// On how many hosts a group may fail before a plan stops.
fn tolerance(update: &Update, members: usize) -> usize {
    match update.on_failure {
        // Each one more could be the one too many.
        _ if update.quorum => 0,
        UpdateFailure::Continue => members,
        UpdateFailure::Pause | UpdateFailure::Rollback => amount(&update.max_failed, members),
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

/// The members of a group that are none to count on: their hosts are away, or left alone.
fn away<'a>(ground: Ground<'a>, group: &ServiceName, hosts: &BTreeMap<HostName, HostPlan>) -> Vec<&'a HostName> {
    let members = ground.placed.groups.get(group).map(|group| group.members.as_slice()).unwrap_or_default();
    let is_away = |host: &&HostName| hosts.get(*host).is_some_and(|host| host.standing != Standing::Ready);
    members.iter().filter(is_away).collect()
}

/// Lets changes wait that would cost a cluster its majority.
fn hold_back(ground: Ground<'_>, hosts: &mut BTreeMap<HostName, HostPlan>) {
    for group in ground.placed.groups.values() {
        let quorum = ground.project.services.get(&group.service).is_some_and(|service| service.update.quorum);
        let members = group.members.len();
        let away = away(ground, &group.name, hosts);
        // Of two, no one can be missed at any time.
        if !quorum || members < 3 || members.saturating_sub(away.len() + 1) > members / 2 {
            continue;
        }
        let names: Vec<&str> = away.iter().map(|host| host.as_str()).collect();
        let why = format!(
            "one more of its {members} members down would cost it its majority: {} cannot be counted on",
            names.join(", ")
        );
        for host in hosts.values_mut() {
            let disturbed = host.changes.iter().any(|change| {
                matches!(change.class, Class::Restart | Class::Replace) && change.services.contains(&group.name)
            });
            if disturbed && host.standing == Standing::Ready {
                host.waits.insert(group.name.clone(), why.clone());
            }
        }
    }
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

/// What is done on a host for some groups.
fn batch(
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
    if !removed.is_empty() {
        batch.steps.push(Step::Stop { units: removed.clone() });
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
        batch.steps.push(Step::Stop { units });
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
    let seconds = groups.iter().filter_map(service_of).map(|(_, service)| deadline(service)).max().unwrap_or(300);
    let started: Vec<String> = by_class(Class::Start).filter_map(|change| unit(&change)).collect();
    let restarted: Vec<String> = by_class(Class::Restart).filter_map(|change| unit(&change)).collect();
    let mut reloaded: Vec<String> =
        by_class(Class::Reload).flat_map(|change| differ::reloaded(&change.object, wanted)).collect();
    reloaded.sort();
    reloaded.dedup();
    reloaded.retain(|unit| !started.contains(unit) && !restarted.contains(unit));
    if !started.is_empty() {
        batch.steps.push(Step::Start { seconds, units: started.clone() });
    }
    if !restarted.is_empty() {
        batch.steps.push(Step::Restart { seconds, units: restarted.clone() });
    }
    if !reloaded.is_empty() {
        batch.steps.push(Step::Reload { seconds, units: reloaded.clone() });
    }
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
        let stay =
            groups.iter().filter_map(service_of).map(|(_, service)| service.update.healthy_for_ms.div_ceil(1000)).max();
        batch.steps.push(Step::Gate { seconds, stay: stay.unwrap_or(0), containers });
        for name in groups {
            batch.steps.extend(exec(ground, host, name, |update| &update.ready, Some(seconds)));
        }
    }
    for name in &disturbed {
        batch.steps.extend(exec(ground, host, name, |update| &update.undrain, None));
    }
    tasks(false, &mut batch.steps, &mut one_way);
    batch.undo = undo(&started, &restarted, &reloaded, &removed, seconds);
    let budget: u64 = batch.steps.iter().map(Step::budget).sum();
    batch.back = (!one_way).then_some(budget.saturating_add(MARGIN));
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
    let member = task::member(ground, group, host)?;
    let words = which(&member.service.update);
    let mut log = Log::new();
    let run: Vec<String> = words.iter().map(|word| member.fill(word, member.service.span, &mut log)).collect();
    // `check` says what has no value.
    (!run.is_empty() && log.is_empty()).then(|| Step::Exec { container: group.to_string(), run, until })
}

fn undo(started: &[String], restarted: &[String], reloaded: &[String], removed: &[String], seconds: u64) -> Vec<Step> {
    let mut steps = Vec::new();
    let some = |units: &[String]| (!units.is_empty()).then(|| units.to_vec());
    steps.extend(some(started).map(|units| Step::Stop { units }));
    steps.push(Step::Switch);
    steps.extend(some(restarted).map(|units| Step::Restart { seconds, units }));
    steps.extend(some(reloaded).map(|units| Step::Reload { seconds, units }));
    steps.extend(some(removed).map(|units| Step::Start { seconds, units }));
    steps
}

/// How long one host may take for a service, in seconds.
fn deadline(service: &Service) -> u64 {
    service.update.deadline_ms.div_ceil(1000)
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
