//! The truth about effects: the same packages, once unpacked only and once with their scripts run by mmdebstrap.
//! What `effect::run` makes of the first must be the second, but for what is listed here with its reason.
//!
//! It takes root, mmdebstrap and an archive, so it runs only where `WHARF_ORACLE` is set (to an empty folder, or to one
//! that holds the roots of an earlier run) or `CI` is.

mod roots;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wharf::deb::PackageInfo;
use wharf::estate::{Distro, Mode, Owner, UcfFile};
use wharf::tree::{Kind, Tree};

use super::world::{World, account, name, path};
use roots::{configured, installed, read, roots};

/// Suites, and what is put in.
const TRIXIE: &str = "base-files,base-passwd,libc-bin,mawk,debianutils,passwd,login,libpam-runtime,dbus,cron,rsyslog,\
    openssh-server,adduser,less,vim-tiny,memcached,haproxy,libpam-cap,tmux,rabbitmq-server,chrony,ucf,openssl,nano,zsh,\
    man-db,uwsgi-core";
const BOOKWORM: &str = "base-files,base-passwd,libc-bin,mawk,debianutils,passwd,login,libpam-runtime,dbus,cron,rsyslog,\
    openssh-server,adduser,less,vim-tiny,memcached,libpam-cap,tmux,ucf,openssl,nano,man-db";

/// What scripts leave behind that no effect makes, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("/etc/passwd-", "backups"),
    ("/etc/group-", "backups"),
    ("/etc/shadow-", "backups"),
    ("/etc/gshadow-", "backups"),
    ("/var/lib/dpkg/diversions-old", "backups"),
    ("/var/lib/dpkg/statoverride-old", "backups"),
    ("/var/lib/dpkg/status-old", "backups"),
    ("/var/lib/ucf/hashfile.0", "backups"),
    ("/var/lib/ucf/registry.", "backups"),
    ("/var/cache/debconf", "debconf makes its database at its first question"),
    ("/var/cache/apt", "caches"),
    ("/var/cache/man", "caches"),
    ("/var/cache/ldconfig", "caches"),
    ("/var/lib/apt/lists", "caches"),
    ("/var/log/alternatives.log", "logs"),
    ("/var/log/dpkg.log", "logs"),
    ("/var/log/apt", "logs"),
    ("/etc/.pwd.lock", "locks"),
    ("/var/lib/dpkg/lock", "locks"),
    ("/var/lib/dpkg/triggers/Lock", "locks"),
    ("/var/lib/dpkg/arch", "of the native architecture, which dpkg knows"),
    ("/etc/machine-id", "one machine's"),
    ("/var/lib/dbus/machine-id", "one machine's: a link to /etc/machine-id here"),
    ("/var/lib/rabbitmq/.erlang.cookie", "one machine's"),
    ("/etc/ssh/ssh_host_", "one machine's"),
    ("/etc/rc", "services are not started by init scripts"),
    ("/etc/systemd", "services are not started by systemd in the image"),
    ("/var/lib/systemd", "services are not started by systemd in the image"),
    ("/var/log/journal", "services are not started by systemd in the image"),
    ("/run/", "the running system's"),
    ("/etc/apt", "mmdebstrap's"),
    ("/etc/resolv.conf", "mmdebstrap's"),
    ("/etc/hostname", "mmdebstrap's"),
    ("/usr/share/info/dir", "info pages' index, kept by install-info"),
    ("/usr/lib/python3", "bytecode"),
    ("/usr/share/python3", "bytecode"),
    ("/var/lib/man-db", "man-db's own"),
    ("/usr/local/share/zsh", "zsh's own: a dir of its judgement"),
    ("/etc/apparmor.d/local", "apparmor is the host's"),
    ("/var/lib/rabbitmq", "rabbitmq-server's: dirs and attrs of its judgement"),
    ("/etc/hosts.allow", "libwrap0's: files of its judgement"),
    ("/etc/hosts.deny", "libwrap0's: files of its judgement"),
    ("/var/lib/wtmpdb", "libwtmpdb0's: a dir of its judgement"),
    ("/usr/share/zoneinfo", "tzdata's"),
    ("/etc/timezone", "tzdata's"),
    ("/boot", "unpacked alike"),
    ("/dev/", "mmdebstrap's"),
];

