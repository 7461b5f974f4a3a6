//! A member as units: its container, volumes, network, pod and tasks.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::estate::{self, Listen, Namespace, Notify, OnFailure, Provider, Relax, Restart, Task, Text, Transport};
use crate::name::ServiceName;
use crate::path::ImagePath;
use crate::spec::{Log, Mistake, Origin, Span};
use crate::unit::container::{
    Life, Limits, Net, Networking, Notify as UnitNotify, Process, Protocol, Publish, Reload, Restart as UnitRestart,
    Run, Security, Timeout,
};
use crate::unit::{
    Container, ContainerParts, Head, Health, HealthParts, HealthTest, ImageRef, Meaning, Network, NetworkParts,
    ObjectName, OnFailure as UnitOnFailure, Period, Scope, Subnet, Target, Timer, TimerParts, UnitKind, UnitName,
    Volume, VolumeParts,
};

use super::files::Mounted;
use super::member::Member;
use super::storage::{given, same_place, storage};
use super::text::bytes;
use super::{ImageNeed, SecretSource};

/// What units of an estate without a registry name their images after.
pub const LOCAL: &str = "localhost/wharf";
/// The wait after a health check's last try, before systemd gives a start up.
const MARGIN: Period = Period::from_secs(30);

/// The target that holds all units of an estate, and that is reached when its host boots.
pub(super) fn target(estate: &estate::Estate, scope: Scope) -> Option<Target> {
    let unit = ObjectName::new(format!("wharf-{}", estate.name)).ok()?;
    let description = format!("All services of the estate {}", estate.name);
    let head = Head { description, wanted_by: [scope.default_target()].into(), ..Head::default() };
    Some(Target { unit, head })
}

/// What a member asks of its host's podman and systemd.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Its units.
    pub meanings: Vec<Meaning>,
    /// Its secrets, by podman's name.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Its image, by the reference that its unit names.
    pub image: Option<(String, ImageNeed)>,
}

/// The units of a member whose files are `mounted`.
pub(super) fn wanted(member: &Member<'_>, mounted: &[Mounted], log: &mut Log) -> Wanted {
    let mut wanted = Wanted::default();
    let Some((reference, need)) = image(member, log) else { return wanted };
    let mut volumes = BTreeMap::new();
    let base = base(member, &reference, mounted, &mut volumes, &mut wanted.secrets, log);
    let Some(base) = base else { return wanted };
    wanted.image = Some((reference.to_string(), need));
    for (name, span) in &volumes {
        let mut parts = VolumeParts::new(name.clone());
        parts.head.description = format!("Volume {name}");
        parts.labels = labels(member);
        if !name.as_str().starts_with(member.group.name.as_str()) {
            // Shared: several services name it, and mean the same one.
            parts.labels.remove("io.wharf.service");
        }
        match Volume::new(parts) {
            Ok(volume) => wanted.meanings.push(Meaning::Volume(Box::new(volume))),
            Err(error) => log.push(refused(member, *span, &error.to_string())),
        }
    }
    network(member, &mut wanted, log);
    for task in &member.service.tasks {
        let units = task_units(member, task, &base, &mut wanted.secrets, log);
        wanted.meanings.extend(units);
    }
    match service(member, base, log) {
        Ok(container) => wanted.meanings.push(Meaning::Container(Box::new(container))),
        Err(error) => log.push(refused(member, member.service.span, &error)),
    }
    wanted
}

/// The mistake of a unit that cannot be.
pub(super) fn refused(member: &Member<'_>, span: Span, why: &str) -> Mistake {
    let message = format!("`{}` on {} cannot be a unit: {why}", member.group.name, member.host.name);
    Mistake::new("unit", span, message).label("of this")
}

