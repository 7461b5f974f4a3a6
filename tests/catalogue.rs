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
    nova-api: api1 api2 api3 | compute=8774 | api_db<mariadb cache<memcached cell0<mariadb identity<keystone messaging<rabbitmq placement<placement
    nova-compute-cell1: n1a n1b | conductor<nova-conductor-cell1 identity<keystone messaging<rabbitmq-cell1 placement<placement
    nova-compute-cell2: n2a n2b | conductor<nova-conductor-cell2 identity<keystone messaging<rabbitmq-cell2 placement<placement
    nova-conductor-cell1: c1a c1b c1c | api_db<mariadb cache<memcached compute<nova-api database<mariadb-cell1 identity<keystone messaging<rabbitmq-cell1 placement<placement
    nova-conductor-cell2: c1a c1b c1c | api_db<mariadb cache<memcached compute<nova-api database<mariadb-cell2 identity<keystone messaging<rabbitmq-cell2 placement<placement
    nova-scheduler: api1 api2 api3 | api_db<mariadb cache<memcached cell0<mariadb compute<nova-api identity<keystone messaging<rabbitmq placement<placement
    nova-super-conductor: api1 api2 api3 | api_db<mariadb cache<memcached cell0<mariadb compute<nova-api identity<keystone messaging<rabbitmq placement<placement
    placement: api1 api2 api3 | placement=8778 | cache<memcached database<mariadb identity<keystone
    rabbitmq: api1 api2 api3 | distribution=25672 epmd=4369 messaging=5672
    rabbitmq-cell1: c1a c1b c1c | distribution=25682 epmd=4379 messaging=5682
    rabbitmq-cell2: c1a c1b c1c | distribution=25692 epmd=4389 messaging=5692
    valkey: api1 api2 api3 | data-structures=6379
    ");
}

#[test]
fn a_cells_conductors_have_its_database_and_queue_and_its_computes_the_queue_alone() {
    let project = catalogue("");
    let placed = placed(&project, "two-cells");
    let from = |group: &str, need: &str| {
        let group = placed.groups.iter().find(|(name, _)| name.as_str() == group).unwrap().1;
        let (_, binding) = group.needs.iter().find(|(name, _)| name.as_str() == need)?;
        match &binding.provider {
            Provider::Group(from) | Provider::External(from) => Some(from.to_string()),
            Provider::Nobody => None,
        }
    };
    for cell in ["cell1", "cell2"] {
        let (conductor, compute) = (format!("nova-conductor-{cell}"), format!("nova-compute-{cell}"));
        assert_eq!(from(&conductor, "database"), Some(format!("mariadb-{cell}")));
        assert_eq!(from(&conductor, "api_db").as_deref(), Some("mariadb"));
        assert_eq!(from(&conductor, "messaging"), Some(format!("rabbitmq-{cell}")));
        assert_eq!(from(&compute, "messaging"), Some(format!("rabbitmq-{cell}")));
        assert_eq!(from(&compute, "conductor"), Some(conductor));
        assert_eq!(from(&compute, "database"), None);
        assert_eq!(from(&compute, "identity").as_deref(), Some("keystone"));
    }
    for cloud in ["nova-api", "nova-scheduler", "nova-super-conductor"] {
        for (need, provider) in [("api_db", "mariadb"), ("cell0", "mariadb"), ("messaging", "rabbitmq")] {
            assert_eq!(from(cloud, need).as_deref(), Some(provider), "{cloud}");
        }
    }
}

#[test]
fn without_the_bind_a_cells_conductors_would_have_the_api_database_in_their_cell() {
    let project = catalogue(
        "extend estate \"two-cells\" { remove \"bind\"; bind \"nova-conductor\" api_db=\"mariadb\" in=\"cell2\" }\n",
    );
    let all = lines(placed(&project, "two-cells"));
    let api = |group: &str| {
        all.iter().find(|line| line.starts_with(&format!("{group}:"))).unwrap().contains("api_db<mariadb ")
    };
    assert!(!api("nova-conductor-cell1") && api("nova-conductor-cell2"), "{all:?}");
}

/// nova on one host, in a cloud without cells.
const ONE: &str = "extend estate \"all-in-one\" {\n\
     services \"nova-api\" \"nova-compute\" \"nova-conductor\" \"nova-scheduler\" \"nova-super-conductor\" \"placement\"\n\
     host \"aio\" { role \"cell-control\" \"compute\" }\n}\n";

#[test]
fn a_cloud_without_cells_is_one_on_the_clouds_own_database_and_queue() {
    let project = catalogue(ONE);
    let all = lines(placed(&project, "all-in-one"));
    let nova: Vec<&String> =
        all.iter().filter(|line| line.starts_with("nova-c") || line.starts_with("nova-s")).collect();
    insta::assert_debug_snapshot!(nova, @r#"
    [
        "nova-compute: aio | conductor<nova-conductor identity<keystone messaging<rabbitmq placement<placement",
        "nova-conductor: aio | api_db<mariadb cache<memcached compute<nova-api database<mariadb identity<keystone messaging<rabbitmq placement<placement",
        "nova-scheduler: aio | api_db<mariadb cache<memcached cell0<mariadb compute<nova-api identity<keystone messaging<rabbitmq placement<placement",
        "nova-super-conductor: aio | api_db<mariadb cache<memcached cell0<mariadb compute<nova-api identity<keystone messaging<rabbitmq placement<placement",
    ]
    "#);
}

#[test]
fn nova_asks_for_a_schema_once_a_cloud_or_once_a_cell() {
    let project = catalogue("");
    let once = |service: &str| {
        let service = project.services.iter().find(|(name, _)| name.as_str() == service).unwrap().1;
        let tasks = service.tasks.iter().map(|task| format!("{}: {:?}", task.name, task.once_per));
        tasks.collect::<Vec<String>>().join("; ")
    };
    insta::assert_snapshot!(once("nova-api"), @"db-sync: Cloud; db-expand: Cloud; online-migrations: Cloud; register: Cloud");
    insta::assert_snapshot!(once("nova-conductor"), @"db-sync: Cell; db-expand: Cell; online-migrations: Cell");
    assert_eq!(once("nova-compute"), "");
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
             host \"n3a\" address=\"10.77.3.31\" { role \"compute\" \"logged\" }\n\
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
        "nova-compute-cell3: n3a | conductor<nova-conductor-cell3 identity<keystone messaging<rabbitmq placement<placement",
        "nova-conductor-cell3: c1a c1b c1c | api_db<mariadb cache<memcached compute<nova-api database<mariadb-cell3 identity<keystone messaging<rabbitmq placement<placement",
    ]
    "#);
    assert_eq!(before.iter().filter(|line| !after.contains(line)).count(), 1, "chrony alone has a new member");
}