/// More of it on bookworm alone.
const LEFT_OUT_OF_BOOKWORM: &[(&str, &str)] = &[
    ("/etc/subuid", "login's: files of its judgement"),
    ("/etc/subgid", "login's: files of its judgement"),
    ("/var/log/faillog", "login's: files of its judgement"),
    ("/etc/runit", "services are not started by runit"),
];

fn left_out(suite: &str, path: &str) -> bool {
    path.contains("/__pycache__")
        || LEFT_OUT
            .iter()
            .chain(LEFT_OUT_OF_BOOKWORM.iter().filter(|_| suite == "bookworm"))
            .any(|(prefix, _)| path.starts_with(prefix))
}

/// The shipped judgement of a suite's scripts, but with the accounts' ids of the real root.
fn shipped(suite: &str) -> Distro {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("specs")).unwrap();
    std::fs::write(dir.path().join("specs/project.kdl"), "import \"catalogue\"\n").unwrap();
    let project = wharf::estate::load(dir.path()).unwrap();
    project.distros.values().find(|distro| distro.name.as_str() == format!("debian-{suite}")).unwrap().clone()
}

/// The scripts judged by the shipped tables; packages that they do not know, with a coarse eye.
fn judge(world: &mut World, root: &Path) {
    let first = ["base-passwd", "base-files"].map(String::from);
    let order = configured(root);
    let order: Vec<&String> = first.iter().chain(order.iter().filter(|name| !first.contains(name))).collect();
    let by_name: BTreeMap<&str, &PackageInfo> =
        world.packages.iter().map(|package| (package.name.as_str(), package)).collect();
    let packages: Vec<PackageInfo> =
        order.iter().filter_map(|name| by_name.get(name.as_str())).map(|p| (*p).clone()).collect();
    let mut unknown = vec![];
    for package in &packages {
        let judgement = wharf::deb::script::judge([package], &world.distro, &[]);
        if judgement.unjudged.is_empty() {
            world.calls.extend(judgement.calls);
        } else {
            unknown.push(package.name.to_string());
            glance(world, package);
        }
    }
    eprintln!(
        "{} packages judged by the shipped tables; not in them: {}",
        packages.len() - unknown.len(),
        unknown.join(" ")
    );
}

