//! A small estate of a project of its own, with images of the catalogue, and what `wharf units` wrote for it, on a host.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use serde_json::Value;
use wharf::config;
use wharf::desired::{self, Ground};
use wharf::estate::Project;
use wharf::name::{EstateName, HostName, SecretName};
use wharf::secrets::{Identities, Safe, SecretsError, Vault};
use zeroize::Zeroizing;

use super::{Host, Lab};
use crate::build::{WHARF, ended};
use crate::real::nobody_answers;
use crate::support::place::{as_user, cache, own, scratch};

/// root's podman.
pub const PODMAN: &[&str] = &["podman"];

/// root's podman for images that hosts share.
pub const SHARED: &[&str] =
    &["env", "CONTAINERS_STORAGE_CONF=/dev/null", "podman", "--root=/mnt/images", "--storage-driver=overlay"];

/// Estates of the catalogue that run in the lab, and what they are called there.
const ESTATES: [(&str, &str); 3] =
    [("all-in-one", "lab-all-in-one"), ("multinode", "lab-multinode"), ("two-cells", "lab-two-cells")];

/// What all-in-one and two-cells run, and multinode needs not.
const ELSEWHERE: [&str; 4] = ["chrony", "log-agent", "log-collector", "valkey"];

/// The fewest rounds that bcrypt has.
const QUICK: &str =
    "override \"keystone\" file=\"/etc/keystone/keystone.conf\" { section \"identity\" { password_hash_rounds 4 } }";

/// The images of their services.
const IMAGES: [&str; 10] = [
    "chrony",
    "etcd",
    "haproxy",
    "keepalived",
    "keystone",
    "log-collector",
    "mariadb",
    "memcached",
    "rabbitmq",
    "valkey",
];

/// Texts that a shell, systemd or podman would like to change; `${` is said `$${` in a spec.
pub const ODD: [(&str, &str); 9] = [
    ("BLANKS", "  a  b "),
    ("PERCENT", "100% %n %i %%"),
    ("DOLLAR", "$HOME $$ ${HOME} $"),
    ("QUOTES", "it's \"quoted\""),
    ("BACKSLASH", "C:\\new \\x41 \\"),
    ("UNICODE", "Übergröße 深い 🛳"),
    ("HASH", "# no; comment"),
    ("EMPTY", ""),
    ("EQUALS", "a=b=c"),
];

/// The program of the image `lab-box`: it takes its time to be well, and writes down what happens to it.
const BOX: &str = r##"#!/bin/sh
echo start >> /var/lib/box/starts
trap 'cat /etc/box/live/live.conf > /var/lib/box/reloaded' HUP
trap 'exit 0' TERM
sleep 2
: > /tmp/ready
while :; do sleep 1 & wait $!; done
"##;

const SPEC: &str = r##"
import "catalogue"

image "lab-box" {
    from "base"
    account "box" uid=42999 gid=42999 home="/nonexistent"
    dir "/var/lib/box" owner="box" mode="0750"
    file "/usr/local/bin/box" source="box/box.sh" mode="0755"
    user "box"
    command "box"
    health "test" "-e" "/tmp/ready" interval="3s" timeout="5s" retries=20 start="5s"
}

service "lab-cache" {
    image "memcached"
    summary "what others need"
    role "cache"
    provides "lab-cache" port=11311
    command "memcached" "-v" "-l" "${address}" "-p" "${port}"
    health "healthcheck_port" "${port}" "${address}" interval="2s" timeout="5s" retries=5 start="5s"
}

service "lab-box" {
    role "box"
    needs "lab-cache" as="cache"
    config "/etc/box/box.conf" "[box]\ncache = ${needs.cache.host}:${needs.cache.port}\n" owner="box" group="root" mode="0440"
    config "/etc/box/secret.conf" template="box/secret.conf.j2" as="text" owner="box" mode="0400"
    config "/etc/box/live/live.conf" "generation = ${vars.generation}\n" as="text" on-change="reload"
    var generation=1
    // Below /run/secrets, runc of podman 4.3 cannot mount it where the root file system is read-only; crun can.
    secret "lab-token" path="/etc/box/token" owner="box" mode="0440"
    secret "lab-word" env="WORD"
    generate "lab-token" length=32
    generate "lab-word" length=20
    mount "/var/lib/box" volume="data"
    reload signal="SIGHUP"
    health "test" "-e" "/tmp/ready" interval="3s" timeout="5s" retries=20 start="5s" on-failure="kill"
    stop timeout="10s"
    restart "always" delay="1s"
    ODD
    task "note" run="echo noted with $WORD > /var/lib/box/note" before="start"
    task "tick" run="echo tick >> /var/lib/box/ticks" schedule="*-*-* *:*:00/2"
}

