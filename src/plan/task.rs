//! Tasks and grants: what is run once around a change.

use std::collections::BTreeSet;

use super::{Content, Facts, Grant, Known, Step};
use crate::desired::{Ground, Member, members_on};
use crate::digest::Digest;
use crate::estate::{Group, OncePer, Provider, Service, Task, TaskEvent, TaskPhase, TaskWhen, Text, Undo};
use crate::name::{HostName, ServiceName};
use crate::spec::Log;
use crate::unit::Meaning;

/// What happens to a group in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    /// No host that answered had it.
    pub fresh: bool,
    /// Its image is another one on some host.
    pub upgrade: bool,
}

impl Event {
    /// What happens to a group whose members are `hosts`.
    pub fn of(group: &ServiceName, hosts: &[&HostName], wanted: &Content, known: &Known) -> Self {
        let image = image_of(group, wanted);
        let has = |content: &Content| image_of(group, content);
        let olds: Vec<String> = hosts
            .iter()
            // Of what nobody confirmed not all tasks have run.
            .filter_map(|host| match known.get(*host)?.as_ref().ok()? {
                facts if facts.intent.is_some() => facts.before.as_ref(),
                facts => facts.generation.as_ref(),
            })
            .filter_map(|generation| has(&generation.content))
            .collect();
        Self { fresh: olds.is_empty(), upgrade: image.is_some_and(|image| olds.iter().any(|old| *old != image)) }
    }
}

/// The manifest that a group's container runs.
fn image_of(group: &ServiceName, content: &Content) -> Option<String> {
    let halted = content.halted.values().map(|halted| &halted.meaning);
    content.meanings.values().chain(halted).find_map(|meaning| match &**meaning {
        Meaning::Container(container) if container.parts().name.as_str() == group.as_str() => {
            Some(container.parts().image.digest().to_string())
        }
        _ => None,
    })
}

/// Whether a task belongs to what happens.
fn is_due(task: &Task, event: Event) -> bool {
    if task.schedule.is_some() || task.phase == Some(TaskPhase::Contract) {
        return false;
    }
    task.on.is_empty()
        || task.on.iter().any(|on| match on {
            TaskEvent::Bootstrap => event.fresh,
            TaskEvent::Upgrade => event.upgrade && !event.fresh,
        })
}

/// Whether the first host of a group runs tasks that all others have to wait for; `begins` where none of these hosts runs it.
pub(super) fn is_first_alone(service: &Service, begins: bool) -> bool {
    let shared = service.tasks.iter().filter(|task| task.schedule.is_none() && task.once_per != OncePer::Host);
    let shared = shared.filter(|task| begins || !is_first_only(task));
    let mut early = shared.filter(|task| match task.phase {
        Some(phase) => phase == TaskPhase::Expand,
        None => task.when == TaskWhen::BeforeStart,
    });
    early.next().is_some()
}

/// Where in a group's sequence of batches a host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The first host of the first batch.
    pub first: bool,
    /// The first host of the last batch.
    pub last: bool,
}

/// What hosts know of one run of a task that one host runs for all of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    /// Nothing: it was never due.
    Nothing,
    /// A plan had to run it. Perhaps it did: where it was begun, the hosts know, and a host that is asked to run it looks.
    Due,
    /// It was run, and did not end well.
    Failed,
    /// It was done.
    Done,
}

/// What the members of a group know of a run.
fn told(group: &Group, record: &str, identity: &str, known: &Known) -> Told {
    let facts = group.members.iter().filter_map(|host| known.get(host)?.as_ref().ok());
    let records = facts.filter_map(|facts| facts.tasks.get(record)).filter(|record| record.identity == identity);
    let each = records.map(|record| match record.state.as_str() {
        "done" => Told::Done,
        "failed" => Told::Failed,
        _ => Told::Due,
    });
    each.max().unwrap_or(Told::Nothing)
}

/// The name of a task's record.
fn record_of(group: &Group, task: &Task) -> String {
    format!("{}.{}", group.name, task.name)
}

/// Whether a task belongs to the first start of a group alone.
fn is_first_only(task: &Task) -> bool {
    !task.on.is_empty() && task.on.iter().all(|on| *on == TaskEvent::Bootstrap)
}

/// What tells a run of a task from another.
fn identity_of(group: &Group, task: &Task, event: Event, wanted: &Content) -> String {
    let begins = !task.on.is_empty() && (event.fresh || !event.upgrade);
    match is_first_only(task) || begins {
        true => "bootstrap".to_owned(),
        false => identity(&unit_of(group, task), wanted),
    }
}

fn unit_of(group: &Group, task: &Task) -> String {
    format!("{}-task-{}", group.name, task.name)
}

/// Whether an earlier plan had to run a task for all of a group and did not come to it.
pub(super) fn is_left(service: &Service, group: &Group, wanted: &Content, known: &Known) -> bool {
    let event = Event { fresh: false, upgrade: true };
    let mut tasks = service.tasks.iter().filter(|task| task.once_per != OncePer::Host && task.schedule.is_none());
    tasks.any(|task| {
        let identity = identity_of(group, task, event, wanted);
        matches!(told(group, &record_of(group, task), &identity, known), Told::Due | Told::Failed)
    })
}

