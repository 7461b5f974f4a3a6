//! The catalogue's services and estates, as they ship.

use std::path::Path;

use wharf::estate::{Placed, Project, Provider, load};
use wharf::spec::Mistakes;

const ESTATES: [&str; 3] = ["all-in-one", "multinode", "two-cells"];

/// The catalogue with one more file of specs.
fn with(more: &str) -> Result<Project, Mistakes> {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    for part in ["layers", "specs", "targets", "templates"] {
        std::os::unix::fs::symlink(source.join(part), folder.path().join(part)).unwrap();
    }
    // The folders themselves are links, but for that of the file.
    std::fs::remove_file(folder.path().join("specs")).unwrap();
    std::fs::create_dir(folder.path().join("specs")).unwrap();
    copy(&source.join("specs"), &folder.path().join("specs"));
    std::fs::write(folder.path().join("specs/more.kdl"), more).unwrap();
    load(folder.path())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn catalogue(more: &str) -> Project {
    let said = |mistakes: Mistakes| -> Vec<String> { mistakes.iter().map(|mistake| mistake.message.clone()).collect() };
    with(more).map_err(said).unwrap()
}

fn placed<'a>(project: &'a Project, estate: &str) -> &'a Placed {
    project.placed.iter().find(|(name, _)| name.as_str() == estate).map(|(_, placed)| placed).unwrap()
}

/// Each group as `name: members`, with ports and providers.
fn lines(placed: &Placed) -> Vec<String> {
    let line = |group: &wharf::estate::Group| {
        let members: Vec<&str> = group.members.iter().map(|host| host.as_str()).collect();
        let ports: Vec<String> = group.ports.iter().map(|(name, port)| format!("{name}={}", port.number)).collect();
        let needs: Vec<String> = group
            .needs
            .iter()
            .map(|(name, need)| match &need.provider {
                Provider::Nobody => format!("{name}<nobody"),
                Provider::Group(from) | Provider::External(from) => format!("{name}<{from}"),
            })
            .collect();
        [format!("{}: {}", group.name, members.join(" ")), ports.join(" "), needs.join(" ")]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<String>>()
            .join(" | ")
    };
    placed.groups.values().map(line).collect()
}

#[test]
fn a_clash_that_somebody_adds_to_the_catalogue_is_found() {
    let more = "image \"other\" { from \"base\"; build-for distro=\"debian-trixie\" }\n\
                service \"other\" { role \"control\"; health #null; provides \"x\" port=3306 }\n\
                extend estate \"all-in-one\" { services \"other\" }\n";
    let mistakes = with(more).unwrap_err();
    assert!(mistakes.iter().any(|mistake| mistake.message.contains("both listen on 10.77.0.10 port 3306/tcp")));
}

#[test]
fn its_estates_are_accepted_and_every_service_has_a_health_check() {
    let project = catalogue("");
    for name in ESTATES {
        let placed = placed(&project, name);
        assert!(placed.unchecked.is_empty(), "{name}: {:?}", placed.unchecked);
        assert!(!placed.groups.is_empty());
        for group in placed.groups.values() {
            let service = &project.services[&group.service];
            assert!(service.summary.is_some(), "{}", service.name);
        }
    }
    // Every service that ships runs in an estate that ships.
    let used = |name: &str| {
        ESTATES
            .iter()
            .any(|estate| placed(&project, estate).groups.values().any(|group| group.service.as_str() == name))
    };
    for service in project.services.keys() {
        assert!(used(service.as_str()), "{service}");
    }
}

#[test]
fn nothing_listens_on_every_address_and_nothing_is_relaxed() {
    let project = catalogue("");
    for service in project.services.values() {
        let ports = service.provides.values().filter_map(|provide| provide.port.as_ref()).chain(service.ports.values());
        for port in ports {
            assert_ne!(port.listen, wharf::estate::Listen::All, "{}", service.name);
        }
        assert!(service.container.relax.is_empty(), "{}: {:?}", service.name, service.container.relax);
    }
}

#[test]
fn no_template_names_a_port_of_its_own() {
    let project = catalogue("");
    let mut numbers: Vec<String> = Vec::new();
    for service in project.services.values() {
        let ports = service.provides.values().filter_map(|provide| provide.port.as_ref()).chain(service.ports.values());
        numbers.extend(ports.map(|port| port.number.to_string()).filter(|number| number.len() > 3));
    }
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            let words = text.split(|c: char| !c.is_ascii_digit());
            let found: Vec<&str> = words.filter(|word| numbers.iter().any(|number| number == word)).collect();
            assert!(found.is_empty(), "{}: {found:?}", path.display());
        }
    }
    assert!(files > 10);
}

