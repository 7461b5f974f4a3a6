//! Odd strings: what systemd, and podman's generator before it, hand to a program is what was meant.

use std::collections::BTreeMap;

use wharf::digest::Digest;
use wharf::path::ImagePath;
use wharf::unit::container::{Mount, Source, Tmpfs};
use wharf::unit::{
    Container, ContainerParts, Health, HealthParts, HealthTest, ImageRef, Meaning, ObjectName, OnFailure, Period,
    PodmanVersion, Scope, Service, ServiceParts, units,
};

use super::manager::{self, RECORDER};
use super::roots;

pub const ODD: [&str; 50] = [
    "",
    " ",
    "  ",
    "a b",
    " a",
    "a ",
    "\t",
    "a\tb",
    "\n",
    "a\nb",
    "a\rb\r",
    "%",
    "%%",
    "%n",
    "100%",
    "%i",
    "$",
    "$$",
    "$HOME",
    "${HOME}",
    "a$b",
    "$(id)",
    "\"",
    "\"\"",
    "\"a b\"",
    "a\"b",
    "\"a",
    "a\"",
    "'",
    "it's",
    "'\"",
    "\\",
    "\\\\",
    "a\\",
    "\\n",
    "\\x41",
    "\\;",
    ";",
    ";;",
    "#a",
    "a;b",
    "a,b",
    ",\"",
    "-",
    "--",
    "äöü ß",
    "日本 語",
    "\u{a0}x\u{2003}",
    "\u{1}\u{1b}[0m\u{7f}",
    "e\u{301}🦀 \\ \" ' % $ ;",
];

fn name(text: &str) -> ObjectName {
    ObjectName::new(text).unwrap()
}

fn odd() -> Vec<String> {
    ODD.iter().map(ToString::to_string).collect()
}

fn file(meaning: Meaning, version: &str) -> (String, String) {
    let version: PodmanVersion = version.parse().unwrap();
    let files = units(&meaning, &version, Scope::System).unwrap();
    (files[0].name().to_string(), files[0].render())
}

#[test]
fn systemd_hands_odd_words_and_variables_to_a_program_as_they_were_meant() {
    let mut parts = ServiceParts::new(name("odd"), [vec![RECORDER.to_owned()], odd()].concat());
    // systemd takes no other control characters in a variable (env_value_is_valid).
    let fit = |text: &&&str| !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    let values: BTreeMap<String, String> =
        ODD.iter().filter(fit).enumerate().map(|(index, text)| (format!("ODD_{index}"), text.to_string())).collect();
    parts.environment = values.clone();
    let service = Service::new(parts).unwrap();
    let unit = file(Meaning::Service(Box::new(service)), "5.4");
    let Some(records) = manager::run(&[unit]) else { return };
    let record = &records["odd.service"];
    assert_eq!(record.arguments, odd());
    for (key, value) in values {
        assert_eq!(record.environment.get(&key), Some(&value), "{key}");
    }
}

/// A container whose every text is odd.
fn container() -> Container {
    let image = ImageRef::new("registry.example/odd", Digest::of(b"")).unwrap();
    let mut parts = ContainerParts::new(name("odd"), image);
    let numbered = |what: &str| -> BTreeMap<String, String> {
        ODD.iter().enumerate().map(|(index, text)| (format!("{what}{index}"), text.to_string())).collect()
    };
    parts.process.exec = odd();
    parts.process.entrypoint = Some(odd());
    parts.process.environment = numbered("E");
    parts.process.environment.insert("odd name\"'%$\\".to_owned(), "x".to_owned());
    parts.labels = numbered("label ");
    parts.annotations = numbered("a%");
    parts.log_options = numbered("l$");
    parts.limits.sysctl = numbered("net.");
    parts.process.groups = ODD.iter().map(|text| format!("g{text}")).collect();
    parts.network.dns_options = odd();
    parts.network.aliases = odd();
    parts.security.mask = odd();
    parts.security.add_capabilities = ODD.iter().map(|text| format!("cap_{}", text.to_lowercase())).collect();
    parts.storage.devices = odd();
    parts.arguments = ODD.iter().map(|text| format!("--x={text}")).collect();
    for (index, text) in ODD.iter().enumerate() {
        let usable = !text.contains([':', '/']) && !text.chars().any(char::is_control) && !text.is_empty();
        if usable {
            let path = |folder: &str| ImagePath::new(&format!("/{folder}/{text}{index}")).unwrap();
            parts.storage.mounts.push(Mount {
                source: Source::Bind(path("from")),
                target: path("to"),
                options: vec!["ro".to_owned()],
            });
            parts.storage.tmpfs.push(Tmpfs { target: path("tmp"), options: Vec::new() });
        }
    }
    let test = HealthTest::Words(odd().into_iter().rev().collect());
    let second = Period::from_secs(1);
    parts.health = Some(
        Health::new(HealthParts {
            test,
            interval: second,
            timeout: second,
            retries: 1,
            start_period: second,
            on_failure: OnFailure::Kill,
        })
        .unwrap(),
    );
    Container::new(parts).unwrap()
}

