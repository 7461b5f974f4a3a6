//! What each cell has for itself: secrets, and a release.

use super::world::{World, filtered};

/// A service with a group in each cell and one outside, whose password is each cell's own.
const OWN: &str = r#"
service "own" {
    image "memcached"
    scope "cell"
    role "logged"
    needs "database" name="own" user="own" secret="own-db"
    generate "own-db" per="cell"
    secret "own-db"
    config "/etc/own.ini" template="own.j2"
    generate "own-task"
    task "join" { run "true"; secret "own-task" env="WORD" }
}
extend estate "two-cells" { services "own" }
"#;

fn own() -> World {
    let world = World::shared().with(OWN);
    world.write("templates/own.j2", "[a]\none = {{ secret(\"own-db\") }}\ntwo = {{ secret(needs.database.secret) }}\n");
    world.generate("two-cells");
    world
}

#[test]
fn a_cell_sees_its_own_secret_by_the_name_that_all_have_for_it() {
    let world = own();
    let document = world.json(&["--estate", "two-cells", "units", "--service", "own"]);
    let of = |host: &str| {
        let hosts = document["hosts"].as_array().unwrap();
        let secrets = hosts.iter().find(|one| one["host"] == host).unwrap()["secrets"].as_object().unwrap();
        secrets.iter().map(|(name, of)| format!("{} {of}", filtered(name))).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(of("n1a"), @r#"
    own-cell1-own.ini-<key> {"file":{"path":"/etc/own.ini","secrets":["own-db-cell1"],"service":"own-cell1"}}
    own-db-cell1-<key> {"value":"own-db-cell1"}
    own-task-<key> {"value":"own-task"}
    "#);
    insta::assert_snapshot!(of("n2b"), @r#"
    own-cell2-own.ini-<key> {"file":{"path":"/etc/own.ini","secrets":["own-db-cell2"],"service":"own-cell2"}}
    own-db-cell2-<key> {"value":"own-db-cell2"}
    own-task-<key> {"value":"own-task"}
    "#);
    insta::assert_snapshot!(of("api1"), @r#"
    own-db-<key> {"value":"own-db"}
    own-own.ini-<key> {"file":{"path":"/etc/own.ini","secrets":["own-db"],"service":"own"}}
    own-task-<key> {"value":"own-task"}
    "#);
    // Two values, and each is what the others of the cell have.
    let named = |host: &str| {
        let files = world.units("two-cells", &["--host", host, "--service", "own"]);
        let unit = files
            .iter()
            .find(|(path, _)| path.contains("/own") && path.ends_with("own.container") || path.contains("own-cell"));
        let (path, _) = unit.unwrap();
        let unit = String::from_utf8(files[&path.replace("-task-join", "")].clone()).unwrap();
        unit.lines()
            .find(|line| line.starts_with("Secret=own-db") && line.contains("/run/secrets/own-db"))
            .unwrap()
            .to_owned()
    };
    assert_eq!(named("n1a"), named("n1b"));
    assert_ne!(named("n1a"), named("n2a"));
    // What is granted is the account of the one who needs it.
    let shown = world.json(&["--estate", "two-cells", "show", "service", "own", "--host", "n2a"]);
    assert_eq!(shown["services"][0]["context"]["needs"]["database"]["secret"], "own-db-cell2");
    let listed = world.out(&["--estate", "two-cells", "secrets", "list"]);
    for name in ["own-db", "own-db-cell1", "own-db-cell2"] {
        assert!(listed.lines().any(|line| line.starts_with(&format!("{name} "))), "{listed}");
    }
}

#[test]
fn a_secret_of_a_task_is_for_the_task_alone() {
    let files = own().units("two-cells", &["--host", "n1a", "--service", "own"]);
    let holds = |name: &str| {
        let path = format!("n1a/etc/containers/systemd/{name}.container");
        String::from_utf8_lossy(&files[&path])
            .lines()
            .any(|line| line.starts_with("Secret=own-task-") && line.contains("WORD"))
    };
    assert!(holds("own-cell1-task-join") && !holds("own-cell1"));
}

#[test]
fn a_cell_stays_on_its_release_on_its_hosts_and_on_shared_ones() {
    let world = World::shared().with(
        "extend estate \"two-cells\" { releases \"2025.1\" \"2025.2\"; cell \"cell2\" { release \"2025.1\" } }\n",
    );
    let said = world.said(&["--estate", "two-cells", "units"]);
    assert!(said.contains("there is no release `2025.2`: no releases/2025.2.kdl"), "{said}");
    let current = std::fs::read_to_string(world.path("releases/current.kdl")).unwrap();
    world.write("releases/2025.2.kdl", &current);
    let old = wharf::digest::Digest::of(b"old").to_string();
    let line = |line: &str| match line.split_once("manifest=") {
        Some((start, _)) => format!("{start}manifest=\"{old}\"\n"),
        None => String::new(),
    };
    world.write("releases/2025.1.kdl", &current.lines().map(line).collect::<String>());
    let files = world.units("two-cells", &[]);
    let stays = |unit: &str| String::from_utf8_lossy(&files[unit]).contains(&old);
    let unit = |host: &str, name: &str| format!("{host}/etc/containers/systemd/{name}.container");
    for (host, name) in
        [("n2a", "log-agent-cell2"), ("n2a", "chrony"), ("c1a", "log-collector-cell2"), ("c1a", "mariadb-cell2")]
    {
        assert!(stays(&unit(host, name)), "{host} {name}");
    }
    for (host, name) in
        [("n1a", "log-agent-cell1"), ("c1a", "chrony"), ("c1a", "log-collector-cell1"), ("api1", "mariadb")]
    {
        assert!(!stays(&unit(host, name)), "{host} {name}");
    }
    let listed = world.json(&["--estate", "two-cells", "list", "cells"]);
    let releases: Vec<&str> =
        listed["cells"].as_array().unwrap().iter().map(|cell| cell["release"].as_str().unwrap()).collect();
    assert_eq!(releases, ["2025.2", "2025.1"]);
}
