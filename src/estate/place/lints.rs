//! What cannot work where it is placed.

use std::collections::BTreeMap;

use crate::name::{NetworkName, ServiceName};
use crate::spec::{Log, Mistake, Span, did_you_mean};

use super::super::{
    Change, ConfigContent, Format, Health, Host, Notify, OnChange, Override, Overrides, Owner, Service,
};
use super::groups::unknown;
use super::{Ground, Group, Placed, podman};

/// Reports all of it, and notes the groups that have no health check.
pub(super) fn report(ground: &Ground<'_>, placed: &mut Placed, log: &mut Log) {
    let mut of: BTreeMap<&ServiceName, Vec<&Group>> = BTreeMap::new();
    for group in placed.groups.values() {
        of.entry(&group.service).or_default().push(group);
    }
    let (mut unchecked, mut warnings) = (Vec::new(), Vec::new());
    for (name, groups) in &of {
        let Some(service) = ground.services.get(*name) else { continue };
        let hosts: Vec<&Host> =
            groups.iter().flat_map(|group| &group.members).filter_map(|name| ground.estate.hosts.get(name)).collect();
        if !ground.known_images.contains(service.image.as_str()) {
            log.push(unknown(&service.image, "image", ground.known_images.iter().copied()));
            continue;
        }
        let found: Vec<_> = hosts.iter().map(|host| (*host, (ground.images)(service, host))).collect();
        if let Some((host, _)) = found.iter().find(|(_, image)| image.is_none()) {
            let message = format!("the image `{}` is not built for {}", *service.image, host.name);
            let mistake = Mistake::new("unbuildable", service.image.span, message).label("this image");
            let help = "the host's `arch` and `distro`, else those of the estate, say what it takes";
            log.push(mistake.also(host.span, "runs on this host").help(help));
            continue;
        }
        let health = match &service.life.health {
            Some(own) => own.as_ref().map(|health| &health.value),
            None => found.iter().find_map(|(_, image)| image.as_ref()?.config.health.as_ref()),
        };
        if health.is_none() {
            unchecked.extend(groups.iter().map(|group| group.name.clone()));
        }
        gates(service, health, log);
        after(ground, placed, service, groups, log);
        reloads(service, log);
        rootless(service, log);
        podman::report(service, &hosts, health, log, &mut warnings);
        networks(ground, service, &hosts, log);
    }
    overrides(ground, placed, &of, log);
    vips(ground, placed, log);
    placed.unchecked = unchecked.into_iter().collect();
    placed.warnings = warnings;
}

/// A gate without a check, and times that cannot be kept.
fn gates(service: &Service, health: Option<&Health>, log: &mut Log) {
    let life = &service.life;
    let help = "write health \"healthcheck_http\" \"http://localhost:80/\" in the service or its image";
    match (&life.notify, health) {
        (Some(notify), None) if notify.value == Notify::Healthy => {
            let message = format!("`{}` counts as started when it is healthy, and has no health check", service.name);
            log.push(Mistake::new("no-health", notify.span, message).label("never holds").help(help));
        }
        _ => {}
    }
    let Some(health) = health else { return };
    let budget = start_budget(health);
    if let Some(limit) = &life.start_timeout_ms
        && limit.value < budget
    {
        let message = format!(
            "`{}` may take {} to start, and its health check allows itself {}",
            service.name,
            seconds(limit.value),
            seconds(budget)
        );
        let mistake = Mistake::new("timeout", limit.span, message).label("ends it while it still starts");
        log.push(mistake.help("the budget is start + (interval + timeout) × (retries + 1) of the health check"));
    }
    if service.update.deadline_ms < budget.saturating_add(service.update.healthy_for_ms) {
        let own = life.health.as_ref().and_then(|own| own.as_ref()).map(|health| health.span);
        let span = service.update.span.or(own).unwrap_or(service.span);
        let message = format!(
            "an update of `{}` may take {}, and it is healthy after {} at the latest, plus {} to stay so",
            service.name,
            seconds(service.update.deadline_ms),
            seconds(budget),
            seconds(service.update.healthy_for_ms)
        );
        let mistake = Mistake::new("timeout", span, message).label("longer than `deadline` of its `update`");
        log.push(mistake.help("give `update deadline=` more, or the health check less"));
    }
}

/// How long a service can take until its check has passed or failed for good, in milliseconds.
pub(in super::super) fn start_budget(health: &Health) -> u64 {
    let tries = u64::from(health.retries).saturating_add(1);
    health.start_ms.saturating_add((health.interval_ms.saturating_add(health.timeout_ms)).saturating_mul(tries))
}

pub(super) fn seconds(millis: u64) -> String {
    match millis % 1000 {
        0 => format!("{} s", millis / 1000),
        rest => format!("{}.{rest:03} s", millis / 1000),
    }
}