/// An effect where its program is called.
fn glance(world: &mut World, package: &PackageInfo) {
    {
        let Some(text) = package.members.get("postinst").cloned() else { return };
        let is_bookworm = package.version.contains("deb12");
        let package = package.name.as_str();
        let has = |program: &str| text.contains(program);
        let mut effects = vec![];
        for (program, effect) in [
            ("systemd-sysusers", "sysusers"),
            ("systemd-tmpfiles", "tmpfiles"),
            ("update-alternatives --", "alternatives"),
            ("dpkg-statoverride --update", "statoverride"),
            ("update-shells", "shells"),
            ("add-shell", "shells"),
            ("nsswitch.conf", "nsswitch"),
        ] {
            if has(program) && !effects.contains(&effect) && !["openssh-client", "perl", "procps"].contains(&package) {
                effects.push(effect);
            }
        }
        match package {
            "base-files" => effects.push("base-files"),
            "base-passwd" => effects.push("base-passwd"),
            "libpam-runtime" => effects.push("pam"),
            _ => {}
        }
        world.call(package, &text, &effects);
        let worth = &mut world.calls.last_mut().unwrap().worth;
        match package {
            // adduser and addgroup, whose arguments are a judgement's to read
            "erlang-base" => worth.accounts.push(user("epmd", "/run/epmd", "/usr/sbin/nologin")),
            "chrony" => {
                let account = user("_chrony", "/var/lib/chrony", "/usr/sbin/nologin");
                worth.accounts.push(commented(account, "Chrony daemon"));
                worth.ucf.push(ucf("/etc/chrony/chrony.conf", "/usr/share/chrony/chrony.conf", None));
                worth.ucf.push(ucf(
                    "/etc/chrony/chrony.keys",
                    "/usr/share/chrony/chrony.keys",
                    Some(("_chrony", 0o640)),
                ));
                for path in ["/var/lib/chrony", "/var/log/chrony"] {
                    worth.attrs.push(attr(path, "_chrony", "_chrony", 0o750));
                }
                worth.attrs.push(attr("/etc/chrony/chrony.keys", "root", "_chrony", 0o640));
            }
            "haproxy" => worth.accounts.push(user("haproxy", "/var/lib/haproxy", "/usr/sbin/nologin")),
            // bookworm's adduser has chfn write all four parts
            "memcached" => worth.accounts.push(commented(
                user("memcache", "/nonexistent", "/bin/false"),
                if is_bookworm { "Memcached,,," } else { "Memcached" },
            )),
            "rabbitmq-server" => {
                let account = user("rabbitmq", "/var/lib/rabbitmq", "/usr/sbin/nologin");
                worth.accounts.push(commented(account, "RabbitMQ messaging server"));
            }
            "openssh-client" => {
                worth.accounts.push(wharf::estate::Account { group_only: true, ..account("_ssh", None) });
                worth.attrs.push(attr("/usr/bin/ssh-agent", "root", "_ssh", 0o2755));
            }
            "openssh-server" => {
                if text.contains("adduser") {
                    worth.accounts.push(user("sshd", "/run/sshd", "/usr/sbin/nologin"));
                }
                worth.ucf.push(ucf("/etc/ssh/sshd_config", "/usr/share/openssh/sshd_config", None));
            }
            "cron-daemon-common" if !text.contains("sysusers") => {
                worth.accounts.push(wharf::estate::Account { group_only: true, ..account("crontab", None) });
                worth.attrs.push(attr("/var/spool/cron/crontabs", "root", "crontab", 0o1730));
            }
            "rsyslog" => worth.attrs.push(attr("/var/spool/rsyslog", "root", "root", 0o700)),
            "cron" => worth.attrs.push(attr("/usr/bin/crontab", "root", "crontab", 0o2755)),
            "dbus-system-bus-common" if text.contains("--home /nonexistent") => {
                worth.accounts.push(user("messagebus", "/nonexistent", "/usr/sbin/nologin"));
            }
            "dbus" => {
                worth.attrs.push(attr("/usr/lib/dbus-1.0/dbus-daemon-launch-helper", "root", "messagebus", 0o4754))
            }
            _ => {}
        }
    }
}

fn user(login: &str, home: &str, shell: &str) -> wharf::estate::Account {
    wharf::estate::Account { home: Some(path(home)), shell: Some(path(shell)), ..account(login, None) }
}

fn commented(account: wharf::estate::Account, gecos: &str) -> wharf::estate::Account {
    wharf::estate::Account { gecos: Some(gecos.to_owned()), ..account }
}

fn ucf(to: &str, from: &str, owner: Option<(&str, u16)>) -> UcfFile {
    UcfFile {
        path: path(to),
        source: path(from),
        owner: None,
        group: owner.map(|(group, _)| Owner::Name(name(group))),
        mode: owner.map(|(_, mode)| Mode(mode)),
    }
}

fn attr(path: &str, owner: &str, group: &str, mode: u16) -> wharf::estate::Attr {
    wharf::estate::Attr {
        path: path.into(),
        owner: Some(Owner::Name(name(owner))),
        group: Some(Owner::Name(name(group))),
        mode: Some(Mode(mode)),
        capabilities: None,
        span: super::world::span(),
    }
}

/// One line of what is at a path; for files, their content too.
fn describe(tree: &Tree, at: &str, sorted: bool) -> Option<String> {
    let node = tree.get(&path(at))?;
    let what = match &node.kind {
        Kind::Dir => "dir".to_owned(),
        Kind::Symlink(target) => return Some(format!("-> {target}")),
        Kind::File(content) => {
            let bytes = content.read().unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if sorted {
                let mut parts: Vec<&str> = text.split(if text.contains("\n\n") { "\n\n" } else { "\n" }).collect();
                parts.sort_unstable();
                parts.join("\n").trim().to_owned()
            } else {
                text
            }
        }
        Kind::Hardlink(to) => format!("= {to}"),
    };
    Some(format!("{:04o} {}:{} {what}", node.mode, node.uid, node.gid))
}