service "lab-sick" {
    image "lab-box"
    role "sick"
    command "sleep" "1000"
    health "false" interval="1s" timeout="1s" retries=2 start="1s"
    start-timeout "8s"
    restart "no"
    stop timeout="2s"
}
"##;

const ESTATE: &str = r#"
estate "lab" {
    registry "registry.lab.example/wharf"
    distro "debian-trixie"
    limits "unenforced"
    RECIPIENT
    host "new" address="10.77.0.21" podman="5.4" { role "cache" "box" "sick" }
    host "old" address="10.77.0.22" podman="4.3" { role "cache" "box" }
}
"#;

/// The catalogue as it is here: chronyd keeps time without setting the clock, which is the machine's (chronyd(8)), and
/// what is healthy for some seconds is taken to stay so, on whichever host it is.
pub fn catalogue() -> String {
    let mut specs =
        "import \"catalogue\"\nextend service \"chrony\" { command \"chronyd\" \"-x\" \"-d\" \"-u\" \"_chrony\" }\n"
            .to_owned();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs/services");
    for file in fs::read_dir(folder).unwrap() {
        let text = "\n".to_owned() + &fs::read_to_string(file.unwrap().path()).unwrap();
        for service in text.split("\nservice \"").skip(1) {
            let name = service.split('"').next().unwrap();
            let update = match service.split_once("\n    update ") {
                Some((_, rest)) if rest.lines().next().unwrap().ends_with('{') => {
                    rest.split_once("\n    }").unwrap().0.to_owned() + "\n    }"
                }
                Some((_, rest)) => rest.lines().next().unwrap().to_owned(),
                None => "healthy-for=\"10s\"".to_owned(),
            };
            let sooner = update.replace("healthy-for=\"10s\"", "healthy-for=\"4s\"");
            assert_ne!(update, sooner, "{name}");
            specs += &format!("extend service \"{name}\" {{ update {sooner}; }}\n");
        }
    }
    specs
}

/// A project with its images built, its secrets made, and the files of its hosts.
pub struct Estate {
    home: PathBuf,
    name: &'static str,
    /// The values of podman's secrets, by its names for them.
    secrets: BTreeMap<String, Vec<u8>>,
}

