//! From texts to a [`Project`].
//!
//! Texts are read ([`gather`]), sorted by what they define ([`top`]), what extends a spec is merged into it ([`merge`]),
//! conditions and variables go ([`plan`], [`scope`]), nodes become values ([`decode`]), and images take what their
//! ancestors have ([`inherit`]). Mistakes never stop it before all were found.

mod accounts;
mod copies;
mod decode;
mod gather;
mod inherit;
mod merge;
mod plan;
mod scope;
mod shape;
#[cfg(test)]
mod tests;
mod top;
mod value;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::name::{ArchName, DistroName, EstateName, ImageName, ServiceName};
use crate::spec::{Log, Mistake, Mistakes, Node, Origin};

use super::{Arch, Estate, Host, ImageKey, Placed, Project, Service, Tier, place};
use gather::Gathered;
use plan::Target;
use top::Top;

/// The folder that holds the project which `start` lies in: the nearest one upwards with specs/ or targets/.
pub fn find_root(start: &Path) -> Option<PathBuf> {
    let start = start.canonicalize().ok()?;
    let is_project = |folder: &&Path| folder.join("specs").is_dir() || folder.join("targets").is_dir();
    start.ancestors().find(is_project).map(Path::to_owned)
}

/// Reads and resolves the project at `root`, or gives every mistake in it.
pub fn load(root: &Path) -> Result<Project, Mistakes> {
    let mut log = Log::new();
    let gathered = Gathered::read(root, &mut log);
    let project = resolve(root, &gathered, &mut log);
    if log.iter().any(|mistake| matches!(mistake.code, "syntax" | "unreadable")) {
        // What a name means cannot be known while a file cannot be read.
        log.retain(|mistake| !matches!(mistake.code, "unknown-name" | "nothing-to-replace"));
    }
    match project {
        project if log.is_empty() => Ok(Project { sources: gathered.sources, ..project }),
        _ => Err(Mistakes::new(gathered.sources, log)),
    }
}

fn resolve(root: &Path, gathered: &Gathered, log: &mut Log) -> Project {
    let top = Top::sort(gathered, log);
    let mut arches: BTreeMap<ArchName, (Arch, Option<Tier>)> = BTreeMap::new();
    let mut known_arches: Vec<&str> = Vec::new();
    for (name, spec) in &top.arches {
        known_arches.push(name);
        let nodes = spec.nodes(shape::Holder::Arch, log);
        if let Some(name) = spec.name::<ArchName>(log)
            && let Some(arch) = decode::arch(name.clone(), spec.span(), &nodes, log)
        {
            arches.insert(name, arch);
        }
    }
    let mut distros = BTreeMap::new();
    for (text, spec) in &top.distros {
        let nodes = spec.nodes(shape::Holder::Distro, log);
        let owner = |span| gathered.owner(span);
        let lets: BTreeMap<_, _> = nodes
            .iter()
            .filter(|node| *node.name == *"let")
            .flat_map(|node| node.properties.iter().map(|property| (property.name.as_str(), &property.value)))
            .collect();
        let built_in = BTreeMap::from([("distro", text.to_string())]);
        let scope = scope::Scope { own: lets, top: &top.lets, built_in, owner: &owner };
        let nodes: Vec<_> = nodes.iter().filter_map(|node| scope.expand(Cow::Borrowed(node), log)).collect();
        if let Some(name) = spec.name::<DistroName>(log) {
            let distro = decode::distro(name.clone(), spec.span(), &nodes, &known_arches, gathered, log);
            distros.insert(name, distro);
        }
    }
    let defaults: Vec<_> = distros.values().filter(|distro| distro.default).collect();
    if let [first, second, ..] = defaults.as_slice() {
        let message = format!("`{}` and `{}` are both the default distro", first.name, second.name);
        let mistake = Mistake::new("duplicate", second.span, message).label("default too");
        log.push(mistake.also(first.span, "the other default"));
    }
    let targets: Vec<Target> = distros
        .values()
        .flat_map(|distro| distro.arches.iter().filter_map(|arch| arches.get(arch)).map(move |arch| (distro, arch)))
        .map(|(distro, (arch, tier))| Target::new(distro, arch, *tier))
        .collect();
    let distro_names: Vec<&str> = top.distros.keys().copied().collect();
    let names = plan::Names { arches: &known_arches, distros: &distro_names };
    let plans = plan::plans(&top, &names, log);
    let images = inherit::images(&plans, &targets, &distros, &top, gathered, log);
    accounts::check(&images, &plans, &distros, log);
    copies::check(&images.images, log);
    let services = services(&top, gathered, log);
    let estates = estates(&top, gathered, log);
    let mut wanted = inherit::wanted(&plans, &top, &named(&services, &estates), log);
    copies::with_sources(&images.images, &mut wanted);
    let mut project = Project {
        root: root.to_owned(),
        sources: Default::default(),
        arches: arches.into_iter().map(|(name, (arch, _))| (name, arch)).collect(),
        distros,
        images: images.images,
        unbuildable: images.unbuildable,
        specs: images.specs,
        wanted,
        services,
        estates,
        placed: BTreeMap::new(),
        templates: gathered.templates(),
        imports: gathered.imports.clone(),
        compression: top.compression,
        layering: top.layering,
    };
    project.placed = placed(&project, log);
    project
}

