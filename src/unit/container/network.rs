//! How a container is reached, and what it reaches.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::unit::head::Head;
use crate::unit::name::{ObjectName, UnitKind};
use crate::unit::say::{Sayings, Unsayable};
use crate::version::PodmanVersion;

/// A network that a container is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Net {
    /// The host's own.
    Host,
    /// None but loopback.
    None,
    /// One of podman's.
    Network {
        /// podman's name of it.
        name: ObjectName,
        /// The base of the unit that makes it, if one does.
        unit: Option<ObjectName>,
        /// `ip=…`, `mac=…`, `alias=…` (podman-run(1), `--network`).
        #[serde(default)]
        options: Vec<String>,
    },
    /// Another mode of podman's, as it stands: `pasta`, `slirp4netns:…`.
    Mode(String),
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// A port of the host that leads to one of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Publish {
    /// The host's address; all where none is given.
    pub address: Option<IpAddr>,
    /// The host's port.
    pub host: u16,
    /// The container's port.
    pub container: u16,
    /// The protocol.
    #[serde(default)]
    pub protocol: Protocol,
}

impl fmt::Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(IpAddr::V4(address)) => write!(f, "{address}:")?,
            Some(IpAddr::V6(address)) => write!(f, "[{address}]:")?,
            None => {}
        }
        write!(f, "{}:{}/{}", self.host, self.container, self.protocol.as_str())
    }
}

/// Networks, ports and names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Networking {
    /// The networks; podman's default where there are none.
    pub networks: Vec<Net>,
    /// More names on them.
    pub aliases: Vec<String>,
    /// Its address.
    pub ip: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub ip6: Option<Ipv6Addr>,
    /// Published ports.
    pub publish: Vec<Publish>,
    /// Its own name; the container's where none is given and it has names of its own.
    pub hostname: Option<String>,
    /// Lines of /etc/hosts: a name and its address.
    pub hosts: Vec<(String, IpAddr)>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// Options of the resolver.
    pub dns_options: Vec<String>,
    /// Domains that are searched.
    pub dns_search: Vec<String>,
}

impl Net {
    /// As `--network` and `Network=` have it; what its unit needs is added to `head`.
    pub(in crate::unit) fn text(&self, version: PodmanVersion, head: &mut Head) -> String {
        match self {
            Self::Host => "host".to_owned(),
            Self::None => "none".to_owned(),
            Self::Mode(mode) => mode.clone(),
            Self::Network { name, unit, options } => {
                let mut text = name.to_string();
                if let Some(unit) = unit.as_ref().map(|base| base.unit(UnitKind::Network)) {
                    if version >= PodmanVersion::NAMED {
                        text = unit.to_string();
                    } else {
                        head.needs(unit);
                    }
                }
                if options.is_empty() { text } else { format!("{text}:{}", options.join(",")) }
            }
        }
    }
}

impl Networking {
    pub(in crate::unit) fn say(
        &self,
        say: &mut Sayings,
        version: PodmanVersion,
        head: &mut Head,
    ) -> Result<(), Unsayable> {
        say.texts("Network", self.networks.iter().map(|net| net.text(version, head)))?;
        say.texts("NetworkAlias", &self.aliases)?;
        say.maybe("IP", self.ip.as_ref())?;
        say.maybe("IP6", self.ip6.as_ref())?;
        say.texts("PublishPort", &self.publish)?;
        say.maybe("HostName", self.hostname.as_ref())?;
        say.texts("AddHost", self.hosts.iter().map(|(name, address)| format!("{name}:{address}")))?;
        say.texts("DNS", &self.dns)?;
        say.texts("DNSOption", &self.dns_options)?;
        say.texts("DNSSearch", &self.dns_search)
    }
}
