//! Every unit of every host of the estates, before podman's own generator and systemd.

use std::collections::BTreeMap;

use wharf::unit::{Scope, UnitName};

use super::world::{ESTATES, Files, World, hosts, texts};
use crate::unit::roots::{self, Root};
use crate::unit::verify::verify;

const QUADLETS: &str = "/etc/containers/systemd";
const PLAIN: &str = "/etc/systemd/system";

/// What the generator makes of a host's units, all of which it takes without a word.
fn generated(root: &Root, units: &[(String, String)], user: bool, whose: &str) -> Units {
    let texts = units.iter().map(|(name, text)| (name.clone(), text.as_str()));
    let generated = root.generate(texts, user, None);
    assert!(generated.good, "{whose} on {}: {}", root.version, generated.said);
    let complaints = generated.said.lines().filter(|line| !line.contains("Loading source unit file"));
    assert_eq!(complaints.collect::<Vec<_>>(), Vec::<&str>::new(), "{whose} on {}", root.version);
    for (name, _) in units {
        let service = UnitName::new(name).unwrap().service().to_string();
        assert!(!generated.service(&service).is_empty(), "{whose}: {name}");
    }
    generated.services
}

/// Names and texts of units.
type Units = Vec<(String, String)>;

/// Hosts with the same units, by their units for podman's generator and their plain ones: they are judged once.
fn distinct(files: &Files) -> BTreeMap<(Units, Units), String> {
    let units = |host: &String| (texts(files, host, QUADLETS), texts(files, host, PLAIN));
    hosts(files).into_iter().map(|host| (units(&host), host)).collect()
}