/// The image as units name it.
fn image(member: &Member<'_>, log: &mut Log) -> Option<(ImageRef, ImageNeed)> {
    let key = &member.key;
    let cell = member.group.cell.as_ref().or(member.host.cell.as_ref());
    let Some(manifest) = member.ground.release.of(cell).images.get(key) else {
        let message = format!("`{}` for {} on {} is in no release", key.image, key.distro, key.arch);
        let mistake = Mistake::new("no-manifest", member.service.image.span, message).label("no manifest to name");
        let help = format!("build it: wharf build {} --distro {} --arch {}", key.image, key.distro, key.arch);
        // For an estate of its own, a project writes the release unasked.
        let estate = member.ground.estate;
        let own = cell.and_then(|cell| estate.cells.get(cell)?.release.as_ref()).map(|release| &release.value);
        let named = match own.or(estate.release()) {
            Some(release) => format!(" --release {release}"),
            None if estate.origin == Origin::Project => String::new(),
            None => " --release current".to_owned(),
        };
        let mistake = mistake.help(help + &named);
        if !log.iter().any(|known| known.message == mistake.message) {
            log.push(mistake);
        }
        return None;
    };
    let estate = member.ground.estate;
    let registry = estate.registry.as_ref().map_or(LOCAL, |name| name.value.as_str());
    match ImageRef::new(&format!("{}/{}", registry.trim_end_matches('/'), key.image), *manifest) {
        Ok(reference) => {
            let need = ImageNeed {
                image: key.image.to_string(),
                distro: key.distro.to_string(),
                arch: key.arch.to_string(),
                manifest: *manifest,
            };
            Some((reference, need))
        }
        Err(error) => {
            let span = estate.registry.as_ref().map_or(estate.span, |name| name.span);
            log.push(Mistake::new("bad-value", span, error.to_string()).label("of this registry"));
            None
        }
    }
}

fn labels(member: &Member<'_>) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("io.wharf.estate".to_owned(), member.ground.estate.name.to_string()),
        ("io.wharf.service".to_owned(), member.group.name.to_string()),
    ])
}

/// The container of a member without what tells a service from a task.
fn base(
    member: &Member<'_>,
    image: &ImageRef,
    mounted: &[Mounted],
    volumes: &mut BTreeMap<ObjectName, Span>,
    secrets: &mut BTreeMap<String, SecretSource>,
    log: &mut Log,
) -> Option<ContainerParts> {
    let service = member.service;
    let spec = &service.container;
    let span = service.span;
    let name = match ObjectName::new(member.group.name.as_str()) {
        Ok(name) => name,
        Err(error) => {
            log.push(refused(member, span, &error.to_string()));
            return None;
        }
    };
    let mut parts = ContainerParts::new(name, image.clone());
    let changes = member.changes();
    let command = changes.iter().rev().find_map(|own| own.command.as_ref()).or(spec.command.as_ref());
    let mut environment: BTreeMap<String, String> =
        spec.env.iter().map(|(name, text)| (name.clone(), member.fill(text, span, log))).collect();
    for own in &changes {
        for (name, text) in &own.env {
            environment.insert(name.clone(), member.fill(&text.value, text.span, log));
        }
    }
    let words = |words: &Vec<Text>, log: &mut Log| -> Vec<String> {
        words.iter().map(|word| member.fill(word, span, log)).collect()
    };
    parts.process = Process {
        entrypoint: spec.entrypoint.as_ref().map(|entrypoint| words(entrypoint, log)),
        exec: command.map(|command| words(command, log)).unwrap_or_default(),
        environment,
        user: spec.user.clone(),
        workdir: spec.workdir.clone(),
        timezone: spec.timezone.clone(),
        stop_signal: service.life.stop_signal.clone(),
        stop_timeout: Some(Period::from_millis(service.life.stop_timeout_ms)),
        ..Process::default()
    };
    parts.storage = storage(member, mounted, volumes, secrets, log);
    parts.network = networking(member, log);
    parts.security = security(spec);
    parts.limits = limits(member, log);
    parts.labels = labels(member);
    for (name, text) in &spec.labels {
        parts.labels.insert(name.clone(), member.fill(text, span, log));
    }
    parts.pod = spec.pod.as_ref().and_then(|pod| ObjectName::new(pod.as_str()).ok()).map(|name| (name.clone(), name));
    Some(parts)
}

