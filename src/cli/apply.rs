//! `wharf apply`: makes hosts have what they shall have.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::course::{self, AllowOptions, CourseOptions};
use super::deploy::{Deploy, HostOptions};
use super::sources::StoreOption;
use super::{Exit, Failure, Global};
use crate::apply::Fleet;
use crate::desired::{Desired, ImageNeed, LOCAL};
use crate::host::bare;
use crate::name::HostName;
use crate::oci::Store;
use crate::plan::{Aim, Allow, Known, Plan, Purpose, content};
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
    #[command(flatten)]
    course: CourseOptions,
    #[command(flatten)]
    allow: AllowOptions,
    /// Where hosts get images from: `ssh`, out of the store through their connection, or `registry`, the one that images are
    /// named after. `ssh` where the store has all of them, unless told
    #[arg(long, value_name = "CHANNEL")]
    images: Option<Channel>,
    #[command(flatten)]
    store: StoreOption,
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
pub fn run(mut arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let saved = arguments.file.as_deref().map(course::read).transpose()?;
    let aim = match &saved {
        Some(saved) => {
            let limit = &mut arguments.hosts.reach.limit;
            if limit.is_empty() {
                limit.clone_from(&saved.aim.limit);
            }
            Aim { limit: limit.clone(), ..saved.aim.clone() }
        }
        None => Aim { limit: arguments.hosts.reach.limit.clone(), ..Aim::of(Purpose::Forward) },
    };
    let deploy = match aim.purpose {
        Purpose::Forward => Deploy::open(&arguments.hosts, global)?,
        Purpose::Back | Purpose::Stop | Purpose::Destroy => Deploy::reach(&arguments.hosts.reach, global)?,
    };
    let fleet = deploy.fleet()?;
    let exit = apply(&arguments, (saved, &aim), &deploy, &fleet, (global, screen));
    fleet.close();
    exit
}

fn apply(
    arguments: &Arguments,
    (saved, aim): (Option<Plan>, &Aim),
    deploy: &Deploy,
    fleet: &Fleet<'_>,
    (global, screen): (&Global, &Screen),
) -> Result<Exit, Failure> {
    let (course, reach) = (&arguments.course, &arguments.hosts.reach);
    let desired = deploy.aimed(aim)?;
    let begun = deploy.begin(fleet, &desired, (course, reach), (global, screen))?;
    let planned = deploy.planned_of(fleet, desired, begun.known.clone(), aim)?;
    if let Some(saved) = &saved {
        course::still_holds(saved, &planned.plan)?;
    }
    let serve = || match aim.purpose {
        Purpose::Forward => channel(arguments, global, deploy, &planned.desired, &planned.known),
        Purpose::Back | Purpose::Stop | Purpose::Destroy => Ok(None),
    };
    let how = (course, &Allow::from(&arguments.allow), begun);
    deploy.carry_out(fleet, &planned, how, serve, (global, screen))
}
