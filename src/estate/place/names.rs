//! Two units of a host that would have one name, and two networks of one name that are not the same.

use std::collections::BTreeMap;

use crate::spec::{Log, Mistake, Span};

use super::super::{MountSource, Network};
use super::{Ground, Placed};

/// Reports each pair of units once, whatever the number of hosts that have both.
pub(super) fn report(ground: &Ground<'_>, placed: &Placed, log: &mut Log) {
    let mut said: Vec<(Span, Span)> = Vec::new();
    for host in ground.estate.hosts.keys() {
        let mut units: BTreeMap<String, (String, Span)> = BTreeMap::new();
        let mut networks: BTreeMap<&str, (&Network, Span)> = BTreeMap::new();
        for group in placed.on(host) {
            let Some(service) = ground.services.get(&group.service) else { continue };
            let (name, spec) = (&group.name, &service.container);
            let mut mine = vec![(name.to_string(), format!("`{name}`"), group.span)];
            for task in &service.tasks {
                let what = format!("the task `{}` of `{name}`", task.name);
                mine.push((format!("{name}-task-{}", task.name), what, task.span));
            }
            for mount in spec.mounts.values() {
                if let MountSource::Volume { name: volume, shared } = &mount.source {
                    let volume = super::volume(group, volume, *shared);
                    mine.push((format!("{volume}-volume"), format!("the volume `{volume}`"), mount.span));
                }
            }
            if let Some(pod) = &spec.pod {
                mine.push((format!("{}-pod", **pod), format!("the pod `{}`", **pod), pod.span));
            }
            if let Network::Own { name: network, span, .. } = &spec.network {
                mine.push((format!("{network}-network"), format!("the network `{network}`"), *span));
                match networks.get(network.as_str()) {
                    Some((other, first)) if !same(other, &spec.network) => {
                        if !said.contains(&(*first, *span)) {
                            said.push((*first, *span));
                            let message = format!("the network `{network}` of {host} would be two different ones");
                            let mistake = Mistake::new("conflict", *span, message).label("otherwise here");
                            let help = "give one of them another name, or both the same `subnet` and `internal`";
                            log.push(mistake.also(*first, "first here").help(help));
                        }
                    }
                    _ => {
                        networks.insert(network.as_str(), (&spec.network, *span));
                    }
                }
            }
            for (unit, what, span) in mine {
                match units.get(&unit) {
                    Some((other, first)) if *other != what => {
                        if !said.contains(&(*first, span)) {
                            said.push((*first, span));
                            let message =
                                format!("{other} and {what} would both be the unit `{unit}.service` of {host}");
                            let mistake = Mistake::new("duplicate", span, message).label("the second");
                            log.push(mistake.also(*first, "the first").help("give one of them another name"));
                        }
                    }
                    _ => {
                        units.insert(unit, (what, span));
                    }
                }
            }
        }
    }
}

/// Whether two networks are the same but for where they are written.
fn same(one: &Network, other: &Network) -> bool {
    match (one, other) {
        (
            Network::Own { name, subnet, internal, .. },
            Network::Own { name: name2, subnet: subnet2, internal: internal2, .. },
        ) => (name, subnet, internal) == (name2, subnet2, internal2),
        _ => one == other,
    }
}
