//! An estate: hosts, cells, and what is stamped and bound there.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::name::{
    ArchName, CapabilityName, CellName, DistroName, EstateName, HostName, NetworkName, ReleaseName, RoleName,
    SecretName, ServiceName,
};
use crate::spec::{Origin, Span, Spanned};
use crate::version::PodmanVersion;

use super::{Generate, Overrides, Transport};

/// `estate "multinode" { … }`
#[derive(Debug, Clone, PartialEq)]
pub struct Estate {
    /// As `multinode`.
    pub name: EstateName,
    /// One line for people.
    pub summary: Option<String>,
    /// What its images are called before their own names: `registry.example/estate`.
    pub registry: Option<Spanned<String>>,
    /// What its images are built for; the default distro unless told.
    pub distro: Option<Spanned<DistroName>>,
    /// Which services run in it; every service of the project itself where empty.
    pub services: Vec<Spanned<ServiceName>>,
    /// Its hosts, those of cells too.
    pub hosts: BTreeMap<HostName, Host>,
    /// Its cells.
    pub cells: BTreeMap<CellName, Cell>,
    /// Addresses that move between hosts, by name.
    pub vips: BTreeMap<NetworkName, Vip>,
    /// Services set up apart from their roles, by the name that they get.
    pub stamps: BTreeMap<ServiceName, Stamp>,
    /// Which provider answers a need.
    pub binds: Vec<Bind>,
    /// Providers that wharf does not run, by name.
    pub externals: BTreeMap<ServiceName, External>,
    /// Changes for all of it.
    pub own: Overrides,
    /// Changes for hosts that hold a role.
    pub roles: BTreeMap<RoleName, RoleChanges>,
    /// Who can read its secrets: age recipients.
    pub recipients: Vec<Spanned<String>>,
    /// How its secrets are made; stronger than what services say.
    pub generates: BTreeMap<SecretName, Generate>,
    /// Whether its hosts refuse bounds on memory and processes, as those of the lab do.
    pub limits_unenforced: bool,
    /// Its releases, the oldest first; it runs the last.
    pub releases: Vec<Spanned<ReleaseName>>,
    /// How many releases cells may be behind.
    pub skew: u32,
    /// Whether the project or an import defines it.
    pub origin: Origin,
    /// The estate's own node.
    pub span: Span,
}

impl Estate {
    /// The release that it runs, where it says so.
    pub fn release(&self) -> Option<&ReleaseName> {
        self.releases.last().map(|release| &release.value)
    }
}

/// `role "compute" { var …; override … }`
#[derive(Debug, Clone, PartialEq)]
pub struct RoleChanges {
    /// The changes.
    pub own: Overrides,
    /// Where the node stands.
    pub span: Span,
}

/// `host "n1" address="10.77.0.21" ssh="alias" user="root" podman="5.4" arch="x86_64" { … }`
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// How it is reached, and where its services listen that name no network.
    pub address: IpAddr,
    /// A name of the operator's ssh configuration; the address unless told.
    pub ssh: Option<String>,
    /// The account there.
    pub user: Option<String>,
    /// Whether commands run here, without ssh.
    pub local: bool,
    /// The podman that it has; that of Debian 13 unless told.
    pub podman: Option<Spanned<PodmanVersion>>,
    /// Its architecture; x86_64 unless told.
    pub arch: Option<Spanned<ArchName>>,
    /// What the images on it are built for; the estate's unless told.
    pub distro: Option<Spanned<DistroName>>,
    /// What it is for.
    pub roles: Vec<Spanned<RoleName>>,
    /// Its addresses on networks.
    pub networks: BTreeMap<NetworkName, Interface>,
    /// The cell that it belongs to.
    pub cell: Option<CellName>,
    /// Changes for this host.
    pub own: Overrides,
    /// Whether it is to be emptied.
    pub leave: bool,
    /// Why it is left alone for now.
    pub maintenance: Option<String>,
    /// Where the node stands.
    pub span: Span,
}

