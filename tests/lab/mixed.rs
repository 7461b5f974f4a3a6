//! One estate on hosts of two kinds: services of the system and of an ordinary account, with Quadlet and without.

use super::estate::Estate;
use super::modes::{Eyes, Judge};
use super::runs::can;
use super::user::{self, AS};
use super::{Host, Lab, Release};
use crate::build::ended;

const SPEC: &str = r##"
import "catalogue"

image "lab-box" {
    from "base"
    account "box" uid=42999 gid=42999 home="/nonexistent"
    dir "/var/lib/box" owner="box" mode="0750"
    user "box"
    command "sleep" "infinity"
    health "test" "-e" "/etc/box/box.conf" interval="10s" timeout="5s" retries=2 start="5s"
}

service "lab-cache" {
    image "memcached"
    role "box"
    provides "lab-cache" port=11311
    command "memcached" "-v" "-l" "${address}" "-p" "${port}"
    health "healthcheck_port" "${port}" "${address}" interval="3s" timeout="5s" retries=5 start="5s"
    update healthy-for="1s" deadline="60s"
}

service "lab-box" {
    role "box"
    needs "lab-cache" as="cache"
    network "lab-inner" subnet="10.99.7.0/24" internal=#true
    var word="one"
    config "/etc/box/box.conf" "word = ${vars.word}\n" as="text" owner="box" mode="0440"
    config "/etc/box/secret.conf" template="box/secret.conf.j2" as="text" owner="box" mode="0400"
    secret "lab-token" path="/etc/box/token" owner="box" mode="0400"
    generate "lab-token" length=32
    generate "lab-word" length=32
    mount "/var/lib/box" volume="data"
    stop timeout="2s"
    task "note" run="echo noted >> /var/lib/box/notes" before="start" once-per="host" on="bootstrap"
    task "tick" run="echo tick >> /var/lib/box/ticks" schedule="*-*-* *:*:00/2"
    update healthy-for="1s" deadline="60s"
}

service "lab-own" {
    image "lab-box"
    role "own"
    run-as "svc" uid=2001
    command "sh" "-c" "trap 'cat /etc/box/live/live.conf > /var/lib/box/reloaded' HUP; while :; do sleep 1 & wait $!; done"
    var word="one"
    config "/etc/box/box.conf" "word = ${vars.word}\n" as="text" mode="0444"
    config "/etc/box/mine.conf" "who = svc\n" as="text" owner="box" mode="0400"
    config "/etc/box/root.conf" "who = root\n" as="text" mode="0400"
    config "/etc/box/all.conf" "who = all\n" as="text"
    config "/etc/box/live/live.conf" "live = ${vars.word}\n" as="text" on-change="reload"
    secret "lab-own-token" path="/run/secrets/token" owner="box" mode="0400"
    generate "lab-own-token" length=32
    mount "/var/lib/box" volume="data"
    reload signal="SIGHUP"
    stop timeout="2s"
    task "note" run="echo noted >> /var/lib/box/notes" before="start" once-per="host" on="bootstrap"
    task "tick" run="echo tick >> /var/lib/box/ticks" schedule="*-*-* *:*:00/2"
    update healthy-for="1s" deadline="60s"
}
"##;

const TARGET: &str = r#"
estate "lab-mixed" {
    registry "registry.lab.example/wharf"
    distro "debian-trixie"
    limits "unenforced"
    RECIPIENT
    host "m1" address="10.77.0.61" podman="5.4" { role "box" "own" }
    host "m2" address="10.77.0.62" podman="4.3" { role "box" }
}
"#;

/// A program of whoever owns a service.
fn by<'a>(service: &str, words: &[&'a str]) -> Vec<&'a str> {
    let own: &[&str] = if service == "lab-own" { &AS } else { &[] };
    [own, words].concat()
}

/// systemctl for a service, of whichever manager runs it.
fn systemctl<'a>(service: &str, words: &[&'a str]) -> Vec<&'a str> {
    let begin: &[&str] = if service == "lab-own" { &["systemctl", "--user"] } else { &["systemctl"] };
    by(service, &[begin, words].concat())
}

struct Story<'a> {
    estate: &'a Estate,
    lab: &'a Lab,
    eyes: Eyes,
}

impl Story<'_> {
    fn wharf(&self, hosts: [&Host; 2], code: i32, arguments: &[&str]) -> String {
        let mut command = self.estate.operate(self.lab, &hosts, arguments);
        let output = self.eyes.watched(|| command.output().unwrap());
        eprintln!("$ wharf {}", arguments.join(" "));
        let (out, err) = ended(code, &output);
        eprintln!("{out}{err}");
        let said = out + &err;
        self.eyes.nothing_secret(&said, "what wharf says");
        said
    }

    fn judge(&self, hosts: [&Host; 2]) {
        Judge { estate: self.estate, lab: self.lab, eyes: &self.eyes }.judge(&hosts);
    }
}

