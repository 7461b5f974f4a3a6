//! The catalogue's multinode on six hosts: controllers in three, the VIP on two, and one compute, which asks.

use std::thread;

use super::estate::{Estate, PODMAN, SHARED};
use super::runs::{can, enable, state};
use super::whole::{healthy, start, token};
use super::{Host, Lab, Release};

const VIP: &str = "10.77.0.100";

/// Hosts, their addresses, and what they run.
const HOSTS: [(&str, &str, &[&str]); 6] = [
    ("control1", "10.77.0.11", CONTROL),
    ("control2", "10.77.0.12", CONTROL),
    ("control3", "10.77.0.13", CONTROL),
    ("network1", "10.77.0.21", NETWORK),
    ("network2", "10.77.0.22", NETWORK),
    ("compute1", "10.77.0.31", &["log-agent"]),
];
const CONTROL: &[&str] =
    &["etcd", "keystone", "log-agent", "log-collector", "mariadb", "memcached", "rabbitmq", "valkey"];
const NETWORK: &[&str] = &["haproxy", "keepalived", "log-agent"];

/// Does the same with several things at once.
fn each<T: Send, R: Send>(all: impl IntoIterator<Item = T>, act: impl Fn(T) -> R + Sync) -> Vec<R> {
    thread::scope(|scope| {
        let act = &act;
        let running: Vec<_> = all.into_iter().map(|one| scope.spawn(move || act(one))).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// A program in a service's container; nothing where it did not end well.
fn ask(host: &Host, service: &str, words: &[&str]) -> String {
    let output = host.try_run(&[&["podman", "exec", service], words].concat());
    if output.status.success() { String::from_utf8(output.stdout).unwrap() } else { String::new() }
}

/// Waits until `ready` in a service's container says that it is a full member.
fn member(host: &Host, service: &str, ready: &str) {
    host.until(ready, || host.try_run(&["podman", "exec", service, ready]).status.success().then_some(()));
}

/// Boots hosts of an estate and brings them all that they shall have.
fn installed(lab: &Lab, estate: &Estate, hosts: &[(&str, &str, &[&str])]) -> Option<Vec<Host>> {
    let booted = each(hosts, |(name, address, _)| lab.boot(Release::Trixie, name, address, Some(&estate.store())));
    let booted: Vec<Host> = booted.into_iter().collect::<Option<_>>()?;
    for host in &booted {
        estate.load(&booted[0], host.name(), SHARED);
    }
    each(&booted, |host| {
        let name = host.name();
        estate.install(host, name, PODMAN);
        host.run(&["systemctl", "daemon-reload"]);
        // The clock is the machine's, and no host of the lab may set it.
        host.run(&["systemctl", "mask", "chrony.service"]);
        let sysctl = format!("/etc/sysctl.d/60-wharf-{}.conf", estate.name());
        if host.at(&sysctl).exists() {
            host.run(&["sysctl", "--load", &sysctl]);
        }
        enable(host, estate, name);
    });
    Some(booted)
}

/// Begins clusters in the way of a plan: a member that is told to, then one after the other.
fn cluster(hosts: &[&Host], service: &str, ready: &str) {
    start(hosts[0], &format!("{service}-task-bootstrap.service"));
    for host in hosts {
        start(host, &format!("{service}.service"));
        member(host, service, ready);
    }
}

/// Waits until all that hosts run is well, and each was started once.
fn judge(hosts: &[Host], are: &[(&str, &str, &[&str])]) {
    each(hosts.iter().zip(are), |(host, (_, _, services))| {
        for service in *services {
            let unit = format!("{service}.service");
            host.until(&unit, || (state(host, &unit) == "active").then_some(()));
            // What podman found by itself.
            host.until(&format!("the health of {service}"), || {
                let health = host.run(&["podman", "inspect", "--format={{.State.Health.Status}}", service]);
                (health == "healthy\n").then_some(())
            });
            let restarts = host.run(&["systemctl", "show", "--value", "--property=NRestarts", &unit]);
            let why = || {
                host.run(&["sh", "-c", "journalctl --no-pager --output=cat --unit \"$1\" | head -n 150", "sh", &unit])
            };
            assert_eq!(restarts, "0\n", "{unit} of {}: {}", host.name(), why());
        }
        assert_eq!(host.run(&["systemctl", "--failed", "--quiet", "--plain"]), "", "{}", host.name());
    });
}

/// Waits until a member of a Galera cluster is in step with two others.
fn judge_galera(host: &Host, service: &str) {
    host.until("a Galera cluster of three", || {
        let status = "show status where variable_name in ('wsrep_cluster_size', 'wsrep_cluster_status', \
                      'wsrep_local_state_comment')";
        let said = ask(host, service, &["mariadb", "-N", "-B", "-e", status]);
        let said: Vec<&str> = said.split_whitespace().collect();
        let all = ["wsrep_cluster_size", "3", "wsrep_cluster_status", "Primary", "wsrep_local_state_comment", "Synced"];
        let mut pairs: Vec<&[&str]> = said.chunks(2).collect();
        pairs.sort_unstable();
        (pairs.concat() == all).then_some(())
    });
}

/// Waits until a member of a RabbitMQ cluster sees all of these hosts.
fn judge_rabbitmq(host: &Host, service: &str, on: [&str; 3]) {
    let nodes = on.map(|host| format!("{service}@{host}"));
    host.until("a RabbitMQ cluster of three", || {
        let said = ask(host, service, &["rabbitmqctl", "-q", "cluster_status", "--formatter", "json"]);
        let said: serde_json::Value = serde_json::from_str(&said).ok()?;
        let running = said["running_nodes"].as_array()?.iter().filter_map(|name| name.as_str());
        let mut running: Vec<&str> = running.collect();
        running.sort_unstable();
        (running == nodes && said["partitions"] == serde_json::json!({})).then_some(())
    });
}

/// Waits until each of three members sees three.
fn judge_clusters(control: &[&Host]) {
    each(control, |host| {
        judge_galera(host, "mariadb");
        judge_rabbitmq(host, "rabbitmq", ["control1", "control2", "control3"]);
        host.until("an etcd cluster of three", || {
            let said = ask(host, "etcd", &["etcdctl", "member", "list", "--write-out=simple"]);
            let voters = said.lines().filter(|line| line.contains(", started, ") && line.ends_with(", false"));
            let ready = || host.try_run(&["podman", "exec", "etcd", "etcd-ready"]).status.success();
            (voters.count() == 3 && ready()).then_some(())
        });
    });
}

/// Who has the VIP, as they see it themselves.
fn holders<'a>(hosts: &[&'a Host]) -> Vec<&'a str> {
    let holds = |host: &Host| host.run(&["ip", "-brief", "address", "show", "to", VIP]).contains(VIP);
    hosts.iter().filter(|host| holds(host)).map(|host| host.name()).collect()
}

