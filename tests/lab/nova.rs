//! The catalogue's nova on a host: a cloud of one cell, with a hypervisor that only pretends.

use std::process::Stdio;

use super::estate::{Estate, PODMAN};
use super::runs::{can, enable, state};
use super::whole::{healthy, start};
use super::{Host, Lab, Release};

const NOVA: [&str; 5] = ["nova-api", "nova-scheduler", "nova-super-conductor", "nova-conductor", "nova-compute"];

const ESTATE: &str = r#"
estate "lab-nova" {
    limits "unenforced"
    registry "registry.lab.example"
    distro "debian-trixie"
    services "keystone" "mariadb" "memcached" "placement" "rabbitmq"
    services "nova-api" "nova-compute" "nova-conductor" "nova-scheduler" "nova-super-conductor"
    var nova_driver="fake.FakeDriver" nova_discovery=5
    RECIPIENT
    host "aio" address="10.77.0.10" { role "control" "cell-control" "compute" }
}
"#;

/// What services ask of others: who grants, what of whom, and the secret.
const GRANTS: [(&str, &[&str], &str); 10] = [
    ("mariadb", &["mariadb-grant", "keystone", "keystone"], "keystone-db"),
    ("mariadb", &["mariadb-grant", "placement", "placement"], "placement-db"),
    ("mariadb", &["mariadb-grant", "nova_api", "nova_api"], "nova-api-db"),
    ("mariadb", &["mariadb-grant", "nova_cell0", "nova_cell0"], "nova-cell0-db"),
    ("mariadb", &["mariadb-grant", "nova_cell", "nova_cell"], "nova-cell-db"),
    ("rabbitmq", &["rabbitmq-grant", "nova", "nova"], "nova-messaging"),
    ("rabbitmq", &["rabbitmq-grant", "nova_cell", "nova_cell"], "nova-cell-messaging"),
    ("keystone", &["keystone-grant", IDENTITY, "service", "nova"], "nova-keystone"),
    ("keystone", &["keystone-grant", IDENTITY, "service", "placement"], "placement-keystone"),
    // It may be run again.
    ("keystone", &["keystone-grant", IDENTITY, "service", "nova"], "nova-keystone"),
];

const IDENTITY: &str = "http://10.77.0.10:5000/v3";

fn grant(host: &Host, estate: &Estate, by: &str) {
    for (_, words, secret) in GRANTS.iter().filter(|(provider, ..)| *provider == by) {
        let words = [&["podman", "exec", "--interactive", by], *words].concat();
        host.feed(&words, estate.secret(secret).as_bytes());
    }
}

/// The openstack command in a container of the API, as the admin.
fn openstack(host: &Host, estate: &Estate, words: &str) -> String {
    let script = format!(
        "OS_PASSWORD=$(cat); export OS_PASSWORD; exec env OS_AUTH_URL={IDENTITY} OS_USERNAME=admin OS_PROJECT_NAME=admin \
         OS_USER_DOMAIN_ID=default OS_PROJECT_DOMAIN_ID=default openstack {words}"
    );
    let mut command = host.command(&["podman", "exec", "--interactive", "nova-api", "sh", "-c", &script]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), estate.secret("keystone-admin").as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn a_compute_is_found_in_its_cell_and_in_placement() {
    if !can() {
        return;
    }
    let estate = Estate::new("lab-nova", "lab-nova");
    estate.write("specs/lab.kdl", "import \"catalogue\"\n");
    estate.write("targets/lab.kdl", &ESTATE.replace("RECIPIENT", &estate.recipient()));
    let images = ["keystone", "mariadb", "memcached", "placement", "rabbitmq"];
    let nova = ["nova-api", "nova-compute", "nova-conductor", "nova-scheduler"];
    let Some(estate) = estate.make(&[&images[..], &nova].concat()) else { return };
    let lab = Lab::new();
    let Some(host) = lab.boot(Release::Trixie, "aio", "10.77.0.10", Some(&estate.store())) else { return };
    estate.install(&host, "aio", PODMAN);
    host.run(&["systemd-tmpfiles", "--create", "/etc/tmpfiles.d/wharf-lab-nova.conf"]);
    host.run(&["systemctl", "daemon-reload"]);
    enable(&host, &estate, "aio");
    // What a plan does the first time: in the order of needs, accounts, then tasks, then the service.
    start(&host, "mariadb-task-bootstrap.service");
    for service in ["mariadb", "rabbitmq", "memcached"] {
        start(&host, &format!("{service}.service"));
        healthy(&host, service);
        grant(&host, &estate, service);
    }
    start(&host, "keystone-task-db-sync.service");
    start(&host, "keystone.service");
    healthy(&host, "keystone");
    start(&host, "keystone-task-bootstrap.service");
    grant(&host, &estate, "keystone");
    for service in ["placement", "nova-api"] {
        start(&host, &format!("{service}-task-db-sync.service"));
        start(&host, &format!("{service}.service"));
        healthy(&host, service);
        start(&host, &format!("{service}-task-register.service"));
    }
    start(&host, "nova-conductor-task-db-sync.service");
    // Again: nothing is made twice.
    for task in ["nova-api-task-db-sync", "nova-api-task-register", "nova-conductor-task-db-sync"] {
        start(&host, &format!("{task}.service"));
    }
    start(&host, "wharf-lab-nova.target");
    for service in NOVA {
        host.until(service, || (state(&host, &format!("{service}.service")) == "active").then_some(()));
        healthy(&host, service);
    }
    let sql = |query: &str| host.run(&["podman", "exec", "mariadb", "mariadb", "-N", "-e", query]);
    assert_eq!(sql("select name from nova_api.cell_mappings order by name"), "cell0\ncell1\n");
    let endpoints = "select e.interface, e.url from keystone.endpoint e join keystone.service s on s.id = e.service_id \
                     where s.type in ('compute', 'placement') order by s.type, e.interface";
    assert_eq!(
        sql(endpoints),
        "internal\thttp://10.77.0.10:8774/v2.1\npublic\thttp://10.77.0.10:8774/v2.1\n\
         internal\thttp://10.77.0.10:8778\npublic\thttp://10.77.0.10:8778\n"
    );
    // The compute told placement what it has; the scheduler found it in its cell.
    host.until("the inventory of the host", || {
        (sql("select name from placement.resource_providers") == "aio\n").then_some(())
    });
    host.until("the host in its cell", || {
        let query =
            "select h.host, c.name from nova_api.host_mappings h join nova_api.cell_mappings c on c.id = h.cell_id";
        (sql(query) == "aio\tcell1\n").then_some(())
    });
    // The API was there before the cell was, and reads the list of cells when it is told to.
    for service in ["nova-api", "nova-scheduler"] {
        host.run(&["systemctl", "reload", &format!("{service}.service")]);
    }
    host.until("the services of both", || {
        let said = openstack(&host, &estate, "compute service list --format value --column Binary --column State");
        let mut services: Vec<&str> = said.lines().collect();
        services.sort_unstable();
        services.dedup();
        (services == ["nova-compute up", "nova-conductor up", "nova-scheduler up"]).then_some(())
    });
    for service in NOVA {
        let unit = format!("{service}.service");
        assert_eq!(host.run(&["systemctl", "show", "--value", "--property=NRestarts", &unit]), "0\n", "{unit}");
    }
}
