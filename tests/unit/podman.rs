//! podman itself: what it keeps of a container that it was told to make by a unit's command line.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use wharf::unit::{
    Container, ContainerParts, Health, HealthParts, HealthTest, Meaning, PodmanVersion, Scope, quote, units,
};

use super::meanings::{health, image, name};
use super::odd::ODD;
use super::roots::{self, Root};
use crate::oracle::has;
use crate::support::skip;

/// podman in a mount namespace of its own, with locks and state of its own; `$0` is the root it is in.
const ENTER: &str = r#"set -e
if [ "$0" != / ]; then
    mount -t proc proc "$0/proc"
    mount -t sysfs sysfs "$0/sys"
    mount --rbind /dev "$0/dev"
fi
mount -t tmpfs tmpfs "$0/run"
mount -t tmpfs tmpfs "$0/dev/shm"
base=$1; shift
podman() {
    chroot "$0" /usr/bin/podman --root "$base/root" --runroot "$base/run" --tmpdir "$base/tmp" --storage-driver vfs "$@"
}
podman create "$@" >&2
podman inspect wharf-odd
"#;

/// The words of a command line that systemd would hand on.
fn words(line: &str) -> Vec<String> {
    let expand = |word: String| {
        let mut chars = word.chars();
        let mut text = String::new();
        while let Some(c) = chars.next() {
            match (c, chars.clone().next()) {
                ('%', Some('i')) => drop(chars.next()),
                ('%', Some('%')) | ('$', Some('$')) => text.extend(chars.next()),
                _ => text.push(c),
            }
        }
        text
    };
    quote::split(line).unwrap().into_iter().map(expand).collect()
}

/// What a podman keeps of the container of a service's text.
fn made(root: &Path, service: &str) -> Value {
    let line = service.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let folder = tempfile::Builder::new().prefix("podman-").tempdir_in(root.join("tmp")).unwrap();
    let inside = Path::new("/").join(folder.path().strip_prefix(root).unwrap());
    fs::create_dir(folder.path().join("rootfs")).unwrap();
    let rootfs = inside.join("rootfs").to_str().unwrap().to_owned();
    let image = image().to_string();
    // No image is needed, nor are control groups; nothing is started.
    let left_out = |word: &String| {
        ["-d", "--cgroups=split"].contains(&word.as_str())
            || word.starts_with("--cidfile=")
            || word.starts_with("--pull")
    };
    let words = words(line);
    let pull = words.iter().position(|word| word == "--pull").map(|at| at + 1);
    let words = words.iter().enumerate().skip(2).filter(|(at, word)| !left_out(word) && Some(*at) != pull);
    let words = words.map(|(_, word)| if *word == image { rootfs.clone() } else { word.clone() });
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", ENTER]).arg(root).arg(&inside);
    let output = command.args(["--rootfs", "--network=none"]).args(words).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    all[0].clone()
}

fn odd() -> Vec<String> {
    ODD.iter().map(ToString::to_string).collect()
}

fn container(test: HealthTest) -> Meaning {
    let numbered = |what: &str| -> BTreeMap<String, String> {
        ODD.iter().enumerate().map(|(index, text)| (format!("{what}{index}"), text.to_string())).collect()
    };
    let mut parts = ContainerParts::new(name("wharf-odd"), image());
    parts.process.exec = odd();
    parts.process.environment = numbered("E");
    parts.labels = numbered("label ");
    parts.annotations = numbered("a%");
    parts.health = Some(Health::new(HealthParts { test, ..health().parts().clone() }).unwrap());
    Meaning::Container(Box::new(Container::new(parts).unwrap()))
}

/// What is otherwise than it was meant.
fn judge(made: &Value, test: &[&str]) -> Vec<String> {
    let config = &made["Config"];
    let mut wrong = Vec::new();
    let mut same = |what: &str, read: Value, meant: Value| {
        if read != meant {
            wrong.push(format!("{what}: {read} in place of {meant}"));
        }
    };
    same("command", config["Cmd"].clone(), json!(odd()));
    let environment: Vec<String> = serde_json::from_value(config["Env"].clone()).unwrap();
    for (index, text) in ODD.iter().enumerate() {
        let variable = environment.iter().find_map(|pair| pair.strip_prefix(&format!("E{index}=")));
        same("variable", json!(variable), json!(text));
        same("label", config["Labels"][format!("label {index}")].clone(), json!(text));
        same("annotation", config["Annotations"][format!("a%{index}")].clone(), json!(text));
    }
    let check = &config["Healthcheck"];
    same("check", check["Test"].clone(), json!(test));
    for (key, seconds) in [("Interval", 30), ("Timeout", 10), ("StartPeriod", 60)] {
        same(key, check[key].clone(), json!(seconds * 1_000_000_000_u64));
    }
    same("Retries", check["Retries"].clone(), json!(3));
    wrong
}

/// The service for a podman: by its generator, where it has one.
fn service(meaning: &Meaning, version: PodmanVersion, root: Option<&Root>) -> String {
    let text = units(meaning, &version, Scope::System).unwrap()[0].render();
    match root {
        None => text,
        Some(root) => {
            let generated = root.generate([("wharf-odd.container".to_owned(), text.as_str())], false, None);
            assert!(generated.good, "{}", generated.said);
            generated.service("wharf-odd.service").to_owned()
        }
    }
}

#[test]
fn podman_keeps_odd_texts_and_the_whole_health_check_as_they_were_meant() {
    if !rustix::process::geteuid().is_root() {
        skip("podman in a namespace of its own takes root");
        return;
    }
    let own = has("podman").then(|| Command::new("podman").arg("--version").output().unwrap());
    let own = own.and_then(|output| {
        let said = String::from_utf8(output.stdout).unwrap();
        said.trim().rsplit(' ').next().unwrap().parse::<PodmanVersion>().ok()
    });
    // A podman with Quadlet is judged in the roots.
    let own = own.filter(|version| *version < PodmanVersion::QUADLET).map(|version| (version, None));
    let words = |words: &[&str]| HealthTest::Words(words.iter().map(ToString::to_string).collect());
    let reversed: Vec<String> = odd().into_iter().rev().collect();
    let many: Vec<&str> = ["CMD", "/check"].into_iter().chain(reversed.iter().map(String::as_str)).collect();
    let tests = [
        (HealthTest::Shell("a \"b\" | c 'd' $e".to_owned()), vec!["CMD-SHELL", "a \"b\" | c 'd' $e"]),
        (words(&many[1..]), many.clone()),
        (words(&["/bin/check%$"]), vec!["CMD", "/bin/check%$"]),
        (words(&["/a 'b"]), vec!["CMD-SHELL", "'/a '\\''b'"]),
    ];
    let mut wrong = Vec::new();
    for (version, root) in own.into_iter().chain(roots::all().map(|root| (root.version, Some(root)))) {
        let path = root.map_or(Path::new("/"), |root| &root.path);
        for (test, read) in &tests {
            let meaning = container(test.clone());
            for what in judge(&made(path, &service(&meaning, version, root)), read) {
                wrong.push(format!("podman {version}: {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
