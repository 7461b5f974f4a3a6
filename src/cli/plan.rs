//! `wharf plan`: what an apply would do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::course::{self, AllowOptions, Planned};
use super::deploy::{Deploy, HostOptions};
use super::texts::{self, Difference, Texts};
use super::{Exit, Failure, Global, memory, settle};
use crate::host::Facts;
use crate::name::HostName;
use crate::plan::{
    Aim, Allow, Change, Drift, HostPlan, Known, LossKind, Odd, Plan, Purpose, Reason, Standing,
    Vanished,
};
use crate::ui::{Screen, size};

/// Arguments of `wharf plan`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Asks every host what it is and has, changes nothing, and says what an apply would do: in which order, how\n\
                        much each change disturbs, and why. Exits 0 where there is nothing to do, 2 where there is.\n\nExamples:\n  \
                        wharf plan\n  wharf plan --limit cell1 --out monday.plan\n  \
                        wharf plan --diff | less\n  wharf plan --facts facts.json      # asks nobody\n  wharf plan --json | jq .waves")]
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
    /// Show what files and units say now beside what they will say; secrets never
    #[arg(long)]
    diff: bool,
    #[command(flatten)]
    allow: AllowOptions,
}

/// Facts as they are written down.
#[derive(Serialize, Deserialize)]
struct Recorded {
    version: u32,
    hosts: BTreeMap<HostName, Answer>,
    /// What files said that `--diff` showed, by their digests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    texts: Texts,
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
    let aim = Aim { limit: arguments.hosts.reach.limit.clone(), ..Aim::of(Purpose::Forward) };
    let (facts, mut texts) = match arguments.facts.as_deref().map(recorded).transpose()? {
        Some((known, texts)) => (Some(known), texts),
        None => (None, Texts::new()),
    };
    let asked = facts.is_none();
    let fleet = deploy.fleet_of(asked)?;
    let planned = deploy.planned(&fleet, facts, &aim)?;
    let differences = arguments.diff.then(|| texts::differences(&planned, &fleet, &mut texts));
    fleet.close();
    if asked {
        settle::clocks(&planned.known).iter().for_each(|line| screen.say(line));
    }
    if let Some(path) = &arguments.keep_facts {
        keep(path, &planned.known, texts)?;
    }
    let how = (arguments.out.as_deref(), &Allow::from(&arguments.allow));
    show(&deploy, &planned, how, differences, (global, screen))
}

/// A plan with what differs.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    #[serde(skip_serializing_if = "Option::is_none")]
    differences: Option<Vec<Difference>>,
    /// Hosts that the specs no longer have, as the others remember them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vanished: Vec<Vanished>,
}

/// Shows a plan that nobody carries out now; keeps it where there is a file for it.
pub(super) fn show(
    deploy: &Deploy,
    planned: &Planned,
    (out, allow): (Option<&Path>, &Allow),
    differences: Option<Vec<Difference>>,
    (global, screen): (&Global, &Screen),
) -> Result<Exit, Failure> {
    let plan = &planned.plan;
    if let Some(path) = out {
        course::keep(path, plan)?;
    }
    let vanished = deploy.vanished(&planned.known)?;
    if global.json {
        screen.document(&Document { plan, differences, vanished });
    } else {
        for vanished in &vanished {
            screen.out(&format!("Vanished: {}.\n", memory::line(vanished)));
        }
        for difference in differences.into_iter().flatten() {
            let hosts: Vec<&HostName> = difference.hosts.iter().collect();
            screen.out(&format!("{}  on {}\n{}\n", difference.object, listed(&hosts), difference.text));
        }
        screen.out(&text(plan, &planned.known));
    }
    for refusal in deploy.refusals(planned, allow)? {
        screen.say(&format!("An apply refuses it: {}. {}", refusal.what, capital(&refusal.help)));
    }
    let open = plan.unsettled().next().is_some();
    Ok(if plan.is_empty() && !open { Exit::Done } else { Exit::Pending })
}

/// A sentence out of a help text.
fn capital(text: &str) -> String {
    let mut rest = text.chars();
    match rest.next() {
        Some(first) if first.is_lowercase() => first.to_uppercase().chain(rest).collect::<String>() + ".",
        _ => format!("{text}."),
    }
}

/// Facts that were written down.
pub(super) fn read(path: &Path) -> Result<Known, Failure> {
    recorded(path).map(|(known, _)| known)
}

fn recorded(path: &Path) -> Result<(Known, Texts), Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::plain(format!("{} cannot be read: {error}", path.display())))?;
    let recorded: Recorded =
        serde_json::from_str(&text).map_err(|error| Failure::plain(format!("{} holds no facts: {error}", path.display())))?;
    let answer = |answer| match answer {
        Answer::Facts(facts) => Ok(*facts),
        Answer::Unreachable(why) => Err(why),
    };
    Ok((recorded.hosts.into_iter().map(|(name, known)| (name, answer(known))).collect(), recorded.texts))
}

fn keep(path: &Path, known: &Known, texts: Texts) -> Result<(), Failure> {
    let answer = |facts: &Result<Facts, String>| match facts {
        Ok(facts) => Answer::Facts(Box::new(facts.clone())),
        Err(why) => Answer::Unreachable(why.clone()),
    };
    let hosts = known.iter().map(|(name, facts)| (name.clone(), answer(facts))).collect();
    let text = serde_json::to_string(&Recorded { version: 1, hosts, texts }).map_err(|error| Failure::plain(error.to_string()))?;
    fs::write(path, text + "\n").map_err(|error| Failure::plain(format!("{} cannot be written: {error}", path.display())))
}

/// How much something holds, where it is known: ` (12 MiB)`.
pub(super) fn held(kib: Option<u64>) -> String {
    kib.map(|kib| format!(" ({})", size(kib.saturating_mul(1024)))).unwrap_or_default()
}

/// What stays and what is lost on a host where something is taken away.
fn taken(host: &HostPlan, facts: Option<&Facts>) -> Vec<String> {
    let size = |name: &str| held(facts.and_then(|facts| facts.volumes.get(name)).and_then(|seen| seen.kib));
    let mut lines: Vec<String> =
        host.keeps.iter().map(|name| format!("kept: volume {name}{}", size(name))).collect();
    lines.extend(host.loses.iter().map(|loss| {
        let size = if loss.kind == LossKind::Volume { size(&loss.name) } else { String::new() };
        format!("lost: {} {}{size}", loss.kind.as_str(), loss.name)
    }));
    lines
}

/// The plan for a person.
pub(super) fn text(plan: &Plan, known: &Known) -> String {
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
                format!("generation {} of plan {} was begun and is not confirmed: an apply settles it first", intent.to, intent.plan)
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
    let mut ends: BTreeMap<String, Vec<&HostName>> = BTreeMap::new();
    for (name, host) in &plan.hosts {
        let facts = known.get(name).and_then(|facts| facts.as_ref().ok());
        for line in taken(host, facts) {
            ends.entry(line).or_default().push(name);
        }
    }
    if !ends.is_empty() {
        text.push_str("What ends:\n");
        for (line, hosts) in &ends {
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
        let well = plan.hosts.values().filter(|host| host.standing == Standing::Ready).count();
        let out = plan.hosts.len() - well;
        let out = if out == 0 { String::new() } else { format!(", {} left out", count(out, "host")) };
        let _ = writeln!(text, "Nothing to do: {} as wanted{out}.", count(well, "host"));
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
        Reason::Asked => "asked for".to_owned(),
        Reason::Stopped => "was stopped".to_owned(),
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
