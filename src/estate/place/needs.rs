//! Who answers a need: who is bound, else the own host's, else the own cell's, else the cloud's.

use std::collections::BTreeMap;

use crate::name::{CapabilityName, CellName, ServiceName};
use crate::spec::{Log, Mistake, Span, did_you_mean};

use super::super::{Bind, Need, Scope, Service};
use super::groups::unknown;
use super::{Binding, Ground, Group, Placed, Provider};

/// Something that provides.
#[derive(Debug, Clone, Copy)]
struct Candidate<'a> {
    name: &'a ServiceName,
    cell: Option<&'a CellName>,
    /// The group; none for an external.
    group: Option<&'a Group>,
    scope: Scope,
    span: Span,
}

/// Answers every need of every group.
pub(super) fn answer(ground: &Ground<'_>, placed: &mut Placed, log: &mut Log) {
    binds(ground, placed, log);
    let mut answers: BTreeMap<ServiceName, BTreeMap<CapabilityName, Binding>> = BTreeMap::new();
    for group in placed.groups.values() {
        let Some(service) = ground.services.get(&group.service) else { continue };
        for (name, need) in &service.needs {
            let provider = find(ground, placed, group, service, name, need, log);
            let binding = Binding { capability: need.capability.value.clone(), provider, order: need.order };
            answers.entry(group.name.clone()).or_default().insert(name.clone(), binding);
        }
    }
    for (name, needs) in answers {
        if let Some(group) = placed.groups.get_mut(&name) {
            group.needs = needs;
        }
    }
    cycles(placed, log);
}

fn candidates<'a>(ground: &'a Ground<'_>, placed: &'a Placed, capability: &CapabilityName) -> Vec<Candidate<'a>> {
    let groups = placed.groups.values().filter_map(|group| {
        let service = ground.services.get(&group.service)?;
        service.provides.contains_key(capability).then_some(Candidate {
            name: &group.name,
            cell: group.cell.as_ref(),
            group: Some(group),
            scope: service.scope,
            span: group.span,
        })
    });
    let externals = ground.estate.externals.iter().filter(|(_, external)| external.provides.contains_key(capability));
    let externals = externals.map(|(name, external)| Candidate {
        name,
        cell: external.cell.as_ref(),
        group: None,
        scope: Scope::Cloud,
        span: external.span,
    });
    groups.chain(externals).collect()
}

fn provider(candidate: &Candidate<'_>) -> Provider {
    match candidate.group {
        Some(_) => Provider::Group(candidate.name.clone()),
        None => Provider::External(candidate.name.clone()),
    }
}

/// The bind that holds for a need of a group; one of its own cell first.
fn bound<'a>(
    ground: &'a Ground<'_>,
    group: &Group,
    name: &CapabilityName,
) -> Option<(&'a Bind, &'a crate::spec::Spanned<ServiceName>)> {
    let fits = |bind: &&Bind| {
        (bind.service.value == group.service || bind.service.value == group.name)
            && (bind.cell.is_none() || bind.cell == group.cell)
    };
    let mut all: Vec<&Bind> = ground.estate.binds.iter().filter(fits).collect();
    all.sort_by_key(|bind| (bind.service.value != group.name, bind.cell.is_none()));
    all.into_iter().find_map(|bind| Some((bind, bind.needs.get(name.as_str())?)))
}

