//! From a plan to hosts that have it: shown, refused or agreed to, walked, and how it ended. What `apply`, `rollback`, `stop`
//! and `destroy` share.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::path::Path;

use super::deploy::{Deploy, ReachOptions};
use super::events::{Logs, Teller};
use super::settle::{self, Settle, settle};
use super::{Exit, Failure, Global, memory, plan as plan_verb};
use crate::apply::{Fleet, Options, Outcome, Served, Work, walk};
use crate::desired::{Desired, HostDesired};
use crate::host::{Content, Facts};
use crate::name::HostName;
use crate::plan::{self, Aim, Allow, HostPlan, Known, Plan, Purpose, Refusal, Scene, Standing, Volumes};
use crate::registry;
use crate::ui::Screen;

/// How a plan is carried out.
#[derive(Debug, clap::Args)]
pub struct CourseOptions {
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Why, for the lease and the history
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    /// Keep so many older generations on each host
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub keep: u32,
    /// Wait up to so many seconds while somebody else changes these hosts
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub wait: u64,
}

/// A run that has looked at its hosts: how it goes on, and how what an earlier one began ended.
pub struct Begun {
    /// How.
    options: Options,
    /// How what an earlier run began ended.
    settled: Outcome,
    /// What hosts are after that.
    pub known: Known,
}

/// What is refused unless it is meant.
#[derive(Debug, clap::Args)]
pub struct AllowOptions {
    /// Let so many units be removed, those of services that keep data too; without it no more than a tenth of all
    #[arg(long, value_name = "N", default_value_t = 0)]
    allow_remove: usize,
    /// Change hosts that run a commit which the project does not contain
    #[arg(long)]
    allow_older: bool,
    /// Leave hosts outside --limit with what no longer goes with those inside
    #[arg(long)]
    allow_skew: bool,
    /// Change hosts that could not go back, as images or secrets of what they run are gone
    #[arg(long)]
    no_way_back: bool,
    /// Make this volume anew where its specs changed, and lose what it holds; may repeat
    #[arg(long = "replace-volume", value_name = "VOLUME")]
    replace_volumes: Vec<String>,
}

impl From<&AllowOptions> for Allow {
    fn from(options: &AllowOptions) -> Self {
        Self {
            remove: options.allow_remove,
            older: options.allow_older,
            skew: options.allow_skew,
            no_way_back: options.no_way_back,
            replace: options.replace_volumes.iter().cloned().collect(),
        }
    }
}

/// A plan, and all that it was made of.
pub struct Planned {
    pub plan: Plan,
    /// What hosts shall have.
    pub wanted: BTreeMap<HostName, Content>,
    /// The same with its bytes; empty where all of them are on the hosts.
    pub desired: Desired,
    pub known: Known,
    /// Whether hosts may be asked for what is not known.
    pub asks: bool,
}

/// Hosts of which nothing is sent.
pub fn bare(wanted: &BTreeMap<HostName, Content>) -> Desired {
    Desired { hosts: wanted.keys().map(|name| (name.clone(), HostDesired::default())).collect() }
}

impl Deploy {
    /// What hosts shall have for an aim; nothing where that is made of what they have.
    pub fn aimed(&self, aim: &Aim) -> Result<Desired, Failure> {
        if aim.purpose == Purpose::Forward { self.desired() } else { Ok(Desired::default()) }
    }

    /// Looks at hosts: waits for others who change them, and ends what an earlier run began.
    pub fn begin(
        &self,
        fleet: &Fleet<'_>,
        desired: &Desired,
        (course, reach): (&CourseOptions, &ReachOptions),
        (global, screen): (&Global, &Screen),
    ) -> Result<Begun, Failure> {
        let options = Options {
            forks: reach.forks,
            token: token()?,
            process: settle::process(),
            gone: settle::gone,
            keep: course.keep,
            patience: reach.patience(),
            served: None,
        };
        let probe = || self.probe(fleet, desired);
        let mut known = settle::wait(course.wait, options.gone, probe(), probe, screen);
        let before = Settle { deploy: self, fleet, options: &options, why: &course.why, yes: course.yes };
        let settled = settle(before, &known, global, screen)?.unwrap_or_default();
        locked(&settled)?;
        if settled != Outcome::default() {
            known = probe();
        }
        settle::clocks(&known).iter().for_each(|line| screen.say(line));
        Ok(Begun { options, settled, known })
    }

