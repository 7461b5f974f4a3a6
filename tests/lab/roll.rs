//! The catalogue's multinode on five hosts: brought up by one apply, changed one host at a time while a client goes on
//! asking, and what it outlives.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Instant;

use serde_json::Value;

use super::client::{Client, Said};
use super::estate::{Estate, SHARED, catalogue};
use super::multinode::{each, judge, judge_clusters};
use super::runs::can;
use super::whole::{healthy, start, token};
use super::{Host, Lab, Release};

const VIP: &str = "10.77.0.100";

/// Hosts, their addresses, and what they run.
const HOSTS: [(&str, &str, &[&str]); 5] = [
    ("control1", "10.77.0.11", CONTROL),
    ("control2", "10.77.0.12", CONTROL),
    ("control3", "10.77.0.13", CONTROL),
    ("network1", "10.77.0.21", NETWORK),
    ("network2", "10.77.0.22", NETWORK),
];
const CONTROL: &[&str] = &["etcd", "keystone", "mariadb", "memcached", "rabbitmq"];
const NETWORK: &[&str] = &["haproxy", "keepalived"];

/// Who has the VIP, as they see it themselves.
fn holders<'a>(hosts: &[&'a Host]) -> Vec<&'a str> {
    let holds = |host: &Host| host.run(&["ip", "-brief", "address", "show", "to", VIP]).contains(VIP);
    hosts.iter().filter(|host| holds(host)).map(|host| host.name()).collect()
}

/// Waits until exactly one of the hosts has the VIP: this one, if one is meant.
fn held<'a>(hosts: &[&'a Host], by: Option<&str>) -> &'a str {
    hosts[0].until("one holder of the VIP", || match holders(hosts)[..] {
        [one] if by.is_none_or(|by| by == one) => Some(one),
        _ => None,
    })
}

/// Waits until a host is given a token through the VIP.
fn answered(host: &Host, estate: &Estate) {
    host.until("a token", || token(host, estate, VIP).inspect_err(|said| eprintln!("no token yet: {said}")).ok());
}

/// When each container was started last, by host and name.
fn starts(hosts: &[Host]) -> BTreeMap<(String, String), String> {
    let one = |host: &Host| {
        let said = host.run(&["podman", "ps", "--format={{.Names}} {{.StartedAt}} {{.Pid}}"]);
        let lines = said.lines().filter_map(|line| line.split_once(' '));
        lines.map(|(name, at)| ((host.name().to_owned(), name.to_owned()), at.to_owned())).collect::<Vec<_>>()
    };
    each(hosts, one).into_iter().flatten().collect()
}

/// Containers that were started anew, by host.
fn anew(before: &BTreeMap<(String, String), String>, after: &BTreeMap<(String, String), String>) -> Vec<String> {
    assert!(before.keys().eq(after.keys()), "{before:?} {after:?}");
    let other = after.iter().filter(|(name, at)| before[*name] != **at);
    other.map(|((host, name), _)| format!("{host} {name}")).collect()
}

/// An apply, as it tells it: one event a line.
fn apply(lab: &Lab, estate: &Estate, hosts: &[Host], code: i32) -> Vec<Value> {
    let all: Vec<&Host> = hosts.iter().collect();
    let mut command = estate.operate(lab, &all, &["--json", "apply", "--yes"]);
    let begun = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let said = lines.inspect(|line| eprintln!("{:6.1} s {line}", begun.elapsed().as_secs_f64()));
    let events = said.map(|line| serde_json::from_str(&line).unwrap()).collect();
    assert_eq!(child.wait().unwrap().code(), Some(code));
    events
}

/// The hosts in the order in which they did something, which no two of them did at the same time; `is` says whether an
/// event is of it. A host is at it until its confirmation.
fn one_at_a_time(events: &[Value], is: impl Fn(&str) -> bool) -> Vec<&str> {
    let mut order = Vec::new();
    let mut busy: Option<&str> = None;
    for event in events {
        let host = event["host"].as_str().unwrap_or_default();
        match (event["event"].as_str().unwrap(), event["says"].as_str(), event["phase"].as_str()) {
            ("step", Some(says), _) if is(says) => {
                assert!(busy.is_none_or(|busy| busy == host), "{host} began while {busy:?} was at it: {events:#?}");
                if busy.is_none() {
                    order.push(host);
                }
                busy = Some(host);
            }
            ("end", _, Some("confirm")) if busy == Some(host) => busy = None,
            _ => {}
        }
    }
    assert_eq!(busy, None);
    order
}