/// What a container has read of its configuration.
fn word(host: &Host, service: &str) -> String {
    let words = by(service, &["podman", "exec", service, "sed", "-n", "s/^word = //p", "/etc/box/box.conf"]);
    String::from_utf8(host.try_run(&words).stdout).unwrap().trim().to_owned()
}

/// The services of each host.
fn services(hosts: [&Host; 2]) -> [(&Host, &str); 5] {
    let [one, two] = hosts;
    [(one, "lab-box"), (one, "lab-cache"), (one, "lab-own"), (two, "lab-box"), (two, "lab-cache")]
}

/// When each service came up last: it differs after every start.
fn starts(hosts: [&Host; 2]) -> Vec<String> {
    let since = |(host, service): (&Host, &'static str)| {
        let unit = format!("{service}.service");
        host.run(&systemctl(service, &["show", "--value", "--property=ActiveEnterTimestampMonotonic", &unit]))
    };
    let [one, two] = hosts;
    [(one, "lab-box"), (one, "lab-cache"), (one, "lab-own"), (two, "lab-box"), (two, "lab-cache")].map(since).to_vec()
}

/// All of it runs, and is well.
fn all_is_up(hosts: [&Host; 2]) {
    for (host, service) in services(hosts) {
        host.until(&format!("{service} of {}", host.name()), || {
            let unit = format!("{service}.service");
            let is_up = host.try_run(&systemctl(service, &["is-active", &unit])).status.success();
            let check = by(service, &["podman", "healthcheck", "run", service]);
            (is_up && host.try_run(&check).status.success()).then_some(())
        });
    }
}