    /// A plan for an aim that is no way back. Hosts are asked, unless there are facts of theirs.
    pub fn planned(&self, fleet: &Fleet<'_>, facts: Option<Known>, aim: &Aim) -> Result<Planned, Failure> {
        let desired = self.aimed(aim)?;
        let asks = facts.is_none();
        let known = facts.unwrap_or_else(|| self.probe(fleet, &desired));
        Ok(Planned { asks, ..self.planned_of(fleet, desired, known, aim)? })
    }

    /// A plan for what [`Self::aimed`] gives, where hosts are as `known` has them.
    pub fn planned_of(&self, fleet: &Fleet<'_>, desired: Desired, known: Known, aim: &Aim) -> Result<Planned, Failure> {
        let (desired, wanted) = if aim.purpose == Purpose::Forward {
            let wanted = self.wanted(&desired, &known);
            (desired, wanted)
        } else {
            let wanted = self.ended(&known, aim)?;
            (bare(&wanted), wanted)
        };
        let plan = plan::plan(self.ground()?, &wanted, &known, aim);
        let mut planned = Planned { plan, wanted, desired, known, asks: true };
        self.measure(fleet, &mut planned);
        Ok(planned)
    }

    /// What hosts have after services ended.
    fn ended(&self, known: &Known, aim: &Aim) -> Result<BTreeMap<HostName, Content>, Failure> {
        if let Volumes::Named(names) = &aim.volumes {
            left_over(names, known)?;
        }
        let empty = Content::default();
        let mut wanted = BTreeMap::new();
        for host in self.hosts()? {
            let facts = known.get(&host.name).and_then(|facts| facts.as_ref().ok());
            let applied = facts.and_then(|facts| facts.generation.as_ref()).map_or(&empty, |live| &live.content);
            let content = match (aim.purpose, &aim.volumes) {
                (Purpose::Stop, _) => plan::stopped(applied, self.groups()),
                (_, Volumes::Named(_)) => applied.clone(),
                _ => plan::destroyed(applied, self.groups()),
            };
            wanted.insert(host.name.clone(), content);
        }
        Ok(wanted)
    }

    /// Asks how much the volumes hold that are kept or lost.
    fn measure(&self, fleet: &Fleet<'_>, planned: &mut Planned) {
        let mut wanted: BTreeMap<HostName, Vec<String>> = BTreeMap::new();
        for (name, host) in &planned.plan.hosts {
            let lost = host.loses.iter().filter(|loss| loss.kind == plan::LossKind::Volume).map(|loss| &loss.name);
            let names: Vec<String> = host.keeps.iter().chain(lost).cloned().collect();
            if !names.is_empty() {
                wanted.insert(name.clone(), names);
            }
        }
        measured(fleet, &wanted, &mut planned.known);
    }

    /// What an apply refuses of a plan.
    pub fn refusals(&self, planned: &Planned, allow: &Allow) -> Result<Vec<Refusal>, Failure> {
        let scene = Scene {
            ground: self.ground()?,
            wanted: &planned.wanted,
            known: &planned.known,
            outside: &self.behind(planned)?,
            newer: &self.newer(&planned.known),
        };
        Ok(plan::refusals(&planned.plan, scene, allow))
    }

    /// Hosts outside the limit that the plan would leave behind: those of them that run something. Of those that do not
    /// answer nobody knows that they run nothing.
    fn behind(&self, planned: &Planned) -> Result<BTreeSet<HostName>, Failure> {
        let outside = self.outside()?;
        let mut behind = plan::behind(&planned.plan, self.ground()?, &outside);
        let asked = if planned.asks { self.ask(&behind)? } else { Known::new() };
        behind.retain(|host| match asked.get(host).or_else(|| planned.known.get(host)) {
            Some(Ok(facts)) => facts.generation.as_ref().is_some_and(|live| !live.content.is_empty()),
            Some(Err(_)) | None => true,
        });
        Ok(behind)
    }

