//! The documents of what runs, beside docs/json.md.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::world::{World, filtered};

/// The section of docs/json.md about a verb.
fn section(verb: &str) -> String {
    let text = include_str!("../../docs/json.md");
    let after = text.split_once(&format!("\n## {verb}\n")).unwrap_or_else(|| panic!("no section on {verb}")).1;
    after.split("\n## ").next().unwrap().to_owned()
}

/// Names of fields of a document, at any depth, but for those below a field of `free`: their names are the estate's.
fn fields(value: &Value, free: &[&str], all: &mut BTreeSet<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| fields(value, free, all)),
        Value::Object(map) => {
            for (name, value) in map {
                all.insert(name.clone());
                match (free.contains(&name.as_str()), value) {
                    (true, Value::Object(map)) => map.values().for_each(|value| fields(value, free, all)),
                    (true, _) => {}
                    (false, value) => fields(value, free, all),
                }
            }
        }
        _ => {}
    }
}

/// Every field of a document is in the section.
fn described(verb: &str, document: &Value, free: &[&str]) {
    let (text, mut all) = (section(verb), BTreeSet::new());
    fields(document, free, &mut all);
    assert!(all.len() > 3, "{document}");
    for name in all {
        let named = text.contains(&format!("`{name}`")) || text.contains(&format!(".{name}`"));
        assert!(named, "docs/json.md says nothing of `{name}` of {verb}");
    }
}

#[test]
fn units_are_a_document_and_a_file_beside_each_host() {
    let world = World::shared();
    let document = world.json(&["--estate", "multinode", "units", "--host", "network1", "--host", "control1"]);
    assert_eq!((&document["version"], &document["estate"]), (&json!(1), &json!("multinode")));
    let files = world.units("multinode", &[]);
    let hosts = document["hosts"].as_array().unwrap();
    for host in hosts {
        let name = host["host"].as_str().unwrap();
        assert_eq!(*host, serde_json::from_slice::<Value>(&files[&format!("{name}.json")]).unwrap());
        for file in host["files"].as_array().unwrap() {
            let bytes = &files[&format!("{name}{}", file["path"].as_str().unwrap())];
            assert_eq!(file["sha256"], wharf::digest::Digest::of(bytes).to_string());
        }
    }
    let names: Vec<&str> = hosts.iter().map(|host| host["host"].as_str().unwrap()).collect();
    assert_eq!(names, ["control1", "network1"]);
    described("units", &document, &["images", "secrets", "asks"]);
    insta::assert_snapshot!("units_network1_json", filtered(&serde_json::to_string_pretty(&hosts[1]).unwrap()));
}

#[test]
fn modes_are_those_of_the_files_that_were_written() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().to_str().unwrap();
    World::shared().out(&["--estate", "multinode", "units", "--to", to, "--host", "network1"]);
    let text = std::fs::read(folder.path().join("network1.json")).unwrap();
    let document: Value = serde_json::from_slice(&text).unwrap();
    let mut modes = BTreeSet::new();
    for file in document["files"].as_array().unwrap() {
        let path = folder.path().join(format!("network1{}", file["path"].as_str().unwrap()));
        let mode = format!("{:04o}", std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777);
        assert_eq!(file["mode"], json!(mode), "{}", path.display());
        modes.insert(mode);
    }
    assert_eq!(modes.into_iter().collect::<Vec<_>>(), ["0400", "0644"]);
}