fn find(
    ground: &Ground<'_>,
    placed: &Placed,
    group: &Group,
    service: &Service,
    name: &CapabilityName,
    need: &Need,
    log: &mut Log,
) -> Provider {
    let capability = &need.capability.value;
    let all = candidates(ground, placed, capability);
    if let Some((_, target)) = bound(ground, group, name) {
        if let Some(found) = all.iter().find(|candidate| *candidate.name == target.value) {
            return provider(found);
        }
        let exists = placed.groups.contains_key(&target.value) || ground.estate.externals.contains_key(&target.value);
        let message = match exists {
            true => format!("`{}` does not provide `{capability}`", target.value),
            false => format!("nothing in the estate is called `{}`", target.value),
        };
        let names = all.iter().map(|candidate| candidate.name.as_str());
        let help = did_you_mean(target.as_str(), names.clone()).or_else(|| {
            let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
            (!names.is_empty()).then(|| format!("`{capability}` is provided by {}", names.join(", ")))
        });
        log.push(Mistake::new("unmet-need", target.span, message).label("cannot be bound").help_if(help));
        return Provider::Nobody;
    }
    let others = || all.iter().filter(|candidate| *candidate.name != group.name);
    let local: Vec<&Candidate<'_>> = others()
        .filter(|candidate| candidate.scope == Scope::Host)
        .filter(|candidate| {
            let there = candidate.group.map(|group| group.members.as_slice()).unwrap_or_default();
            group.members.iter().all(|host| there.contains(host))
        })
        .collect();
    let own_cell: Vec<&Candidate<'_>> = others()
        .filter(|candidate| {
            candidate.scope != Scope::Host && group.cell.is_some() && candidate.cell == group.cell.as_ref()
        })
        .collect();
    let cloud: Vec<&Candidate<'_>> =
        others().filter(|candidate| candidate.scope != Scope::Host && candidate.cell.is_none()).collect();
    let level = [local, own_cell, cloud].into_iter().find(|level| !level.is_empty()).unwrap_or_default();
    match level.as_slice() {
        [one] => provider(one),
        [] if need.optional => Provider::Nobody,
        [] => {
            log.push(unmet(ground, group, service, name, need, &all));
            Provider::Nobody
        }
        several => {
            let names: Vec<String> = several.iter().map(|candidate| format!("`{}`", candidate.name)).collect();
            let message = format!("`{}` needs `{capability}`, which {} provide", group.name, names.join(" and "));
            let mut mistake = Mistake::new("ambiguous-need", need.span, message).label("which of them?");
            for candidate in several {
                mistake = mistake.also(candidate.span, format!("`{}` provides it", candidate.name));
            }
            let first = several.first().map(|candidate| candidate.name.to_string()).unwrap_or_default();
            let place = group.cell.as_ref().map(|cell| format!(" in=\"{cell}\"")).unwrap_or_default();
            log.push(mistake.help(format!("write bind \"{}\"{place} {name}=\"{first}\" in the estate", group.service)));
            Provider::Nobody
        }
    }
}

