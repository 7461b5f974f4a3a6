//! What `wharf units` refuses, and what it leaves out where that is asked for.

use std::fs;

use super::world::{Files, World, hosts};

fn said(arguments: &[&str]) -> String {
    World::shared().said(arguments)
}

#[test]
fn names_that_are_not_there_are_told_with_near_ones() {
    insta::assert_snapshot!(said(&["--estate", "multinod", "units"]), @"x there is no estate `multinod` help: did you mean `multinode`?");
    insta::assert_snapshot!(said(&["--estate", "multinode", "units", "--host", "contrl1"]), @"x the estate `multinode` has no host `contrl1` help: did you mean `control1`, `control2` or `control3`?");
    insta::assert_snapshot!(said(&["--estate", "multinode", "units", "--service", "keyston"]), @"x no service `keyston` runs in the estate `multinode` help: did you mean `keystone`?");
    insta::assert_snapshot!(said(&["--estate", "multinode", "units", "--release", "curent"]), @"x there is no release `curent`: no releases/curent.kdl help: did you mean `current`?");
    insta::assert_snapshot!(said(&["--estate", "multinode", "units", "--release", "2026.1"]), @"x there is no release `2026.1`: no releases/2026.1.kdl help: `wharf build --release 2026.1` writes releases/2026.1.kdl");
    insta::assert_snapshot!(said(&["units"]), @r#"x the project has no estate help: write estate "NAME" { … } below targets/, or name an imported one by --estate"#);
    insta::assert_snapshot!(said(&["--estate", "multinode", "show", "service", "keyston"]), @"x there is no service in the estate `multinode` called `keyston` help: did you mean `keystone`?");
    insta::assert_snapshot!(said(&["--estate", "multinode", "show", "host", "contrl1"]), @"x there is no host in the estate `multinode` called `contrl1` help: did you mean `control1`, `control2` or `control3`?");
    insta::assert_snapshot!(said(&["--estate", "multinode", "show", "service", "haproxy", "--host", "control1"]), @"x `haproxy` does not run on control1 help: it runs on network1, network2");
    insta::assert_snapshot!(said(&["list", "hosts", "--estate", "all-in-on"]), @"x there is no estate `all-in-on` help: did you mean `all-in-one`?");
}

#[test]
fn a_release_is_a_name_and_no_path() {
    for name in ["../specs/own", "/etc/passwd", ""] {
        let output = World::shared().run(&["--estate", "multinode", "units", "--release", name]);
        assert_eq!(output.status.code(), Some(64), "{output:?}");
    }
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("old"), "old").unwrap();
    let to = folder.path().to_str().unwrap();
    let said = said(&["--estate", "multinode", "units", "--to", to]).replace(to, "DIR");
    insta::assert_snapshot!(said, @"x DIR is not empty help: name a new folder: files of an older run would stay in this one");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // An empty one is as good as none.
    fs::remove_file(folder.path().join("old")).unwrap();
    World::shared().out(&["--estate", "multinode", "units", "--to", to]);
    assert!(folder.path().join("control1.json").is_file());
}

#[test]
fn a_place_that_is_no_folder_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "old").unwrap();
    let to = file.to_str().unwrap();
    let said = said(&["--estate", "multinode", "units", "--to", to]).replace(to, "FILE");
    insta::assert_snapshot!(said, @"x FILE/compute1 cannot be written: Not a directory (os error 20)");
    assert_eq!(fs::read(&file).unwrap(), b"old");
}

#[test]
fn images_that_were_never_built_and_secrets_without_a_value_are_all_said() {
    let world = World::shared().copy();
    fs::remove_dir_all(world.path("releases")).unwrap();
    let said = world.said(&["--estate", "all-in-one", "units"]);
    for image in ["chrony", "etcd", "keystone", "log-collector", "mariadb", "memcached", "rabbitmq", "valkey"] {
        assert!(said.contains(&format!("`{image}` for debian-trixie on ")), "{image}: {said}");
        assert!(said.contains(&format!("build it: wharf build {image} --distro debian-trixie")), "{said}");
    }
    let world = World::shared().copy();
    fs::remove_file(world.path("secrets/all-in-one.age")).unwrap();
    let said = world.said(&["--estate", "all-in-one", "units"]);
    for name in ["keystone-admin", "keystone-fernet-0", "rabbitmq-cookie", "valkey-password"] {
        assert!(said.contains(&format!("the secret `{name}`")), "{name}: {said}");
    }
}

#[test]
fn secrets_that_another_has_are_not_read() {
    let world = World::shared().copy();
    let other = tempfile::tempdir().unwrap();
    let identity = other.path().join("identity");
    let identity = identity.to_str().unwrap();
    world.out(&["secrets", "keygen", "--identity", identity]);
    let said = world.said(&["--estate", "multinode", "units", "--identity", identity]);
    assert!(said.contains("secrets/multinode.age"), "{said}");
}

