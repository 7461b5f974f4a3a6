//! No secret's value is in anything but the file of secrets.

use super::world::{ESTATES, Files, World};

/// Every secret of an estate with its value.
fn values(world: &World, estate: &str) -> Vec<(String, Vec<u8>)> {
    let listed = world.json(&["--estate", estate, "secrets", "list"]);
    let names = listed["secrets"].as_array().unwrap().iter().map(|secret| secret["name"].as_str().unwrap().to_owned());
    let value = |name: &str| world.run(&["--estate", estate, "secrets", "get", name]).stdout;
    names.map(|name| (name.clone(), value(&name))).collect()
}

fn holds(bytes: &[u8], value: &[u8]) -> bool {
    bytes.windows(value.len()).any(|part| part == value)
}

#[test]
fn no_value_is_in_a_file_an_output_or_a_document() {
    let world = World::shared();
    for estate in ESTATES {
        let values = values(world, estate);
        assert!(values.len() >= 9 && values.iter().all(|(_, value)| value.len() >= 20), "{estate}");
        let mut all: Files = world.units(estate, &[]);
        let host = all.keys().find_map(|path| path.strip_suffix(".json")).unwrap().to_owned();
        let keystone = if estate == "all-in-one" {
            "aio"
        } else if estate == "multinode" {
            "control1"
        } else {
            "api1"
        };
        let runs: [&[&str]; 7] = [
            &["units"],
            &["--json", "units"],
            &["show", "service", "keystone", "--host", keystone],
            &["--json", "show", "service", "keystone", "--host", keystone],
            &["--json", "show", "service", "valkey", "--host", keystone],
            &["show", "host", &host],
            &["secrets", "list"],
        ];
        for run in runs {
            let output = world.run(&[&["--estate", estate], run].concat());
            assert!(output.status.success(), "{run:?}: {}", String::from_utf8_lossy(&output.stderr));
            all.insert(format!("{run:?} out"), output.stdout);
            all.insert(format!("{run:?} err"), output.stderr);
        }
        for (place, bytes) in &all {
            for (name, value) in &values {
                assert!(!holds(bytes, value), "{name} is in {place}");
            }
        }
    }
}

#[test]
fn no_value_is_in_what_is_said_of_a_bad_template() {
    let world = World::shared().copy();
    world.write(
        "targets/more.kdl",
        "service \"leak\" { image \"memcached\"; role \"control\"\nconfig \"/etc/leak.json\" template=\"leak.j2\" as=\"json\"\n\
         secret \"keystone-admin\" }\nextend estate \"all-in-one\" { services \"leak\" }\n",
    );
    for text in [
        "{ \"a\": {{ secret(\"keystone-admin\") }} }",
        "{ \"{{ secret(\"keystone-admin\") }}\": 1, ",
        "{{ secret(\"keystone-admin\") | nothing }}",
        "{% if secret(\"keystone-admin\") > 3 %}{% endif %}{{ secret(\"keystone-admin\") + 1 }}",
        "{{ secret(\"keystone-admin\")[0] }} {{ gone }}",
    ] {
        world.write("templates/leak.j2", text);
        for verb in [&["units"][..], &["show", "service", "leak", "--host", "aio"]] {
            let output = world.run(&[&["--estate", "all-in-one"], verb].concat());
            assert_eq!(output.status.code(), Some(1), "{text}: {}", String::from_utf8_lossy(&output.stderr));
            for (name, value) in values(&world, "all-in-one") {
                assert!(!holds(&output.stdout, &value) && !holds(&output.stderr, &value), "{name}: {text}");
            }
        }
    }
}
