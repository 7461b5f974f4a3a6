//! Services to groups of members.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::{CapabilityName, CellName, HostName, RoleName, ServiceName};
use crate::spec::{Log, Mistake, Span, Spanned, did_you_mean};

use super::super::{Cell, Estate, Overrides, Port, Scope, Service};
use super::{Front, Ground, Group, Placed, clashes, lints, names, needs, roles, secrets};

/// By how much a cell's number moves its ports.
const STEP: u16 = 10;

/// Puts every service of an estate in its place.
pub(in super::super) fn place(ground: &Ground<'_>, log: &mut Log) -> Placed {
    let mut placed = Placed::default();
    names(ground, log);
    for service in selected(ground, log) {
        for group in groups(ground.estate, service, log) {
            add(&mut placed, group, log);
        }
    }
    for (name, stamp) in &ground.estate.stamps {
        let Some(service) = ground.services.get(&stamp.service.value) else {
            log.push(unknown(&stamp.service, "service", ground.services.keys().map(ServiceName::as_str)));
            continue;
        };
        let shift = stamp.shift.unwrap_or_else(|| cell_shift(ground.estate, stamp.cell.as_ref()));
        let mut members: Vec<HostName> = Vec::new();
        for host in &stamp.hosts {
            match ground.estate.hosts.get(&host.value) {
                None => log.push(unknown(host, "host", ground.estate.hosts.keys().map(HostName::as_str))),
                Some(_) if members.contains(&host.value) => {
                    let mistake = Mistake::new("duplicate", host.span, format!("`{}` is named twice", **host));
                    log.push(mistake.label("once is enough"));
                }
                Some(found) if found.leave => {}
                Some(_) => members.push(host.value.clone()),
            }
        }
        members.sort();
        let ports = ports(service, shift, &[&stamp.own], true, log);
        let group = Group {
            name: name.clone(),
            service: service.name.clone(),
            cell: stamp.cell.clone(),
            instance: None,
            stamped: true,
            members,
            ports,
            needs: BTreeMap::new(),
            span: stamp.span,
        };
        add(&mut placed, group, log);
    }
    needs::answer(ground, &mut placed, log);
    fronts(ground, &mut placed, log);
    clashes::report(ground, &placed, log);
    names::report(ground, &placed, log);
    lints::report(ground, &mut placed, log);
    roles::report(ground, &placed, log);
    placed.secrets = secrets::gather(ground, &placed, log);
    placed
}

/// The mistake of a name that nothing has.
pub(super) fn unknown<'a, T: AsRef<str>>(
    name: &Spanned<T>,
    kind: &str,
    known: impl Iterator<Item = &'a str>,
) -> Mistake {
    let text = name.value.as_ref();
    let mistake = Mistake::new("unknown-name", name.span, format!("there is no {kind} `{text}`"));
    mistake.label("not known").help_if(did_you_mean(text, known))
}

/// Names of an estate that mean nothing.
fn names(ground: &Ground<'_>, log: &mut Log) {
    let estate = ground.estate;
    let held: BTreeSet<&RoleName> = estate
        .hosts
        .values()
        .flat_map(|host| &host.roles)
        .chain(estate.cells.values().flat_map(|cell| cell.shares.iter().flat_map(|share| &share.roles)))
        .map(|role| &role.value)
        .collect();
    let asked = ground.services.values().flat_map(|service| &service.roles).map(|role| &role.value);
    let of_services: BTreeSet<&RoleName> =
        asked.chain(estate.vips.values().flat_map(|vip| &vip.roles).map(|role| &role.value)).collect();
    for host in estate.hosts.values() {
        for role in &host.roles {
            if !of_services.contains(&role.value) {
                let known = of_services.iter().map(|role| role.as_str());
                let mistake = Mistake::new("unknown-name", role.span, format!("no service has the role `{}`", **role));
                log.push(mistake.label("nothing would run for it").help_if(did_you_mean(role.as_str(), known)));
            }
        }
    }
    for (role, changes) in &estate.roles {
        if !held.contains(role) {
            let mistake = Mistake::new("unknown-name", changes.span, format!("no host holds the role `{role}`"));
            let help = did_you_mean(role.as_str(), held.iter().map(|role| role.as_str()));
            log.push(mistake.label("changes nothing").help_if(help));
        }
    }
    for cell in estate.cells.values() {
        for host in cell.shares.iter().flat_map(|share| &share.hosts) {
            if !estate.hosts.contains_key(&host.value) {
                log.push(unknown(host, "host", estate.hosts.keys().map(HostName::as_str)));
            }
        }
    }
    let mut numbers: BTreeMap<u16, &Cell> = BTreeMap::new();
    for cell in estate.cells.values() {
        let Some(number) = cell.number else {
            let mistake = Mistake::new("missing", cell.span, format!("the cell `{}` has no number", cell.name));
            let help = "its number keeps its ports apart from those of other cells: write number=1";
            log.push(mistake.label("no digits to take it from").help(help));
            continue;
        };
        if let Some(first) = numbers.insert(number, cell) {
            let message = format!("the cells `{}` and `{}` have the number {number}", first.name, cell.name);
            let mistake = Mistake::new("duplicate", cell.span, message).label("the second");
            log.push(mistake.also(first.span, "the first").help("give one of them number="));
        }
    }
    releases(estate, log);
    let stamps = estate.stamps.values().filter_map(|stamp| Some((stamp.cell.as_ref()?, stamp.span)));
    let binds = estate.binds.iter().filter_map(|bind| Some((bind.cell.as_ref()?, bind.span)));
    let externals = estate.externals.values().filter_map(|external| Some((external.cell.as_ref()?, external.span)));
    for (cell, span) in stamps.chain(binds).chain(externals) {
        if !estate.cells.contains_key(cell) {
            let name = Spanned::new(cell.clone(), span);
            log.push(unknown(&name, "cell", estate.cells.keys().map(CellName::as_str)));
        }
    }
}