#[test]
fn generators_take_all_units_of_all_hosts_and_systemd_what_they_make() {
    for estate in ESTATES {
        let files = World::shared().units(estate, &[]);
        for ((quadlets, plain), host) in distinct(&files) {
            assert!(quadlets.len() >= 4 && !plain.is_empty(), "{estate}: {host}");
            for root in roots::all() {
                let services = generated(root, &quadlets, false, &format!("{estate}: {host}"));
                verify(Scope::System, &services.into_iter().chain(plain.clone()).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn systemd_takes_all_units_for_a_podman_without_quadlet() {
    let world = World::shared().copy();
    for estate in ESTATES {
        let old = format!("old-{estate}");
        let host = |line: &str| match line.trim_start().starts_with("host \"") {
            true => line.replace(" address=", " podman=\"4.3.1\" address=") + "\n",
            false => format!("{line}\n"),
        };
        world.estate(estate, &old, |text| text.lines().map(host).collect());
        let files = world.units(&old, &[]);
        for ((quadlets, plain), host) in distinct(&files) {
            assert_eq!(quadlets, [], "{host}");
            assert!(plain.len() >= 5, "{host}: {plain:?}");
            verify(Scope::System, &plain);
        }
    }
}

/// A host with one service that a user of its own runs.
const ROOTLESS: &str = r#"
service "rootless" {
    image "memcached"
    role "rootless"
    run-as "cache" uid=2001
    port "cache" 11211
    mount "/var/lib/rootless" volume="data"
    command "memcached" "-l" "${address}" "-p" "${port.cache}"
    health "healthcheck_port" "${port.cache}" "${address}" interval="10s" timeout="5s" retries=3 start="5s"
    task "tidy" schedule="daily" idempotent=#true { run "true" }
}
estate "rootless" {
    distro "debian-trixie"
    services "rootless"
    host "new" address="10.77.0.1" { role "rootless" }
    host "old" address="10.77.0.2" podman="4.3.1" { role "rootless" }
}
"#;

#[test]
fn a_service_that_a_user_runs_has_units_of_that_user() {
    let world = World::shared().with(ROOTLESS);
    let files = world.units("rootless", &[]);
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "new.json",
            "new/etc/containers/systemd/users/2001/rootless-data.volume",
            "new/etc/containers/systemd/users/2001/rootless-task-tidy.container",
            "new/etc/containers/systemd/users/2001/rootless.container",
            "new/etc/systemd/system/wharf-rootless.target",
            "new/etc/systemd/user/rootless-task-tidy.timer",
            "new/etc/systemd/user/wharf-rootless.target",
            "new/var/lib/systemd/linger/cache",
            "old.json",
            "old/etc/systemd/system/wharf-rootless.target",
            "old/etc/systemd/user/rootless-data-volume.service",
            "old/etc/systemd/user/rootless-task-tidy.service",
            "old/etc/systemd/user/rootless-task-tidy.timer",
            "old/etc/systemd/user/rootless.service",
            "old/etc/systemd/user/wharf-rootless.target",
            "old/var/lib/systemd/linger/cache",
        ]
    );
    let quadlets = texts(&files, "new", "/etc/containers/systemd/users/2001");
    let plain = texts(&files, "new", "/etc/systemd/user");
    for root in roots::all() {
        let services = generated(root, &quadlets, true, "rootless");
        verify(Scope::User, &services.into_iter().chain(plain.clone()).collect::<Vec<_>>());
    }
    verify(Scope::User, &texts(&files, "old", "/etc/systemd/user"));
    // The target that they are wanted by is one of the user's manager.
    let install: Vec<&str> = files
        .iter()
        .filter(|(path, _)| path.contains("/user"))
        .flat_map(|(_, bytes)| std::str::from_utf8(bytes).unwrap().lines())
        .filter(|line| line.starts_with("WantedBy="))
        .collect();
    // A user's target is wanted by that of the user's manager, which lingers from the host's boot on.
    let [all, own] = ["WantedBy=wharf-rootless.target", "WantedBy=default.target"];
    assert_eq!(install, [all, all, own, all, all, own]);
}

#[test]
fn services_share_a_volume() {
    let nodes = "service \"one\" { image \"memcached\"; role \"control\"; mount \"/v\" volume=\"both\" shared=#true }\n\
                 service \"two\" { image \"memcached\"; role \"control\"; mount \"/v\" volume=\"both\" shared=#true }\n\
                 extend estate \"all-in-one\" { services \"one\" \"two\" }\n";
    let files = World::shared().with(nodes).units("all-in-one", &["--service", "one", "--service", "two"]);
    let volumes: Vec<&String> = files.keys().filter(|path| path.ends_with(".volume")).collect();
    assert_eq!(volumes, ["aio/etc/containers/systemd/both.volume"]);
}

#[test]
fn files_of_a_user_are_its_own_or_secrets() {
    let config = "config \"/etc/a\" \"a\\n\" as=\"text\" mode=\"0400\"\n\
                  config \"/etc/b/b\" \"b\\n\" as=\"text\" on-change=\"nothing\"\n\
                  config \"/etc/c.ini\" \"[c]\\n\" owner=\"memcache\" mode=\"0400\"\n    port \"cache\"";
    let nodes = ROOTLESS.replace("uid=2001", "uid=2001 gid=100").replace("    port \"cache\"", config);
    let world = World::shared().with(&nodes);
    // Names of podman's secrets are keyed by the estate's file.
    let said = world.said(&["--estate", "rootless", "units", "--host", "new"]);
    assert!(said.contains("/etc/c.ini of `rootless`: the estate has no file of secrets"), "{said}");
    let nodes = nodes.replace("estate \"rootless\" {", &format!("estate \"rootless\" {{\n{}", world.recipient));
    world.write("targets/more.kdl", &nodes.replace("gid=100", "gid=100; secret \"x\"; generate \"x\""));
    world.generate("rootless");
    let document = world.json(&["--estate", "rootless", "units", "--host", "new"]);
    let files = document["hosts"][0]["files"].as_array().unwrap();
    let owned: Vec<String> = files
        .iter()
        .filter(|file| file["path"].as_str().unwrap().starts_with("/var/lib/wharf/"))
        .map(|file| format!("{}:{} {}", file["uid"], file["gid"], file["mode"]))
        .collect();
    assert_eq!(owned, ["2001:100 \"0400\"", "2001:100 \"0644\""]);
    let secrets = serde_json::to_string(&document["hosts"][0]["secrets"]).unwrap();
    let of = r#":{"file":{"path":"/etc/c.ini","secrets":[],"service":"rootless"}}"#;
    assert!(secrets.contains("\"rootless-c.ini-") && secrets.contains(of), "{secrets}");
}
