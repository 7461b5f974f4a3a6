//! `wharf plan`: what an apply would do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::deploy::{Deploy, HostOptions};
use super::{Exit, Failure, Global};
use crate::host::Facts;
use crate::name::HostName;
use crate::plan::{Change, Drift, Known, Odd, Plan, Purpose, Reason, Standing, plan};
use crate::ui::Screen;

/// Arguments of `wharf plan`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Asks every host what it is and has, changes nothing, and says what an apply would do: in which order, how\n\
                        much each change disturbs, and why. Exits 0 where there is nothing to do, 2 where there is.\n\nExamples:\n  \
                        wharf plan\n  wharf plan --limit cell1 --out monday.plan\n  \
                        wharf plan --facts facts.json      # asks nobody\n  wharf plan --json | jq .waves")]
pub struct Arguments {
    #[command(flatten)]
    hosts: HostOptions,
    /// Keep the plan in this file, for `wharf apply FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Ask no host: take what was written down by --keep-facts
    #[arg(long, value_name = "FILE")]
    facts: Option<PathBuf>,
    /// Write down what the hosts said
    #[arg(long, value_name = "FILE", conflicts_with = "facts")]
    keep_facts: Option<PathBuf>,
}

/// Facts as they are written down.
#[derive(Serialize, Deserialize)]
struct Recorded {
    version: u32,
    hosts: BTreeMap<HostName, Answer>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Facts(Box<Facts>),
    Unreachable(String),
}

/// Plans.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let deploy = Deploy::open(&arguments.hosts, global)?;
    let desired = deploy.desired()?;
    let known = match &arguments.facts {
        Some(path) => read(path)?,
        None => {
            let fleet = deploy.fleet()?;
            let known = deploy.probe(&fleet, &desired);
            fleet.close();
            known
        }
    };
    if let Some(path) = &arguments.keep_facts {
        keep(path, &known)?;
    }
    let wanted = deploy.wanted(&desired, &known);
    let plan = plan(deploy.ground()?, &wanted, &known, Purpose::Forward);
    if let Some(path) = &arguments.out {
        let text = serde_json::to_string_pretty(&plan).map_err(|error| Failure::plain(error.to_string()))?;
        fs::write(path, text + "\n").map_err(|error| Failure::plain(format!("{} cannot be written: {error}", path.display())))?;
    }
    if global.json {
        screen.document(&plan);
    } else {
        screen.out(&text(&plan));
    }
    Ok(if plan.is_empty() { Exit::Done } else { Exit::Pending })
}

fn read(path: &PathBuf) -> Result<Known, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::plain(format!("{} cannot be read: {error}", path.display())))?;
    let recorded: Recorded =
        serde_json::from_str(&text).map_err(|error| Failure::plain(format!("{} holds no facts: {error}", path.display())))?;
    let answer = |answer| match answer {
        Answer::Facts(facts) => Ok(*facts),
        Answer::Unreachable(why) => Err(why),
    };
    Ok(recorded.hosts.into_iter().map(|(name, known)| (name, answer(known))).collect())
}

fn keep(path: &PathBuf, known: &Known) -> Result<(), Failure> {
    let answer = |facts: &Result<Facts, String>| match facts {
        Ok(facts) => Answer::Facts(Box::new(facts.clone())),
        Err(why) => Answer::Unreachable(why.clone()),
    };
    let hosts = known.iter().map(|(name, facts)| (name.clone(), answer(facts))).collect();
    let text = serde_json::to_string(&Recorded { version: 1, hosts }).map_err(|error| Failure::plain(error.to_string()))?;
    fs::write(path, text + "\n").map_err(|error| Failure::plain(format!("{} cannot be written: {error}", path.display())))
}

