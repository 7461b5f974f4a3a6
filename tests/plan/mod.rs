//! `wharf plan --facts`: what an apply would do to hosts that are not asked.

mod applied;
mod differences;
mod ends;
mod schema;

use std::collections::BTreeMap;
use std::process::Output;

use serde_json::{Value, json};

use crate::oracle::joined;
use crate::units::world::World;

/// A host that has nothing of wharf's.
fn bare() -> Value {
    json!({"facts": {"os": "debian 13", "arch": "x86_64", "podman": "5.4.2", "systemd": 257, "cgroups": "cgroup2fs"}})
}

const MULTINODE: [&str; 7] = ["control1", "control2", "control3", "network1", "network2", "compute1", "compute2"];

/// A plan for hosts whose facts are these.
fn run(world: &World, hosts: &BTreeMap<&str, Value>, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let facts = folder.path().join("facts.json");
    std::fs::write(&facts, json!({"version": 1, "hosts": hosts}).to_string()).unwrap();
    let words = ["--estate", "multinode", "plan", "--facts", facts.to_str().unwrap()];
    world.run(&[more, &words].concat())
}

fn all_bare() -> BTreeMap<&'static str, Value> {
    MULTINODE.into_iter().map(|host| (host, bare())).collect()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_first_plan_brings_up_what_others_need_before_them() {
    let output = run(World::shared(), &all_bare(), &[]);
    assert_eq!(output.status.code(), Some(2));
    // Its name is a digest of secrets' names too, which differ from run to run.
    let said = text(&output);
    let said: String = said.lines().filter(|line| !line.starts_with("Plan ")).map(|line| format!("{line}\n")).collect();
    insta::assert_snapshot!(said);
}

#[test]
fn one_plan_of_the_same_facts_is_the_same() {
    let plans = [(); 2].map(|()| text(&run(World::shared(), &all_bare(), &["--json"])));
    assert_eq!(plans[0], plans[1]);
    let plan: Value = serde_json::from_str(&plans[0]).unwrap();
    assert_eq!(plan["version"], 1);
    assert_eq!(plan["id"].as_str().unwrap().len(), 12);
}

#[test]
fn members_of_a_quorum_come_one_at_a_time_and_each_need_is_granted_once() {
    let plan: Value = serde_json::from_slice(&run(World::shared(), &all_bare(), &["--json"]).stdout).unwrap();
    let waves = plan["waves"].as_array().unwrap();
    let mut order = Vec::new();
    for wave in waves {
        let hosts = wave["hosts"].as_object().unwrap();
        let with: Vec<&str> = hosts
            .iter()
            .filter(|(_, batch)| batch["groups"].as_array().unwrap().iter().any(|group| group == "mariadb"))
            .map(|(host, _)| host.as_str())
            .collect();
        order.extend((!with.is_empty()).then_some(with));
    }
    assert_eq!(order, [["control1"], ["control2"], ["control3"]]);
    let grants: Vec<&Value> = waves.iter().filter_map(|wave| wave["grants"].as_array()).flatten().collect();
    let granted: Vec<(&str, &str)> =
        grants.iter().map(|grant| (grant["provider"].as_str().unwrap(), grant["consumer"].as_str().unwrap())).collect();
    assert_eq!(granted, [("mariadb", "keystone")]);
    // The value of a secret is in none of it.
    assert_eq!(grants[0]["secret"], "keystone-db");
}

#[test]
fn hosts_that_cannot_be_changed_are_left_out_and_said() {
    let mut hosts = all_bare();
    hosts.insert("control1", json!({"unreachable": "no route"}));
    hosts.insert("control2", json!({"facts": {"arch": "x86_64", "podman": "5.4.2", "lacks": ["tar", "xargs"]}}));
    hosts.insert("control3", json!({"facts": {"arch": "aarch64", "podman": "5.4.2"}}));
    hosts.insert("network1", json!({"facts": {"arch": "x86_64", "podman": "4.9.3"}}));
    hosts.insert("network2", json!({"facts": {"arch": "x86_64", "podman": "5.4.2", "estate": "other"}}));
    hosts.insert(
        "compute1",
        json!({"facts": {"arch": "x86_64", "podman": "5.4.2", "current": 3,
            "intent": {"from": 2, "to": 3, "plan": "abc", "auto": true, "undoing": false}}}),
    );
    let said = text(&run(World::shared(), &hosts, &[]));
    let left: Vec<&str> = said.lines().filter(|line| line.starts_with("Left out")).collect();
    insta::assert_snapshot!(left.join("\n"), @r#"
    Left out: compute1: generation 3 of plan abc was begun and is not confirmed: an apply settles it first
    Left out: control1: unreachable: no route
    Left out: control2: it has no tar, no xargs: install what has them there
    Left out: control3: it is a aarch64, and its node says x86_64
    Left out: network1: it has podman 4.9.3, and its units are for 5.4: write `podman="4.9.3"` in its node
    Left out: network2: is a host of the estate `other`
    "#);
    let changed: Vec<&str> = said.lines().filter(|line| line.starts_with("Wave")).collect();
    assert!(changed.iter().all(|line| line.ends_with(": compute2")), "{changed:?}");
}

#[test]
fn a_limit_leaves_the_rest_as_it_is_and_one_that_is_nothing_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let facts = folder.path().join("facts.json");
    std::fs::write(&facts, json!({"version": 1, "hosts": all_bare()}).to_string()).unwrap();
    let facts = facts.to_str().unwrap();
    let plan = |limit: &str| {
        World::shared().run(&["--estate", "multinode", "--json", "plan", "--facts", facts, "--limit", limit])
    };
    let plan_of = |limit: &str| -> Value { serde_json::from_slice(&plan(limit).stdout).unwrap() };
    let hosts = |plan: &Value| plan["hosts"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(hosts(&plan_of("network")), ["network1", "network2"]);
    let only = plan_of("memcached");
    assert_eq!(hosts(&only), ["control1", "control2", "control3"]);
    let objects: Vec<&str> = only["hosts"]["control1"]["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["object"].as_str().unwrap())
        .collect();
    assert_eq!(objects, ["memcached.container", "wharf-multinode.target"]);
    let output = plan("memcache");
    assert_eq!(output.status.code(), Some(1));
    let said = joined(&String::from_utf8(output.stderr).unwrap());
    assert!(said.contains("`memcache` is nothing in the estate `multinode`") && said.contains("`memcached`"), "{said}");
}
