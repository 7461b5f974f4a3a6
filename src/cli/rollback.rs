//! `wharf rollback`: takes hosts back to what they had.

use std::collections::BTreeMap;

use super::course::{CourseOptions, Planned, bare};
use super::deploy::{Deploy, ReachOptions};
use super::{Exit, Failure, Global};
use crate::apply::Kept;
use crate::desired::Desired;
use crate::host::{Content, Facts};
use crate::name::HostName;
use crate::plan::{Aim, Allow, Purpose, plan};
use crate::ui::Screen;

/// Arguments of `wharf rollback`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Images, units, configuration and secrets go back together, in the same waves and with the same gates as\n\
                        forward; it is a generation of its own, made of old content. Tasks are not undone: where one was run that\n\
                        says no `undo=\"safe\"`, or a database has moved its data on, --accept-data-loss-risk is asked for.\n\nExamples:\n  \
                        wharf rollback                    # to before the last plan of each host\n  \
                        wharf rollback --to 4 --limit c1a")]
pub struct Arguments {
    #[command(flatten)]
    reach: ReachOptions,
    /// To what this plan left; to before each host's last plan unless told
    #[arg(long, value_name = "PLAN", conflicts_with = "to")]
    plan: Option<String>,
    /// To this generation
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// Go back over what nothing undoes
    #[arg(long)]
    accept_data_loss_risk: bool,
    #[command(flatten)]
    course: CourseOptions,
}

/// Goes back.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let deploy = Deploy::reach(&arguments.reach, global)?;
    let fleet = deploy.fleet()?;
    let begun = deploy.begin(&fleet, &Desired::default(), (&arguments.course, &arguments.reach), (global, screen));
    let begun = begun.inspect_err(|_| fleet.close())?;
    let known = begun.known.clone();
    let (kept, _) = fleet.kept();
    let mut wanted: BTreeMap<HostName, Content> = BTreeMap::new();
    let mut refused = Vec::new();
    let mut is_kept = false;
    for (name, facts) in &known {
        let Ok(facts) = facts else {
            // The plan says that it was not heard, and so does the exit.
            wanted.insert(name.clone(), Content::default());
            continue;
        };
        let generations = kept.get(name).map(Vec::as_slice).unwrap_or_default();
        match target(&arguments, facts, generations) {
            Ok(Some(content)) => {
                is_kept = true;
                wanted.insert(name.clone(), content);
            }
            Ok(None) => {}
            Err(why) => refused.push(format!("{name}: {why}")),
        }
    }
    if let (Some(plan), false) = (&arguments.plan, is_kept) {
        fleet.close();
        let message = format!("no host that answered keeps a generation from before the last that is of the plan `{plan}`");
        return Err(Failure::with_help(message, "`wharf history` says what there is to go back to"));
    }
    if !refused.is_empty() {
        fleet.close();
        return Err(Failure::with_help(refused.join("; "), "`wharf history` says what there is to go back to"));
    }
    let plan = plan(deploy.ground()?, &wanted, &known, &Aim::of(Purpose::Back));
    // All bytes are on the hosts.
    let planned = Planned { plan, desired: bare(&wanted), wanted, known, asks: true };
    let how = (&arguments.course, &Allow::default(), begun);
    let exit = deploy.carry_out(&fleet, &planned, how, || Ok(None), (global, screen));
    fleet.close();
    exit
}

/// What a host goes back to; none where it has nothing of what is asked for.
fn target(arguments: &Arguments, facts: &Facts, kept: &[Kept]) -> Result<Option<Content>, String> {
    let Some(current) = &facts.generation else { return Ok(None) };
    let older = |kept: &&Kept| kept.generation.number < facts.current && kept.result.starts_with("confirmed");
    let found = match (&arguments.plan, arguments.to) {
        (Some(plan), _) => kept.iter().filter(older).rfind(|kept| kept.generation.header.plan == *plan),
        (None, Some(number)) => kept.iter().find(|kept| kept.generation.number == number),
        (None, None) => kept.iter().filter(older).rfind(|kept| kept.generation.header.plan != current.header.plan),
    };
    let Some(found) = found else {
        return match (&arguments.plan, arguments.to) {
            (None, Some(number)) => Err(format!("it keeps no generation {number}")),
            (None, None) => Err("it keeps nothing from before its last plan".to_owned()),
            (Some(_), _) => Ok(None),
        };
    };
    let content = &found.generation.content;
    let gone = content.images.keys().filter(|name| !facts.images.contains(*name));
    let gone: Vec<&str> =
        gone.chain(content.secrets.keys().filter(|name| !facts.secrets.contains(*name))).map(String::as_str).collect();
    if !gone.is_empty() {
        return Err(format!("it no longer has {}", gone.join(", ")));
    }
    let over = kept.iter().filter(|kept| kept.generation.number > found.generation.number);
    let over: Vec<u64> = over.filter(|kept| kept.generation.one_way).map(|kept| kept.generation.number).collect();
    if !over.is_empty() && !arguments.accept_data_loss_risk {
        let numbers: Vec<String> = over.iter().map(u64::to_string).collect();
        return Err(format!(
            "generation {} did what going back does not undo; --accept-data-loss-risk goes back all the same",
            numbers.join(", ")
        ));
    }
    Ok(Some(content.clone()))
}
