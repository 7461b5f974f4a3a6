//! Which group comes before which: a group's level is one more than the highest of those that it needs first.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::Ground;
use crate::estate::Provider;
use crate::name::ServiceName;

/// The level of every group, from 0 on.
pub(super) fn levels(ground: Ground<'_>) -> BTreeMap<ServiceName, usize> {
    let mut levels = BTreeMap::new();
    for name in ground.placed.groups.keys() {
        level(ground, name, &mut levels, &mut BTreeSet::new());
    }
    levels
}

fn level(
    ground: Ground<'_>,
    name: &ServiceName,
    levels: &mut BTreeMap<ServiceName, usize>,
    above: &mut BTreeSet<ServiceName>,
) -> usize {
    if let Some(level) = levels.get(name) {
        return *level;
    }
    // Circles are refused when specs are read; one here ends where it began.
    if !above.insert(name.clone()) {
        return 0;
    }
    let mut found = 0;
    for first in before(ground, name) {
        found = found.max(level(ground, &first, levels, above) + 1);
    }
    above.remove(name);
    levels.insert(name.clone(), found);
    found
}

/// The groups that a group needs first.
pub(super) fn before(ground: Ground<'_>, name: &ServiceName) -> BTreeSet<ServiceName> {
    let Some(group) = ground.placed.groups.get(name) else { return BTreeSet::new() };
    let mut found = BTreeSet::new();
    for binding in group.needs.values().filter(|binding| binding.order) {
        if let Provider::Group(provider) = &binding.provider {
            found.insert(provider.clone());
        }
    }
    let service = ground.project.services.get(&group.service);
    for after in service.into_iter().flat_map(|service| &service.life.after) {
        let others = ground.placed.groups.values().filter(|other| other.service == after.value);
        let shared = others.filter(|other| other.members.iter().any(|host| group.members.contains(host)));
        found.extend(shared.map(|other| other.name.clone()));
    }
    found.remove(name);
    found
}
