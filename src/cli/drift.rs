//! `wharf drift`: what was changed on hosts outside wharf.

use std::collections::BTreeMap;

use serde::Serialize;

use super::deploy::{Deploy, ReachOptions};
use super::{Exit, Failure, Global, plan as plan_verb};
use crate::name::HostName;
use crate::plan::{self, Drift};
use crate::ui::{Screen, table};

/// Arguments of `wharf drift`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Compares what is on the hosts with what wharf left there: files, their owners and modes, units, images and\n\
                        secrets. Needs no secret. Exits 0 where all is as it was left, 2 where it is not, 6 where a host did not\n\
                        answer.\n\nExamples:\n  wharf drift\n  wharf drift --limit control --json")]
pub struct Arguments {
    #[command(flatten)]
    reach: ReachOptions,
}

#[derive(Serialize)]
struct Found<'a> {
    hosts: BTreeMap<&'a HostName, Vec<Drift>>,
    unreachable: BTreeMap<&'a HostName, &'a str>,
}

/// Looks.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let (deploy, known) = Deploy::look(&arguments.reach, global)?;
    let (mut hosts, mut unreachable) = (BTreeMap::new(), BTreeMap::new());
    for (name, facts) in &known {
        match facts {
            Ok(facts) => {
                hosts.insert(name, plan::drift(facts));
            }
            Err(why) => {
                unreachable.insert(name, why.as_str());
            }
        }
    }
    let any = hosts.values().any(|drift| !drift.is_empty());
    let exit = match (any, unreachable.is_empty()) {
        (_, false) => Exit::Unreachable,
        (true, true) => Exit::Pending,
        (false, true) => Exit::Done,
    };
    if global.json {
        deploy.document(Found { hosts, unreachable }, screen);
        return Ok(exit);
    }
    let rows: Vec<Vec<String>> = hosts
        .iter()
        .flat_map(|(name, drift)| drift.iter().map(|drift| vec![name.to_string(), plan_verb::drift_line(drift)]))
        .chain(unreachable.iter().map(|(name, why)| vec![name.to_string(), format!("unreachable: {why}")]))
        .collect();
    match rows.is_empty() {
        true => screen.say("all is as wharf left it"),
        false => screen.out(&table(&["HOST", "WHAT"], &rows)),
    }
    Ok(exit)
}