/// The plan for a person.
pub(super) fn text(plan: &Plan) -> String {
    let mut text = String::new();
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    for (name, host) in &plan.hosts {
        let why = match &host.standing {
            Standing::Ready => continue,
            Standing::Unreachable { why } => format!("unreachable: {why}"),
            Standing::Maintenance { why } => format!("in maintenance: {why}"),
            Standing::Foreign { estate } => format!("is a host of the estate `{estate}`"),
            Standing::Unfit { why } => why.clone(),
            Standing::Unsettled { intent } => {
                format!("generation {} of plan {} is not confirmed; it goes back by itself", intent.to, intent.plan)
            }
        };
        let _ = writeln!(text, "Left out: {name}: {why}");
    }
    let mut waits: BTreeMap<(&crate::name::ServiceName, &str), Vec<&HostName>> = BTreeMap::new();
    for (name, host) in &plan.hosts {
        for (group, why) in &host.waits {
            waits.entry((group, why)).or_default().push(name);
        }
    }
    for ((group, why), hosts) in &waits {
        let _ = writeln!(text, "Waits: {group} on {}: {why}", listed(hosts));
    }
    let mut drifts: BTreeMap<String, Vec<&HostName>> = BTreeMap::new();
    for (name, host) in &plan.hosts {
        for drift in &host.drift {
            drifts.entry(drift_line(drift)).or_default().push(name);
        }
    }
    if !drifts.is_empty() {
        text.push_str("Changed outside wharf:\n");
        for (line, hosts) in &drifts {
            let _ = writeln!(text, "  {line}  on {}", listed(hosts));
        }
        text.push('\n');
    }
    for (index, wave) in plan.waves.iter().enumerate() {
        let hosts: Vec<&HostName> = wave.hosts.keys().collect();
        let _ = writeln!(text, "Wave {}: {}", index + 1, listed(&hosts));
        for grant in &wave.grants {
            let _ = writeln!(text, "  grant     {} to {} on {}", grant.run.join(" "), grant.consumer, grant.host);
        }
        let mut lines: BTreeMap<(crate::plan::Class, String), Vec<&HostName>> = BTreeMap::new();
        for (name, host) in &plan.hosts {
            for change in host.changes.iter().filter(|change| change.wave == index + 1) {
                lines.entry((change.class, change_line(change))).or_default().push(name);
            }
        }
        for ((_, line), on) in &lines {
            let on = if on.len() == hosts.len() { String::new() } else { format!("  on {}", listed(on)) };
            let _ = writeln!(text, "  {line}{on}");
        }
        let mut tasks: Vec<String> = Vec::new();
        for (host, batch) in &wave.hosts {
            for step in &batch.steps {
                if let crate::host::Step::Task { unit, .. } = step {
                    tasks.push(format!("  task      {unit}  on {host}"));
                }
            }
            if batch.back.is_none() {
                tasks.push(format!("  {host} does not go back by itself: what is done there cannot be undone"));
            }
        }
        for line in tasks {
            let _ = writeln!(text, "{line}");
        }
        text.push('\n');
    }
    let changes: usize = plan.hosts.values().map(|host| host.changes.len()).sum();
    if plan.is_empty() {
        let _ = writeln!(text, "Nothing to do: {} as wanted.", count(plan.hosts.len(), "host"));
    } else {
        let (changed, waves) = (plan.changed().len(), plan.waves.len());
        let _ = writeln!(
            text,
            "Plan {}: {} on {} of {}, in {}.",
            plan.id,
            count(changes, "change"),
            changed,
            count(plan.hosts.len(), "host"),
            count(waves, "wave")
        );
    }
    text
}

fn listed(hosts: &[&HostName]) -> String {
    const MOST: usize = 6;
    let names: Vec<&str> = hosts.iter().take(MOST).map(|name| name.as_str()).collect();
    match hosts.len() > MOST {
        true => format!("{} and {} more", names.join(", "), hosts.len() - MOST),
        false => names.join(", "),
    }
}

fn change_line(change: &Change) -> String {
    let reasons: Vec<String> = change.reasons.iter().map(reason).collect();
    format!("{:<9} {}  {}", change.class.as_str(), change.object, reasons.join(", "))
}

fn reason(reason: &Reason) -> String {
    let short = |digest: &str| digest.trim_start_matches("sha256:").chars().take(12).collect::<String>();
    match reason {
        Reason::New => "new".to_owned(),
        Reason::Gone => "no longer in the specs".to_owned(),
        Reason::Image { from, to } => format!("image {} → {}", short(from), short(to)),
        Reason::Config { path } => format!("config {path}"),
        Reason::Secret { place } => format!("secret {place}"),
        Reason::Setting { name } => name.replace('_', " "),
        Reason::Words => "other words, same meaning".to_owned(),
        Reason::File => "content".to_owned(),
        Reason::Down { state } => format!("is {state}"),
        Reason::Drift => "changed on the host".to_owned(),
        Reason::Uses { unit } => format!("uses {unit}"),
    }
}

pub(super) fn drift_line(drift: &Drift) -> String {
    let odd = match &drift.odd {
        Odd::Missing => "is missing".to_owned(),
        Odd::Bytes => "has other bytes".to_owned(),
        Odd::Owner { is, was } => format!("is {is}, was {was}"),
        Odd::Down { state } => format!("is {state}"),
    };
    format!("{} {odd}", drift.object)
}
