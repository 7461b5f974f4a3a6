//! Clusters on several hosts, and whether they are well.

use std::thread;

use super::estate::{Estate, PODMAN, SHARED};
use super::runs::{can, enable, state};
use super::whole::{healthy, start};
use super::{Host, Lab, Release};

/// Does the same with several things at once.
pub(super) fn each<T: Send, R: Send>(all: impl IntoIterator<Item = T>, act: impl Fn(T) -> R + Sync) -> Vec<R> {
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
pub(super) fn judge(hosts: &[Host], are: &[(&str, &str, &[&str])]) {
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
pub(super) fn judge_clusters(control: &[&Host]) {
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