impl Estate {
    /// The estate of this file, made once for all tests here. None where no archive answers.
    pub fn small() -> Option<&'static Self> {
        static SMALL: OnceLock<Option<Estate>> = OnceLock::new();
        let make = || {
            let estate = Self::new("lab-small", "lab");
            estate.write("layers/box/box.sh", BOX);
            let odd = ODD.map(|(name, text)| format!("{name}={}", quoted(&text.replace("${", "$${"))));
            estate.write("specs/lab.kdl", &SPEC.replace("ODD", &format!("env {}", odd.join(" "))));
            estate
                .write("templates/box/secret.conf.j2", "host = {{ host.name }}\ntoken = {{ secret(\"lab-token\") }}\n");
            estate.write("targets/lab.kdl", &ESTATE.replace("RECIPIENT", &estate.recipient()));
            estate.make(&["memcached", "lab-box"])
        };
        SMALL.get_or_init(make).as_ref()
    }

    /// An estate of the catalogue, with what is the lab's own: images are built once for all of them. Its name here begins
    /// with `lab-`. None where no archive answers.
    pub fn catalogue(name: &str) -> Option<&'static Self> {
        static ALL: OnceLock<Option<Vec<Estate>>> = OnceLock::new();
        let make = || {
            let first = Self::new("lab-catalogue", ESTATES[0].1);
            first.write("specs/lab.kdl", &catalogue());
            let recipient = first.recipient();
            for (theirs, ours) in ESTATES {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("targets/estates/{theirs}.kdl"));
                let text = fs::read_to_string(path).unwrap();
                let own = format!(
                    "estate \"{ours}\" {{\n    limits \"unenforced\"\n    registry \"registry.lab.example\"\n    {recipient}"
                );
                // A host may open 20,000 files at once, and a connection takes two.
                let own = match text.contains("\"haproxy\"") {
                    true => own + "\n    var haproxy_connections=4096",
                    false => own,
                };
                // Here keystone's passwords are hashed hundreds of times, on two cores.
                let own = match theirs {
                    "multinode" => own + "\n    " + QUICK,
                    _ => own,
                };
                // nova has a test of its own. Of multinode, five hosts are booted.
                let is_here = |line: &&str| {
                    !line.contains("\"nova-") && (theirs != "multinode" || !line.contains("host \"compute"))
                };
                let text = text.lines().filter(is_here).fold(String::new(), |text, line| text + line + "\n");
                // Nor does it run again five times what the others run: every health check takes its time.
                let elsewhere = if theirs == "multinode" { &ELSEWHERE[..] } else { &[] };
                let text = elsewhere.iter().fold(text, |text, name| text.replace(&format!(" \"{name}\""), ""));
                let changed = text.replacen(&format!("estate \"{theirs}\" {{"), &own, 1);
                assert_ne!(changed, text);
                first.write(&format!("targets/{theirs}.kdl"), &changed);
            }
            own(&first.home);
            first.build(&IMAGES)?;
            let of = |(_, name)| Self { home: first.home.clone(), name, secrets: BTreeMap::new() }.filled();
            Some(ESTATES.into_iter().map(of).collect())
        };
        let all = ALL.get_or_init(make).as_ref()?;
        Some(all.iter().find(|estate| estate.name.strip_prefix("lab-") == Some(name)).unwrap())
    }

    /// The same project again in the folder `folder` of this run, to be changed.
    pub fn copy(&self, folder: &str) -> Self {
        let home = scratch(folder);
        fs::remove_dir_all(&home).unwrap();
        // Blobs are written once, and the others are small.
        let copied = Command::new("cp").args(["-a", "--link"]).arg(&self.home).arg(&home).status().unwrap();
        assert!(copied.success());
        Self { home, name: self.name, secrets: BTreeMap::new() }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// An empty project in the folder `folder` of this run, for whoever builds.
    pub fn new(folder: &str, name: &'static str) -> Self {
        let home = scratch(folder);
        // What another test was stopped in.
        fs::remove_dir_all(&home).unwrap();
        fs::create_dir_all(home.join("project")).unwrap();
        fs::copy(WHARF, home.join("wharf")).unwrap();
        Self { home, name, secrets: BTreeMap::new() }
    }

    pub fn project(&self) -> PathBuf {
        self.home.join("project")
    }

    /// The images that were built, as a host sees them.
    pub fn store(&self) -> PathBuf {
        self.project().join(".wharf/store")
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.project().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // A copy of the project has the old one.
        let _ = fs::remove_file(&path);
        fs::write(path, text).unwrap();
    }

    /// wharf as an ordinary user, in this project.
    fn wharf(&self, arguments: &[&str]) -> Command {
        let mut command = as_user(&self.home.join("wharf"));
        command.args(arguments).arg("-C").arg(self.project()).current_dir("/");
        command.env("HOME", &self.home).env("WHARF_CACHE", cache()).env("WHARF_IDENTITY", self.home.join("identity"));
        command.env_remove("XDG_CACHE_HOME").env_remove("XDG_CONFIG_HOME");
        command
    }

    /// wharf as root of this machine, in this project.
    pub fn operator(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.home.join("wharf"));
        command.arg("-C").arg(self.project()).args(["--estate", self.name]).args(arguments).current_dir("/");
        command.env("HOME", &self.home).env("WHARF_CACHE", cache()).env("WHARF_IDENTITY", self.home.join("identity"));
        command.env_remove("XDG_RUNTIME_DIR").env_remove("WHARF_SSH_CONFIG");
        command
    }

    /// wharf as whoever operates the hosts, who sees their network.
    pub fn operate(&self, lab: &Lab, hosts: &[&Host], arguments: &[&str]) -> Command {
        let mut command = lab.outside(self.home.join("wharf"));
        command.args(arguments).args(["--estate", self.name, "-C"]).arg(self.project()).current_dir("/");
        command.env("HOME", &self.home).env("WHARF_CACHE", cache()).env("WHARF_IDENTITY", self.home.join("identity"));
        command.env("WHARF_SSH_CONFIG", lab.ssh(hosts)).env_remove("XDG_RUNTIME_DIR");
        command
    }

    /// Makes a key; the line that names who can read the estate's secrets.
    pub fn recipient(&self) -> String {
        own(&self.home);
        ended(0, &self.wharf(&["secrets", "keygen"]).output().unwrap()).0
    }

    /// Builds images, makes secrets and the files of all hosts. None where no archive answers.
    pub fn make(self, images: &[&str]) -> Option<Self> {
        own(&self.home);
        self.build(images)?;
        Some(self.filled())
    }

    pub fn build(&self, images: &[&str]) -> Option<()> {
        let build = [&["build"], images, &["--distro", "debian-trixie", "--arch", "x86_64"]].concat();
        let output = self.wharf(&build).output().unwrap();
        if nobody_answers(&output) {
            return None;
        }
        ended(0, &output);
        Some(())
    }

    /// With its secrets and the files of its hosts.
    fn filled(mut self) -> Self {
        ended(0, &self.wharf(&["secrets", "generate", "--estate", self.name]).output().unwrap());
        let to = self.units();
        ended(0, &self.wharf(&["units", "--estate", self.name, "--to", to.to_str().unwrap()]).output().unwrap());
        self.secrets = self.values();
        self
    }

    fn units(&self) -> PathBuf {
        self.home.join("units").join(self.name)
    }

    /// What podman's secrets hold. No file that wharf writes has it.
    fn values(&self) -> BTreeMap<String, Vec<u8>> {
        let project = wharf::estate::load(&self.project()).unwrap();
        let name = EstateName::new(self.name).unwrap();
        let vault = Vault::of(&self.project(), &name);
        let identities = Identities::read(&self.home.join("identity")).unwrap();
        let safe = match vault.read(&identities) {
            // An estate without secrets has no file of them.
            Err(SecretsError::NoFile { .. }) => return BTreeMap::new(),
            safe => safe.unwrap(),
        };
        let keeper = Keeper { safe, seen: Mutex::default() };
        keeper.see(&project, &name, &self.project());
        keeper.seen.into_inner().unwrap()
    }

    /// What a secret of the estate holds.
    pub fn secret(&self, name: &str) -> String {
        ended(0, &self.wharf(&["secrets", "get", name, "--estate", self.name]).output().unwrap())
            .0
            .trim_end()
            .to_owned()
    }

    /// A file of a host.
    pub fn file(&self, host: &str, path: &str) -> String {
        fs::read_to_string(self.units().join(host).join(path.trim_start_matches('/'))).unwrap()
    }

    /// What `wharf units` says of a host.
    pub fn document(&self, host: &str) -> Value {
        serde_json::from_slice(&fs::read(self.units().join(format!("{host}.json"))).unwrap()).unwrap()
    }

    /// Brings a host its images, but those that it sees already.
    pub fn load(&self, host: &Host, name: &str, podman: &[&str]) {
        for (reference, need) in self.document(name)["images"].as_object().unwrap() {
            if !host.try_run(&[podman, &["image", "exists", reference]].concat()).status.success() {
                let text = |key: &str| need[key].as_str().unwrap();
                pull(host, podman, reference, &format!("{}:{}-{}", text("image"), text("distro"), text("arch")));
            }
        }
    }

    /// Brings a host all that it shall have: images, secrets, files. `podman` begins a podman of whoever runs them.
    pub fn install(&self, host: &Host, name: &str, podman: &[&str]) {
        self.load(host, name, podman);
        let document = self.document(name);
        for object in document["secrets"].as_object().unwrap().keys() {
            host.feed(&[podman, &["secret", "create", object, "-"]].concat(), &self.secrets[object]);
        }
        for file in document["files"].as_array().unwrap() {
            let path = file["path"].as_str().unwrap();
            let id = |key: &str| u32::try_from(file[key].as_u64().unwrap()).unwrap();
            let mode = u32::from_str_radix(file["mode"].as_str().unwrap(), 8).unwrap();
            let bytes = fs::read(self.units().join(name).join(path.trim_start_matches('/'))).unwrap();
            host.write(path, &bytes, (id("uid"), id("gid")), mode);
        }
    }
}