#[test]
fn a_quorum_says_what_must_hold_before_the_next() {
    let project = catalogue("");
    let quorum = project.services.values().filter(|service| service.update.quorum);
    let names: Vec<&str> = quorum
        .map(|service| {
            assert!(!service.update.ready.is_empty(), "{}", service.name);
            assert!(service.life.stateful.is_some_and(|stateful| stateful.one_way), "{}", service.name);
            service.name.as_str()
        })
        .collect();
    assert_eq!(names, ["etcd", "mariadb", "rabbitmq"]);
}

#[test]
fn two_cells_share_controllers_and_nothing_meets() {
    let project = catalogue("");
    insta::assert_snapshot!(lines(placed(&project, "two-cells")).join("\n"), @"
    chrony: api1 api2 api3 c1a c1b c1c n1a n1b n2a n2b | time=123
    etcd: api1 api2 api3 | coordination=2379 peers=2380
    haproxy: api1 api2 api3 | load-balancer=8404
    keepalived: api1 api2 api3 | balancer<haproxy
    keystone: api1 api2 api3 | identity=5000 | cache<memcached database<mariadb
    log-agent: api1 api2 api3 | logs<log-collector
    log-agent-cell1: c1a c1b c1c n1a n1b | logs<log-collector-cell1
    log-agent-cell2: n2a n2b | logs<log-collector-cell2
    log-collector: api1 api2 api3 | logs=5140
    log-collector-cell1: c1a c1b c1c | logs=5150
    log-collector-cell2: c1a c1b c1c | logs=5160
    mariadb: api1 api2 api3 | database=3306 galera=4567 incremental=4568 snapshot=4444
    mariadb-cell1: c1a c1b c1c | database=3316 galera=4577 incremental=4578 snapshot=4454
    mariadb-cell2: c1a c1b c1c | database=3326 galera=4587 incremental=4588 snapshot=4464
    memcached: api1 api2 api3 | cache=11211
    rabbitmq: api1 api2 api3 | distribution=25672 epmd=4369 messaging=5672
    rabbitmq-cell1: c1a c1b c1c | distribution=25682 epmd=4379 messaging=5682
    rabbitmq-cell2: c1a c1b c1c | distribution=25692 epmd=4389 messaging=5692
    valkey: api1 api2 api3 | data-structures=6379
    ");
}

#[test]
fn a_further_host_is_one_node_and_leaves_the_others_where_they_were() {
    let before = catalogue("");
    let after =
        catalogue("extend estate \"multinode\" { host \"compute3\" address=\"10.77.0.33\" { role \"logged\" } }\n");
    let (before, after) = (placed(&before, "multinode"), placed(&after, "multinode"));
    for (host, groups) in &before.hosts {
        assert_eq!(after.hosts.get(host), Some(groups), "{host}");
    }
    let new: Vec<&str> =
        after.hosts.keys().filter(|host| !before.hosts.contains_key(*host)).map(|host| host.as_str()).collect();
    assert_eq!(new, ["compute3"]);
    let changed = lines(after).into_iter().filter(|line| !lines(before).contains(line));
    let changed: Vec<String> = changed.map(|line| line.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(changed, ["chrony", "log-agent"]);
}

#[test]
fn a_further_cell_is_one_node_and_leaves_the_others_as_they_were() {
    let before = catalogue("");
    let after = catalogue(
        "extend estate \"two-cells\" { cell \"cell3\" {\n\
             share \"c1a\" \"c1b\" \"c1c\" { role \"cell-control\" }\n\
             host \"n3a\" address=\"10.77.3.31\" { role \"logged\" }\n\
             stamp \"mariadb\" { on \"c1a\" \"c1b\" \"c1c\" }\n\
         } }\n",
    );
    let (before, after) = (lines(placed(&before, "two-cells")), lines(placed(&after, "two-cells")));
    let changed: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
    insta::assert_debug_snapshot!(changed, @r#"
    [
        "chrony: api1 api2 api3 c1a c1b c1c n1a n1b n2a n2b n3a | time=123",
        "log-agent-cell3: n3a | logs<log-collector-cell3",
        "log-collector-cell3: c1a c1b c1c | logs=5170",
        "mariadb-cell3: c1a c1b c1c | database=3336 galera=4597 incremental=4598 snapshot=4474",
    ]
    "#);
    assert_eq!(before.iter().filter(|line| !after.contains(line)).count(), 1, "chrony alone has a new member");
}