/// Waits until exactly one of the hosts has the VIP: this one, if one is meant.
fn held<'a>(hosts: &[&'a Host], by: Option<&str>) -> &'a str {
    hosts[0].until("one holder of the VIP", || match holders(hosts)[..] {
        [one] if by.is_none_or(|by| by == one) => Some(one),
        _ => None,
    })
}

/// Waits until a host is given a token through the VIP.
fn answered(host: &Host, estate: &Estate) {
    host.until("a token", || token(host, estate, VIP).inspect_err(|said| eprintln!("no token yet: {said}")).ok());
}

#[test]
fn multinode_runs_healthy_on_six_hosts_and_outlives_the_loss_of_any_one() {
    if !can() {
        return;
    }
    let (Some(estate), lab) = (Estate::catalogue("multinode"), Lab::sharing("multinode")) else { return };
    let begun = std::time::Instant::now();
    let lap = |what: &str| eprintln!("{:6.1} s {what}", begun.elapsed().as_secs_f64());
    let Some(mut hosts) = installed(&lab, estate, &HOSTS) else { return };
    lap("installed");
    let target = format!("wharf-{}.target", estate.name());
    {
        let all: Vec<&Host> = hosts.iter().collect();
        let (control, network, compute) = (&all[..3], &all[3..5], all[5]);
        let lanes: [&(dyn Fn() + Sync); 4] = [
            &|| cluster(control, "etcd", "etcd-ready"),
            &|| cluster(control, "mariadb", "mariadb-ready"),
            &|| {
                each(control, |host| {
                    start(host, "rabbitmq.service");
                    healthy(host, "rabbitmq");
                });
            },
            &|| {
                each(network, |host| start(host, &target));
                held(network, None);
            },
        ];
        each(lanes, |lane| lane());
        lap("clusters");
        let words = ["podman", "exec", "--interactive", "mariadb", "mariadb-grant", "keystone", "keystone"];
        control[0].feed(&words, estate.secret("keystone-db").as_bytes());
        // The database is behind the VIP.
        start(control[0], "keystone-task-db-sync.service");
        each(&all, |host| start(host, &target));
        start(control[0], "keystone-task-bootstrap.service");
        lap("all started");
        judge(&hosts, &HOSTS);
        judge_clusters(control);
        answered(compute, estate);
        lap("all well");

        // The host with the VIP vanishes. It is its own last holder until it is back, and learns that it is not alone.
        let first = held(network, None);
        let (gone, stays) = if first == "network1" { (network[0], network[1]) } else { (network[1], network[0]) };
        gone.cut();
        held(&[stays], None);
        answered(compute, estate);
        lap("a cut");
        gone.join();
        let holder = held(network, None);
        answered(compute, estate);
        // It is told to go.
        let (gone, stays) = if holder == "network1" { (network[0], network[1]) } else { (network[1], network[0]) };
        gone.run(&["systemctl", "stop", "keepalived.service"]);
        held(network, Some(stays.name()));
        answered(compute, estate);
        start(gone, "keepalived.service");
        // Nobody takes it from whoever has it.
        healthy(gone, "keepalived");
        held(network, Some(stays.name()));
        lap("a stop");
        // A load balancer that died takes the VIP with it.
        stays.run(&["systemctl", "stop", "haproxy.service"]);
        held(network, Some(gone.name()));
        answered(compute, estate);
        start(stays, &target);
        lap("a load balancer");

        // A member of a cluster is started anew.
        control[1].run(&["systemctl", "restart", "mariadb.service"]);
        judge_clusters(control);
        answered(compute, estate);
        lap("a restart");
    }

    // The power of a controller goes: the one that began the clusters, and that the load balancer prefers.
    hosts[0].crash();
    answered(&hosts[5], estate);
    lap("a crash");
    hosts[0].boot_again();
    lap("a boot");
    judge(&hosts, &HOSTS);
    judge_clusters(&[&hosts[0], &hosts[1], &hosts[2]]);
    answered(&hosts[5], estate);
    lap("all well again");
}