/// How long the load balancer may take to see that a server is gone, in seconds, by its own configuration: so many checks
/// have to fail, and each of them may by saying nothing: a server that ends listens still.
fn switch_over(host: &Host) -> f64 {
    let text = host.run(&["podman", "exec", "haproxy", "cat", "/etc/haproxy/haproxy.cfg"]);
    let mut words = text.split_whitespace();
    let mut times = None;
    let mut checks = None;
    let mut silence = None;
    while let Some(word) = words.next() {
        match word {
            "default-server" => {
                let settings: Vec<&str> = words.by_ref().take(4).collect();
                let ["inter", inter, "fall", fall] = settings[..] else { panic!("{settings:?}") };
                times = Some(fall.parse::<f64>().unwrap());
                checks = Some(seconds(inter));
            }
            "timeout" if words.next() == Some("check") => silence = words.next().map(seconds),
            _ => {}
        }
    }
    times.unwrap() * (checks.unwrap() + silence.unwrap())
}

/// `2s`, in seconds.
fn seconds(text: &str) -> f64 {
    text.strip_suffix('s').unwrap().parse().unwrap()
}

/// What a client saw, which is no failure longer than the load balancer's own.
fn bearable(what: &str, said: &Said, bound: f64) {
    eprintln!(
        "{what}: {} of {} requests failed, the longest run of them {:.1} s; {:.1} s without an answer at most, of {bound} s",
        said.failed(),
        said.len(),
        said.longest_failure(),
        said.longest_silence()
    );
    assert!(said.longest_failure() <= bound, "{what}: {said:?}");
    assert!(said.longest_silence() <= bound, "{what}: {said:?}");
}