fn unmet(
    ground: &Ground<'_>,
    group: &Group,
    service: &Service,
    name: &CapabilityName,
    need: &Need,
    all: &[Candidate<'_>],
) -> Mistake {
    let capability = &need.capability.value;
    let message = format!(
        "`{}` needs `{capability}`, which nothing in the estate `{}` provides{}",
        service.name,
        ground.estate.name,
        if all.is_empty() { "" } else { " to it" }
    );
    let mistake = Mistake::new("unmet-need", need.capability.span, message).label("not met");
    let elsewhere: Vec<String> = all.iter().map(|candidate| format!("`{}`", candidate.name)).collect();
    let help = if let Some(first) = all.first() {
        let local = all.iter().filter(|candidate| candidate.scope == Scope::Host).find_map(|candidate| {
            let there = &candidate.group?.members;
            let without = group.members.iter().find(|host| !there.contains(host))?;
            Some(format!("`{}` runs on its own hosts only, and not on {without}", candidate.name))
        });
        local.unwrap_or_else(|| {
            let place = group.cell.as_ref().map(|cell| format!(" in=\"{cell}\"")).unwrap_or_default();
            let bind = format!("bind \"{}\"{place} {name}=\"{}\"", group.service, first.name);
            format!("{} {} for cells: write {bind}", elsewhere.join(" and "), if all.len() == 1 { "is" } else { "are" })
        })
    } else {
        let able: Vec<&Service> =
            ground.services.values().filter(|service| service.provides.contains_key(capability)).collect();
        match able.as_slice() {
            [] => {
                let known: Vec<&str> = ground
                    .services
                    .values()
                    .flat_map(|service| service.provides.keys().map(CapabilityName::as_str))
                    .collect();
                did_you_mean(capability.as_str(), known)
                    .unwrap_or_else(|| "no service provides it; `external` names what wharf does not run".to_owned())
            }
            [one, ..] => {
                let roles: Vec<String> = one.roles.iter().map(|role| format!("`{}`", **role)).collect();
                let chosen = ground.estate.services.is_empty()
                    || ground.estate.services.iter().any(|name| name.value == one.name);
                match (chosen, roles.is_empty()) {
                    (true, false) => format!("`{}` provides it: give a host the role {}", one.name, roles.join(" or ")),
                    _ => format!("`{}` provides it: name it in `services` of the estate, or stamp it", one.name),
                }
            }
        }
    };
    mistake.help(help)
}

/// Binds that bind nothing.
fn binds(ground: &Ground<'_>, placed: &Placed, log: &mut Log) {
    for bind in &ground.estate.binds {
        let groups: Vec<&Group> = placed
            .groups
            .values()
            .filter(|group| bind.service.value == group.service || bind.service.value == group.name)
            .collect();
        if groups.is_empty() {
            let known = placed.groups.values().flat_map(|group| [group.service.as_str(), group.name.as_str()]);
            log.push(unknown(&bind.service, "service in the estate called", known));
            continue;
        }
        if let Some(cell) = &bind.cell
            && ground.estate.cells.contains_key(cell)
            && !groups.iter().any(|group| group.cell.as_ref() == Some(cell))
        {
            let message = format!("`{}` does not run in the cell `{cell}`", *bind.service);
            log.push(Mistake::new("unknown-name", bind.span, message).label("binds nothing"));
        }
        let services = groups.iter().filter_map(|group| ground.services.get(&group.service));
        let needs: Vec<&str> = services.flat_map(|service| service.needs.keys().map(CapabilityName::as_str)).collect();
        for (name, target) in &bind.needs {
            if !needs.contains(&name.as_str()) {
                let message = format!("`{}` has no need called `{name}`", *bind.service);
                let help = did_you_mean(name, needs.iter().copied());
                log.push(Mistake::new("unknown-name", target.span, message).label("binds nothing").help_if(help));
            }
        }
    }
}

/// Groups that have to wait for one another.
fn cycles(placed: &Placed, log: &mut Log) {
    let mut left: BTreeMap<&ServiceName, Vec<&ServiceName>> = BTreeMap::new();
    for group in placed.groups.values() {
        let providers = group.needs.values().filter(|need| need.order).filter_map(|need| match &need.provider {
            Provider::Group(name) => Some(name),
            _ => None,
        });
        left.insert(&group.name, providers.collect());
    }
    loop {
        // What waits for nobody that is left can start.
        let free: Vec<&ServiceName> = left
            .iter()
            .filter(|(_, after)| !after.iter().any(|name| left.contains_key(name)))
            .map(|(name, _)| *name)
            .collect();
        if !free.is_empty() {
            left.retain(|name, _| !free.contains(name));
            continue;
        }
        let Some(mut name) = left.keys().next().copied() else { return };
        let mut path: Vec<&ServiceName> = Vec::new();
        while !path.contains(&name) {
            path.push(name);
            let next = left.get(name).and_then(|after| after.iter().find(|name| left.contains_key(*name)));
            name = next.copied().unwrap_or(name);
        }
        let at = path.iter().position(|known| *known == name).unwrap_or(0);
        let circle = path.split_off(at);
        let words: Vec<String> = circle.iter().chain([&name]).map(|name| format!("`{name}`")).collect();
        if let Some(group) = placed.groups.get(name) {
            let message = format!("services wait for one another: {}", words.join(" → "));
            let help = "a need that may come up later says order=#false";
            log.push(Mistake::new("cycle", group.span, message).label("in this circle").help(help));
        }
        left.retain(|name, _| !circle.contains(name));
    }
}
