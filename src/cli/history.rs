//! `wharf history`: what was applied, by whom, when and why.

use std::collections::BTreeMap;

use serde::Serialize;

use super::deploy::{Deploy, ReachOptions};
use super::{Exit, Failure, Global};
use crate::apply::Kept;
use crate::name::HostName;
use crate::ui::{Screen, table};

/// Arguments of `wharf history`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Hosts keep what was applied; one line for each plan.\n\nExamples:\n  wharf history\n  wharf history --limit c1a --json")]
pub struct Arguments {
    #[command(flatten)]
    reach: ReachOptions,
}

#[derive(Serialize)]
struct Found {
    plans: Vec<PlanLine>,
    unreachable: BTreeMap<HostName, String>,
}

/// One plan, on all hosts that keep a generation of it.
#[derive(Debug, Clone, Serialize)]
struct PlanLine {
    plan: String,
    when: String,
    who: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    /// Generations by host: their numbers and how they ended.
    hosts: BTreeMap<HostName, Vec<(u64, String)>>,
}

/// Asks.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let deploy = Deploy::reach(&arguments.reach, global)?;
    let fleet = deploy.fleet()?;
    let (kept, unreachable) = fleet.kept();
    fleet.close();
    let mut plans: BTreeMap<(String, String), PlanLine> = BTreeMap::new();
    for (host, generations) in kept {
        for Kept { generation, result } in generations {
            let header = generation.header;
            let line = plans.entry((header.when.clone(), header.plan.clone())).or_insert_with(|| PlanLine {
                plan: header.plan,
                when: header.when,
                who: header.who,
                why: header.why,
                commit: header.commit,
                hosts: BTreeMap::new(),
            });
            line.hosts.entry(host.clone()).or_default().push((generation.number, result));
        }
    }
    let plans: Vec<PlanLine> = plans.into_values().rev().collect();
    let exit = if unreachable.is_empty() { Exit::Done } else { Exit::Unreachable };
    if global.json {
        deploy.document(Found { plans, unreachable }, screen);
        return Ok(exit);
    }
    let rows: Vec<Vec<String>> = plans
        .iter()
        .map(|line| {
            let mut results: Vec<&str> =
                line.hosts.values().flatten().map(|(_, result)| result.as_str()).collect();
            results.sort_unstable();
            results.dedup();
            let commit: String = line.commit.as_deref().unwrap_or("-").chars().take(12).collect();
            vec![
                line.plan.clone(),
                line.when.clone(),
                line.who.clone(),
                line.hosts.len().to_string(),
                results.join(", "),
                commit,
                line.why.clone().unwrap_or_default(),
            ]
        })
        .collect();
    screen.out(&table(&["PLAN", "WHEN", "WHO", "HOSTS", "RESULT", "COMMIT", "WHY"], &rows));
    for (host, why) in &unreachable {
        screen.say(&format!("{host}: {why}"));
    }
    Ok(exit)
}