fn networking(member: &Member<'_>, log: &mut Log) -> Networking {
    let spec = &member.service.container;
    let mut networking = Networking::default();
    match &spec.network {
        estate::Network::Host => networking.networks.push(Net::Host),
        estate::Network::None => networking.networks.push(Net::None),
        estate::Network::Own { name, .. } => {
            networking.networks.extend(ObjectName::new(name.as_str()).ok().map(|name| Net::Network {
                name: name.clone(),
                unit: Some(name),
                options: Vec::new(),
            }));
        }
    }
    for publish in &spec.publish {
        let address = match publish.port.listen {
            Listen::All => None,
            Listen::Host => Some(member.address()),
            Listen::Local => Some(std::net::IpAddr::from([127, 0, 0, 1])),
        };
        let protocol = match publish.port.transport {
            Transport::Tcp => Protocol::Tcp,
            Transport::Udp => Protocol::Udp,
        };
        networking.publish.push(Publish { address, host: publish.port.number, container: publish.to, protocol });
    }
    // Only who asks for it: the units of the others would change with every member.
    if spec.names_members {
        let network = member.service.on_network.as_ref().map(|name| &name.value);
        let hosts = member.group.members.iter().filter_map(|name| member.ground.estate.hosts.get(name));
        networking.hosts.extend(hosts.map(|host| (host.name.to_string(), member.ground.estate.address(host, network))));
    }
    for (name, text) in &spec.add_hosts {
        let address = member.fill(text, member.service.span, log);
        match address.parse() {
            Ok(address) => networking.hosts.push((name.clone(), address)),
            Err(_) if address.is_empty() => {}
            Err(_) => log.push(refused(member, member.service.span, &format!("`{address}` of {name} is no address"))),
        }
    }
    networking
}

fn security(spec: &estate::Container) -> Security {
    let relaxed = |what: Relax| spec.relax.contains_key(&what);
    let privileged = relaxed(Relax::Privileged);
    let mut security = Security {
        privileged,
        add_capabilities: spec.capabilities.iter().cloned().collect(),
        no_new_privileges: !relaxed(Relax::NewPrivileges) && !privileged,
        seccomp: relaxed(Relax::Seccomp).then(|| "unconfined".to_owned()),
        apparmor: relaxed(Relax::AppArmor).then(|| "unconfined".to_owned()),
        ..Security::default()
    };
    if !relaxed(Relax::Capabilities) && !privileged {
        security.drop_capabilities.insert("all".to_owned());
    }
    security.label.disable = relaxed(Relax::Label);
    security.host = spec
        .share
        .iter()
        .map(|namespace| match namespace {
            Namespace::Pid => crate::unit::container::Namespace::Pid,
            Namespace::Ipc => crate::unit::container::Namespace::Ipc,
            Namespace::Uts => crate::unit::container::Namespace::Uts,
            Namespace::Cgroup => crate::unit::container::Namespace::Cgroup,
        })
        .collect();
    security
}

fn limits(member: &Member<'_>, log: &mut Log) -> Limits {
    let spec = &member.service.container;
    let sysctl = spec.sysctls.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect();
    let mut limits = Limits { sysctl, ..Limits::default() };
    if member.ground.estate.limits_unenforced {
        return limits;
    }
    let number = |text: &str| match text {
        "unlimited" | "-1" => None,
        text => text.parse::<u64>().ok(),
    };
    for (name, text) in &spec.limits.ulimits {
        let (soft, hard) = text.split_once(':').unwrap_or((text, text));
        limits.ulimits.insert(name.clone(), (number(soft), number(hard)));
    }
    limits.pids = spec.limits.pids.map(u64::from);
    if let Some(text) = &spec.limits.memory {
        limits.memory = bytes(text);
    }
    if let Some(text) = &spec.limits.cpus {
        match text.parse::<f64>() {
            Ok(cores) if cores > 0.0 && cores < 4_000_000.0 => limits.millicpus = Some((cores * 1000.0).round() as u32),
            _ => log.push(refused(member, member.service.span, &format!("`{text}` is no number of cores"))),
        }
    }
    limits
}

