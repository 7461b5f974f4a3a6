//! Two things on one port of one host.

use std::collections::BTreeMap;

use crate::spec::{Log, Mistake, Span};

use super::super::{Host, Listen, Network, Port, Transport};
use super::{Ground, Placed};

/// An address and port that something takes.
#[derive(Debug, Clone)]
struct Taken {
    what: String,
    /// Where; none for every address.
    address: Option<String>,
    span: Span,
}

/// Reports every clash, once for each pair of groups.
pub(super) fn report(ground: &Ground<'_>, placed: &Placed, log: &mut Log) {
    let mut said: Vec<(String, String)> = Vec::new();
    for host in ground.estate.hosts.values() {
        let mut taken: BTreeMap<(Transport, u16), Vec<Taken>> = BTreeMap::new();
        for (transport, number, mine) in listeners(ground, placed, host) {
            let others = taken.entry((transport, number)).or_default();
            let clash = others
                .iter()
                .find(|other| other.address.is_none() || mine.address.is_none() || other.address == mine.address);
            if let Some(other) = clash {
                let pair = (other.what.clone(), mine.what.clone());
                if !said.contains(&pair) {
                    let at = mine.address.as_ref().or(other.address.as_ref());
                    let at = at.map(|address| format!("{address} ")).unwrap_or_default();
                    let message = format!(
                        "{} and {} both listen on {at}port {number}/{} of {}",
                        other.what,
                        mine.what,
                        transport.as_str(),
                        host.name
                    );
                    let mistake = Mistake::new("port-clash", mine.span, message).label("this port");
                    let help =
                        "give one another port, another network, or another host; a stamp takes `shift=` or `port`";
                    log.push(mistake.also(other.span, "and this one").help(help));
                    said.push(pair);
                }
                continue;
            }
            others.push(mine);
        }
    }
}

/// All that listens on a host.
fn listeners(ground: &Ground<'_>, placed: &Placed, host: &Host) -> Vec<(Transport, u16, Taken)> {
    let mut found = Vec::new();
    for group in placed.on(&host.name) {
        let Some(service) = ground.services.get(&group.service) else { continue };
        let network = service.on_network.as_ref().map(|network| &network.value);
        let address = |listen: Listen| match listen {
            Listen::Host => Some(ground.estate.address(host, network).to_string()),
            Listen::Local => Some("127.0.0.1".to_owned()),
            Listen::All => None,
        };
        let own = group.ports.values().filter(|_| service.container.network == Network::Host);
        let published = service.container.publish.iter().map(|publish| &publish.port);
        let all: Vec<&Port> = own.chain(published).collect();
        for port in all {
            let taken = Taken { what: format!("`{}`", group.name), address: address(port.listen), span: port.span };
            found.push((port.transport, port.number, taken));
        }
    }
    for (name, fronts) in &placed.fronts {
        let Some(vip) = ground.estate.vips.get(name) else { continue };
        for front in fronts.iter().filter(|_| vip.is_for(host)) {
            let what = format!("the load balancer before `{}`", front.group);
            let taken = Taken { what, address: Some(vip.address.to_string()), span: vip.span };
            found.push((Transport::Tcp, front.port, taken));
        }
    }
    found
}
