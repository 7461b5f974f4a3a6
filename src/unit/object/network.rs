//! Networks. A unit makes one where there is none of its name; it never changes one that is there.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::unit::back_end::{self, PODMAN, Quadlet};
use crate::unit::container::MeaningError;
use crate::unit::file::UnitFile;
use crate::unit::head::Head;
use crate::unit::key::QuadletSection;
use crate::unit::name::{ObjectName, UnitKind};
use crate::unit::quote;
use crate::unit::say::{Sayings, Unsayable};
use crate::version::PodmanVersion;

/// A subnet of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// As `10.89.1.0/24`.
    pub subnet: String,
    /// Its gateway.
    #[serde(default)]
    pub gateway: Option<IpAddr>,
    /// What part of it containers get addresses of.
    #[serde(default)]
    pub range: Option<String>,
}

/// What a network is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkParts {
    /// The unit's name without its type.
    pub unit: ObjectName,
    /// podman's name of it.
    pub name: ObjectName,
    /// Description, order.
    #[serde(default)]
    pub head: Head,
    /// podman's `bridge` where none is given.
    #[serde(default)]
    pub driver: Option<String>,
    /// Who gives addresses.
    #[serde(default)]
    pub ipam_driver: Option<String>,
    /// Its subnets; podman's choice where there are none.
    #[serde(default)]
    pub subnets: Vec<Subnet>,
    /// Whether it leads nowhere else.
    #[serde(default)]
    pub internal: bool,
    /// Whether it has IPv6 too.
    #[serde(default)]
    pub ipv6: bool,
    /// Whether podman answers for names on it; its own yes where nothing is said.
    #[serde(default)]
    pub disable_dns: bool,
    /// Name servers.
    #[serde(default)]
    pub dns: Vec<IpAddr>,
    /// The bridge's name on the host.
    #[serde(default)]
    pub interface: Option<String>,
    /// The driver's options.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Whether it is removed when its unit stops.
    #[serde(default)]
    pub delete_on_stop: bool,
}

/// A network whose parts go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NetworkParts", into = "NetworkParts")]
pub struct Network(NetworkParts);

impl NetworkParts {
    /// A network of podman's own kind, unit and object of one name.
    pub fn new(name: ObjectName) -> Self {
        Self {
            unit: name.clone(),
            name,
            head: Head::default(),
            driver: None,
            ipam_driver: None,
            subnets: Vec::new(),
            internal: false,
            ipv6: false,
            disable_dns: false,
            dns: Vec::new(),
            interface: None,
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
            delete_on_stop: false,
        }
    }
}

impl Network {
    /// Checks that the parts go together. podman pairs gateways and ranges with subnets by their number, so a subnet
    /// without one cannot stand before one that has it.
    pub fn new(parts: NetworkParts) -> Result<Self, MeaningError> {
        let gaps = |has: fn(&Subnet) -> bool| parts.subnets.iter().skip_while(|subnet| has(subnet)).any(has);
        if gaps(|subnet| subnet.gateway.is_some()) || gaps(|subnet| subnet.range.is_some()) {
            return Err(MeaningError::Subnets);
        }
        Ok(Self(parts))
    }

    /// What it is made of.
    pub fn parts(&self) -> &NetworkParts {
        &self.0
    }

    pub(in crate::unit) fn unit(&self, version: PodmanVersion) -> Result<UnitFile, Unsayable> {
        let parts = &self.0;
        let unit = parts.unit.unit(UnitKind::Network);
        let mut say = Sayings::new(&unit, QuadletSection::Network);
        say.maybe("Driver", parts.driver.as_ref())?;
        say.maybe("IPAMDriver", parts.ipam_driver.as_ref())?;
        say.texts("Subnet", parts.subnets.iter().map(|subnet| &subnet.subnet))?;
        say.texts("Gateway", parts.subnets.iter().filter_map(|subnet| subnet.gateway))?;
        say.texts("IPRange", parts.subnets.iter().filter_map(|subnet| subnet.range.as_ref()))?;
        for (key, on) in [("Internal", parts.internal), ("IPv6", parts.ipv6), ("DisableDNS", parts.disable_dns)] {
            if on {
                say.switch(key, true)?;
            }
        }
        say.texts("DNS", &parts.dns)?;
        say.maybe("InterfaceName", parts.interface.as_ref())?;
        say.pairs("Options", &parts.options)?;
        say.pairs("Label", &parts.labels)?;
        let remove = ("ExecStopPost", quote::command(&[PODMAN, "network", "rm", parts.name.as_str()]));
        let by_key = version >= PodmanVersion::new(5, 5);
        let service: &[_] = if parts.delete_on_stop && !by_key { &[remove] } else { &[] };
        if version < PodmanVersion::NAMED {
            return back_end::create(unit.service(), &parts.head, "network", &parts.name, &say, version, service);
        }
        say.text("NetworkName", &parts.name)?;
        if parts.delete_on_stop && by_key {
            say.switch("NetworkDeleteOnStop", true)?;
        }
        Quadlet { head: &parts.head, say: &say, service }.write(unit, version)
    }
}

impl TryFrom<NetworkParts> for Network {
    type Error = MeaningError;

    fn try_from(parts: NetworkParts) -> Result<Self, MeaningError> {
        Self::new(parts)
    }
}

impl From<Network> for NetworkParts {
    fn from(network: Network) -> Self {
        network.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_without_a_gateway_cannot_stand_before_one_with_it() {
        let subnet = |gateway: Option<&str>| Subnet {
            subnet: "10.0.0.0/24".to_owned(),
            gateway: gateway.map(|address| address.parse().unwrap()),
            range: None,
        };
        let mut parts = NetworkParts::new(ObjectName::new("a").unwrap());
        parts.subnets = vec![subnet(None), subnet(Some("10.0.0.1"))];
        assert_eq!(Network::new(parts.clone()), Err(MeaningError::Subnets));
        parts.subnets.reverse();
        assert!(Network::new(parts).is_ok());
    }
}