/// The health check that holds: the service's, else the image's.
fn health(member: &Member<'_>, log: &mut Log) -> Option<Health> {
    let life = &member.service.life;
    let (check, own) = match &life.health {
        Some(own) => (own.as_ref().map(|health| &health.value), true),
        None => (member.image.config.health.as_ref(), false),
    };
    let check = check?;
    let words: Vec<String> = match own {
        true => {
            let texts = check.command.iter().map(|word| Text::template(word.clone()));
            texts.map(|word| member.fill(&word, member.service.span, log)).collect()
        }
        false => check.command.clone(),
    };
    let test = match words.as_slice() {
        [line] => HealthTest::Shell(line.clone()),
        _ => HealthTest::Words(words),
    };
    let on_failure = match life.on_failure {
        OnFailure::Kill => UnitOnFailure::Kill,
        OnFailure::None => UnitOnFailure::None,
    };
    let parts = HealthParts {
        test,
        interval: Period::from_millis(check.interval_ms),
        timeout: Period::from_millis(check.timeout_ms),
        retries: check.retries,
        start_period: Period::from_millis(check.start_ms),
        on_failure,
    };
    match Health::new(parts) {
        Ok(health) => Some(health),
        Err(error) => {
            log.push(refused(member, member.service.span, &error.to_string()));
            None
        }
    }
}

fn unit_of(group: &ServiceName, kind: UnitKind) -> Option<UnitName> {
    ObjectName::new(group.as_str()).ok().map(|name| name.unit(kind))
}

fn head(member: &Member<'_>) -> Head {
    let service = member.service;
    let mut after = BTreeSet::new();
    for binding in member.group.needs.values().filter(|binding| binding.order) {
        if let Provider::Group(name) = &binding.provider
            && *name != member.group.name
            && member.ground.placed.groups.get(name).is_some_and(|group| group.index_of(&member.host.name).is_some())
        {
            after.extend(unit_of(name, UnitKind::Container));
        }
    }
    for name in &service.life.after {
        for group in member.ground.placed.on(&member.host.name).filter(|group| group.service == name.value) {
            after.extend(unit_of(&group.name, UnitKind::Container));
        }
    }
    let summary = service.summary.clone().unwrap_or_else(|| service.name.to_string());
    let target = ObjectName::new(format!("wharf-{}", member.ground.estate.name)).ok();
    Head {
        description: format!("{} ({})", member.group.name, summary),
        after,
        wanted_by: target.map(|name| name.unit(UnitKind::Target)).into_iter().collect(),
        ..Head::default()
    }
}

/// The service itself.
fn service(member: &Member<'_>, mut parts: ContainerParts, log: &mut Log) -> Result<Container, String> {
    let life = &member.service.life;
    parts.health = health(member, log);
    let notify = match life.notify.as_ref().map(|notify| notify.value) {
        Some(Notify::Healthy) => UnitNotify::Healthy,
        Some(Notify::Running) => UnitNotify::Conmon,
        Some(Notify::Itself) => UnitNotify::Container,
        None if parts.health.is_some() && life.stateful.is_none() => UnitNotify::Healthy,
        None => UnitNotify::Conmon,
    };
    parts.run = Run::Service(notify);
    parts.head = head(member);
    let start = match (&life.start_timeout_ms, life.stateful, &parts.health) {
        (Some(limit), ..) => Some(Timeout::After(Period::from_millis(limit.value))),
        // What keeps data is never killed while it comes up.
        (None, Some(_), _) => Some(Timeout::Never),
        (None, None, Some(health)) => Some(Timeout::After(health.budget().plus(MARGIN))),
        (None, None, None) => None,
    };
    let span = member.service.span;
    parts.life = Life {
        restart: Some(match life.restart {
            Restart::Always => UnitRestart::Always,
            Restart::OnFailure => UnitRestart::OnFailure,
            Restart::No => UnitRestart::No,
        }),
        restart_sec: Some(Period::from_millis(life.restart_delay_ms)),
        start,
        reload: life.reload.as_ref().map(|reload| match reload {
            estate::Reload::Signal(signal) => Reload::Signal(signal.clone()),
            estate::Reload::Command(words) => {
                Reload::Command(words.iter().map(|word| member.fill(word, span, log)).collect())
            }
        }),
        ..Life::default()
    };
    Container::new(parts).map_err(|error| error.to_string())
}

