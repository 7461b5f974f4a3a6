//! `wharf status`: how the hosts are.

use serde::Serialize;

use super::deploy::{Deploy, ReachOptions};
use super::{Exit, Failure, Global, plan as plan_verb};
use crate::desired::Desired;
use crate::host::{Facts, Intent, Lease, Undone};
use crate::name::HostName;
use crate::plan::{self, Drift};
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
struct Document<'a> {
    version: u32,
    estate: &'a str,
    hosts: Vec<Line<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'a> {
    host: &'a HostName,
    /// `well`, `empty`, `drift`, `unconfirmed`, `maintenance` or `unreachable`.
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
    if let Some(generation) = &facts.generation {
        line.generation = Some(generation.number);
        line.plan = Some(&generation.header.plan);
        line.when = Some(&generation.header.when);
        line.who = Some(&generation.header.who);
    }
    line.state = match (&facts.intent, &facts.generation, line.drift.is_empty()) {
        (Some(_), ..) => "unconfirmed",
        (None, None, _) => "empty",
        (None, Some(_), true) => "well",
        (None, Some(_), false) => "drift",
    };
    line
}

/// Looks.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let deploy = Deploy::reach(&arguments.reach, global)?;
    let fleet = deploy.fleet()?;
    let known = deploy.probe(&fleet, &Desired::default());
    fleet.close();
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
    if global.json {
        screen.document(&Document { version: 1, estate: deploy.estate()?.name.as_str(), hosts: lines });
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
        for drift in &line.drift {
            screen.out(&format!("{}: {}\n", line.host, plan_verb::drift_line(drift)));
        }
    }
    Ok(exit)
}

/// Of a host that is left alone.
static NOT_ASKED: Result<Facts, String> = Err(String::new());