/// Releases of cells that are none of the estate's, or too old.
fn releases(estate: &Estate, log: &mut Log) {
    let known = || estate.releases.iter().map(|release| release.as_str());
    for (at, release) in estate.releases.iter().enumerate() {
        if let Some(first) = estate.releases.iter().take(at).find(|first| first.value == release.value) {
            let mistake =
                Mistake::new("duplicate", release.span, format!("the release `{}` is named twice", **release));
            log.push(mistake.label("again here").also(first.span, "first here"));
        }
    }
    for cell in estate.cells.values() {
        let Some(release) = &cell.release else { continue };
        let Some(newest) = estate.releases.last() else {
            let message = format!("the estate `{}` does not say in which order its releases are", estate.name);
            let mistake = Mistake::new("missing", release.span, message).label("how old is this?");
            let help = format!(
                "write releases \"{}\" \"current\" in the estate: the oldest first, and last what it runs",
                **release
            );
            log.push(mistake.help(help));
            continue;
        };
        let behind = estate.releases.iter().rev().position(|known| known.value == release.value);
        let Some(behind) = behind else {
            log.push(unknown(release, "release of the estate called", known()));
            continue;
        };
        if u32::try_from(behind).is_ok_and(|behind| behind > estate.skew) {
            let message = format!(
                "the cell `{}` stays on `{}`, which is {behind} releases behind `{}`",
                cell.name, **release, **newest
            );
            let mistake = Mistake::new("skew", release.span, message).label("too old");
            let help = match estate.skew {
                1 => "a cell may be one release behind: move it on first, or write skew=2 behind `releases`".to_owned(),
                skew => format!("a cell may be {skew} releases behind (`skew=`): move it on first"),
            };
            log.push(mistake.also(newest.span, "what the estate runs").help(help));
        }
    }
}

/// The services that an estate runs by their roles.
fn selected<'a>(ground: &Ground<'a>, log: &mut Log) -> Vec<&'a Service> {
    let estate = ground.estate;
    if estate.services.is_empty() {
        let own = ground.services.values().filter(|service| service.origin == estate.origin);
        return own.collect();
    }
    let mut found: Vec<&Service> = Vec::new();
    for name in &estate.services {
        match ground.services.get(&name.value) {
            None => log.push(unknown(name, "service", ground.services.keys().map(ServiceName::as_str))),
            Some(service) if found.iter().any(|known| known.name == service.name) => {
                let mistake = Mistake::new("duplicate", name.span, format!("`{}` is named twice", **name));
                log.push(mistake.label("once is enough"));
            }
            Some(service) => found.push(service),
        }
    }
    found
}

fn cell_shift(estate: &Estate, cell: Option<&CellName>) -> u16 {
    let number = cell.and_then(|cell| estate.cells.get(cell)).and_then(|cell| cell.number).unwrap_or(0);
    number.saturating_mul(STEP)
}

