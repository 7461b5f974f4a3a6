//! `wharf apply`: makes hosts have what they shall have.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::deploy::{Deploy, HostOptions};
use super::{Exit, Failure, Global, plan as plan_verb};
use super::sources::StoreOption;
use crate::apply::{Event, Options, Outcome, Served, Work, walk};
use crate::desired::{Desired, ImageNeed, LOCAL};
use crate::host::bare;
use crate::name::HostName;
use crate::oci::Store;
use crate::plan::{Known, Plan, Purpose, Standing, content, plan};
use crate::registry;
use crate::ui::Screen;

/// Arguments of `wharf apply`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Plans, shows the plan, asks, and does it wave by wave. A host that nobody confirms goes back by itself.\n\
                        Exits 0 where all is done, 3 where a part is, 4 where a saved plan no longer holds, 5 where somebody\n\
                        else is at it, 6 where hosts did not answer, 7 where a host went back.\n\nExamples:\n  wharf apply\n  \
                        wharf apply --limit compute --yes --why \"CVE-2026-1234\"\n  wharf apply monday.plan --yes")]
pub struct Arguments {
    /// A plan that `wharf plan --out` kept; it has to hold still
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    hosts: HostOptions,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Why, for the lease and the history
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Where hosts get images from: `ssh`, out of the store through their connection, or `registry`, the one that images are
    /// named after. `ssh` where the store has all of them, unless told
    #[arg(long, value_name = "CHANNEL")]
    images: Option<Channel>,
    #[command(flatten)]
    store: StoreOption,
    /// Keep so many older generations on each host
    #[arg(long, value_name = "N", default_value_t = 5)]
    keep: u32,
}

/// Where hosts get images from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Channel {
    /// Out of the store, through their ssh connection
    Ssh,
    /// The registry that images are named after
    Registry,
}

/// Serves the store where hosts get images from there.
fn channel(
    arguments: &Arguments,
    global: &Global,
    deploy: &Deploy,
    desired: &Desired,
    known: &Known,
) -> Result<Option<(registry::Served, String)>, Failure> {
    let facts = |host: &HostName| known.get(host).and_then(|facts| facts.as_ref().ok());
    let missing: BTreeMap<&String, &ImageNeed> = desired
        .hosts
        .iter()
        .filter_map(|(name, host)| Some((facts(name)?, host)))
        .flat_map(|(facts, host)| {
            let lacks = content(host).images.into_keys().filter(|name| !facts.images.contains(name));
            lacks.filter_map(|name| host.images.get_key_value(bare(&name))).collect::<Vec<_>>()
        })
        .collect();
    if missing.is_empty() || arguments.images == Some(Channel::Registry) {
        return Ok(None);
    }
    let store = Store::open_existing(&arguments.store.folder(global));
    let lacks = |store: &Store| missing.values().find(|need| !store.has(&need.manifest)).map(|need| need.image.clone());
    let registry = deploy.estate()?.registry.as_ref().map(|name| name.value.clone());
    match (store, &registry, arguments.images) {
        (Ok(store), _, _) if lacks(&store).is_none() => {
            let prefix = registry.unwrap_or_else(|| LOCAL.to_owned());
            let served = registry::serve(Arc::new(store));
            let served = served.map_err(|error| Failure::plain(format!("the store cannot be served: {error}")))?;
            Ok(Some((served, prefix)))
        }
        (_, Some(_), None) => Ok(None),
        (store, ..) => {
            let name = store.ok().and_then(|store| lacks(&store)).unwrap_or_else(|| "any image".to_owned());
            let help = format!("wharf build {name}, or give the estate a `registry` that has it");
            Err(Failure::with_help(format!("the store does not have {name}, which hosts lack"), help))
        }
    }
}

/// Applies.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let deploy = Deploy::open(&arguments.hosts, global)?;
    let desired = deploy.desired()?;
    let fleet = deploy.fleet()?;
    let known = deploy.probe(&fleet, &desired);
    let wanted = deploy.wanted(&desired, &known);
    let plan = plan(deploy.ground()?, &wanted, &known, Purpose::Forward);
    if let Some(path) = &arguments.file {
        saved(path, &plan)?;
    }
    if !global.json {
        screen.out(&plan_verb::text(&plan));
    }
    let unreachable = plan.hosts.values().filter(|host| matches!(host.standing, Standing::Unreachable { .. })).count();
    if plan.is_empty() {
        fleet.close();
        return Ok(if unreachable == 0 { whole(&plan, Exit::Done) } else { Exit::Unreachable });
    }
    if !arguments.yes && !agreed(screen, &plan)? {
        fleet.close();
        return Ok(Exit::Pending);
    }
    let header = deploy.header(&plan.id, arguments.why.clone());
    let registry = channel(&arguments, global, &deploy, &desired, &known)?;
    let served = registry.as_ref().map(|(served, prefix)| Served { port: served.port(), prefix: prefix.clone() });
    let options = Options { forks: arguments.hosts.reach.forks, token: token()?, keep: arguments.keep, served };
    let work = Work {
        plan: &plan,
        wanted: &wanted,
        desired: &desired,
        known: &known,
        values: &deploy.vault,
        header: &header,
        options: &options,
    };
    let outcome = walk(work, &fleet, &|event| say(&event, global.json, screen));
    fleet.close();
    ended(&outcome, unreachable, screen).map(|exit| whole(&plan, exit))
}