#[test]
fn multinode_comes_up_by_one_apply_is_rolled_under_a_client_and_outlives_the_loss_of_any_one() {
    if !can() {
        return;
    }
    let Some(estate) = Estate::catalogue("multinode") else { return };
    let (estate, lab) = (estate.copy("lab-roll"), Lab::sharing("roll"));
    let begun = Instant::now();
    let lap = |what: &str| eprintln!("{:6.1} s {what}", begun.elapsed().as_secs_f64());
    let booted = each(&HOSTS, |(name, address, _)| lab.boot(Release::Trixie, name, address, Some(&estate.store())));
    let Some(mut hosts) = booted.into_iter().collect::<Option<Vec<Host>>>() else { return };
    lap("booted");
    // Controllers share their images, unpacked once; the others pull theirs.
    estate.load(&hosts[0], "control1", SHARED);
    lap("loaded");

    // All of it, from nothing, by one apply.
    let events = apply(&lab, &estate, &hosts, 0);
    lap("applied");
    let steps = |what: &str| {
        let said = events.iter().filter_map(|event| event["says"].as_str());
        said.filter(|says| says.starts_with("begin task ") && says.ends_with(what)).count()
    };
    for task in ["mariadb-task-bootstrap", "etcd-task-bootstrap", "keystone-task-db-sync", "keystone-task-bootstrap"] {
        assert_eq!(steps(&format!(" {task}.service")), 1, "{task}");
    }
    // One begins each cluster, and the others join it; RabbitMQ's members find each other.
    for member in ["mariadb", "etcd"] {
        let is = |says: &str| says.starts_with("begin start ") && says.contains(&format!(" {member}.service"));
        assert_eq!(one_at_a_time(&events, is), ["control1", "control2", "control3"], "{member}");
    }
    judge(&hosts, &HOSTS);
    judge_clusters(&[&hosts[0], &hosts[1], &hosts[2]]);
    answered(&hosts[4], &estate);
    lap("all well");

    // And nothing by another.
    let before = starts(&hosts);
    assert_eq!(apply(&lab, &estate, &hosts, 0), [Value::Null; 0]);
    assert_eq!(anew(&before, &starts(&hosts)), [""; 0]);
    lap("nothing");

    // Another image of keystone, while a client asks for a token every 100 ms.
    let bound = switch_over(&hosts[3]);
    let secret = estate.secret("keystone-admin");
    let label = |image: &str| format!("extend image \"{image}\" {{ label org.example.lab=\"another\" }}\n");
    let mut spec = catalogue() + &label("keystone");
    estate.write("specs/lab.kdl", &spec);
    estate.build(&["keystone"]).unwrap();
    lap("built");
    let client = Client::start(&lab, VIP, &secret);
    let events = apply(&lab, &estate, &hosts, 0);
    bearable("another image of keystone", &client.end(), bound);
    let is = |says: &str| says.starts_with("begin restart ") && says.ends_with(" keystone.service");
    assert_eq!(one_at_a_time(&events, is), ["control1", "control2", "control3"]);
    let after = starts(&hosts);
    assert_eq!(anew(&before, &after), ["control1 keystone", "control2 keystone", "control3 keystone"]);
    lap("keystone rolled");

    // Members of clusters, by a setting and by an image.
    spec += &label("rabbitmq");
    spec += "extend service \"mariadb\" { var mariadb_connections=2048 }\n";
    estate.write("specs/lab.kdl", &spec);
    estate.build(&["rabbitmq"]).unwrap();
    let client = Client::start(&lab, VIP, &secret);
    let events = apply(&lab, &estate, &hosts, 0);
    bearable("members of clusters", &client.end(), bound);
    for member in ["mariadb", "rabbitmq"] {
        let restart = |says: &str| says.starts_with("begin restart ") && says.contains(&format!(" {member}.service"));
        assert_eq!(one_at_a_time(&events, restart), ["control1", "control2", "control3"], "{member}");
        // Its own check passed before the next began.
        let ready = |says: &str| says.starts_with("end ready ") && says.contains(&format!("{member}-ready"));
        assert_eq!(one_at_a_time(&events, ready), ["control1", "control2", "control3"], "{member}");
    }
    let members =
        ["control1", "control2", "control3"].map(|host| ["mariadb", "rabbitmq"].map(|name| format!("{host} {name}")));
    assert_eq!(anew(&after, &starts(&hosts)), members.concat());
    judge_clusters(&[&hosts[0], &hosts[1], &hosts[2]]);
    lap("clusters rolled");

    {
        let all: Vec<&Host> = hosts.iter().collect();
        let (control, network) = (&all[..3], &all[3..5]);
        // The host with the VIP vanishes. It is its own last holder until it is back, and learns that it is not alone.
        let first = held(network, None);
        let (gone, stays) = if first == "network1" { (network[0], network[1]) } else { (network[1], network[0]) };
        gone.cut();
        held(&[stays], None);
        answered(control[2], &estate);
        lap("a cut");
        gone.join();
        let holder = held(network, None);
        answered(control[2], &estate);
        // It is told to go.
        let (gone, stays) = if holder == "network1" { (network[0], network[1]) } else { (network[1], network[0]) };
        gone.run(&["systemctl", "stop", "keepalived.service"]);
        held(network, Some(stays.name()));
        answered(control[2], &estate);
        start(gone, "keepalived.service");
        // Nobody takes it from whoever has it.
        healthy(gone, "keepalived");
        held(network, Some(stays.name()));
        lap("a stop");
        // A load balancer that died takes the VIP with it.
        stays.run(&["systemctl", "stop", "haproxy.service"]);
        held(network, Some(gone.name()));
        answered(control[2], &estate);
        start(stays, &format!("wharf-{}.target", estate.name()));
        lap("a load balancer");
    }

    // The power of a controller goes: the one that began the clusters, and that the load balancer prefers.
    hosts[0].crash();
    answered(&hosts[4], &estate);
    lap("a crash");
    hosts[0].boot_again();
    lap("a boot");
    judge(&hosts, &HOSTS);
    judge_clusters(&[&hosts[0], &hosts[1], &hosts[2]]);
    answered(&hosts[4], &estate);
    lap("all well again");
}