/// Services that must be on the same host, and are not.
fn after(ground: &Ground<'_>, placed: &Placed, service: &Service, groups: &[&Group], log: &mut Log) {
    for name in &service.life.after {
        let Some(other) = ground.services.get(&name.value) else {
            log.push(unknown(name, "service", ground.services.keys().map(ServiceName::as_str)));
            continue;
        };
        let without = groups.iter().flat_map(|group| &group.members).find(|host| {
            let there = placed.hosts.get(*host).into_iter().flatten();
            !there.filter_map(|group| placed.groups.get(group)).any(|group| group.service == other.name)
        });
        if let Some(host) = without {
            let message =
                format!("`{}` is to start after `{}`, which does not run on {host}", service.name, other.name);
            let mistake = Mistake::new("across-hosts", name.span, message).label("not on every host of it");
            let help = "units order on their own host only; what is needed of others is said with `needs`";
            log.push(mistake.help(help));
        }
    }
}

/// Files that are to be read again by a service that cannot be told to.
fn reloads(service: &Service, log: &mut Log) {
    for config in service.configs.values().filter(|config| config.on_change == OnChange::Reload) {
        if service.life.reload.is_none() {
            let message = format!("`{}` is not told how to read {} again", service.name, config.path);
            let mistake =
                Mistake::new("no-reload", config.span, message).label("on-change=\"reload\" needs a `reload`");
            log.push(mistake.help("write reload signal=\"SIGHUP\", or reload \"program\" \"argument\""));
        }
    }
}

/// Files of a rootless service that would have to stay where they are, with an owner that the host has no number for.
fn rootless(service: &Service, log: &mut Log) {
    let Some(account) = &service.container.run_as else { return };
    let root = |owner: &Owner| match owner {
        Owner::Id(id) => *id == 0,
        Owner::Name(name) => name.as_str() == "root",
    };
    for config in service.configs.values() {
        let owners = [&config.owner, &config.group];
        if config.on_change == OnChange::Restart || owners.into_iter().flatten().all(root) {
            continue;
        }
        let message = format!(
            "{} cannot be replaced while `{}` runs: its owner has no number on a host",
            config.path, service.name
        );
        let mistake = Mistake::new("rootless", config.span, message).label("the superuser's alone can be");
        let help = "make it root's, with a mode that the program can read it by, or leave `on-change` away: then it is a \
                    secret of podman's";
        log.push(mistake.also(account.span, "rootless").help(help));
    }
}

/// Hosts that are not on a network that others are on.
fn networks(ground: &Ground<'_>, service: &Service, hosts: &[&Host], log: &mut Log) {
    let Some(network) = &service.on_network else { return };
    let all = ground.estate.hosts.values();
    if !all.clone().any(|host| host.networks.contains_key(&network.value)) {
        return;
    }
    if let Some(host) = hosts.iter().find(|host| !host.networks.contains_key(&network.value)) {
        let known: Vec<&str> = all.flat_map(|host| host.networks.keys()).map(NetworkName::as_str).collect();
        let message =
            format!("`{}` talks on the network `{}`, and {} is not on it", service.name, **network, host.name);
        let mistake = Mistake::new("unknown-name", host.span, message).label("no such `network` here");
        let help = did_you_mean(network.as_str(), known.into_iter().filter(|name| *name != network.as_str()));
        let help = help.unwrap_or_else(|| format!("write network \"{}\" address=\"…\" in the host", **network));
        log.push(mistake.also(network.span, "wanted here").help(help));
    }
}

/// Changes that change nothing.
fn overrides(ground: &Ground<'_>, placed: &Placed, of: &BTreeMap<&ServiceName, Vec<&Group>>, log: &mut Log) {
    let estate = ground.estate;
    let groups: Vec<&Group> = placed.groups.values().collect();
    let mut check = |own: &Overrides, place: &str, here: &[&Group]| {
        for file in &own.files {
            used(ground, file, place, here, log);
        }
    };
    check(&estate.own, "the estate", &groups);
    for (role, changes) in &estate.roles {
        let here: Vec<&Group> = groups
            .iter()
            .filter(|group| {
                let hosts = group.members.iter().filter_map(|name| estate.hosts.get(name));
                let cell = group.cell.as_ref().and_then(|cell| estate.cells.get(cell));
                let shared = cell.into_iter().flat_map(|cell| &cell.shares).flat_map(|share| &share.roles);
                hosts.flat_map(|host| &host.roles).chain(shared).any(|held| held.value == *role)
            })
            .copied()
            .collect();
        check(&changes.own, &format!("hosts of the role `{role}`"), &here);
    }
    for cell in estate.cells.values() {
        let here: Vec<&Group> = groups
            .iter()
            .filter(|group| {
                let hosts = group.members.iter().filter_map(|name| estate.hosts.get(name));
                group.cell.as_ref() == Some(&cell.name)
                    || hosts.into_iter().any(|host| host.cell.as_ref() == Some(&cell.name))
            })
            .copied()
            .collect();
        check(&cell.own, &format!("the cell `{}`", cell.name), &here);
    }
    for host in estate.hosts.values() {
        let here: Vec<&Group> = placed.on(&host.name).collect();
        check(&host.own, &format!("the host {}", host.name), &here);
    }
    for (name, stamp) in &estate.stamps {
        let here: Vec<&Group> = placed.groups.get(name).into_iter().collect();
        check(&stamp.own, &format!("`{name}`"), &here);
    }
    for (name, groups) in of {
        let Some(service) = ground.services.get(*name) else { continue };
        check(&service.own, &format!("`{name}`"), groups);
        for (instance, own) in &service.instances {
            let here: Vec<&Group> =
                groups.iter().filter(|group| group.instance.as_ref() == Some(instance)).copied().collect();
            if !here.is_empty() {
                check(own, &format!("`{name}`"), &here);
            }
        }
    }
}