impl Host {
    /// The podman that it has, or is taken to have.
    pub fn podman(&self) -> PodmanVersion {
        self.podman.as_ref().map_or(PodmanVersion::USUAL, |version| version.value)
    }
}

/// `network "internal" address="10.0.0.5" interface="bond0"`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The host's address there.
    pub address: IpAddr,
    /// The host's interface.
    pub interface: Option<String>,
}

/// `cell "cell1" number=1 { … }`
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Its name.
    pub name: CellName,
    /// What keeps its ports apart from those of others: they are moved by ten for each.
    pub number: Option<u16>,
    /// Hosts that serve it without belonging to it, and what they are there.
    pub shares: Vec<Share>,
    /// The release that it stays on.
    pub release: Option<Spanned<ReleaseName>>,
    /// Changes for this cell.
    pub own: Overrides,
    /// Where the node stands.
    pub span: Span,
}

/// `share "c1a" "c1b" { role "cell-control" }`
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// The hosts.
    pub hosts: Vec<Spanned<HostName>>,
    /// What they are in this cell.
    pub roles: Vec<Spanned<RoleName>>,
}

/// `vip "internal" address="10.77.0.100" interface="eth0" { role "network" }`
#[derive(Debug, Clone, PartialEq)]
pub struct Vip {
    /// The address.
    pub address: IpAddr,
    /// Which hosts can hold it: those with any of these roles.
    pub roles: Vec<Spanned<RoleName>>,
    /// The network that it is on; the one of its own name unless told.
    pub network: Option<Spanned<NetworkName>>,
    /// A name in DNS.
    pub name: Option<String>,
    /// Where the node stands.
    pub span: Span,
}

impl Vip {
    /// Whether a host can hold it, by its roles.
    pub fn is_for(&self, host: &Host) -> bool {
        host.roles.iter().any(|role| self.roles.iter().any(|wanted| wanted.value == role.value))
    }
}

/// `stamp "mariadb" as="mariadb-cell1" { on "c1a" "c1b" "c1c" }`
#[derive(Debug, Clone, PartialEq)]
pub struct Stamp {
    /// What is stamped.
    pub service: Spanned<ServiceName>,
    /// The cell that it is for.
    pub cell: Option<CellName>,
    /// Where.
    pub hosts: Vec<Spanned<HostName>>,
    /// By how much its ports are moved; ten for each of its cell's number unless told.
    pub shift: Option<u16>,
    /// Changes for it.
    pub own: Overrides,
    /// Where the node stands.
    pub span: Span,
}

/// `bind "nova-conductor" in="cell1" database="mariadb-cell1"`
#[derive(Debug, Clone, PartialEq)]
pub struct Bind {
    /// Whose need.
    pub service: Spanned<ServiceName>,
    /// In which cell alone.
    pub cell: Option<CellName>,
    /// Which need, by the name that the service calls it, and who answers it.
    pub needs: BTreeMap<String, Spanned<ServiceName>>,
    /// Where the node stands.
    pub span: Span,
}

/// `external "ceph" { provides "block" { address "10.0.0.1" "10.0.0.2"; port 6789 } }`
#[derive(Debug, Clone, PartialEq)]
pub struct External {
    /// What it provides.
    pub provides: BTreeMap<CapabilityName, ExternalProvide>,
    /// The cell that it is for.
    pub cell: Option<CellName>,
    /// Where the node stands.
    pub span: Span,
}

/// What an external provides.
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalProvide {
    /// Names or addresses of its members; the first is the one to talk to.
    pub addresses: Vec<String>,
    /// The port, where there is one.
    pub port: Option<u16>,
    /// TCP or UDP.
    pub transport: Transport,
    /// What is spoken there.
    pub protocol: Option<String>,
    /// Where the node stands.
    pub span: Span,
}
