//! Whole meanings, each as several podmans get it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use wharf::digest::Digest;
use wharf::path::ImagePath;
use wharf::unit::container::{
    Label, Mount, Namespace, Net, Notify, Protocol, Publish, Reload, Restart, Run, Secret, SecretAs, Source, Timeout,
    Tmpfs,
};
use wharf::unit::{
    Condition, Container, ContainerParts, ExitPolicy, Health, HealthParts, HealthTest, ImageRef, ImageUnit, Meaning,
    Network, NetworkParts, ObjectName, OnFailure, Period, Pod, Service, ServiceParts, StartLimit, Subnet, Target,
    Timer, TimerParts, UnitName, Volume, VolumeParts,
};

pub fn name(text: &str) -> ObjectName {
    ObjectName::new(text).unwrap()
}

fn unit(text: &str) -> UnitName {
    UnitName::new(text).unwrap()
}

fn path(text: &str) -> ImagePath {
    ImagePath::new(text).unwrap()
}

pub fn image() -> ImageRef {
    ImageRef::new("registry.example:5000/os/keystone", Digest::of(b"")).unwrap()
}

pub fn health() -> Health {
    Health::new(HealthParts {
        test: HealthTest::Words(["curl", "-f", "http://[::1]:5000/v3"].map(str::to_owned).to_vec()),
        interval: Period::from_secs(30),
        timeout: Period::from_secs(10),
        retries: 3,
        start_period: Period::from_secs(60),
        on_failure: OnFailure::Kill,
    })
    .unwrap()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A container that says all that podman 4.3 can too.
pub fn keystone() -> ContainerParts {
    let mut parts = ContainerParts::new(name("keystone"), image());
    parts.name = name("wharf-keystone");
    let head = &mut parts.head;
    head.description = "OpenStack identity, 100% of it".to_owned();
    head.after = [unit("mariadb.container"), unit("wharf-settle.service")].into();
    head.requires = [unit("mariadb.container")].into();
    head.wants = [unit("memcached.container")].into();
    head.part_of = [unit("wharf-estate.target")].into();
    head.wanted_by = [unit("wharf-estate.target")].into();
    head.conditions = vec![Condition {
        assert: false,
        negate: true,
        what: "PathExists".to_owned(),
        value: "/etc/no 100%".to_owned(),
    }];
    head.start_limit = Some(StartLimit { burst: 5, interval: Period::from_secs(300) });
    head.marks = pairs(&[("Config", "sha256:0011"), ("Reload-Config", "sha256:2233")]);
    let process = &mut parts.process;
    process.entrypoint = Some(vec!["/usr/bin/tini".to_owned(), "--".to_owned()]);
    process.exec = ["apache2ctl", "-D", "FOREGROUND", "a b", "", "$HOME 5%"].map(str::to_owned).to_vec();
    process.environment = pairs(&[("LANG", "C.UTF-8"), ("GREETING", "it's \"100%\" $ß\n")]);
    process.environment_files = vec![path("/etc/wharf/env file")];
    process.user = Some("keystone".to_owned());
    process.group = Some("42425".to_owned());
    process.groups = vec!["tls".to_owned()];
    process.workdir = Some(path("/var/lib/keystone"));
    process.timezone = Some("Europe/Berlin".to_owned());
    process.init = true;
    process.stop_signal = Some("SIGWINCH".to_owned());
    process.stop_timeout = Some(Period::from_secs(60));
    let storage = &mut parts.storage;
    storage.mounts = vec![
        Mount {
            source: Source::Bind(path("/var/lib/wharf/files/00")),
            target: path("/etc/keystone/keystone.conf"),
            options: vec!["ro".to_owned(), "Z".to_owned()],
        },
        Mount { source: Source::Bind(path("/srv/odd dir$")), target: path("/srv"), options: Vec::new() },
        Mount {
            source: Source::Volume { name: name("wharf-logs"), unit: Some(name("logs")) },
            target: path("/var/log/keystone"),
            options: vec!["U".to_owned()],
        },
        Mount {
            source: Source::Volume { name: name("foreign"), unit: None },
            target: path("/mnt"),
            options: Vec::new(),
        },
    ];
    storage.tmpfs =
        vec![Tmpfs { target: path("/var/cache"), options: vec!["size=64m".to_owned(), "mode=1777".to_owned()] }];
    storage.secrets = vec![
        Secret {
            name: name("db-0011"),
            seen: SecretAs::File { target: path("/etc/keystone/db conf"), uid: 42425, gid: 42425, mode: 0o400 },
        },
        Secret { name: name("token-2233"), seen: SecretAs::Environment("OS_TOKEN".to_owned()) },
    ];
    storage.devices = vec!["/dev/null:/dev/zilch:r".to_owned()];
    storage.read_only = true;
    storage.shm = Some(64 << 20);
    let network = &mut parts.network;
    network.networks =
        vec![Net::Network { name: name("wharf-back"), unit: Some(name("back")), options: vec!["alias=id".to_owned()] }];
    network.aliases = vec!["identity".to_owned()];
    network.ip = Some(Ipv4Addr::new(10, 89, 7, 5));
    network.publish = vec![
        Publish { address: Some(Ipv4Addr::LOCALHOST.into()), host: 5000, container: 5000, protocol: Protocol::Tcp },
        Publish { address: Some("::1".parse().unwrap()), host: 5000, container: 5000, protocol: Protocol::Udp },
    ];
    network.hostname = Some("keystone".to_owned());
    network.hosts = vec![("db".to_owned(), Ipv4Addr::new(10, 0, 0, 2).into())];
    network.dns = vec![Ipv4Addr::new(10, 0, 0, 1).into()];
    network.dns_options = vec!["ndots:2".to_owned()];
    network.dns_search = vec!["example.org".to_owned()];
    let security = &mut parts.security;
    security.add_capabilities = set(&["CAP_NET_BIND_SERVICE"]);
    security.drop_capabilities = set(&["all"]);
    security.no_new_privileges = true;
    security.seccomp = Some("/etc/containers/seccomp.json".to_owned());
    security.apparmor = Some("unconfined".to_owned());
    security.label = Label { disable: true, ..Label::default() };
    security.unmask = vec!["/proc/acpi".to_owned()];
    security.host = BTreeSet::from([Namespace::Pid, Namespace::Ipc]);
    security.userns = Some("host".to_owned());
    let limits = &mut parts.limits;
    limits.memory = Some(2 << 30);
    limits.pids = Some(2048);
    limits.millicpus = Some(1500);
    limits.ulimits = [("nofile".to_owned(), (Some(65536), Some(65536))), ("core".to_owned(), (Some(0), None))].into();
    limits.sysctl = pairs(&[("net.ipv4.ping_group_range", "0 0")]);
    parts.health = Some(health());
    parts.run = Run::Service(Notify::Healthy);
    parts.life.restart = Some(Restart::Always);
    parts.life.restart_sec = Some(Period::from_millis(2500));
    parts.life.reload = Some(Reload::Command(vec!["apache2ctl".to_owned(), "graceful $x".to_owned()]));
    parts.life.slice = Some(unit("wharf.slice"));
    parts.life.lines = vec![("OOMScoreAdjust".to_owned(), "-500".to_owned())];
    parts.log_driver = Some("journald".to_owned());
    parts.log_options = pairs(&[("tag", "key stone")]);
    parts.labels = pairs(&[("wharf.generation", "7")]);
    parts.annotations = pairs(&[("run.oci.keep_original_groups", "1")]);
    parts.arguments = vec!["--replace=true".to_owned()];
    parts
}

fn container(parts: ContainerParts) -> Meaning {
    Meaning::Container(Box::new(Container::new(parts).unwrap()))
}

/// A meaning of each kind that refers to nothing but what is here.
pub fn all() -> Vec<Meaning> {
    let small = |unit: &str| ContainerParts::new(name(unit), image());
    let mut meanings = vec![container(keystone())];

    let mut task = small("db-sync");
    task.run = Run::Oneshot { remain: true };
    task.process.exec = vec!["keystone-manage".to_owned(), "db_sync".to_owned()];
    task.network.networks = vec![Net::Host];
    task.life.start = Some(Timeout::Never);
    meanings.push(container(task));

    let mut plain = small("mariadb");
    plain.life.start = Some(Timeout::Never);
    plain.life.reload = Some(Reload::Signal("SIGHUP".to_owned()));
    plain.process.user = Some("999".to_owned());
    plain.process.entrypoint = Some(Vec::new());
    plain.health = Some(health());
    meanings.push(container(plain));

    let mut notifying = small("etcd");
    notifying.run = Run::Service(Notify::Container);
    notifying.pod = Some((name("wharf-pair"), name("pair")));
    notifying.security.privileged = true;
    meanings.push(container(notifying));

    let mut network = NetworkParts::new(name("back"));
    network.name = name("wharf-back");
    network.driver = Some("bridge".to_owned());
    network.ipam_driver = Some("host-local".to_owned());
    network.subnets = vec![
        Subnet {
            subnet: "10.89.7.0/24".to_owned(),
            gateway: Some(Ipv4Addr::new(10, 89, 7, 1).into()),
            range: Some("10.89.7.128/25".to_owned()),
        },
        Subnet { subnet: "fd00:7::/64".to_owned(), gateway: None, range: None },
    ];
    network.ipv6 = true;
    network.internal = true;
    network.options = pairs(&[("mtu", "1400")]);
    network.labels = pairs(&[("wharf", "1")]);
    network.delete_on_stop = true;
    meanings.push(Meaning::Network(Box::new(Network::new(network).unwrap())));

    let mut volume = VolumeParts::new(name("logs"));
    volume.name = name("wharf-logs");
    volume.uid = Some(42425);
    volume.gid = Some(4);
    volume.copy = Some(false);
    volume.labels = pairs(&[("wharf", "logs of keystone")]);
    meanings.push(Meaning::Volume(Box::new(Volume::new(volume).unwrap())));

    let mut volume = VolumeParts::new(name("disk"));
    volume.device = Some("/dev/disk/by-label/data".to_owned());
    volume.kind = Some("ext4".to_owned());
    volume.options = vec!["ro".to_owned(), "noatime".to_owned()];
    meanings.push(Meaning::Volume(Box::new(Volume::new(volume.clone()).unwrap())));
    (volume.unit, volume.name, volume.device, volume.kind) = (name("quota"), name("quota"), None, None);
    volume.options = vec!["size=1G".to_owned()];
    volume.uid = Some(7);
    meanings.push(Meaning::Volume(Box::new(Volume::new(volume).unwrap())));

    let mut pod = Pod::new(name("pair"));
    pod.name = name("wharf-pair");
    pod.network.networks =
        vec![Net::Network { name: name("wharf-back"), unit: Some(name("back")), options: Vec::new() }];
    pod.network.publish = vec![Publish { address: None, host: 2379, container: 2379, protocol: Protocol::Tcp }];
    pod.network.hostname = Some("pair".to_owned());
    pod.exit_policy = Some(ExitPolicy::Continue);
    pod.shm = Some(1 << 20);
    pod.labels = pairs(&[("wharf", "1")]);
    pod.life.restart = Some(Restart::Always);
    meanings.push(Meaning::Pod(Box::new(pod)));

    let mut pulled = ImageUnit::new(name("keystone"), image());
    pulled.auth_file = Some(path("/etc/containers/auth.json"));
    pulled.tls_verify = Some(false);
    meanings.push(Meaning::Image(Box::new(pulled)));

    let mut native = ServiceParts::new(
        name("wharf-settle"),
        ["/bin/sh", "-c", "exec true \"$0\"", "100%"].map(str::to_owned).to_vec(),
    );
    native.head.description = "Settles".to_owned();
    native.head.before = [unit("keystone.container")].into();
    native.run = Run::Oneshot { remain: true };
    native.before = vec![vec!["/bin/true".to_owned(), "a b".to_owned()]];
    native.exec.push(vec!["/bin/true".to_owned(), ";".to_owned()]);
    native.environment = pairs(&[("A", "b 'c' $d 5%")]);
    native.life.start = Some(Timeout::Never);
    meanings.push(Meaning::Service(Box::new(Service::new(native).unwrap())));

    let mut native = ServiceParts::new(name("wharf-agent"), vec!["/bin/sleep".to_owned(), "infinity".to_owned()]);
    native.user = Some("daemon".to_owned());
    native.group = Some("daemon".to_owned());
    native.workdir = Some(path("/var/lib"));
    native.stop = vec![vec!["/bin/true".to_owned()]];
    native.after = vec![vec!["/bin/true".to_owned()]];
    native.life.reload = Some(Reload::Signal("HUP".to_owned()));
    native.life.restart = Some(Restart::OnFailure);
    native.life.stop = Some(Timeout::After(Period::from_secs(20)));
    meanings.push(Meaning::Service(Box::new(Service::new(native).unwrap())));

    let mut timer = TimerParts::new(name("wharf-confirm"));
    timer.starts = Some(unit("wharf-settle.service"));
    timer.calendar = vec!["daily".to_owned()];
    timer.on_active = Some(Period::from_secs(300));
    timer.accuracy = Some(Period::from_secs(1));
    timer.random_delay = Some(Period::from_secs(600));
    timer.persistent = true;
    timer.head.wanted_by = [unit("timers.target")].into();
    meanings.push(Meaning::Timer(Box::new(Timer::new(timer).unwrap())));

    let mut target = Target { unit: name("wharf-estate"), head: Default::default() };
    target.head.description = "All of the estate".to_owned();
    target.head.wants = [unit("keystone.container"), unit("pair.pod")].into();
    meanings.push(Meaning::Target(Box::new(target)));
    meanings
}
