//! How many hosts of a group may be down, and on how many it may fail.

use std::collections::BTreeMap;

use super::{Class, HostPlan, Standing};
use crate::desired::Ground;
use crate::estate::{Update, UpdateFailure};
use crate::name::{HostName, ServiceName};

/// `3`, or `10%` of a number, rounded down.
pub(super) fn amount(text: &str, of: usize) -> usize {
    match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<usize>().map_or(0, |percent| of * percent.min(100) / 100),
        None => text.trim().parse().unwrap_or(0),
    }
}

/// On how many hosts a group may fail before a plan stops.
pub(super) fn tolerance(update: &Update, members: usize) -> usize {
    match update.on_failure {
        // Each one more could be the one too many.
        _ if update.quorum => 0,
        UpdateFailure::Continue => members,
        UpdateFailure::Pause | UpdateFailure::Rollback => amount(&update.max_failed, members),
    }
}

/// The members of a group that are none to count on: their hosts are away, or left alone.
pub(super) fn away<'a>(
    ground: Ground<'a>,
    group: &ServiceName,
    hosts: &BTreeMap<HostName, HostPlan>,
) -> Vec<&'a HostName> {
    let members = ground.placed.groups.get(group).map(|group| group.members.as_slice()).unwrap_or_default();
    let is_away = |host: &&HostName| hosts.get(*host).is_some_and(|host| host.standing != Standing::Ready);
    members.iter().filter(is_away).collect()
}

/// Lets changes wait that would cost a cluster its majority.
pub(super) fn hold_back(ground: Ground<'_>, hosts: &mut BTreeMap<HostName, HostPlan>) {
    for group in ground.placed.groups.values() {
        let quorum = ground.project.services.get(&group.service).is_some_and(|service| service.update.quorum);
        let members = group.members.len();
        let away = away(ground, &group.name, hosts);
        // Of two, no one can be missed at any time.
        if !quorum || members < 3 || members.saturating_sub(away.len() + 1) > members / 2 {
            continue;
        }
        let names: Vec<&str> = away.iter().map(|host| host.as_str()).collect();
        let why = format!(
            "one more of its {members} members down would cost it its majority: {} cannot be counted on",
            names.join(", ")
        );
        for host in hosts.values_mut() {
            let disturbed = host.changes.iter().any(|change| {
                matches!(change.class, Class::Restart | Class::Replace) && change.services.contains(&group.name)
            });
            if disturbed && host.standing == Standing::Ready {
                host.waits.insert(group.name.clone(), why.clone());
            }
        }
    }
}
