//! The same project, release and secrets give the same bytes.

use super::world::{ESTATES, World};

#[test]
fn two_runs_write_the_same_bytes() {
    let world = World::shared();
    let elsewhere = world.copy();
    for estate in ESTATES {
        let first = world.units(estate, &[]);
        // Names of secrets among them: their hash is over the value and a key that lies with the secrets.
        assert_eq!(first, world.units(estate, &[]), "{estate}");
        // Where the project lies is in none of them.
        assert_eq!(first, elsewhere.units(estate, &[]), "{estate}");
    }
}

#[test]
fn a_rotated_secret_changes_only_the_units_that_name_it() {
    let world = World::shared().copy();
    let before = world.units("all-in-one", &[]);
    world.out(&["--estate", "all-in-one", "secrets", "generate", "--rotate", "keystone-admin"]);
    let after = world.units("all-in-one", &[]);
    let changed: Vec<&str> =
        before.iter().filter(|(path, bytes)| after[*path] != **bytes).map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        changed,
        [
            "aio.json",
            "aio/etc/containers/systemd/keystone-task-bootstrap.container",
            "aio/etc/containers/systemd/keystone-task-db-contract.container",
            "aio/etc/containers/systemd/keystone-task-db-expand.container",
            "aio/etc/containers/systemd/keystone-task-db-migrate.container",
            "aio/etc/containers/systemd/keystone-task-db-sync.container",
            "aio/etc/containers/systemd/keystone.container",
        ]
    );
}

#[test]
fn bounds_that_hosts_refuse_are_in_no_unit() {
    let world = World::shared().copy();
    world.estate("all-in-one", "bounded", |text| text);
    world.estate("all-in-one", "lab", |text| {
        text.replace("    host \"aio\"", "    limits \"unenforced\"\n    host \"aio\"")
    });
    let mariadb = |estate: &str| {
        let unit = &world.units(estate, &[])["aio/etc/containers/systemd/mariadb.container"];
        String::from_utf8(unit.clone()).unwrap()
    };
    let bounds = ["PidsLimit=", "--memory", "Ulimit="];
    let found = |text: &str| bounds.iter().filter(|bound| text.contains(**bound)).count();
    assert_eq!(found(&mariadb("bounded")), bounds.len(), "{}", mariadb("bounded"));
    assert_eq!(found(&mariadb("lab")), 0, "{}", mariadb("lab"));
}
