//! What podman and systemd refuse, or take and do not do.

use crate::spec::{Log, Mistake};
use crate::version::PodmanVersion;

use super::super::{Health, Host, Namespace, Network, OnFailure, Relax, Restart, Service};
use super::lints::seconds;

/// systemd refuses a sixth start within ten seconds, and a check is a unit of its own that is started for each try.
const FASTEST_MS: u64 = 2_000;
/// The first podman whose checks are under no such bound.
const UNBOUND: PodmanVersion = PodmanVersion::new(5, 8);
/// Where podman 4.3 with runc mounts no secret if the root file system is read-only.
const RUN: [&str; 2] = ["/run/", "/var/run/"];
/// Kernel parameters of a container's own IPC namespace.
const IPC: [&str; 4] = ["fs.mqueue.", "kernel.msg", "kernel.sem", "kernel.shm"];

/// Reports all of it for a service that runs on `hosts`.
pub(super) fn report(service: &Service, hosts: &[&Host], health: Option<&Health>, log: &mut Log, warnings: &mut Log) {
    publishes(service, log);
    sysctls(service, log);
    restarts(service, log);
    fast(service, hosts, health, warnings);
    secrets(service, hosts, warnings);
}

/// Ports that would lead into a network that is none of its own.
fn publishes(service: &Service, log: &mut Log) {
    let why = match service.container.network {
        Network::Own { .. } => return,
        Network::Host => "is on the host's network",
        Network::None => "has no network",
    };
    for publish in &service.container.publish {
        let message = format!("`{}` publishes port {}, and {why}", service.name, publish.port.number);
        let mistake = Mistake::new("no-network", publish.port.span, message).label("leads nowhere");
        let help = "`port \"NAME\" NUMBER` says where it listens on its host; `publish` is for a `network \"NAME\"` of its own";
        log.push(mistake.help(help));
    }
}

/// Kernel parameters of a namespace that is the host's.
fn sysctls(service: &Service, log: &mut Log) {
    let container = &service.container;
    for (name, value) in &container.sysctls {
        let host = match name {
            _ if name.starts_with("net.") && container.network == Network::Host => "network",
            _ if IPC.iter().any(|start| name.starts_with(start)) && container.share.contains(&Namespace::Ipc) => {
                "IPC namespace"
            }
            _ => continue,
        };
        let message = format!("`{}` sets `{name}`, and its {host} is the host's", service.name);
        let mistake = Mistake::new("shared-sysctl", value.span, message).label("podman refuses this");
        log.push(
            mistake.help(format!("write host-sysctl \"{name}\" \"{}\": it holds for all of the host", value.value)),
        );
    }
}

/// A service that is killed when it is not well, and that nobody starts again.
fn restarts(service: &Service, log: &mut Log) {
    let life = &service.life;
    if let (Some(Some(health)), OnFailure::Kill, Restart::No) = (&life.health, life.on_failure, life.restart) {
        let message = format!("`{}` is killed when it is unhealthy, and never started again", service.name);
        let mistake = Mistake::new("no-restart", health.span, message).label("ends it for good");
        log.push(mistake.help("take `restart \"no\"` away, or `on-failure=\"kill\"`"));
    }
}

/// Checks that come faster than systemd lets podman run them.
fn fast(service: &Service, hosts: &[&Host], health: Option<&Health>, warnings: &mut Log) {
    let Some(health) = health.filter(|health| health.interval_ms < FASTEST_MS) else { return };
    let Some(host) = hosts.iter().find(|host| host.podman() < UNBOUND) else { return };
    let own = service.life.health.as_ref().and_then(|own| own.as_ref()).map(|health| health.span);
    let message = format!(
        "`{}` is to be checked every {}, and systemd starts no unit more than five times in ten seconds",
        service.name,
        seconds(health.interval_ms)
    );
    let mistake = Mistake::new("fast-check", own.unwrap_or(service.span), message).label("checks are left out");
    let help =
        format!("give `interval` 2s or more; podman {} of {} is bound to it, 5.8 is not", host.podman(), host.name);
    warnings.push(mistake.help(help));
}

/// Secrets that podman 4.3 mounts only where crun runs the container.
fn secrets(service: &Service, hosts: &[&Host], warnings: &mut Log) {
    let relaxed = |what: Relax| service.container.relax.contains_key(&what);
    if relaxed(Relax::ReadOnly) || relaxed(Relax::Privileged) {
        return;
    }
    let Some(host) = hosts.iter().find(|host| host.podman() < PodmanVersion::QUADLET) else { return };
    let below = |path: &str| RUN.iter().any(|start| path.starts_with(start));
    let of_tasks = service.tasks.iter().flat_map(|task| &task.secrets);
    for (name, used) in service.secrets.iter().chain(of_tasks).filter(|(_, used)| used.env.is_none()) {
        if used.path.as_ref().is_none_or(|path| below(path.as_str())) {
            let message = format!(
                "podman {} of {} mounts the secret `{name}` below /run on a read-only root with crun alone, not with runc",
                host.podman(),
                host.name
            );
            let mistake = Mistake::new("runc-secret", used.span, message).label("not there with runc");
            let help = format!("crun is what Debian installs; else write path=\"/etc/{}/{name}\"", service.name);
            warnings.push(mistake.help(help));
        }
    }
}