/// A command line whose flags all have the one form `--flag=value`, sorted; what follows the image as it is. What only
/// podman's generator or only wharf adds is left out.
pub fn canonical(arguments: &[String], image: &str) -> (Vec<String>, Vec<String>) {
    let at = arguments.iter().position(|word| word == image).unwrap_or_else(|| panic!("no {image} in {arguments:?}"));
    let mut flags: Vec<String> = Vec::new();
    let mut words = arguments[1..at].iter();
    // These the generator writes as two words.
    let pairs = [
        "--add-host",
        "--annotation",
        "--cap-add",
        "--cap-drop",
        "--device",
        "--dns",
        "--dns-option",
        "--dns-search",
        "--env",
        "--env-file",
        "--expose",
        "--gidmap",
        "--group-add",
        "--health-cmd",
        "--health-interval",
        "--health-log-destination",
        "--health-max-log-count",
        "--health-max-log-size",
        "--health-on-failure",
        "--health-retries",
        "--health-start-period",
        "--health-startup-cmd",
        "--health-startup-interval",
        "--health-startup-retries",
        "--health-startup-success",
        "--health-startup-timeout",
        "--health-timeout",
        "--hostname",
        "--ip",
        "--ip6",
        "--label",
        "--log-driver",
        "--log-opt",
        "--memory",
        "--mount",
        "--name",
        "--network",
        "--network-alias",
        "--pids-limit",
        "--pod",
        "--publish",
        "--pull",
        "--retry",
        "--retry-delay",
        "--secret",
        "--security-opt",
        "--shm-size",
        "--stop-signal",
        "--stop-timeout",
        "--subgidname",
        "--subuidname",
        "--sysctl",
        "--tmpfs",
        "--tz",
        "--uidmap",
        "--ulimit",
        "--user",
        "--userns",
        "--workdir",
        "-v",
        "--cgroups",
        "--driver",
        "--entrypoint",
        "--ipam-driver",
        "--interface-name",
        "--subnet",
        "--gateway",
        "--ip-range",
        "--opt",
        "--uid",
        "--gid",
        "--exit-policy",
        "--infra-name",
        "--arch",
        "--authfile",
        "--cert-dir",
        "--creds",
        "--decryption-key",
        "--os",
        "--policy",
        "--variant",
    ];
    while let Some(word) = words.next() {
        let word = match word.as_str() {
            "-v" => format!("--volume={}", words.next().unwrap()),
            flag if pairs.contains(&flag) => format!("{flag}={}", words.next().unwrap()),
            word => word.to_owned(),
        };
        // Which of both is podman's own business.
        let word = if word.starts_with("--cap-") { word.to_lowercase() } else { word };
        if !word.starts_with("--cidfile=") && !word.starts_with("--pod-id-file=") {
            flags.push(word);
        }
    }
    flags.sort();
    (flags, arguments[at + 1..].to_vec())
}

/// A flag that is no list from podman 5.0 on, its value without the quotes of one.
fn whole(flag: &str) -> String {
    let listed = ["--annotation=", "--device=", "--log-opt="].into_iter().find(|name| flag.starts_with(name));
    let Some(name) = listed else { return flag.to_owned() };
    let inner = flag[name.len()..].strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.map_or_else(|| flag.to_owned(), |inner| format!("{name}{}", inner.replace("\"\"", "\"")))
}

