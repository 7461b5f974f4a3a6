//! `wharf show`: all that wharf knows of an image, a service or a host, resolved.

mod document;
mod overrides;
mod service;
mod text;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;

use super::sources::{host_arch, read_lock};
use super::{Exit, Failure, Global, each, load_project, place};
use crate::build::{self, Request};
use crate::estate::{Image, Project};
use crate::fetch::Cache;
use crate::layer::{Fragment, Fragments};
use crate::lock::{Lock, LockedPackage, Member};
use crate::ui::Screen;

/// Arguments of `wharf show`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Without --distro and --arch people see the image for the default distro and this machine's arch;\n\
                        the document has all that it is built for.\n\nExamples:\n  wharf show image keystone\n  \
                        wharf show image keystone --arch ppc64le --packages\n  \
                        wharf --json show image keystone | jq '.images[0].config.Env'\n  \
                        wharf show service keystone --host control1\n  wharf show host control1")]
pub struct Arguments {
    /// What to show
    #[arg(value_enum)]
    what: Noun,
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// For this distro
    #[arg(long, value_name = "DISTRO")]
    distro: Option<String>,
    /// For this arch
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// Print every locked package, too
    #[arg(long)]
    packages: bool,
    /// The cache's folder, for what packages hold; `WHARF_CACHE`, else the user's cache folder, unless told
    #[arg(long = "cache", value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Of a service: as it is on this host
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    #[command(flatten)]
    vault: super::vault::VaultOptions,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Noun {
    /// An image
    Image,
    /// A service: with --host, what its templates see there and where each option of its files comes from
    Service,
    /// A host of an estate
    Host,
}

/// An image and what else there is to know of it.
struct View<'a> {
    project: &'a Project,
    image: &'a Image,
    /// Its packages in the lock, sorted by name; none where it is not locked.
    locked: Option<Vec<&'a LockedPackage>>,
    /// Wanted by name, as the lock resolved them.
    roots: Vec<&'a str>,
    /// Its packages as the cache has them; none where it lacks one, or where the image is not locked.
    packages: Option<Vec<Arc<Fragment>>>,
}

/// Prints the image.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let project = load_project(global)?;
    match arguments.what {
        Noun::Image => {}
        Noun::Service => return service::service(&project, &arguments, global, screen),
        Noun::Host => return service::host(&project, &arguments.name, global, screen),
    }
    let Arguments { name, distro, arch, packages, cache, .. } = arguments;
    let lock = read_lock(&project)?;
    let fragments = lock.as_ref().and_then(|lock| fragments(lock, cache.as_deref()));
    let request = Request {
        images: vec![name],
        distros: distro.into_iter().collect(),
        arches: arch.into_iter().collect(),
    };
    let images = build::select(&project, &request).map_err(each)?;
    if global.json {
        let images = images.iter().map(|image| document::image(&view(&project, lock.as_ref(), fragments.as_ref(), image)));
        screen.document(&document::Document { version: 1, images: images.collect::<Result<_, _>>()? });
    } else if let Some(image) = images.iter().min_by_key(|image| rank(&project, image)) {
        screen.out(&text::image(&view(&project, lock.as_ref(), fragments.as_ref(), image), packages));
    }
    Ok(Exit::Done)
}

/// The default distro and this machine's arch come first, then the order of the specs.
fn rank(project: &Project, image: &Image) -> (bool, bool, Option<usize>) {
    let distro = project.distros.get(&image.distro);
    (
        project.default_distro().is_none_or(|default| default.name != image.distro),
        host_arch(project).is_none_or(|host| host.name != image.arch),
        distro.and_then(|distro| distro.arches.iter().position(|arch| *arch == image.arch)),
    )
}

/// The cache's fragments. Showing makes no cache, and does without one that cannot be used.
fn fragments(lock: &Lock, told: Option<&Path>) -> Option<Fragments> {
    let folder = place::cache(told).ok().filter(|folder| folder.is_dir())?;
    Some(Fragments::new(Arc::new(Cache::open(&folder).ok()?), lock.compression))
}

fn view<'a>(
    project: &'a Project,
    lock: Option<&'a Lock>,
    fragments: Option<&Fragments>,
    image: &'a Image,
) -> View<'a> {
    let member = Member::Image(image.name.clone());
    let target = lock.and_then(|lock| lock.targets.get(&(image.distro.clone(), image.arch.clone())));
    let locked = lock.and_then(|lock| lock.packages_of(&image.distro, &image.arch, &member));
    let roots = target.and_then(|target| target.members.get(&member));
    let roots = roots.map(|member| member.roots.iter().map(|name| name.as_str()).collect()).unwrap_or_default();
    let distro = project.distros.get(&image.distro);
    let packages = locked.as_ref().zip(fragments).zip(distro).and_then(|((locked, fragments), distro)| {
        locked.iter().map(|package| fragments.find(&package.sha256, &distro.filters)).collect()
    });
    View { project, image, locked, roots, packages }
}
