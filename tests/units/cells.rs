//! What each cell has for itself: secrets.

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
    insta::assert_snapshot!(of("n1a"), @"");
    insta::assert_snapshot!(of("n2b"), @"");
    insta::assert_snapshot!(of("api1"), @"");
    // Two values, and each is what the others of the cell have.
    let named = |host: &str| {
        let files = world.units("two-cells", &["--host", host, "--service", "own"]);
        let unit = files.iter().find(|(path, _)| path.contains("/own") && path.ends_with("own.container") || path.contains("own-cell"));
        let (path, _) = unit.unwrap();
        let unit = String::from_utf8(files[&path.replace("-task-join", "")].clone()).unwrap();
        unit.lines().find(|line| line.starts_with("Secret=own-db") && line.contains("/run/secrets/own-db")).unwrap().to_owned()
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
    let files = World::shared().units("multinode", &["--host", "control1", "--service", "keystone"]);
    let holders: Vec<&String> = files
        .iter()
        .filter(|(path, bytes)| path.ends_with(".container") && String::from_utf8_lossy(bytes).contains("Secret=keystone-admin"))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(holders, ["control1/etc/containers/systemd/keystone-task-bootstrap.container"]);
    let files = own().units("two-cells", &["--host", "n1a", "--service", "own"]);
    let holds = |name: &str| {
        let path = format!("n1a/etc/containers/systemd/{name}.container");
        String::from_utf8_lossy(&files[&path]).lines().any(|line| line.starts_with("Secret=own-task-") && line.contains("WORD"))
    };
    assert!(holds("own-cell1-task-join") && !holds("own-cell1"));
}