/// Not all is done where a host was left out because it cannot be changed.
fn whole(plan: &Plan, exit: Exit) -> Exit {
    let left_out = |standing: &Standing| {
        matches!(standing, Standing::Unfit { .. } | Standing::Foreign { .. } | Standing::Unsettled { .. })
    };
    let any = plan.hosts.values().any(|host| left_out(&host.standing));
    if any && matches!(exit, Exit::Done) { Exit::Partly } else { exit }
}

/// A saved plan has to be what a plan of now would be, host by host.
fn saved(path: &PathBuf, now: &Plan) -> Result<(), Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::plain(format!("{} cannot be read: {error}", path.display())))?;
    let saved: Plan = serde_json::from_str(&text)
        .map_err(|error| Failure::plain(format!("{} holds no plan: {error}", path.display())))?;
    if !saved.is_whole() {
        return Err(Failure::plain(format!("{} was changed after it was made", path.display())));
    }
    if saved.id == now.id {
        return Ok(());
    }
    let stale = saved.hosts.iter().filter(|(name, host)| now.hosts.get(*name) != Some(*host));
    let names: Vec<&str> = stale.map(|(name, _)| name.as_str()).collect();
    let message = format!("the plan {} no longer holds: {} changed since", saved.id, names.join(", "));
    let mut failure = Failure::with_help(message, "look at what `wharf plan` says now");
    failure.code = 4;
    Err(failure)
}

pub(super) fn agreed(screen: &Screen, plan: &Plan) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::with_help("nobody can be asked whether to do it", "--yes does it without a question"));
    }
    screen.ask(&format!("Do this to {} of {}? [y/N] ", plan.changed().len(), plan.estate));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| Failure::plain(error.to_string()))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// What tells this run from any other.
pub(super) fn token() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
        .map_err(|_| Failure::plain("the system gives no random numbers"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(super) fn say(event: &Event, json: bool, screen: &Screen) {
    if json {
        if let Ok(line) = serde_json::to_string(event) {
            screen.out(&format!("{line}\n"));
        }
        return;
    }
    match event {
        Event::Wave { wave, of, hosts } => {
            let names: Vec<&str> = hosts.iter().map(|name| name.as_str()).collect();
            screen.say(&format!("Wave {wave} of {of}: {}", names.join(", ")));
        }
        Event::Step { host, says } => {
            if let Some(rest) = says.strip_prefix("begin ") {
                screen.say(&format!("  {host}: {rest}"));
            } else if !says.starts_with("end ") {
                screen.say(&format!("  {host}: {says}"));
            }
        }
        Event::Journal { host, unit, lines } => {
            screen.say(&format!("  {host}: the last lines of {unit}:"));
            for line in lines.lines() {
                screen.say(&format!("    {line}"));
            }
        }
        Event::Failed { host, phase, why } => screen.say(&format!("  {host}: {} did not end well: {why}", phase.as_str())),
        Event::Undone { host } => screen.say(&format!("  {host}: is back on what it had")),
        Event::Begin { .. } | Event::End { .. } => {}
    }
}

pub(super) fn ended(outcome: &Outcome, unreachable: usize, screen: &Screen) -> Result<Exit, Failure> {
    if !outcome.locked.is_empty() {
        let who = outcome.locked.iter().map(|(host, lease)| {
            let lease = crate::host::Lease::read(lease);
            format!("{host}: {} since {}, plan {}: {}", lease.who, lease.when, lease.plan, lease.why)
        });
        let message = format!("somebody else is changing {}", who.collect::<Vec<_>>().join("; "));
        let mut failure = Failure::with_help(message, "wait for them, or `wharf lease break HOST`");
        failure.code = 5;
        return Err(failure);
    }
    for (host, why) in &outcome.failed {
        screen.say(&format!("{host}: {why}"));
    }
    if !outcome.held.is_empty() {
        let names: Vec<&str> = outcome.held.iter().map(|name| name.as_str()).collect();
        screen.say(&format!("left as they are, not confirmed: {}", names.join(", ")));
    }
    Ok(match (outcome.failed.is_empty(), outcome.undone.is_empty()) {
        (_, false) => Exit::RolledBack,
        (false, true) => Exit::Partly,
        (true, true) if unreachable > 0 => Exit::Unreachable,
        (true, true) => Exit::Done,
    })
}
