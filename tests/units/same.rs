//! The same project, release and secrets give the same bytes.

use super::world::{ESTATES, Files, World, hosts};

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
    let changed = |name: &str| -> Vec<String> {
        let before = world.units("all-in-one", &[]);
        world.out(&["--estate", "all-in-one", "secrets", "generate", "--rotate", name]);
        let after = world.units("all-in-one", &[]);
        before.into_iter().filter(|(path, bytes)| after[path] != *bytes).map(|(path, _)| path).collect()
    };
    // One of the service, and so of all its tasks.
    assert_eq!(
        changed("keystone-fernet-1"),
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
fn a_host_alone_gets_what_it_gets_among_all() {
    for estate in ESTATES {
        let all = World::shared().units(estate, &[]);
        for host in hosts(&all) {
            let alone = World::shared().units(estate, &["--host", &host]);
            let (folder, document) = (format!("{host}/"), format!("{host}.json"));
            let its = |path: &str| path.starts_with(&folder) || path == document;
            let expected: Files = all.clone().into_iter().filter(|(path, _)| its(path)).collect();
            assert!(alone == expected, "{estate}: {host} differs where others are made beside it");
        }
    }
}
