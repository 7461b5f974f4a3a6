//! `wharf destroy`: takes services away, or volumes that are left over.

use super::course::CourseOptions;
use super::deploy::ReachOptions;
use super::stop::{Later, end};
use super::{Exit, Failure, Global};
use crate::plan::{Aim, Allow, Purpose, Volumes};
use crate::ui::Screen;

/// Arguments of `wharf destroy`.
#[derive(Debug, clap::Args)]
#[command(after_help = "A plan as any other: shown, asked about, done wave by wave, who needs before what it needs. Says first what stays\n\
                        and what is lost. Volumes stay, and `wharf status` lists them as left over, until --volume names them.\n\
                        What the specs still ask for comes back with the next apply. Exits as apply does.\n\nExamples:\n  \
                        wharf destroy --limit c1a                  # the host is empty then, but for its volumes\n  \
                        wharf destroy --volume glance-data         # what it holds is lost\n  \
                        wharf destroy --with-volumes --out end.plan")]
pub struct Arguments {
    #[command(flatten)]
    reach: ReachOptions,
    /// Take nothing away but this volume, which nothing uses any more, and what it holds; may repeat
    #[arg(long = "volume", value_name = "NAME", value_delimiter = ',', conflicts_with = "with_volumes")]
    volumes: Vec<String>,
    /// Take volumes away too, and what they hold; also those that were left over before
    #[arg(long)]
    with_volumes: bool,
    #[command(flatten)]
    later: Later,
    #[command(flatten)]
    course: CourseOptions,
}

/// Takes away.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let volumes = match (arguments.with_volumes, arguments.volumes.is_empty()) {
        (true, _) => Volumes::All,
        (false, true) => Volumes::None,
        (false, false) => Volumes::Named(arguments.volumes.into_iter().collect()),
    };
    let aim = Aim { purpose: Purpose::Destroy, limit: arguments.reach.limit.clone(), volumes };
    end(&arguments.reach, &arguments.later, (&arguments.course, &Allow::default()), &aim, (global, screen))
}
