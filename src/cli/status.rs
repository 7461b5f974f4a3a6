//! `wharf status`: how the hosts are.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::deploy::{Deploy, ReachOptions};
use super::{Exit, Failure, Global, course, memory, plan as plan_verb};
use crate::desired::Desired;
use crate::host::{Facts, Intent, Lease, Undone};
use crate::name::{HostName, ServiceName};
use crate::plan::{self, Drift, Known, Vanished};
use crate::ui::{Screen, table};

/// Arguments of `wharf status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Asks every host; needs no secret. Exits 6 where a host did not answer, else 0.\n\nExamples:\n  wharf status\n  \
                        wharf status --limit cell1 --json")]
pub struct Arguments {
    #[command(flatten)]
    reach: ReachOptions,
}

#[derive(Serialize)]
struct Found<'a> {
    hosts: Vec<Line<'a>>,
    /// Hosts that the specs no longer have, as the others remember them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vanished: Vec<Vanished>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'a> {
    host: &'a HostName,
    /// `well`, `empty`, `stopped`, `drift`, `unconfirmed`, `maintenance` or `unreachable`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    podman: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intent: Option<&'a Intent>,
    /// What was taken back since something was confirmed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    undone: Option<&'a Undone>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<&'a Lease>,
    drift: Vec<Drift>,
    /// Groups that were stopped on purpose.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    stopped: BTreeSet<&'a ServiceName>,
    /// Volumes that nothing uses any more, and how many KiB they hold.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    left_over: BTreeMap<&'a str, Option<u64>>,
}

fn line<'a>(host: &'a HostName, facts: &'a Result<Facts, String>) -> Line<'a> {
    let mut line = Line {
        host,
        state: "unreachable",
        why: None,
        generation: None,
        plan: None,
        when: None,
        who: None,
        podman: None,
        intent: None,
        undone: None,
        lease: None,
        drift: Vec::new(),
        stopped: BTreeSet::new(),
        left_over: BTreeMap::new(),
    };
    let facts = match facts {
        Ok(facts) => facts,
        Err(why) => {
            line.why = Some(why.clone());
            return line;
        }
    };
    line.podman = facts.podman.as_deref();
    line.intent = facts.intent.as_ref();
    line.undone = facts.undone.as_ref();
    line.lease = facts.lease.as_ref().filter(|lease| lease.until > facts.uptime);
    line.drift = plan::drift(facts);
    line.left_over = plan::left_over(facts);
    if let Some(generation) = &facts.generation {
        line.generation = Some(generation.number);
        line.plan = Some(&generation.header.plan);
        line.when = Some(&generation.header.when);
        line.who = Some(&generation.header.who);
        line.stopped = generation.content.halted.values().flat_map(|halted| &halted.of).collect();
    }
    line.state = match (&facts.intent, &facts.generation, line.drift.is_empty()) {
        (Some(_), ..) => "unconfirmed",
        (None, None, _) => "empty",
        (None, Some(live), true) if live.content.is_empty() => "empty",
        (None, Some(_), true) if !line.stopped.is_empty() => "stopped",
        (None, Some(_), true) => "well",
        (None, Some(_), false) => "drift",
    };
    line
}

/// What hosts are, and how much what is left over on them holds.
fn look(arguments: &Arguments, global: &Global) -> Result<(Deploy, Known), Failure> {
    let deploy = Deploy::reach(&arguments.reach, global)?;
    let fleet = deploy.fleet()?;
    let mut known = deploy.probe(&fleet, &Desired::default());
    let over = known.iter().filter_map(|(name, facts)| {
        let names: Vec<String> = plan::left_over(facts.as_ref().ok()?).into_keys().map(str::to_owned).collect();
        (!names.is_empty()).then(|| (name.clone(), names))
    });
    let over: BTreeMap<HostName, Vec<String>> = over.collect();
    course::measured(&fleet, &over, &mut known);
    fleet.close();
    drop(fleet);
    Ok((deploy, known))
}

/// Looks.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let (deploy, known) = look(&arguments, global)?;
    let mut lines: Vec<Line<'_>> = known.iter().map(|(name, facts)| line(name, facts)).collect();
    for host in deploy.hosts()?.into_iter().filter(|host| host.maintenance.is_some()) {
        let mut line = line(&host.name, &NOT_ASKED);
        line.state = "maintenance";
        line.why = host.maintenance.clone();
        lines.push(line);
    }
    lines.sort_by_key(|line| line.host);
    super::settle::clocks(&known).iter().for_each(|line| screen.say(line));
    let exit = if lines.iter().any(|line| line.state == "unreachable") { Exit::Unreachable } else { Exit::Done };
    let vanished = deploy.vanished(&known)?;
    if global.json {
        deploy.document(Found { hosts: lines, vanished }, screen);
        return Ok(exit);
    }
    let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            vec![
                line.host.to_string(),
                line.state.to_owned(),
                line.generation.map_or_else(|| "-".to_owned(), |number| number.to_string()),
                text(line.plan),
                text(line.when),
                text(line.who),
                text(line.podman),
            ]
        })
        .collect();
    screen.out(&table(&["HOST", "STATE", "GENERATION", "PLAN", "WHEN", "WHO", "PODMAN"], &rows));
    for line in &lines {
        if let Some(why) = &line.why {
            screen.out(&format!("{}: {why}\n", line.host));
        }
        if let Some(intent) = line.intent {
            let back = match (intent.undoing, intent.auto) {
                (true, _) => "it is being taken back",
                (false, true) => "it goes back by itself, unless `wharf apply` settles it before",
                (false, false) => "`wharf apply` goes on, `wharf rollback` goes back",
            };
            screen.out(&format!("{}: generation {} of plan {} is not confirmed; {back}\n", line.host, intent.to, intent.plan));
        }
        if let Some(undone) = line.undone {
            screen.out(&format!(
                "{}: generation {} of plan {} was taken back at {}: {}\n",
                line.host, undone.generation, undone.plan, undone.when, undone.why
            ));
        }
        if let Some(lease) = line.lease {
            let holder = super::settle::holder(line.host, lease);
            match super::settle::gone(&lease.process) {
                true => screen.out(&format!("{holder}: that apply is gone, and the next one takes its lease over\n")),
                false => screen.out(&format!("{holder}: is changing it\n")),
            }
        }
        if !line.stopped.is_empty() {
            let names: Vec<&str> = line.stopped.iter().map(|name| name.as_str()).collect();
            screen.out(&format!("{}: stopped, until the next apply: {}\n", line.host, names.join(", ")));
        }
        for (name, kib) in &line.left_over {
            let size = plan_verb::held(*kib);
            screen.out(&format!("{}: left over: volume {name}{size}; `wharf destroy --volume {name}` takes it away\n", line.host));
        }
        for drift in &line.drift {
            screen.out(&format!("{}: {}\n", line.host, plan_verb::drift_line(drift)));
        }
    }
    for vanished in &vanished {
        screen.out(&format!("{}\n", memory::line(vanished)));
    }
    Ok(exit)
}

/// Of a host that is left alone.
static NOT_ASKED: Result<Facts, String> = Err(String::new());