/// The images of services that the project itself defines or that its estates run.
fn named(services: &BTreeMap<ServiceName, Service>, estates: &BTreeMap<EstateName, Estate>) -> BTreeSet<ImageName> {
    let own = services.values().filter(|service| service.origin == Origin::Project);
    let estates = estates.values().filter(|estate| estate.origin == Origin::Project);
    let run = estates.flat_map(|estate| {
        let stamped = estate.stamps.values().map(|stamp| &stamp.service.value);
        estate.services.iter().map(|name| &name.value).chain(stamped)
    });
    own.chain(run.filter_map(|name| services.get(name))).map(|service| service.image.value.clone()).collect()
}

/// The services of each estate, in their places.
fn placed(project: &Project, log: &mut Log) -> BTreeMap<EstateName, Placed> {
    let known_images: BTreeSet<&str> = project.specs.keys().map(ImageName::as_str).collect();
    let mut all = BTreeMap::new();
    for (name, estate) in &project.estates {
        let images = |service: &Service, host: &Host| {
            let (distro, arch) = estate.target(host, project)?;
            let key = ImageKey { image: service.image.value.clone(), distro: distro.clone(), arch };
            project.images.get(&key)
        };
        let known_images = known_images.clone();
        let ground = place::Ground { estate, services: &project.services, images: &images, known_images };
        all.insert(name.clone(), place::place(&ground, log));
    }
    all
}

/// Every service, imported ones too.
fn services(top: &Top<'_>, gathered: &Gathered, log: &mut Log) -> BTreeMap<ServiceName, Service> {
    let mut services = BTreeMap::new();
    for spec in top.services.values() {
        let nodes = spec.nodes(shape::Holder::Service, log);
        let nodes = templates(&nodes, top, gathered, log);
        if let Some(name) = spec.name::<ServiceName>(log)
            && let Some(service) = decode::service(name.clone(), spec, &nodes, gathered, log)
        {
            services.insert(name, service);
        }
    }
    services
}

/// Every estate, imported ones too.
fn estates(top: &Top<'_>, gathered: &Gathered, log: &mut Log) -> BTreeMap<EstateName, Estate> {
    let mut estates = BTreeMap::new();
    for spec in top.estates.values() {
        let nodes = spec.nodes(shape::Holder::Estate, log);
        let nodes = templates(&nodes, top, gathered, log);
        if let Some(name) = spec.name::<EstateName>(log) {
            estates.insert(name.clone(), decode::estate(name, spec, &nodes, gathered, log));
        }
    }
    estates
}

/// Nodes in whose texts only what a host knows is left to fill in.
fn templates<'n>(nodes: &'n [Cow<'n, Node>], top: &Top<'_>, gathered: &Gathered, log: &mut Log) -> Vec<Cow<'n, Node>> {
    let owner = |span| gathered.owner(span);
    let lets: BTreeMap<_, _> = nodes
        .iter()
        .filter(|node| *node.name == *"let")
        .flat_map(|node| node.properties.iter().map(|property| (property.name.as_str(), &property.value)))
        .collect();
    let scope = scope::Scope { own: lets, top: &top.lets, built_in: BTreeMap::new(), owner: &owner };
    nodes.iter().filter_map(|node| scope.template(Cow::Borrowed(node), log)).collect()
}
