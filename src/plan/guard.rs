//! What an apply refuses unless it is told that it is meant.

use std::collections::{BTreeMap, BTreeSet};

use super::{Class, Content, HostPlan, Known, LossKind, Plan, Purpose, Reason, Standing, differ};
use crate::desired::Ground;
use crate::name::{HostName, ServiceName};
use crate::unit::Meaning;

/// So much of all units may go unasked, in percent.
const SHARE: usize = 10;

/// What is meant.
#[derive(Debug, Clone, Default)]
pub struct Allow {
    /// So many units may be removed.
    pub remove: usize,
    /// What hosts run may be of a commit that the project does not have.
    pub older: bool,
    /// Hosts outside the limit may be left with what no longer goes with those inside.
    pub skew: bool,
    /// Hosts that could not go back may be changed.
    pub no_way_back: bool,
    /// Volumes that may be made anew, so that what they hold is lost.
    pub replace: BTreeSet<String>,
}

/// What a plan is judged by.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The project.
    pub ground: Ground<'a>,
    /// What hosts shall have.
    pub wanted: &'a BTreeMap<HostName, Content>,
    /// What hosts said.
    pub known: &'a Known,
    /// Hosts of the estate that the limit leaves out, and that may run something of it.
    pub outside: &'a BTreeSet<HostName>,
    /// Hosts that run a commit which is not in the project's history, and which.
    pub newer: &'a BTreeMap<HostName, String>,
}

/// Something that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What, where, why.
    pub what: String,
    /// What to do, with the name of the option that allows it, where one does.
    pub help: String,
}

/// What is refused of a plan.
pub fn refusals(plan: &Plan, scene: Scene<'_>, allow: &Allow) -> Vec<Refusal> {
    let mut found = foreign(plan, scene);
    if plan.aim.purpose == Purpose::Forward {
        if !allow.older && !scene.newer.is_empty() {
            found.push(older(scene));
        }
        found.extend(removals(plan, scene, allow));
        if !allow.skew {
            found.extend(skew(plan, scene));
        }
    }
    found.extend(replaced(plan, allow));
    if !allow.no_way_back && matches!(plan.aim.purpose, Purpose::Forward | Purpose::Stop) {
        found.extend(no_way_back(plan, scene));
    }
    found
}

fn refusal(what: String, help: impl Into<String>) -> Refusal {
    Refusal { what, help: help.into() }
}

fn foreign(plan: &Plan, scene: Scene<'_>) -> Vec<Refusal> {
    let of = |(name, host): (&HostName, &HostPlan)| {
        let Standing::Foreign { estate } = &host.standing else { return None };
        let facts = scene.known.get(name)?.as_ref().ok()?;
        let header = facts.generation.as_ref().map(|generation| &generation.header);
        let by = header.map(|header| {
            let commit = header.commit.as_ref().map(|commit| format!(" at {}", short(commit))).unwrap_or_default();
            format!(" (plan {}{commit}, applied by {} on {})", header.plan, header.who, header.when)
        });
        let what = format!("{name} is a host of the estate `{estate}`{}", by.unwrap_or_default());
        let help = format!(
            "take it out of `{}`, or empty it there first: `leave` in its node and an apply, or `wharf destroy --limit {name}`",
            plan.estate
        );
        Some(refusal(what, help))
    };
    plan.hosts.iter().filter_map(of).collect()
}

fn older(scene: Scene<'_>) -> Refusal {
    let mut by_commit: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (host, commit) in scene.newer {
        by_commit.entry(commit).or_default().push(host.as_str());
    }
    let runs = by_commit.iter().map(|(commit, hosts)| format!("{} runs {}", hosts.join(", "), short(commit)));
    let what = format!("{}, which the project as it is here does not contain", runs.collect::<Vec<_>>().join("; "));
    refusal(what, "pull it in (`git pull`), or --allow-older takes the hosts back to what is here")
}

/// Whether what a group holds would be missed: its service says so, or has a volume and is not known any more.
fn is_stateful(scene: Scene<'_>, group: &ServiceName, applied: &Content) -> bool {
    let known = scene.ground.placed.groups.get(group).map(|group| &group.service);
    let service = scene.ground.project.services.get(known.unwrap_or(group));
    match service {
        Some(service) => service.life.stateful.is_some(),
        None => applied.meanings.iter().any(|(path, meaning)| {
            matches!(&**meaning, Meaning::Volume(_))
                && applied.files.get(path).is_some_and(|file| file.of.contains(group))
        }),
    }
}

/// A host that is to be emptied says so itself.
fn leaves(scene: Scene<'_>, host: &HostName) -> bool {
    scene.ground.estate.hosts.get(host).is_some_and(|host| host.leave)
}

fn removals(plan: &Plan, scene: Scene<'_>, allow: &Allow) -> Vec<Refusal> {
    let (mut units, mut all) = (0, 0);
    let mut hosts = BTreeSet::new();
    let mut stateful: BTreeMap<&ServiceName, Vec<&str>> = BTreeMap::new();
    for (name, host) in plan.hosts.iter().filter(|(name, _)| !leaves(scene, name)) {
        let Some(applied) = applied(scene.known, name) else { continue };
        all += applied.meanings.len();
        for change in
            host.changes.iter().filter(|change| change.class == Class::Remove && !change.object.starts_with('/'))
        {
            units += 1;
            hosts.insert(name.as_str());
            let runs = applied.meanings.values().any(|meaning| {
                matches!(&**meaning, Meaning::Container(container) if !differ::is_task(container))
                    && meaning.unit().to_string() == change.object
            });
            for group in change.services.iter().filter(|group| runs && is_stateful(scene, group, applied)) {
                stateful.entry(group).or_default().push(name.as_str());
            }
        }
    }
    let mut found = Vec::new();
    if units <= allow.remove {
        return found;
    }
    let help = format!("--allow-remove {units} does it; what it removes and what it keeps is said above");
    if units * 100 > all * SHARE {
        let hosts: Vec<&str> = hosts.into_iter().collect();
        found.push(refusal(format!("{units} of {all} units are to be removed ({})", listed(&hosts)), help.clone()));
    }
    for (group, hosts) in stateful {
        found.push(refusal(
            format!("`{group}`, which keeps data, is to be removed from {}", listed(&hosts)),
            help.clone(),
        ));
    }
    found
}