#[test]
fn hosts_that_are_named_are_written_alone_and_the_same() {
    let all = World::shared().units("multinode", &[]);
    let some = World::shared().units("multinode", &["--host", "network2", "--host", "control3"]);
    assert_eq!(hosts(&some), ["control3", "network2"]);
    let those = |path: &str| path.starts_with("control3") || path.starts_with("network2");
    let expected: Files = all.into_iter().filter(|(path, _)| those(path)).collect();
    assert_eq!(some, expected);
}

#[test]
fn services_that_are_named_keep_all_that_is_theirs() {
    let all = World::shared().units("multinode", &[]);
    let some = World::shared().units("multinode", &["--service", "rabbitmq", "--host", "control1"]);
    for (path, bytes) in some.iter().filter(|(path, _)| path.as_str() != "control1.json") {
        assert_eq!(*bytes, all[path], "{path}");
    }
    let document: serde_json::Value = serde_json::from_slice(&some["control1.json"]).unwrap();
    let keys = |name: &str| -> Vec<String> {
        document[name].as_object().unwrap().keys().map(|key| super::world::filtered(key)).collect()
    };
    assert_eq!(keys("secrets"), ["rabbitmq-10-service.conf-<key>", "rabbitmq-cookie-<key>"]);
    assert_eq!(keys("images"), ["localhost/wharf/rabbitmq@sha256:<digest>"]);
    assert_eq!(keys("asks"), Vec::<String>::new());
    for file in document["files"].as_array().unwrap() {
        assert_eq!(file["services"], serde_json::json!(["rabbitmq"]), "{file}");
    }
    assert_eq!(document["files"].as_array().unwrap().len(), some.len() - 1);
}

#[test]
fn a_file_that_two_services_share_is_there_for_each() {
    let each = |service: &str| World::shared().units("two-cells", &["--host", "c1a", "--service", service]);
    let (one, two) = (each("log-collector-cell1"), each("log-collector-cell2"));
    let shared: Vec<&String> = one.keys().filter(|path| path.contains("/files/") && two.contains_key(*path)).collect();
    // logrotate's configuration says nothing of a cell.
    assert_eq!(shared.len(), 1, "{shared:?}");
    // A service's name means all its groups.
    let both = each("log-collector");
    for path in one.keys().chain(two.keys()).filter(|path| path.as_str() != "c1a.json") {
        assert!(both.contains_key(path), "{path}");
    }
}

#[test]
fn a_need_that_is_called_after_itself_has_no_name() {
    let nodes = "extend service \"keystone\" {\n    remove \"needs\" \"database\"\n    \
                 needs \"database\" name=\"${needs.database.name}\" user=\"keystone\" secret=\"keystone-db\"\n}\n";
    let world = World::shared().with(nodes);
    let output = world.run(&["--estate", "all-in-one", "units"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    // The need itself is to blame, and the template that goes without.
    assert!(said.contains("`${needs.database.name}` has no value for `keystone` on aio"), "{said}");
    assert!(said.contains("targets/more.kdl:3:5"), "{said}");
    assert!(said.contains("catalogue:templates/keystone/keystone.conf.j2"), "{said}");
}

#[test]
fn a_need_that_no_file_reads_is_completed_all_the_same() {
    let nodes = "service \"own\" {\n    image \"memcached\"\n    role \"control\"\n    \
                 needs \"database\" name=\"own\" user=\"${cell}\"\n}\nextend estate \"all-in-one\" { services \"own\" }\n";
    let said = World::shared().with(nodes).said(&["--estate", "all-in-one", "units"]);
    assert!(said.contains("`${cell}` has no value for `own` on aio"), "{said}");
    assert!(said.contains("targets/more.kdl:4:5"), "{said}");
}

#[test]
fn variables_that_are_made_of_one_another_have_no_value() {
    let nodes = "service \"own\" {\n    image \"memcached\"\n    role \"control\"\n    var a=\"${vars.b}\"\n    var b=\"${vars.a}\"\n    \
                 needs \"database\" as=\"db\" name=\"${vars.c}\"\n    var c=\"${needs.db.name}\"\n    \
                 env A=\"${vars.a}\"\n}\nextend estate \"all-in-one\" { services \"own\" }\n";
    let said = World::shared().with(nodes).said(&["--estate", "all-in-one", "units"]);
    assert!(said.contains("`${vars.a}` has no value for `own` on aio"), "{said}");
    assert!(said.contains("`${vars.c}` has no value for `own` on aio"), "{said}");
}