#[test]
fn lists_are_documents() {
    let list = |noun, estate: Option<&str>| {
        let estate: Vec<&str> = estate.iter().flat_map(|name| ["--estate", name]).collect();
        let document = World::shared().json(&[&["list", noun][..], &estate].concat());
        assert_eq!(document["version"], 1);
        described("list", &document, &[]);
        document
    };
    let one = |document: &Value, list: &str, name: &str| {
        let found = document[list].as_array().unwrap().iter().find(|entry| entry["name"] == name).cloned();
        serde_json::to_string_pretty(&found.unwrap()).unwrap()
    };
    let services = list("services", None);
    assert_eq!(services["services"].as_array().unwrap().len(), 17);
    insta::assert_snapshot!(one(&services, "services", "keystone"), @r#"
    {
      "image": "keystone",
      "import": "catalogue",
      "name": "keystone",
      "needs": [
        "cache",
        "database"
      ],
      "provides": [
        "identity"
      ],
      "roles": [
        "control"
      ],
      "scope": "cloud",
      "summary": "OpenStack identity",
      "tier": "maintained"
    }
    "#);
    let hosts = list("hosts", Some("two-cells"));
    assert_eq!(hosts["estate"], "two-cells");
    insta::assert_snapshot!(one(&hosts, "hosts", "n2b"), @r#"
    {
      "address": "10.77.2.32",
      "cell": "cell2",
      "leave": false,
      "maintenance": null,
      "name": "n2b",
      "podman": null,
      "roles": [
        "compute",
        "logged"
      ],
      "runs": [
        "chrony",
        "log-agent-cell2",
        "nova-compute-cell2"
      ]
    }
    "#);
    let cells = list("cells", Some("two-cells"));
    assert_eq!(cells["estate"], "two-cells");
    insta::assert_snapshot!(one(&cells, "cells", "cell2"), @r#"
    {
      "groups": [
        "log-agent-cell2",
        "log-collector-cell2",
        "mariadb-cell2",
        "nova-compute-cell2",
        "nova-conductor-cell2",
        "rabbitmq-cell2"
      ],
      "hosts": [
        "n2a",
        "n2b"
      ],
      "name": "cell2",
      "number": 2,
      "release": "current",
      "shares": [
        "c1a",
        "c1b",
        "c1c"
      ]
    }
    "#);
    let estates = list("estates", None);
    insta::assert_snapshot!(one(&estates, "estates", "two-cells"), @r#"
    {
      "cells": 2,
      "groups": 27,
      "hosts": 10,
      "import": "catalogue",
      "name": "two-cells",
      "summary": "Two cells behind one API, the second on the first's controllers"
    }
    "#);
}

#[test]
fn services_and_hosts_are_shown_as_documents() {
    let show = |arguments: &[&str]| World::shared().json(&[&["--estate", "two-cells", "show"], arguments].concat());
    let service = show(&["service", "mariadb-cell2"]);
    described("show", &service, &[]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&service).unwrap(), @r#"
    {
      "estate": "two-cells",
      "groups": [
        {
          "cell": "cell2",
          "instance": null,
          "members": [
            "c1a",
            "c1b",
            "c1c"
          ],
          "name": "mariadb-cell2",
          "needs": [],
          "ports": [
            {
              "name": "database",
              "port": 3326,
              "transport": "tcp"
            },
            {
              "name": "galera",
              "port": 4587,
              "transport": "tcp"
            },
            {
              "name": "incremental",
              "port": 4588,
              "transport": "tcp"
            },
            {
              "name": "snapshot",
              "port": 4464,
              "transport": "tcp"
            }
          ],
          "service": "mariadb",
          "stamped": true
        }
      ],
      "version": 1
    }
    "#);
    let host = show(&["host", "api1"]);
    described("show", &host, &[]);
    let keystone = host["groups"].as_array().unwrap().iter().find(|group| group["name"] == "keystone").unwrap();
    assert_eq!(
        keystone["needs"][1],
        json!({ "name": "database", "capability": "database", "provider": "mariadb", "order": true })
    );
    assert_eq!(host["networks"], json!([{ "name": "internal", "address": "10.77.0.11", "interface": "eth0" }]));
    let placed = show(&["service", "keystone", "--host", "api1"]);
    let mut placed_fields = placed.clone();
    // What templates see has its own page; the names in it are not the document's.
    placed_fields["services"][0]["context"] = Value::Null;
    described("show", &placed_fields, &[]);
    assert_eq!(placed["services"][0]["context"]["needs"]["database"]["host"], "10.77.0.100");
}

#[test]
fn check_counts_as_its_section_says() {
    described("check", &World::shared().json(&["check"]), &["unchecked"]);
}
