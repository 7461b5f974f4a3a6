//! `wharf stop`: ends services; all that they use stays.

use std::path::PathBuf;

use super::course::CourseOptions;
use super::deploy::{Deploy, ReachOptions};
use super::{Exit, Failure, Global, plan as plan_verb};
use crate::desired::Desired;
use crate::plan::{Aim, Allow, Purpose};
use crate::ui::Screen;

/// Arguments of `wharf stop`.
#[derive(Debug, clap::Args)]
#[command(after_help = "A plan as any other: shown, asked about, done wave by wave, who needs before what it needs. Services stay down, over\n\
                        boots too, until the next apply starts them; volumes, networks, secrets, images and configuration stay.\n\
                        Exits as apply does.\n\nExamples:\n  wharf stop --limit keystone --why \"moving the database\"\n  \
                        wharf stop --limit c1a --out evening.plan    # later: wharf apply evening.plan")]
pub struct Arguments {
    #[command(flatten)]
    pub reach: ReachOptions,
    #[command(flatten)]
    pub later: Later,
    #[command(flatten)]
    pub course: CourseOptions,
    /// Stop hosts that could not go back, as images or secrets of what they run are gone
    #[arg(long)]
    pub no_way_back: bool,
}

/// A plan that is not carried out now.
#[derive(Debug, clap::Args)]
pub struct Later {
    /// Keep the plan in this file, for `wharf apply FILE`, and do nothing now
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Ask no host, and do nothing: plan from what `wharf plan --keep-facts` wrote down
    #[arg(long, value_name = "FILE")]
    pub facts: Option<PathBuf>,
}

/// Stops.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let aim = Aim { limit: arguments.reach.limit.clone(), ..Aim::of(Purpose::Stop) };
    let allow = Allow { no_way_back: arguments.no_way_back, ..Allow::default() };
    let how = (&arguments.course, &allow);
    end(&arguments.reach, &arguments.later, how, &aim, (global, screen))
}

/// Plans an end of something, and carries it out unless that is for later.
pub(super) fn end(
    reach: &ReachOptions,
    later: &Later,
    (course, allow): (&CourseOptions, &Allow),
    aim: &Aim,
    (global, screen): (&Global, &Screen),
) -> Result<Exit, Failure> {
    let deploy = Deploy::reach(reach, global)?;
    let facts = later.facts.as_deref().map(plan_verb::read).transpose()?;
    let now = facts.is_none() && later.out.is_none();
    let fleet = deploy.fleet_of(facts.is_none())?;
    let planned = |known| deploy.planned_of(&fleet, Desired::default(), known, aim);
    let exit = if now {
        deploy.begin(&fleet, &Desired::default(), (course, reach), (global, screen)).and_then(|begun| {
            let planned = planned(begun.known.clone())?;
            deploy.carry_out(&fleet, &planned, (course, allow, begun), || Ok(None), (global, screen))
        })
    } else {
        deploy.planned(&fleet, facts, aim).and_then(|planned| {
            plan_verb::show(&deploy, &planned, (later.out.as_deref(), allow), None, (global, screen))
        })
    };
    fleet.close();
    exit
}