/// Whether a file that is changed is one of a service that is there, and of the kind that can be changed so.
fn used(ground: &Ground<'_>, change: &Override, place: &str, here: &[&Group], log: &mut Log) {
    let Some(named) = &change.service else {
        let mistake = Mistake::new("missing", change.span, "`override` does not say of which service");
        log.push(mistake.label("whose file?").help("write override \"keystone\" file=\"keystone.conf\" { … }"));
        return;
    };
    let matching: Vec<&&Group> =
        here.iter().filter(|group| group.service == named.value || group.name == named.value).collect();
    if matching.is_empty() {
        let known = here.iter().flat_map(|group| [group.service.as_str(), group.name.as_str()]);
        let message = format!("no service called `{}` runs in {place}", **named);
        let mistake = Mistake::new("unused-override", named.span, message).label("nothing uses this");
        log.push(mistake.help_if(did_you_mean(named.as_str(), known)));
        return;
    }
    let services = matching.iter().filter_map(|group| ground.services.get(&group.service));
    let configs: Vec<_> = services.flat_map(|service| service.configs.values()).collect();
    let Some(config) = configs.iter().find(|config| is_file(config.path.as_str(), &change.file)) else {
        let known = configs.iter().map(|config| config.path.as_str());
        let message = format!("`{}` has no file `{}`", **named, *change.file);
        let listed: Vec<String> = known.clone().map(|path| format!("`{path}`")).collect();
        let help =
            did_you_mean(&change.file, known.flat_map(|path| [path, last(path)])).or_else(|| match listed.is_empty() {
                true => Some("it has no `config` node at all".to_owned()),
                false => Some(format!("it has {}", listed.join(", "))),
            });
        log.push(Mistake::new("unused-override", change.file.span, message).label("nothing uses this").help_if(help));
        return;
    };
    let format = config.format();
    let fits = match &change.change {
        Change::Sections(_) => matches!(format, Some(Format::Ini | Format::Oslo)),
        Change::Keys(_) => matches!(format, Some(Format::Yaml | Format::Json)),
    };
    let raw = matches!(config.content, ConfigContent::Source(..)) && format.is_none();
    if !fits || raw {
        let wanted = match &change.change {
            Change::Sections(_) => "an INI file",
            Change::Keys(_) => "a YAML or JSON file",
        };
        let message = format!("{} is not known to be {wanted}", config.path);
        let mistake = Mistake::new("bad-value", change.span, message).label("cannot be changed so");
        let help = "`as=\"ini\"`, `\"yaml\"` or `\"json\"` of its `config` node says what it is";
        log.push(mistake.also(config.span, "this file").help(help));
    }
}

/// Whether `named` is a path or the last part of it.
pub fn is_file(path: &str, named: &str) -> bool {
    path == named || last(path) == named
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// VIPs that nothing is balanced at, or that nobody can hold.
fn vips(ground: &Ground<'_>, placed: &Placed, log: &mut Log) {
    let estate = ground.estate;
    if estate.vips.is_empty() {
        return;
    }
    let mut seen: Vec<Span> = Vec::new();
    for group in placed.groups.values() {
        let Some(service) = ground.services.get(&group.service) else { continue };
        for balance in service.provides.values().filter_map(|provide| provide.balance.as_ref()) {
            if !estate.vips.contains_key(&balance.value) && !seen.contains(&balance.span) {
                seen.push(balance.span);
                log.push(unknown(balance, "vip", estate.vips.keys().map(NetworkName::as_str)));
            }
        }
    }
    for (name, vip) in &estate.vips {
        let held = estate.hosts.values().any(|host| !host.leave && vip.is_for(host));
        if !held {
            let message = format!("no host can hold the VIP `{name}`");
            log.push(Mistake::new("unknown-name", vip.span, message).label("no host has its role"));
        }
    }
}