/// An image of the store under the name that units have for it.
fn pull(host: &Host, podman: &[&str], reference: &str, stored: &str) {
    let (name, digest) = reference.split_once('@').unwrap();
    let run = |words: &[&str]| host.run(&[podman, words].concat());
    let id = run(&["pull", "--quiet", &format!("oci:/mnt/store:{stored}")]);
    let id = id.lines().last().unwrap().trim().to_owned();
    run(&["tag", &id, &format!("{name}:{}", &digest[7..19])]);
    run(&["image", "exists", reference]);
}

/// Secrets, and what was asked of them.
struct Keeper {
    safe: Safe,
    seen: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Keeper {
    fn see(&self, project: &Project, name: &EstateName, root: &Path) {
        let release = fs::read_to_string(root.join("releases/current.kdl")).unwrap();
        let release = wharf::release::Release::read("current", &release).unwrap();
        let (estate, placed) = (&project.estates[name], &project.placed[name]);
        let ground = Ground { project, estate, placed, release: &release, vault: self };
        let hosts: Vec<&HostName> = estate.hosts.keys().collect();
        desired::desired(ground, hosts).unwrap();
    }
}

impl desired::Vault for Keeper {
    fn names(&self) -> Vec<SecretName> {
        self.safe.entries().keys().cloned().collect()
    }

    fn object(&self, name: &SecretName) -> Option<String> {
        let value = self.safe.get(name).ok()?;
        let object = self.safe.keyed_name(name, value);
        self.seen.lock().unwrap().insert(object.clone(), value.expose().to_vec());
        Some(object)
    }

    fn object_of(&self, label: &str, file: &config::File) -> Result<String, String> {
        let lookup = |name: &str| {
            let secret = self.safe.get(&SecretName::new(name).ok()?).ok()?;
            Some(Zeroizing::new(secret.expose().to_vec()))
        };
        let bytes = file.reveal(&lookup).map_err(|error| error.to_string())?;
        let object = self.safe.keyed_name_of(label, &bytes);
        self.seen.lock().unwrap().insert(object.clone(), bytes.to_vec());
        Ok(object)
    }
}

/// A text as KDL writes it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