#[test]
fn podmans_generator_and_systemd_hand_odd_texts_to_podman_as_they_were_meant() {
    let image = ImageRef::new("registry.example/odd", Digest::of(b"")).unwrap().to_string();
    let run = |(name, text): (String, String)| {
        let records = manager::run(&[(name.clone(), text.replace("/usr/bin/podman", RECORDER))])?;
        Some(canonical(&records[&name].arguments, &image))
    };
    // The plain unit first: systemd alone has read it.
    let Some((flags, words)) = run(file(Meaning::Container(Box::new(container())), "4.3")) else { return };
    assert_eq!(words, odd());
    for (index, text) in ODD.iter().enumerate() {
        for flag in [format!("--env=E{index}={text}"), format!("--x={text}"), format!("--label=label {index}={text}")] {
            assert!(flags.contains(&flag), "{flag:?}");
        }
    }
    let entrypoint = flags.iter().find_map(|flag| flag.strip_prefix("--entrypoint=")).unwrap();
    assert_eq!(serde_json::from_str::<Vec<String>>(entrypoint).unwrap(), odd());
    for root in roots::all() {
        for version in ["4.4", "4.9", &root.version.to_string()] {
            let (name, text) = file(Meaning::Container(Box::new(container())), version);
            let generated = root.generate([(name, text.as_str())], false, Some(RECORDER));
            assert!(generated.good, "{}", generated.said);
            let service = generated.service("odd.service").to_owned();
            let Some((by_generator, tail)) = run(("odd.service".to_owned(), service)) else { return };
            assert_eq!(tail, odd(), "for {version} on {}", root.version);
            let mut flags = flags.clone();
            if version.starts_with('5') {
                // Before 5.0 podman read these as comma-separated values.
                flags = flags.iter().map(|flag| whole(flag)).collect();
                flags.sort();
            }
            assert_eq!(by_generator, flags, "for {version} on {}", root.version);
        }
    }
}

/// A container whose single texts are this one.
fn single(index: usize, text: &str) -> Container {
    let image = ImageRef::new("registry.example/odd", Digest::of(b"")).unwrap();
    let mut parts = ContainerParts::new(name(&format!("odd-{index}")), image);
    let text = || Some(text.to_owned());
    parts.process.user = text();
    parts.process.group = text();
    parts.process.timezone = text();
    parts.process.stop_signal = text();
    parts.network.hostname = text();
    parts.security.seccomp = text();
    parts.security.apparmor = text();
    parts.security.userns = text();
    parts.security.label.kind = text();
    parts.security.label.level = text();
    parts.log_driver = text();
    Container::new(parts).unwrap()
}

#[test]
fn an_odd_text_is_read_whole_by_keys_that_are_taken_as_they_stand() {
    let image = ImageRef::new("registry.example/odd", Digest::of(b"")).unwrap().to_string();
    let files = |version: &str| -> Vec<(String, String)> {
        ODD.iter()
            .enumerate()
            .map(|(index, text)| file(Meaning::Container(Box::new(single(index, text))), version))
            .collect()
    };
    let run = |files: &[(String, String)]| {
        let files: Vec<(String, String)> =
            files.iter().map(|(name, text)| (name.clone(), text.replace("/usr/bin/podman", RECORDER))).collect();
        Some(manager::run(&files)?.into_iter().map(|(name, record)| (name, canonical(&record.arguments, &image))))
    };
    let Some(plain) = run(&files("4.3")) else { return };
    let plain: BTreeMap<_, _> = plain.collect();
    for (index, text) in ODD.iter().enumerate() {
        let flags = &plain[&format!("odd-{index}.service")].0;
        for flag in [format!("--hostname={text}"), format!("--user={text}:{text}"), format!("--tz={text}")] {
            assert!(flags.contains(&flag), "{flag:?} is not in {flags:?}");
        }
    }
    for root in roots::all() {
        for version in ["4.6", &root.version.to_string()] {
            let quadlets = files(version);
            let generated =
                root.generate(quadlets.iter().map(|(name, text)| (name.clone(), text.as_str())), false, Some(RECORDER));
            assert!(generated.good, "{}", generated.said);
            let Some(told) = run(&generated.services) else { return };
            for (name, told) in told {
                assert_eq!(told, plain[&name], "{name} for {version} on {}", root.version);
            }
        }
    }
}