/// The hosts that two cells share, and what they run.
const CELLS: [(&str, &str, &[&str]); 3] =
    [("c1a", "10.77.1.11", CELL_CONTROL), ("c1b", "10.77.1.12", CELL_CONTROL), ("c1c", "10.77.1.13", CELL_CONTROL)];
const CELL_CONTROL: &[&str] = &[
    "log-agent-cell1",
    "log-collector-cell1",
    "log-collector-cell2",
    "mariadb-cell1",
    "mariadb-cell2",
    "rabbitmq-cell1",
    "rabbitmq-cell2",
];

#[test]
fn two_cells_have_clusters_of_their_own_on_the_same_three_hosts() {
    if !can() {
        return;
    }
    let (Some(estate), lab) = (Estate::catalogue("two-cells"), Lab::sharing("two-cells")) else { return };
    let Some(hosts) = installed(&lab, estate, &CELLS) else { return };
    let all: Vec<&Host> = hosts.iter().collect();
    let broker = |service: &str| {
        each(&all, |host| {
            start(host, &format!("{service}.service"));
            healthy(host, service);
        });
    };
    let lanes: [&(dyn Fn() + Sync); 4] = [
        &|| cluster(&all, "mariadb-cell1", "mariadb-ready"),
        &|| cluster(&all, "mariadb-cell2", "mariadb-ready"),
        &|| broker("rabbitmq-cell1"),
        &|| broker("rabbitmq-cell2"),
    ];
    each(lanes, |lane| lane());
    each(&all, |host| start(host, &format!("wharf-{}.target", estate.name())));
    judge(&hosts, &CELLS);
    each(&all, |host| {
        for cell in ["cell1", "cell2"] {
            judge_galera(host, &format!("mariadb-{cell}"));
            judge_rabbitmq(host, &format!("rabbitmq-{cell}"), ["c1a", "c1b", "c1c"]);
        }
    });
    // They are not the same: what one has, the other has not.
    let sql =
        |host: &Host, cell: &str, sql: &str| ask(host, &format!("mariadb-{cell}"), &["mariadb", "-N", "-B", "-e", sql]);
    all[0].run(&["podman", "exec", "mariadb-cell2", "mariadb", "-e", "create database only_cell2"]);
    let has = "show databases like 'only%'";
    all[2].until("the database", || (sql(all[2], "cell2", has) == "only_cell2\n").then_some(()));
    assert_eq!(sql(all[2], "cell1", has), "");
}