/// A task as a container that runs once, and its timer where it has a schedule.
fn task_units(
    member: &Member<'_>,
    task: &Task,
    base: &ContainerParts,
    secrets: &mut BTreeMap<String, SecretSource>,
    log: &mut Log,
) -> Vec<Meaning> {
    let mut units = Vec::new();
    let name = match ObjectName::new(format!("{}-task-{}", member.group.name, task.name)) {
        Ok(name) => name,
        Err(error) => {
            log.push(refused(member, task.span, &error.to_string()));
            return units;
        }
    };
    let words: Vec<String> = task.run.iter().map(|word| member.fill(word, task.span, log)).collect();
    let mut parts = base.clone();
    parts.unit = name.clone();
    parts.name = name.clone();
    parts.run = Run::Oneshot { remain: false };
    parts.head = Head { description: format!("{} of {}", task.name, member.group.name), ..Head::default() };
    parts.process.entrypoint = Some(Vec::new());
    parts.process.exec = match words.as_slice() {
        [line] if line.contains(char::is_whitespace) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
        words => words.to_vec(),
    };
    if let Some(user) = &task.user {
        parts.process.user = Some(user.clone());
    }
    // Ports are the service's.
    parts.network.publish.clear();
    let own = given(member, &task.secrets, secrets, log);
    parts.storage.secrets.retain(|secret| !own.iter().any(|own| same_place(&own.seen, &secret.seen)));
    parts.storage.secrets.extend(own);
    parts.life.start = Some(Timeout::After(Period::from_millis(task.timeout_ms)));
    match Container::new(parts) {
        Ok(container) => units.push(Meaning::Container(Box::new(container))),
        Err(error) => log.push(refused(member, task.span, &error.to_string())),
    }
    if let Some(schedule) = &task.schedule {
        let mut timer = TimerParts::new(name);
        timer.calendar = vec![schedule.clone()];
        timer.persistent = true;
        timer.head.description = format!("{} of {}, on time", task.name, member.group.name);
        timer.head.wanted_by = head(member).wanted_by;
        match Timer::new(timer) {
            Ok(timer) => units.push(Meaning::Timer(Box::new(timer))),
            Err(error) => log.push(refused(member, task.span, &error.to_string())),
        }
    }
    units
}

/// The network that a service has for its own, as a unit.
fn network(member: &Member<'_>, wanted: &mut Wanted, log: &mut Log) {
    let estate::Network::Own { name, subnet, internal, span } = &member.service.container.network else { return };
    let Ok(name) = ObjectName::new(name.as_str()) else { return };
    let mut parts = NetworkParts::new(name);
    parts.internal = *internal;
    parts.subnets.extend(subnet.clone().map(|subnet| Subnet { subnet, gateway: None, range: None }));
    parts.labels = BTreeMap::from([("io.wharf.estate".to_owned(), member.ground.estate.name.to_string())]);
    match Network::new(parts) {
        Ok(network) => wanted.meanings.push(Meaning::Network(Box::new(network))),
        Err(error) => log.push(refused(member, *span, &error.to_string())),
    }
}

/// Where a file with these bytes lies on every host.
pub(super) fn content_path(digest: &Digest) -> Option<ImagePath> {
    ImagePath::new(&format!("/var/lib/wharf/files/{}", digest.hex())).ok()
}