/// The groups of a service that its roles make.
fn groups(estate: &Estate, service: &Service, log: &mut Log) -> Vec<Group> {
    let holds = |roles: &[Spanned<RoleName>]| {
        roles.iter().any(|role| service.roles.iter().any(|wanted| wanted.value == role.value))
    };
    let anywhere = service.roles.is_empty() && service.scope == Scope::Host;
    let hosts = || estate.hosts.values().filter(|host| !host.leave);
    let mut places: Vec<(Option<CellName>, Vec<HostName>)> = Vec::new();
    match service.scope {
        Scope::Cloud | Scope::Host => {
            let members = hosts().filter(|host| anywhere || holds(&host.roles)).map(|host| host.name.clone());
            places.push((None, members.collect()));
        }
        Scope::Cell => {
            let outside = hosts().filter(|host| host.cell.is_none() && holds(&host.roles));
            places.push((None, outside.map(|host| host.name.clone()).collect()));
            for cell in estate.cells.values() {
                let own = hosts().filter(|host| host.cell.as_ref() == Some(&cell.name) && holds(&host.roles));
                let shared = cell.shares.iter().filter(|share| holds(&share.roles)).flat_map(|share| &share.hosts);
                let shared = shared.filter_map(|name| estate.hosts.get(&name.value)).filter(|host| !host.leave);
                let members: BTreeSet<HostName> = own.chain(shared).map(|host| host.name.clone()).collect();
                places.push((Some(cell.name.clone()), members.into_iter().collect()));
            }
        }
    }
    let mut groups = Vec::new();
    for (cell, members) in places.into_iter().filter(|(_, members)| !members.is_empty()) {
        let shift = cell_shift(estate, cell.as_ref());
        let instances: Vec<Option<(&ServiceName, &Overrides)>> = match service.instances.is_empty() {
            true => vec![None],
            false => service.instances.iter().map(Some).collect(),
        };
        for instance in instances {
            let parts = [
                Some(service.name.as_str()),
                instance.map(|(name, _)| name.as_str()),
                cell.as_ref().map(CellName::as_str),
            ];
            let name: Vec<&str> = parts.into_iter().flatten().collect();
            let name = match ServiceName::new(name.join("-")) {
                Ok(name) => name,
                Err(error) => {
                    log.push(
                        Mistake::new("bad-value", service.span, error.to_string()).label("too long with its cell"),
                    );
                    continue;
                }
            };
            let own: Vec<&Overrides> = instance.iter().map(|(_, own)| *own).collect();
            groups.push(Group {
                name,
                service: service.name.clone(),
                cell: cell.clone(),
                instance: instance.map(|(name, _)| name.clone()),
                stamped: false,
                members: members.clone(),
                ports: ports(service, shift, &own, false, log),
                needs: BTreeMap::new(),
                span: service.span,
            });
        }
    }
    groups
}

/// A group's ports: the service's, as its instance or stamp has them, else moved.
fn ports(
    service: &Service,
    shift: u16,
    own: &[&Overrides],
    exact: bool,
    log: &mut Log,
) -> BTreeMap<CapabilityName, Port> {
    let provided = service.provides.iter().filter_map(|(name, provide)| Some((name, provide.port.as_ref()?)));
    let all = provided.chain(&service.ports);
    let mut ports = BTreeMap::new();
    for (name, port) in all {
        let set = own.iter().filter_map(|own| own.ports.get(name)).next_back();
        let number = match set {
            // A stamp says the very number; an instance says that of its service, which a cell moves.
            Some(number) if exact => Some(number.value),
            Some(number) => number.value.checked_add(shift),
            None => port.number.checked_add(shift),
        };
        match number {
            Some(number) => {
                ports.insert(name.clone(), Port { number, ..port.clone() });
            }
            None => {
                let message = format!("port {} moved by {shift} is above 65535", port.number);
                log.push(Mistake::new("out-of-range", port.span, message).label("too high for a cell"));
            }
        }
    }
    for own in own {
        for (name, number) in own.ports.iter().filter(|(name, _)| !ports.contains_key(*name)) {
            let named = Spanned::new(name.clone(), number.span);
            let kind = format!("port of `{}` called", service.name);
            log.push(unknown(&named, &kind, ports.keys().map(CapabilityName::as_str)));
        }
    }
    ports
}

fn add(placed: &mut Placed, group: Group, log: &mut Log) {
    if let Some(first) = placed.groups.get(&group.name) {
        let message = format!("two units would be called `{}`", group.name);
        let mistake = Mistake::new("duplicate", group.span, message).label("the second");
        let (span, service) = (first.span, &first.service);
        log.push(
            mistake.also(span, format!("the first, of `{service}`")).help("give one of them another name: as=\"…\""),
        );
        return;
    }
    for host in &group.members {
        placed.hosts.entry(host.clone()).or_default().insert(group.name.clone());
    }
    placed.groups.insert(group.name.clone(), group);
}

/// What stands before balanced groups, in the order of their names.
fn fronts(ground: &Ground<'_>, placed: &mut Placed, log: &mut Log) {
    let mut fronts: BTreeMap<_, Vec<Front>> = BTreeMap::new();
    let mut taken: BTreeMap<(String, u16), (ServiceName, Span)> = BTreeMap::new();
    for group in placed.groups.values() {
        let Some(service) = ground.services.get(&group.service) else { continue };
        for (capability, provide) in &service.provides {
            let (Some(balance), Some(port)) = (&provide.balance, group.ports.get(capability)) else { continue };
            let Some(vip) = ground.estate.vips.get(&balance.value) else { continue };
            let key = (vip.address.to_string(), port.number);
            if let Some((other, first)) = taken.get(&key) {
                let message = format!("`{other}` and `{}` are both balanced at {}:{}", group.name, key.0, key.1);
                let mistake = Mistake::new("port-clash", provide.span, message).label("and this");
                log.push(mistake.also(*first, "this").help("give one of them another port"));
                continue;
            }
            taken.insert(key, (group.name.clone(), provide.span));
            let front = Front { group: group.name.clone(), capability: capability.clone(), port: port.number };
            fronts.entry(balance.value.clone()).or_default().push(front);
        }
    }
    placed.fronts = fronts;
}