    /// Shows a plan, asks, and does it. `serve` gives what serves images, once it is agreed to.
    pub fn carry_out(
        &self,
        fleet: &Fleet<'_>,
        planned: &Planned,
        (course, allow, begun): (&CourseOptions, &Allow, Begun),
        serve: impl FnOnce() -> Result<Option<(registry::Served, String)>, Failure>,
        (global, screen): (&Global, &Screen),
    ) -> Result<Exit, Failure> {
        let Planned { plan, wanted, desired, known, .. } = planned;
        for vanished in self.vanished(known)? {
            screen.say(&memory::line(&vanished));
        }
        if !global.json {
            screen.out(&plan_verb::text(plan, known));
        }
        let refused = self.refusals(planned, allow)?;
        if !refused.is_empty() {
            return Err(failure(refused));
        }
        let unreachable =
            plan.hosts.values().filter(|host| matches!(host.standing, Standing::Unreachable { .. })).count();
        let Begun { mut options, settled, .. } = begun;
        let left = |host: &HostPlan| match &host.standing {
            Standing::Unfit { why } => Some(format!("left out: {why}")),
            Standing::Foreign { estate } => Some(format!("left out: it is a host of the estate `{estate}`")),
            Standing::Unsettled { .. } => Some("settle: what was begun there is not confirmed".to_owned()),
            _ => None,
        };
        // What was settled badly and is no part of the plan is not done either.
        let mut failed = settled.failed;
        for (host, why) in plan.hosts.iter().filter_map(|(name, host)| Some((name, left(host)?))) {
            failed.entry(host.clone()).or_insert(why);
        }
        if plan.is_empty() {
            for (host, why) in &failed {
                screen.say(&format!("{host}: {why}"));
            }
            self.remember(fleet, planned, &BTreeSet::new(), &self.header(&plan.id, None))?;
            return Ok(match (failed.is_empty() && settled.held.is_empty(), unreachable) {
                (false, _) => Exit::Partly,
                (true, 0) => Exit::Done,
                (true, _) => Exit::Unreachable,
            });
        }
        if !course.yes && !agreed(screen, plan)? {
            screen.say("nothing was changed");
            return Ok(Exit::Pending);
        }
        let header = self.header(&plan.id, course.why.clone());
        let registry = serve()?;
        options.served =
            registry.as_ref().map(|(served, prefix)| Served { port: served.port(), prefix: prefix.clone() });
        let work = Work { plan, wanted, desired, known, values: &self.vault, header: &header, options: &options };
        let hosts: Vec<&HostName> = plan.changed().into_iter().collect();
        let logs = Logs::new(&self.project.root, plan.estate.as_str(), &header.when, &plan.id);
        let teller = Teller::new(&hosts, global.json, screen, Some(logs), &self.vault);
        let mut outcome = walk(work, fleet, &|event| teller.hear(event));
        teller.finish();
        self.remember(fleet, planned, &outcome.done, &header)?;
        // A host that was not settled before and is changed now is judged by that.
        let changed = plan.changed();
        for (host, why) in failed.into_iter().filter(|(host, _)| !changed.contains(host)) {
            outcome.failed.entry(host).or_insert(why);
        }
        ended(&outcome, unreachable, screen)
    }
}

/// Asks hosts how much volumes hold, and adds that to what is known.
pub fn measured(fleet: &Fleet<'_>, volumes: &BTreeMap<HostName, Vec<String>>, known: &mut Known) {
    for (host, sizes) in fleet.sizes(volumes) {
        let Some(Ok(facts)) = known.get_mut(&host) else { continue };
        for (name, kib) in sizes {
            facts.volumes.entry(name).or_default().kib = Some(kib);
        }
    }
}

/// Refusals as one failure.
fn failure(refused: Vec<Refusal>) -> Failure {
    let report =
        |refusal: Refusal| miette::Report::new(miette::MietteDiagnostic::new(refusal.what).with_help(refusal.help));
    let mut reports: Vec<miette::Report> = refused.into_iter().map(report).collect();
    reports.push(miette::Report::msg("nothing was changed"));
    Failure { reports, code: 1 }
}

/// Reads a plan that was kept.
pub fn read(path: &Path) -> Result<Plan, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::plain(format!("{} cannot be read: {error}", path.display())))?;
    let saved: Plan = serde_json::from_str(&text)
        .map_err(|error| Failure::plain(format!("{} holds no plan: {error}", path.display())))?;
    if !saved.is_whole() {
        return Err(Failure::plain(format!("{} was changed after it was made", path.display())));
    }
    Ok(saved)
}