/// A group whose members change within a limit.
struct Moved<'a> {
    group: &'a ServiceName,
    /// Where.
    hosts: BTreeSet<&'a str>,
    /// Its members outside of the limit: their files would name others.
    left: Vec<&'a HostName>,
}

/// Groups that get or lose a member inside the limit, where others of them are outside.
fn moved<'a>(plan: &'a Plan, ground: Ground<'a>, outside: &'a BTreeSet<HostName>) -> Vec<Moved<'a>> {
    let mut moved: BTreeMap<&ServiceName, BTreeSet<&str>> = BTreeMap::new();
    for (name, host) in &plan.hosts {
        for change in host.changes.iter().filter(|change| change.object.ends_with(".container")) {
            let is_new = change.class == Class::Start && change.reasons.contains(&Reason::New);
            for group in change.services.iter().filter(|_| is_new || change.class == Class::Remove) {
                moved.entry(group).or_default().insert(name.as_str());
            }
        }
    }
    let with = |(group, hosts)| {
        let members = &ground.placed.groups.get(group)?.members;
        let left: Vec<&HostName> = members.iter().filter_map(|host| outside.get(host)).collect();
        (!left.is_empty()).then_some(Moved { group, hosts, left })
    };
    moved.into_iter().filter_map(with).collect()
}

/// Hosts outside of a limit that it may leave behind, unless they run nothing.
pub fn behind(plan: &Plan, ground: Ground<'_>, outside: &BTreeSet<HostName>) -> BTreeSet<HostName> {
    moved(plan, ground, outside).into_iter().flat_map(|moved| moved.left).cloned().collect()
}

/// What would be left behind.
fn skew(plan: &Plan, scene: Scene<'_>) -> Vec<Refusal> {
    let of = |moved: Moved<'_>| {
        let hosts: Vec<&str> = moved.hosts.into_iter().collect();
        let left: Vec<&str> = moved.left.into_iter().map(HostName::as_str).collect();
        let what = format!(
            "the members of `{}` change on {}, and {}, outside the limit, would not know of it",
            moved.group,
            listed(&hosts),
            listed(&left)
        );
        refusal(what, "widen --limit, or --allow-skew leaves them behind for now")
    };
    moved(plan, scene.ground, scene.outside).into_iter().map(of).collect()
}

fn replaced(plan: &Plan, allow: &Allow) -> Vec<Refusal> {
    let mut volumes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    if plan.aim.purpose == Purpose::Destroy {
        return Vec::new();
    }
    for (name, host) in &plan.hosts {
        let lost = host.loses.iter().filter(|loss| loss.kind == LossKind::Volume);
        for loss in lost.filter(|loss| !allow.replace.contains(&loss.name)) {
            volumes.entry(&loss.name).or_default().push(name.as_str());
        }
    }
    let of = |(volume, hosts): (&str, Vec<&str>)| {
        let what = format!("the volume {volume} on {} would be made anew, and what it holds lost", listed(&hosts));
        refusal(what, format!("save what it holds; --replace-volume {volume} makes it anew"))
    };
    volumes.into_iter().map(of).collect()
}

/// Images and secrets that a way back would need, that are gone, and that the plan does not bring.
fn no_way_back(plan: &Plan, scene: Scene<'_>) -> Vec<Refusal> {
    let mut found = Vec::new();
    for name in plan.changed() {
        let (Some(Ok(facts)), Some(wanted)) = (scene.known.get(name), scene.wanted.get(name)) else { continue };
        let Some(applied) = applied(scene.known, name) else { continue };
        let images =
            applied.images.keys().filter(|name| !facts.images.contains(*name) && !wanted.images.contains_key(*name));
        let secrets =
            applied.secrets.keys().filter(|name| !facts.secrets.contains(*name) && !wanted.secrets.contains_key(*name));
        let gone: Vec<&str> = images.chain(secrets).map(String::as_str).collect();
        if !gone.is_empty() {
            let what = format!("{name} no longer has {}: it could not go back to what it runs", listed(&gone));
            found.push(refusal(what, "--no-way-back goes on without"));
        }
    }
    found
}

fn applied<'a>(known: &'a Known, host: &HostName) -> Option<&'a Content> {
    let facts = known.get(host)?.as_ref().ok()?;
    facts.generation.as_ref().map(|generation| &generation.content)
}

fn short(commit: &str) -> String {
    commit.chars().take(12).collect()
}

fn listed(names: &[&str]) -> String {
    const MOST: usize = 6;
    match names.len() > MOST {
        true => format!(
            "{} and {} more",
            names.iter().take(MOST).copied().collect::<Vec<_>>().join(", "),
            names.len() - MOST
        ),
        false => names.join(", "),
    }
}
