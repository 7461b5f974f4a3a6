//! A host more, a cell more: which files of the others change.

use std::collections::BTreeSet;

use super::world::{Files, World, filtered, hosts};

/// What changes on the hosts that were there before: `~` is another content, `+` and `-` a file that comes or goes. A file
/// whose name is its digest goes and comes.
fn changes(before: &Files, after: &Files) -> String {
    let known = hosts(before);
    let of_known = |path: &str| known.iter().any(|host| path.starts_with(&format!("{host}/")));
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).filter(|path| of_known(path)).collect();
    let line = |path: &String| match (before.get(path), after.get(path)) {
        (Some(_), None) => Some(format!("- {path}\n")),
        (None, Some(_)) => Some(format!("+ {path}\n")),
        (old, new) => (old != new).then(|| format!("~ {path}\n")),
    };
    let mut lines: Vec<String> = paths.into_iter().filter_map(line).map(|line| filtered(&line)).collect();
    lines.sort_by(|a, b| a[2..].cmp(&b[2..]).then(a.cmp(b)));
    lines.concat()
}

/// The same estate with more nodes; what the new hosts are.
fn grown(estate: &str, nodes: &str) -> (String, Vec<String>) {
    let before = World::shared().units(estate, &[]);
    let world = World::shared().with(&format!("extend estate \"{estate}\" {{\n{nodes}\n}}\n"));
    // A cell has secrets of its own.
    world.generate(estate);
    let after = world.units(estate, &[]);
    let old = hosts(&before);
    (changes(&before, &after), hosts(&after).into_iter().filter(|host| !old.contains(host)).collect())
}

#[test]
fn a_further_compute_changes_no_other_host() {
    let (changes, new) = grown("multinode", r#"host "compute3" address="10.77.0.33" { role "logged" }"#);
    assert_eq!(new, ["compute3"]);
    assert_eq!(changes, "");
}

#[test]
fn a_further_controller_changes_what_names_all_controllers() {
    let (changes, new) = grown("multinode", r#"host "control4" address="10.77.0.14" { role "control" "logged" }"#);
    assert_eq!(new, ["control4"]);
    insta::assert_snapshot!("changes_of_a_controller", changes);
}

#[test]
fn a_further_load_balancer_changes_what_the_others_know_of_their_peers() {
    let host =
        r#"host "network3" address="10.77.0.23" { role "network" "logged"; network "internal" interface="eth0" }"#;
    let (changes, new) = grown("multinode", host);
    assert_eq!(new, ["network3"]);
    insta::assert_snapshot!("changes_of_a_load_balancer", changes);
}

#[test]
fn a_further_compute_of_a_cell_changes_no_other_host() {
    let host = r#"cell "cell2" { host "n2c" address="10.77.2.33" { role "compute" "logged" } }"#;
    let (changes, new) = grown("two-cells", host);
    assert_eq!(new, ["n2c"]);
    assert_eq!(changes, "");
}

#[test]
fn a_further_cell_with_hosts_of_its_own_changes_the_load_balancer_alone() {
    let (changes, new) = grown(
        "two-cells",
        r#"cell "cell3" {
            host "c3a" address="10.77.3.11" { role "cell-control" "logged" }
            host "n3a" address="10.77.3.31" { role "compute" "logged" }
            stamp "mariadb" { on "c3a" }
            stamp "rabbitmq" { on "c3a" }
        }"#,
    );
    assert_eq!(new, ["c3a", "n3a"]);
    // But for the load balancer before its database.
    insta::assert_snapshot!(changes, @"
    ~ api1/var/lib/wharf/live/haproxy/etc/haproxy/haproxy.cfg
    ~ api2/var/lib/wharf/live/haproxy/etc/haproxy/haproxy.cfg
    ~ api3/var/lib/wharf/live/haproxy/etc/haproxy/haproxy.cfg
    ");
}

#[test]
fn a_further_cell_on_others_controllers_only_adds_to_them() {
    let (changes, new) = grown(
        "two-cells",
        r#"cell "cell3" {
            share "c1a" "c1b" "c1c" { role "cell-control" }
            host "n3a" address="10.77.3.31" { role "compute" "logged" }
            stamp "mariadb" { on "c1a" "c1b" "c1c" }
            stamp "rabbitmq" { on "c1a" "c1b" "c1c" }
        }"#,
    );
    assert_eq!(new, ["n3a"]);
    let changed: Vec<&str> = changes.lines().filter(|line| !line.starts_with('+')).collect();
    let balancer = |host| format!("~ {host}/var/lib/wharf/live/haproxy/etc/haproxy/haproxy.cfg");
    assert_eq!(changed, ["api1", "api2", "api3"].map(balancer));
    insta::assert_snapshot!("changes_of_a_sharing_cell", changes);
}

#[test]
fn a_host_that_leaves_has_no_files_and_changes_what_named_it() {
    let before = World::shared().units("multinode", &[]);
    let world = World::shared().with("extend estate \"multinode\" { host \"compute2\" { leave } }\n");
    let after = world.units("multinode", &[]);
    assert!(after.keys().all(|path| !path.starts_with("compute2/")));
    let others = |path: &str| !path.contains("compute2");
    assert!(changes(&before, &after).lines().all(|line| !others(line)), "{}", changes(&before, &after));
}

#[test]
fn a_further_member_of_a_cluster_changes_no_unit_of_the_others_but_of_one_that_asks_for_names() {
    let (changes, _) = grown("multinode", r#"host "control4" address="10.77.0.14" { role "control" }"#);
    let of = |service: &str, folder: &str| -> Vec<&str> {
        changes.lines().filter(|line| line.contains(folder) && line.contains(service)).collect()
    };
    for service in ["mariadb", "etcd"] {
        assert_eq!(of(service, "/etc/containers/systemd/"), Vec::<&str>::new(), "{changes}");
    }
    // What must name it is read at the next start.
    assert_eq!(of("96-cluster.cnf", "/live/mariadb/").len(), 3, "{changes}");
    assert_eq!(of("members", "/live/etcd/").len(), 3, "{changes}");
    let names = |host| format!("~ {host}/etc/containers/systemd/rabbitmq.container");
    assert_eq!(of("rabbitmq", "/etc/containers/systemd/"), ["control1", "control2", "control3"].map(names));
}

#[test]
fn the_only_member_of_a_group_that_asks_for_names_has_its_own() {
    let files = World::shared().units("all-in-one", &["--service", "rabbitmq"]);
    let unit = String::from_utf8(files["aio/etc/containers/systemd/rabbitmq.container"].clone()).unwrap();
    assert!(unit.lines().any(|line| line == "AddHost=aio:10.77.0.10"), "{unit}");
}