/// Files whose lines dpkg and apt keep in an order of their memory.
const UNORDERED: [&str; 5] = [
    "/var/lib/dpkg/diversions",
    "/var/lib/dpkg/statoverride",
    "/var/lib/apt/extended_states",
    "/var/lib/dpkg/triggers/File",
    "/var/lib/ucf/hashfile",
];

#[test]
fn effects_make_what_the_real_scripts_of_trixie_make() {
    compare("trixie", TRIXIE);
}

#[test]
fn effects_make_what_the_real_scripts_of_bookworm_make() {
    compare("bookworm", BOOKWORM);
}

fn compare(suite: &str, packages: &str) {
    let Some(dir) = roots(suite, packages) else { return };
    let shipped = shipped(suite);
    let (unpacked, truth) = (dir.join("extract"), read(&dir.join("full")));
    let mut world = World::new();
    world.tree = read(&unpacked);
    // mmdebstrap makes this one before dpkg runs, in both.
    world.tree.remove(&path("/var/lib/dpkg/status"));
    world.distro.scripts = shipped.scripts;
    world.distro.snippets = shipped.snippets;
    world.packages = installed(&dir.join("full"));
    let passwd = truth.read_text(&path("/etc/passwd")).unwrap().unwrap();
    let group = truth.read_text(&path("/etc/group")).unwrap().unwrap();
    for line in group.lines().chain(passwd.lines()) {
        let fields: Vec<&str> = line.split(':').collect();
        let id: u32 = fields[2].parse().unwrap();
        let mut found = account(fields[0], Some(id));
        if let [_, _, _, gid, _, _, _] = fields.as_slice() {
            found.gid = Some(gid.parse().unwrap());
        }
        world.distro.accounts.insert(name(fields[0]), found);
    }
    let shadow = truth.read_text(&path("/etc/shadow")).unwrap().unwrap();
    world.mtime = shadow.split(':').nth(2).unwrap().parse::<i64>().unwrap() * 86_400;
    judge(&mut world, &dir.join("full"));
    world.level().packages = packages
        .split(',')
        .chain(["apt"])
        .map(|text| wharf::estate::Package { name: name(text), version: None, span: super::world::span() })
        .collect();
    world.run().unwrap();

    let all: BTreeSet<String> = truth
        .iter()
        .chain(world.tree.iter())
        .map(|(path, _)| path.to_string())
        .filter(|path| !left_out(suite, path))
        .collect();
    let mut wrong = String::new();
    for at in &all {
        if at.starts_with("/var/lib/dpkg/info/") || at == "/" {
            continue;
        }
        // mmdebstrap calls bookworm's update-shells once before usr-merge and once behind it
        let sorted = UNORDERED.contains(&at.as_str()) || (suite == "bookworm" && at == "/etc/shells");
        let (mut ours, real) = (describe(&world.tree, at, sorted), describe(&truth, at, sorted));
        match at.as_str() {
            // mkosi and others miss it, mmdebstrap does not make it
            "/var/lib/dpkg/available" => continue,
            // the tables make cron's group and the bus' account as adduser does, which marks them `!` where systemd-sysusers,
            // which was first with them there, says `!*`: nobody logs in with either
            "/etc/gshadow" | "/etc/shadow" if suite == "trixie" => {
                let marked = |text: String| {
                    ["crontab", "messagebus"]
                        .iter()
                        .fold(text, |text, name| text.replace(&format!("{name}:!:"), &format!("{name}:!*:")))
                };
                ours = ours.map(marked);
            }
            // mmdebstrap unpacks its first packages without apt: apt does not know that nobody asked for them
            "/var/lib/apt/extended_states" => {
                let (mine, theirs) = (ours.clone().unwrap(), real.clone().unwrap());
                let wanted: BTreeSet<&str> = packages.split(',').collect();
                assert!(theirs.lines().all(|line| mine.contains(line)), "apt knows of more packages than we do");
                assert!(!mine.lines().any(|line| line.strip_prefix("Package: ").is_some_and(|n| wanted.contains(n))));
                continue;
            }
            _ => {}
        }
        if ours != real {
            let short =
                |text: Option<String>| text.map_or("absent".to_owned(), |text| text.chars().take(3000).collect());
            wrong += &format!("## {at}\nours: {}\nreal: {}\n", short(ours), short(real));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
