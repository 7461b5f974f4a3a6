//! The catalogue's all-in-one on a host, from nothing to a token by one apply.

use std::io::Write as _;
use std::process::Stdio;

use super::estate::Estate;
use super::runs::{can, state};
use super::{Host, Lab, Release};
use crate::build::ended;

/// What it runs.
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
fn all_in_one_comes_up_by_one_apply_runs_healthy_and_gives_a_token() {
    if !can() {
        return;
    }
    let Some(estate) = Estate::catalogue("all-in-one") else { return };
    // The clock is the machine's, and no host of the lab may set it: this one's chronyd keeps time without (chronyd(8)).
    let unit = "/etc/containers/systemd/chrony.container";
    assert!(estate.file("aio", unit).contains("\nExec=chronyd -x -d "), "chrony may set the clock");
    let lab = Lab::new();
    let Some(host) = lab.boot(Release::Trixie, "aio", "10.77.0.10", None) else { return };
    let apply = || {
        let (out, err) = ended(0, &estate.operate(&lab, &[&host], &["apply", "--yes"]).output().unwrap());
        eprintln!("{out}{err}");
    };
    let property = |name: &str| {
        let show = |service: &str| {
            let unit = format!("{service}.service");
            host.run(&["systemctl", "show", "--value", &format!("--property={name}"), &unit])
        };
        SERVICES.map(show)
    };
    apply();
    assert_eq!(property("LoadState"), SERVICES.map(|_| "loaded\n"));
    for service in SERVICES {
        healthy(&host, service);
    }
    token(&host, estate, "10.77.0.10").unwrap();
    let before = property("ActiveEnterTimestampMonotonic");
    apply();
    assert_eq!(before, property("ActiveEnterTimestampMonotonic"));
    // Nothing was started twice.
    assert_eq!(property("NRestarts"), SERVICES.map(|_| "0\n"));
}
