//! What hosts get, as text: what changes of it is seen in a diff.

use super::world::{Files, World, filtered, texts};

/// The listing of one host.
fn listing(estate: &str, host: &str) -> String {
    filtered(&World::shared().out(&["--estate", estate, "units", "--host", host]))
}

#[test]
fn hosts_of_each_kind_are_listed() {
    for (estate, host) in [
        ("all-in-one", "aio"),
        ("multinode", "control1"),
        ("multinode", "network1"),
        ("multinode", "compute1"),
        ("two-cells", "api1"),
        ("two-cells", "c1a"),
        ("two-cells", "n2a"),
    ] {
        insta::assert_snapshot!(format!("list_{estate}_{host}"), listing(estate, host));
    }
}

fn unit(files: &Files, host: &str, name: &str) -> String {
    let folders = ["/etc/containers/systemd", "/etc/systemd/system"];
    let mut all = folders.into_iter().flat_map(|folder| texts(files, host, folder));
    all.find(|(known, _)| known == name).unwrap_or_else(|| panic!("{host} has no {name}")).1
}

#[test]
fn units_that_tell_much_are_these() {
    for (estate, host, name) in [
        ("multinode", "control1", "mariadb.container"),
        ("multinode", "control1", "keystone.container"),
        ("multinode", "control1", "keystone-task-db-sync.container"),
        ("multinode", "network1", "haproxy.container"),
        ("multinode", "network1", "keepalived.container"),
        ("two-cells", "c1a", "rabbitmq-cell2.container"),
        ("two-cells", "c1a", "nova-conductor-cell2-task-db-sync.container"),
        ("two-cells", "n1a", "nova-compute-cell1.container"),
        ("two-cells", "c1a", "log-collector-cell2-task-rotate.timer"),
    ] {
        let files = World::shared().units(estate, &["--host", host]);
        insta::assert_snapshot!(format!("unit_{host}_{name}"), filtered(&unit(&files, host, name)));
    }
}

/// The file that a unit mounts at a path, or in a folder at it.
fn mounted(files: &Files, host: &str, name: &str, path: &str) -> String {
    let unit = unit(files, host, name);
    let mounts = unit.lines().filter_map(|line| line.strip_prefix("Volume="));
    let pairs = mounts.filter_map(|mount| mount.strip_suffix(":ro")?.split_once(':'));
    let source = pairs.filter_map(|(from, to)| Some(format!("{from}{}", path.strip_prefix(to)?))).next();
    let bytes = &files[&format!("{host}{}", source.unwrap_or_else(|| panic!("{path}: {unit}")))];
    String::from_utf8(bytes.clone()).unwrap()
}

#[test]
fn files_are_rendered_for_their_host() {
    for (estate, host, unit, path) in [
        ("multinode", "network1", "haproxy.container", "/etc/haproxy/haproxy.cfg"),
        ("multinode", "network2", "keepalived.container", "/etc/keepalived/keepalived.conf"),
        ("multinode", "control2", "mariadb.container", "/etc/mysql/mariadb.conf.d/95-service.cnf"),
        ("multinode", "control2", "mariadb.container", "/etc/mysql/mariadb.conf.d/96-cluster.cnf"),
        ("two-cells", "c1b", "mariadb-cell2.container", "/etc/mysql/mariadb.conf.d/96-cluster.cnf"),
        ("two-cells", "c1a", "rabbitmq-cell2.container", "/etc/rabbitmq/rabbitmq-env.conf"),
        ("two-cells", "c1b", "rabbitmq-cell2.container", "/etc/rabbitmq/rabbitmq-env.conf"),
        ("two-cells", "c1b", "rabbitmq-cell2.container", "/etc/rabbitmq/conf.d/20-cluster.conf"),
        ("two-cells", "n2b", "log-agent-cell2.container", "/etc/rsyslog.conf"),
    ] {
        let files = World::shared().units(estate, &["--host", host]);
        let name = format!("file_{host}_{}", path.rsplit_once('/').unwrap().1);
        insta::assert_snapshot!(name, mounted(&files, host, unit, path));
    }
}

/// The number behind a word of a configuration, in seconds where it says so.
fn after(text: &str, words: &[&str]) -> u64 {
    let all: Vec<&str> = text.split_whitespace().collect();
    let at = all.windows(words.len()).position(|found| found == words).unwrap_or_else(|| panic!("{words:?}: {text}"));
    all[at + words.len()].trim_end_matches('s').parse().unwrap()
}

#[test]
fn a_server_that_hangs_is_out_well_before_a_client_gives_up() {
    let files = World::shared().units("multinode", &["--host", "network1"]);
    let text = mounted(&files, "network1", "haproxy.container", "/etc/haproxy/haproxy.cfg");
    // As tests/lab/roll.rs, which asks a load balancer that runs. Clients of OpenStack's give up after 30 s and more.
    let out = after(&text, &["2s", "fall"])
        * (after(&text, &["default-server", "inter"]) + after(&text, &["timeout", "check"]));
    assert!(out <= 12, "{out} s: {text}");
    // So is a host that is gone, where a connection was to be made.
    let tried = (after(&text, &["retries"]) + 1) * after(&text, &["timeout", "connect"]);
    assert!(tried <= 12, "{tried} s: {text}");
    // What may not be asked twice is not asked of another server.
    assert!(text.contains("disable-l7-retry unless METH_GET or METH_OPTIONS or { path /v3/auth/tokens }"), "{text}");
}