#[test]
fn accounts_services_and_hosts_without_quadlet_come_up_by_one_apply_and_go_back() {
    if !can() {
        return;
    }
    let estate = Estate::new("lab-mixed", "lab-mixed");
    estate.write("specs/lab.kdl", SPEC);
    estate.write("templates/box/secret.conf.j2", "host = {{ host.name }}\nword = {{ secret(\"lab-word\") }}\n");
    let target = TARGET.replace("RECIPIENT", &estate.recipient());
    estate.write("targets/lab.kdl", &target);
    let Some(estate) = estate.make(&["memcached", "lab-box"]) else { return };
    let lab = Lab::new();
    let new = lab.boot(Release::Trixie, "m1", "10.77.0.61", None);
    let old = lab.boot(Release::Bookworm, "m2", "10.77.0.62", None);
    let (Some(mut new), Some(mut old)) = (new, old) else { return };
    let secrets = ["lab-token", "lab-word", "lab-own-token"].map(|name| estate.secret(name));
    let story = Story { estate: &estate, lab: &lab, eyes: Eyes::new(secrets.to_vec()) };
    let change = |from: &str, to: &str| estate.write("specs/lab.kdl", &SPEC.replace(from, to));

    // An account that is not there is said before anything changes.
    let said = story.wharf([&new, &old], 3, &["apply", "--yes", "--limit", "m1"]);
    assert!(said.contains("no account `svc`: `useradd --uid 2001"), "{said}");
    new.run(&["useradd", "--uid=2001", "--create-home", "--shell=/usr/sbin/nologin", "svc"]);

    // All of it, by one apply.
    story.wharf([&new, &old], 0, &["apply", "--yes", "--why", "the first"]);
    all_is_up([&new, &old]);
    let live = |host: &Host| host.run(&["cat", "/etc/wharf/current"]).trim().parse::<u64>().unwrap();
    let first = [live(&new), live(&old)];
    story.judge([&new, &old]);
    for (host, service) in services([&new, &old]).into_iter().filter(|(_, service)| *service != "lab-cache") {
        assert_eq!(word(host, service), "one");
        assert_eq!(host.run(&by(service, &["podman", "exec", service, "cat", "/var/lib/box/notes"])), "noted\n");
        // podman asks for its health by a timer, in whichever manager.
        let timers = host.run(&systemctl(service, &["list-timers", "--all", "--plain", "--no-legend"]));
        let id = host.run(&by(service, &["podman", "inspect", "--format={{.Id}}", service]));
        assert!(timers.contains(id.trim()), "{service} of {}: {timers}", host.name());
        host.until("the timer", || {
            let words = by(service, &["podman", "exec", service, "test", "-s", "/var/lib/box/ticks"]);
            host.try_run(&words).status.success().then_some(())
        });
    }
    user::judge(&new, &estate);
    for host in [&new, &old] {
        let found = host.run(&["podman", "network", "inspect", "--format={{.Internal}}", "lab-inner"]);
        assert_eq!(found, "true\n");
    }

    // And nothing by another.
    let before = starts([&new, &old]);
    story.wharf([&new, &old], 0, &["plan"]);
    story.wharf([&new, &old], 0, &["apply", "--yes"]);
    story.wharf([&new, &old], 0, &["drift"]);
    assert_eq!(before, starts([&new, &old]));

    // A change restarts who uses it.
    change("word=\"one\"", "word=\"two\"");
    story.wharf([&new, &old], 2, &["plan"]);
    story.wharf([&new, &old], 0, &["apply", "--yes", "--why", "the second"]);
    for ((then, now), (host, service)) in before.iter().zip(starts([&new, &old])).zip(services([&new, &old])) {
        assert_eq!(service != "lab-cache", *then != now, "{service} of {}", host.name());
        if service != "lab-cache" {
            assert_eq!(word(host, service), "two");
        }
    }
    story.judge([&new, &old]);

    // What somebody does to them is seen and put right, in the account's own place too.
    new.run(&systemctl("lab-own", &["stop", "lab-own.service"]));
    let said = story.wharf([&new, &old], 2, &["drift"]);
    assert!(said.contains("~svc/lab-own.service is "), "{said}");
    story.wharf([&new, &old], 0, &["apply", "--yes"]);
    story.wharf([&new, &old], 0, &["drift"]);

    // What is not confirmed when the power goes is taken back at boot; what is comes up again.
    for (host, first) in [&new, &old].into_iter().zip(first) {
        let intent = format!("{first} {} lost auto {first}\n", live(host));
        host.write("/etc/wharf/intent", intent.as_bytes(), (0, 0), 0o644);
        host.run(&["sync"]);
    }
    for host in [&mut new, &mut old] {
        host.crash();
        host.boot_again();
    }
    all_is_up([&new, &old]);
    for (host, service) in services([&new, &old]).into_iter().filter(|(_, service)| *service != "lab-cache") {
        assert_eq!(word(host, service), "one", "{service} of {}", host.name());
    }
    story.wharf([&new, &old], 0, &["apply", "--yes", "--why", "the third"]);
    assert_eq!(word(&new, "lab-own"), "two");

    // What never gets healthy is said by wharf's own check where podman's start does not wait.
    change(
        "\"test\" \"-e\" \"/etc/box/box.conf\" interval=\"10s\" timeout=\"5s\" retries=2 start=\"5s\"",
        "\"false\" interval=\"3s\" timeout=\"1s\" retries=1 start=\"1s\"",
    );
    let said = story.wharf([&new, &old], 3, &["apply", "--yes"]);
    assert!(said.contains("lab-box"), "{said}");
    story.judge([&new, &old]);

    // Back to before.
    let history: serde_json::Value = {
        let said = story.wharf([&new, &old], 0, &["history", "--json"]);
        serde_json::from_str(said.get(..=said.rfind('}').unwrap()).unwrap()).unwrap()
    };
    let plans = history["plans"].as_array().unwrap();
    let first = plans.iter().find(|plan| plan["why"] == "the first").unwrap()["plan"].as_str().unwrap();
    story.wharf([&new, &old], 0, &["rollback", "--yes", "--plan", first]);
    all_is_up([&new, &old]);
    for (host, service) in services([&new, &old]).into_iter().filter(|(_, service)| *service != "lab-cache") {
        assert_eq!(word(host, service), "one", "{service} of {}", host.name());
    }
    story.wharf([&new, &old], 0, &["drift"]);
    story.judge([&new, &old]);

    // What is gone from the specs goes from the account; its volume stays.
    let (rest, _) = SPEC.split_once("service \"lab-own\"").unwrap();
    estate.write("specs/lab.kdl", rest);
    estate.write("targets/lab.kdl", &target.replace(" \"own\"", ""));
    let said = story.wharf([&new, &old], 2, &["plan"]);
    assert!(said.contains("lab-own.container"), "{said}");
    story.wharf([&new, &old], 0, &["apply", "--yes", "--allow-remove", "6"]);
    assert_eq!(new.run(&by("lab-own", &["podman", "ps", "--all", "--quiet"])), "");
    assert!(new.run(&by("lab-own", &["podman", "volume", "ls", "--quiet"])).contains("lab-own-data"));
    assert_eq!(
        new.run(&["ls", "/etc/containers/systemd/users/2001", "/var/lib/systemd/linger"]).matches("lab").count(),
        0
    );
    story.judge([&new, &old]);
    story.wharf([&new, &old], 0, &["plan"]);
}
