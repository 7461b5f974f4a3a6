//! `wharf lease`: who is changing hosts, and an end to it.

use super::deploy::{Deploy, ReachOptions};
use super::{Exit, Failure, Global};
use crate::desired::Desired;
use crate::host::Lease;
use crate::name::HostName;
use crate::ui::{Screen, table};

/// Arguments of `wharf lease`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Who applies a plan holds a lease on each of its hosts. It ends with the apply, by itself some time after\n\
                        the apply was lost, and at a reboot of the host.\n\nExamples:\n  wharf lease show\n  \
                        wharf lease break --limit c1a      # whoever holds it is stopped at the next phase")]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Say who holds a lease
    Show {
        #[command(flatten)]
        reach: ReachOptions,
    },
    /// End leases, whoever holds them; takes --limit
    Break {
        #[command(flatten)]
        reach: ReachOptions,
    },
}

/// Shows or breaks.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let (reach, broken) = match &arguments.what {
        What::Show { reach } => (reach, false),
        What::Break { reach } => (reach, true),
    };
    if broken && reach.limit.is_empty() {
        return Err(Failure::with_help("no host is named", "name those whose lease is to end: --limit HOST,…"));
    }
    let deploy = Deploy::reach(reach, global)?;
    let fleet = deploy.fleet()?;
    let known = deploy.probe(&fleet, &Desired::default());
    let mut leases: Vec<(&HostName, &Lease)> = Vec::new();
    for (name, facts) in &known {
        match facts {
            Ok(facts) => leases.extend(facts.lease.as_ref().filter(|lease| lease.until > facts.uptime).map(|lease| (name, lease))),
            Err(why) => screen.say(&format!("{name}: {why}")),
        }
    }
    if broken {
        for (name, lease) in &leases {
            fleet.release(name).map_err(|error| Failure::plain(format!("{name}: {error}")))?;
            screen.say(&format!("{name}: the lease of {} (plan {}) is broken", lease.who, lease.plan));
        }
    }
    fleet.close();
    if global.json {
        #[derive(serde::Serialize)]
        struct Line<'a> {
            host: &'a HostName,
            #[serde(flatten)]
            lease: &'a Lease,
        }
        let lines: Vec<Line<'_>> = leases.into_iter().map(|(host, lease)| Line { host, lease }).collect();
        deploy.document(serde_json::json!({"leases": lines}), screen);
    } else if !broken {
        let rows: Vec<Vec<String>> = leases
            .iter()
            .map(|(host, lease)| {
                vec![host.to_string(), lease.who.clone(), lease.when.clone(), lease.plan.clone(), lease.why.clone()]
            })
            .collect();
        screen.out(&table(&["HOST", "WHO", "SINCE", "PLAN", "WHY"], &rows));
    }
    let all = known.values().all(Result::is_ok);
    Ok(if all { Exit::Done } else { Exit::Unreachable })
}
