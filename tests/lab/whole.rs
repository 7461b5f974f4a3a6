//! The catalogue's all-in-one on a host.

use std::io::Write as _;
use std::process::Stdio;

use super::estate::{Estate, PODMAN};
use super::runs::{can, enable, state};
use super::{Host, Lab, Release};

/// What it runs, in the order in which a plan would start it the first time.
const SERVICES: [&str; 9] =
    ["chrony", "memcached", "etcd", "valkey", "mariadb", "rabbitmq", "log-collector", "log-agent", "keystone"];

/// Asks keystone at the address $1 for a token of the admin, with nothing but a shell.
const TOKEN: &str = r#"set -eu
body="{\"auth\":{\"identity\":{\"methods\":[\"password\"],\"password\":{\"user\":{\"name\":\"admin\",\"domain\":{\"id\":\"default\"},\"password\":\"$(cat)\"}}},\"scope\":{\"project\":{\"name\":\"admin\",\"domain\":{\"id\":\"default\"}}}}}"
exec 3<>"/dev/tcp/$1/5000"
printf 'POST /v3/auth/tokens HTTP/1.0\r\nHost: keystone\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' "${#body}" "$body" >&3
cat <&3
"#;

/// Starts a unit; its end of the journal where it does not come up.
pub(super) fn start(host: &Host, unit: &str) {
    let output = host.try_run(&["systemctl", "start", unit]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{unit}: {said}{}", host.journal(unit));
}

/// Asks for a token, from a host; what came instead.
pub(super) fn token(host: &Host, estate: &Estate, address: &str) -> Result<(), String> {
    let mut command = host.command(&["timeout", "30", "bash", "-c", TOKEN, "token", address]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(estate.secret("keystone-admin").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    // A load balancer writes the names of headers in its own way.
    (said.contains(" 201 ") && said.to_lowercase().contains("\nx-subject-token: ")).then_some(()).ok_or(said)
}

/// Waits for a service's health check, and for its unit.
pub(super) fn healthy(host: &Host, service: &str) {
    host.until(&format!("the health of {service}"), || {
        host.try_run(&["podman", "healthcheck", "run", service]).status.success().then_some(())
    });
    assert_eq!(state(host, &format!("{service}.service")), "active", "{service}");
}

#[test]
fn all_in_one_runs_healthy_on_one_host_and_gives_a_token() {
    if !can() {
        return;
    }
    let (Some(estate), lab) = (Estate::catalogue("all-in-one"), Lab::new()) else { return };
    let Some(host) = lab.boot(Release::Trixie, "aio", "10.77.0.10", Some(&estate.store())) else { return };
    estate.install(&host, "aio", PODMAN);
    // The clock is the machine's, and no host of the lab may set it: this one's chronyd keeps time without (chronyd(8)).
    let unit = "/etc/containers/systemd/chrony.container";
    host.run(&["sed", "--in-place", "s/^Exec=chronyd -d/Exec=chronyd -x -d/", unit]);
    assert!(host.run(&["cat", unit]).contains("\nExec=chronyd -x -d "), "chrony may set the clock");
    host.run(&["systemctl", "daemon-reload"]);
    for service in SERVICES {
        let unit = format!("{service}.service");
        assert_eq!(host.run(&["systemctl", "show", "--value", "--property=LoadState", &unit]), "loaded\n", "{unit}");
    }
    enable(&host, estate, "aio");
    // What a plan does at the first start: tasks before it, and accounts for those who need them.
    start(&host, "mariadb-task-bootstrap.service");
    start(&host, "etcd-task-bootstrap.service");
    start(&host, "mariadb.service");
    healthy(&host, "mariadb");
    let words = ["podman", "exec", "--interactive", "mariadb", "mariadb-grant", "keystone", "keystone"];
    host.feed(&words, estate.secret("keystone-db").as_bytes());
    start(&host, "keystone-task-db-sync.service");
    start(&host, "wharf-lab-all-in-one.target");
    for service in SERVICES {
        host.until(service, || (state(&host, &format!("{service}.service")) == "active").then_some(()));
        healthy(&host, service);
    }
    start(&host, "keystone-task-bootstrap.service");
    token(&host, estate, "10.77.0.10").unwrap();
    // Nothing was started twice.
    for service in SERVICES {
        let unit = format!("{service}.service");
        assert_eq!(host.run(&["systemctl", "show", "--value", "--property=NRestarts", &unit]), "0\n", "{unit}");
    }
}