/// The tasks that a host runs for a group, as steps; `before` its start or after. What happens is said of the group and of
/// the host alone.
pub(super) fn steps(
    service: &Service,
    group: &Group,
    (event, here): (Event, Event),
    place: Place,
    before: bool,
    (wanted, known): (&Content, &Known),
) -> Vec<Step> {
    let mut found = Vec::new();
    for task in &service.tasks {
        let shared = task.once_per != OncePer::Host;
        // What was due and did not come about is due still, whatever happens to the group now.
        let event = match shared && is_left_over(task, group, event, (wanted, known)) {
            true => Event { fresh: is_first_only(task), upgrade: !is_first_only(task) },
            false if shared => event,
            false => here,
        };
        if !is_due(task, event) {
            continue;
        }
        let (record, identity) = (record_of(group, task), identity_of(group, task, event, wanted));
        let told = if shared { told(group, &record, &identity, known) } else { Told::Nothing };
        if told == Told::Done {
            continue;
        }
        let when = match task.phase {
            Some(TaskPhase::Expand) => true,
            Some(TaskPhase::Migrate | TaskPhase::Contract) => false,
            None => task.when == TaskWhen::BeforeStart,
        };
        let here = match task.once_per {
            OncePer::Host => true,
            OncePer::Cloud | OncePer::Cell if before => place.first,
            OncePer::Cloud | OncePer::Cell => place.last,
        };
        if when != before || !here {
            continue;
        }
        found.push(Step::Task {
            record,
            identity,
            seconds: task.timeout_ms.div_ceil(1000),
            // Where it is known that it failed, it is known how it ended.
            idempotent: task.idempotent || told == Told::Failed,
            shared,
            unit: format!("{}.service", unit_of(group, task)),
        });
    }
    found
}

/// Whether a run of a task that is not due by what happens now was due before.
fn is_left_over(task: &Task, group: &Group, event: Event, (wanted, known): (&Content, &Known)) -> bool {
    let before = Event { fresh: false, upgrade: true };
    let identity = identity_of(group, task, before, wanted);
    task.schedule.is_none()
        && task.phase != Some(TaskPhase::Contract)
        && !event.fresh
        && matches!(told(group, &record_of(group, task), &identity, known), Told::Due | Told::Failed)
}

/// What tells one run of a task from another: all that its container is made of.
fn identity(unit: &str, wanted: &Content) -> String {
    let meaning = wanted.meanings.values().find(|meaning| meaning.unit().base().as_str() == unit);
    let text = meaning.map(|meaning| serde_json::to_string(meaning).unwrap_or_default()).unwrap_or_default();
    Digest::of(text.as_bytes()).hex()
}

/// Whether a change cannot be gone back from by itself: a task that nothing undoes, or data that a new image changes.
pub(super) fn is_one_way(service: &Service, event: Event, steps: &[Step], group: &ServiceName) -> bool {
    let tasks = service.tasks.iter().filter(|task| task.undo == Undo::None);
    let records: BTreeSet<String> = tasks.map(|task| format!("{group}.{}", task.name)).collect();
    let runs = steps.iter().any(|step| matches!(step, Step::Task { record, .. } if records.contains(record)));
    runs || event.upgrade && service.life.stateful.is_some_and(|stateful| stateful.one_way)
}

/// What a group's needs ask of their providers and was not given yet.
pub(super) fn grants(ground: Ground<'_>, group: &Group, known: &Known) -> Vec<Grant> {
    let mut found = Vec::new();
    let Some(service) = ground.project.services.get(&group.service) else { return found };
    for (name, need) in &service.needs {
        let Some(binding) = group.needs.get(name) else { continue };
        let Provider::Group(provider) = &binding.provider else { continue };
        let Some(provider) = ground.placed.groups.get(provider) else { continue };
        let Some(serves) = ground.project.services.get(&provider.service) else { continue };
        let grant = serves.provides.get(&binding.capability).and_then(|provide| provide.grant.as_ref());
        let (Some(grant), Some(_)) = (grant, need.user.as_ref().or(need.name.as_ref())) else { continue };
        // Where it is run: the provider's first host that answered.
        let answers = |host: &&HostName| known.get(*host).is_some_and(Result::is_ok);
        let Some(at) = provider.members.iter().find(answers) else { continue };
        let Some(by) = member(ground, &provider.name, at) else { continue };
        let Some(of) = group.members.first().and_then(|host| member(ground, &group.name, host)) else { continue };
        let mut log = Log::new();
        let mut text =
            |text: &Option<Text>| text.as_ref().map(|text| of.fill(text, need.span, &mut log)).unwrap_or_default();
        let named = (text(&need.name), text(&need.user));
        // `check` says what has no value.
        let words = grant.run.iter().map(|word| by.fill_grant(word, (&named.0, &named.1)));
        let Ok(run) = words.collect::<Result<Vec<String>, String>>() else { continue };
        let secret = need.secret.as_ref().map(|secret| of.secret(&secret.value));
        let object = secret.as_ref().and_then(|secret| ground.vault.object(secret)).unwrap_or_default();
        let identity = Digest::of(format!("{run:?} {object}").as_bytes()).hex();
        let record = format!("{}.grant.{}.{name}", provider.name, group.name);
        let is_done = provider.members.iter().any(|host| {
            let facts: Option<&Facts> = known.get(host).and_then(|known| known.as_ref().ok());
            let record = facts.and_then(|facts| facts.tasks.get(&record));
            record.is_some_and(|record| record.state == "done" && record.identity == identity)
        });
        if is_done {
            continue;
        }
        found.push(Grant {
            host: at.clone(),
            provider: provider.name.clone(),
            consumer: group.name.clone(),
            need: name.to_string(),
            container: provider.name.to_string(),
            run,
            secret,
            record,
            identity,
        });
    }
    found
}

/// A group's member on a host.
pub(super) fn member<'a>(ground: Ground<'a>, group: &ServiceName, host: &HostName) -> Option<Member<'a>> {
    let host = ground.estate.hosts.get(host)?;
    members_on(ground, host, &mut Log::new()).into_iter().find(|member| member.group.name == *group)
}