/// Keeps a plan.
pub fn keep(path: &Path, plan: &Plan) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(plan).map_err(|error| Failure::plain(error.to_string()))?;
    std::fs::write(path, text + "\n")
        .map_err(|error| Failure::plain(format!("{} cannot be written: {error}", path.display())))
}

/// A saved plan has to be what a plan of now would be, host by host.
pub fn still_holds(saved: &Plan, now: &Plan) -> Result<(), Failure> {
    if saved.id == now.id {
        return Ok(());
    }
    let stale = saved.hosts.iter().filter(|(name, host)| now.hosts.get(*name) != Some(*host));
    let names: Vec<&str> = stale.map(|(name, _)| name.as_str()).collect();
    let why = if names.is_empty() { "its order".to_owned() } else { names.join(", ") };
    let message = format!("the plan {} no longer holds: {why} changed since", saved.id);
    let mut failure = Failure::with_help(message, "look at what `wharf plan` says now");
    failure.code = 4;
    Err(failure)
}

fn agreed(screen: &Screen, plan: &Plan) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::with_help("nobody can be asked whether to do it", "--yes does it without a question"));
    }
    let lost: usize =
        plan.hosts.values().flat_map(|host| &host.loses).filter(|loss| loss.kind == plan::LossKind::Volume).count();
    let (estate, hosts) = (&plan.estate, plan.changed().len());
    // What nothing brings back takes more than a key.
    let word = (lost > 0).then_some(estate.as_str());
    let question = match word {
        Some(word) => {
            format!("{lost} volumes are lost with what they hold. Do this to {hosts} hosts? Write `{word}`: ")
        }
        None => format!("Do this to {hosts} {} of `{estate}`? [y/N] ", if hosts == 1 { "host" } else { "hosts" }),
    };
    screen.ask(&question);
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| Failure::plain(error.to_string()))?;
    Ok(match word {
        Some(word) => line.trim() == word,
        None => matches!(line.trim(), "y" | "Y" | "yes"),
    })
}

/// What tells this run from any other.
fn token() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
        .map_err(|_| Failure::plain("the system gives no random numbers"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The failure of hosts that somebody else is changing.
fn locked(outcome: &Outcome) -> Result<(), Failure> {
    if outcome.locked.is_empty() {
        return Ok(());
    }
    let who = outcome.locked.iter().map(|(host, lease)| settle::holder(host, lease));
    let message = format!("somebody else is changing {}", who.collect::<Vec<_>>().join("; "));
    let hosts: Vec<&str> = outcome.locked.keys().map(HostName::as_str).collect();
    let left = outcome.locked.values().map(|lease| lease.left).max().unwrap_or_default();
    let help = format!(
        "`--wait SECONDS` waits for them; unless they renew it, it ends in {left} s; where they are gone, `wharf lease break \
         --limit {}` ends it now",
        hosts.join(",")
    );
    let mut failure = Failure::with_help(message, help);
    failure.code = 5;
    Err(failure)
}

fn ended(outcome: &Outcome, unreachable: usize, screen: &Screen) -> Result<Exit, Failure> {
    locked(outcome)?;
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

/// Volumes that are to be taken away are left over on some host; an error says where they are otherwise.
fn left_over(names: &BTreeSet<String>, known: &Known) -> Result<(), Failure> {
    let facts = || known.iter().filter_map(|(name, facts)| Some((name, facts.as_ref().ok()?)));
    let is_over = |facts: &Facts, name: &str| plan::left_over(facts).contains_key(name);
    let wrong = names.iter().filter(|name| !facts().any(|(_, facts)| is_over(facts, name)));
    let said = wrong.map(|name| {
        let on: Vec<&str> =
            facts().filter(|(_, facts)| facts.volumes.contains_key(name)).map(|(host, _)| host.as_str()).collect();
        match on.is_empty() {
            true => format!("no host that answered has a volume {name} of this estate"),
            false => format!("the volume {name} is in use on {}", on.join(", ")),
        }
    });
    let said: Vec<String> = said.collect();
    if said.is_empty() {
        return Ok(());
    }
    Err(Failure::with_help(
        said.join("; "),
        "`wharf status` lists what is left over; what is in use has to go from the specs first",
    ))
}
