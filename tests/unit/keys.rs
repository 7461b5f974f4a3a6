//! The table of keys: its text by version as goldens, and podman's generators of two releases as judges.

use std::fmt::Write as _;
use std::process::Command;

use wharf::unit::key::{Flag, Key, QuadletSection};
use wharf::unit::{PodmanVersion, Saying, Unsayable, quote};

use super::odd::canonical;
use super::roots::{self, Root};
use super::samples;
use crate::oracle::has;

fn words(words: Result<Vec<String>, Unsayable>) -> String {
    match words {
        Ok(words) => words.iter().map(|word| quote::word(word)).collect::<Vec<_>>().join(" "),
        Err(error) => format!("! {error}"),
    }
}

/// Lines for podman's generator, the ones for PodmanArgs= with them.
fn lines(saying: &Saying, version: PodmanVersion) -> Result<Vec<(&'static str, String)>, Unsayable> {
    let said = saying.quadlet("x", version)?;
    let arguments = said.arguments.iter().map(|word| ("PodmanArgs", quote::arguments(&[word])));
    let lines = said.lines.into_iter().map(|(key, value)| (key, value.into_owned()));
    Ok(lines.chain(arguments).collect())
}

fn golden(section: QuadletSection) -> String {
    let mut text = String::new();
    for saying in Key::all(section).map(samples::saying) {
        let key = saying.key;
        let _ = writeln!(text, "{}", key.name);
        let mut versions = vec![key.since, samples::before(key.since)];
        if key.many > key.since {
            versions.insert(0, key.many);
        }
        for version in versions.into_iter().filter(|version| *version >= PodmanVersion::QUADLET) {
            match lines(&saying, version) {
                Ok(lines) => lines.iter().for_each(|(key, value)| {
                    let _ = writeln!(text, "  {version:3}  {key}={value}");
                }),
                Err(error) => drop(writeln!(text, "  {version:3}  ! {error}")),
            }
        }
        let plain = PodmanVersion::OLDEST;
        match key.flag {
            // What has no argument, its unit says otherwise.
            Flag::None => {}
            _ => drop(writeln!(text, "  {plain:3}  {}", words(saying.flags("x", plain)))),
        }
    }
    text
}

#[test]
fn every_key_has_a_text_for_each_podman_or_a_refusal() {
    for section in samples::SECTIONS {
        insta::assert_snapshot!(section.as_str().to_lowercase(), golden(section));
    }
}

/// The service that a generator makes of one unit.
fn service(root: &Root, key: &Key, lines: &[(&str, String)]) -> Result<String, String> {
    let name = format!("k.{}", samples::kind(key.section));
    let unit = samples::unit(key, lines);
    let pod = ("web.pod".to_owned(), "[Pod]\n");
    let volume = ("web.volume".to_owned(), "[Volume]\n");
    let generated = root.generate([(name, unit.as_str()), pod, volume], false, None);
    let found = generated.services.into_iter().find(|(_, text)| text.contains("/k."));
    found.filter(|_| generated.good).map(|(_, text)| text).ok_or(generated.said)
}

/// The command line of a service that has the key's flags.
fn command(text: &str, section: QuadletSection) -> Vec<String> {
    let key = if section == QuadletSection::Pod { "ExecStartPre=" } else { "ExecStart=" };
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    let words = quote::split(line).unwrap();
    words.iter().map(|word| word.replace("%%", "%").replace("$$", "$")).collect()
}

/// Whether every flag stands in the command, in one word or two.
fn holds(command: &[String], flags: &[String]) -> bool {
    let ended: Vec<String> = command.iter().cloned().chain(["END".to_owned()]).collect();
    let (canonical, _) = canonical(&ended, "END");
    flags.iter().all(|flag| canonical.contains(flag))
}

#[test]
fn generators_take_each_key_from_the_version_on_that_the_table_says_and_none_before() {
    let mut wrong = Vec::new();
    for root in roots::all() {
        for saying in samples::all() {
            let key = saying.key;
            let written = lines(&saying, key.many).unwrap();
            let said = service(root, &key, &written).err().unwrap_or_default();
            let refused = said.contains(&format!("unsupported key '{}'", key.name));
            if if root.version < key.since { !refused } else { !said.is_empty() } {
                wrong.push(format!("podman {}, {:?} {}: {said}", root.version, key.section, key.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_argument_says_what_its_key_says() {
    let mut wrong = Vec::new();
    for root in roots::all() {
        for saying in samples::all() {
            let key = saying.key;
            let Ok(flags) = saying.flags("x", PodmanVersion::new(9, 0)) else { continue };
            if root.version >= key.many {
                let by_key = command(&service(root, &key, &lines(&saying, key.many).unwrap()).unwrap(), key.section);
                if !holds(&by_key, &flags) {
                    wrong.push(format!("{:?} {}: {flags:?} is not in {by_key:?}", key.section, key.name));
                }
            }
            // And the detour, as an older podman needs it.
            let Some(detour) = lines(&saying, samples::before(key.since)).ok() else { continue };
            let detour = command(&service(root, &key, &detour).unwrap(), key.section);
            if !holds(&detour, &flags) {
                wrong.push(format!("{:?} {}: {flags:?} is not in {detour:?}", key.section, key.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The names of the flags that a podman lists for a command.
fn listed(root: Option<&Root>, section: QuadletSection) -> Vec<String> {
    let words: &[&str] = match section {
        QuadletSection::Container | QuadletSection::Quadlet => &["run"],
        QuadletSection::Pod => &["pod", "create"],
        QuadletSection::Network => &["network", "create"],
        QuadletSection::Volume => &["volume", "create"],
        QuadletSection::Image => &["image", "pull"],
    };
    let mut command = match root {
        None => Command::new("podman"),
        Some(root) => {
            let enter = "mount -t proc proc \"$0/proc\"; exec chroot \"$0\" /usr/bin/podman \"$@\"";
            let mut command = Command::new("unshare");
            command.args(["--mount", "--propagation", "private", "sh", "-c", enter]).arg(&root.path);
            command
        }
    };
    let output = command.args(words).arg("--help").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Options:"), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    text.split_whitespace()
        .filter(|word| word.starts_with("--"))
        .map(|word| word.trim_end_matches(',').to_owned())
        .collect()
}

#[test]
fn podman_has_each_argument_from_the_version_on_that_the_table_says() {
    let own = (has("podman"), Command::new("podman").arg("--version").output());
    let own = if let (true, Ok(output)) = own {
        let said = String::from_utf8(output.stdout).unwrap();
        said.trim().rsplit(' ').next().unwrap().parse().ok().map(|version: PodmanVersion| (None, version))
    } else {
        None
    };
    let mut wrong = Vec::new();
    for (root, version) in own.into_iter().chain(roots::all().map(|root| (Some(root), root.version))) {
        for section in samples::SECTIONS {
            let listed = listed(root, section);
            for key in Key::all(section) {
                let (Flag::Value(flag, since) | Flag::Switch(flag, since) | Flag::When(flag, since)) = key.flag else {
                    continue;
                };
                let name = flag.split('=').next().unwrap();
                // What an option of it needs cannot be seen here.
                if !name.is_empty()
                    && name != "--security-opt"
                    && listed.iter().any(|other| other == name) != (version >= since)
                {
                    wrong.push(format!("podman {version}, {section:?} {}: {name}", key.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
