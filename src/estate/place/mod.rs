//! Where services run: an estate's hosts, roles, cells and stamps made groups of members, their needs answered.

mod clashes;
mod groups;
mod lints;
mod names;
mod needs;
mod podman;
mod roles;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::name::{
    ArchName, CapabilityName, CellName, DistroName, HostName, NetworkName, RoleName, ServiceName, VolumeName,
};
use crate::spec::{Mistake, Span};

use super::{Estate, Host, Image, Port, Project, Secrets, Service};

/// An estate with its services in place.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Placed {
    /// Every group, by its name.
    pub groups: BTreeMap<ServiceName, Group>,
    /// The groups that have a member on a host.
    pub hosts: BTreeMap<HostName, BTreeSet<ServiceName>>,
    /// What stands before balanced groups, by VIP.
    pub fronts: BTreeMap<NetworkName, Vec<Front>>,
    /// The secrets that they use, and how those are made.
    pub secrets: Secrets,
    /// Groups without a health check: for `check` to list.
    pub unchecked: BTreeSet<ServiceName>,
    /// What can be meant so, and does not do what it looks like: for `check` to warn of.
    pub warnings: Vec<Mistake>,
}

/// One service at one place: for the cloud, for a cell, as an instance, or stamped.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What its unit is called.
    pub name: ServiceName,
    /// The service that it is of.
    pub service: ServiceName,
    /// The cell that it is for.
    pub cell: Option<CellName>,
    /// Which of the service's instances.
    pub instance: Option<ServiceName>,
    /// Whether a stamp made it.
    pub stamped: bool,
    /// Its hosts, sorted.
    pub members: Vec<HostName>,
    /// Its ports, moved for its cell: those of what it provides, and its further ones.
    pub ports: BTreeMap<CapabilityName, Port>,
    /// Who answers its needs.
    pub needs: BTreeMap<CapabilityName, Binding>,
    /// Where it is asked for.
    pub span: Span,
}

impl Group {
    /// A host's place among the members; none where it is none.
    pub fn index_of(&self, host: &HostName) -> Option<usize> {
        self.members.binary_search(host).ok()
    }
}

/// Who answers a need; nobody, where an optional one is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// Nobody.
    Nobody,
    /// A group of the estate.
    Group(ServiceName),
    /// Something that wharf does not run.
    External(ServiceName),
}

/// A need and who answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// What is needed.
    pub capability: CapabilityName,
    /// Who answers.
    pub provider: Provider,
    /// Whether the answer has to be up first.
    pub order: bool,
}

/// What a load balancer has to know of a balanced group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    /// The group behind it.
    pub group: ServiceName,
    /// What it provides.
    pub capability: CapabilityName,
    /// The port, before it and behind it.
    pub port: u16,
}

impl Placed {
    /// The groups that have a member on a host.
    pub fn on<'a>(&'a self, host: &HostName) -> impl Iterator<Item = &'a Group> {
        let names = self.hosts.get(host).into_iter().flatten();
        names.filter_map(|name| self.groups.get(name))
    }
}

impl Estate {
    /// The address at which a service of `network` is reached on a host.
    pub fn address(&self, host: &Host, network: Option<&NetworkName>) -> IpAddr {
        network.and_then(|network| host.networks.get(network)).map_or(host.address, |interface| interface.address)
    }

    /// The roles of a host for a group of a cell: its own, and those that it has where the cell shares it.
    pub fn roles_on<'a>(&'a self, host: &'a Host, cell: Option<&CellName>) -> Vec<&'a RoleName> {
        let shares = cell.and_then(|cell| self.cells.get(cell)).into_iter().flat_map(|cell| &cell.shares);
        let shares = shares.filter(|share| share.hosts.iter().any(|name| name.value == host.name));
        let mut names: Vec<&RoleName> = host.roles.iter().map(|role| &role.value).collect();
        for role in shares.flat_map(|share| &share.roles) {
            if !names.contains(&&role.value) {
                names.push(&role.value);
            }
        }
        names
    }

    /// What the images on a host are built for.
    pub fn target<'a>(&'a self, host: &'a Host, project: &'a Project) -> Option<(&'a DistroName, ArchName)> {
        let distro = host.distro.as_ref().or(self.distro.as_ref()).map(|name| &name.value);
        let distro = distro.or_else(|| project.default_distro().map(|distro| &distro.name))?;
        let arch = host.arch.as_ref().map(|arch| arch.value.clone());
        let arch = arch.or_else(|| ArchName::new("x86_64").ok())?;
        Some((distro, arch))
    }
}

/// What placing looks things up in.
pub(super) struct Ground<'a> {
    pub estate: &'a Estate,
    pub services: &'a BTreeMap<ServiceName, Service>,
    /// An image of a service for any target: what its health check is does not depend on it.
    pub images: &'a dyn Fn(&Service, &Host) -> Option<&'a Image>,
    /// Images that exist, for any target.
    pub known_images: BTreeSet<&'a str>,
}

/// What a volume is called on hosts: the group's own, unless it is shared or called so already.
pub fn volume(group: &Group, name: &VolumeName, shared: bool) -> String {
    let own = name.as_str() == group.name.as_str() || name.as_str().starts_with(&format!("{}-", group.name));
    if shared || own { name.to_string() } else { format!("{}-{name}", group.name) }
}

pub(super) use groups::place;
pub use lints::is_file;
