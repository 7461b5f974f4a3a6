//! What effects make of recorded inputs is what the real scripts made of them.

use wharf::estate::EffectUse;

use super::recorded::Record;
use super::world::World;

fn world(record: &Record) -> World {
    let mut world = World::new();
    for (path, text) in &record.shipped {
        world.ship(path, text);
    }
    world
}

fn same(world: &World, record: &Record) {
    for (path, text) in &record.made {
        assert_eq!(&world.text(path), text, "{path}");
    }
}

#[test]
fn accounts_are_those_of_base_passwd_and_sysusers() {
    let record = Record::read(include_str!("../fixtures/effect/accounts-trixie.txt"));
    let mut world = world(&record);
    world.ship("/usr/sbin/pwconv", "");
    // the order in which dpkg configured the packages
    let files = [
        ("systemd", "basic.conf systemd-journal.conf systemd-network.conf"),
        ("cron-daemon-common", "cron-daemon-common.conf"),
        ("dbus-system-bus-common", "dbus.conf"),
    ];
    world.call("base-passwd", "touch \"$DPKG_ROOT/etc/subuid\"; touch \"$DPKG_ROOT/etc/subgid\"", &["base-passwd"]);
    for (package, files) in files {
        world.call(package, &format!("systemd-sysusers ${{DPKG_ROOT:+--root=\"$DPKG_ROOT\"}} {files}"), &["sysusers"]);
    }
    let epmd = super::world::account("epmd", None);
    let epmd = wharf::estate::Account { home: Some(super::world::path("/run/epmd")), ..epmd };
    world.call("erlang-base", "", &[]).accounts.push(epmd);
    // a judgement may name the files itself
    let sysusers = EffectUse { name: "sysusers".into(), arguments: vec!["openssh-server.conf".into()] };
    world.call("openssh-server", "", &[]).effects.push(sysusers);
    for (name, id) in [("systemd-journal", 999), ("systemd-network", 998), ("crontab", 997), ("messagebus", 996)] {
        world.distro_account(name, id);
    }
    world.distro_account("sshd", 995).distro_account("epmd", 100);
    world.distro.accounts.get_mut("epmd").unwrap().gid = Some(101);
    world.run().unwrap();
    same(&world, &record);
    assert_eq!(world.stat("/etc/passwd"), "0644 0:0 file");
    assert_eq!(world.stat("/etc/shadow"), "0640 0:42 file");
    assert_eq!(world.stat("/etc/gshadow"), "0640 0:42 file");
}

#[test]
fn pam_stacks_are_those_of_pam_auth_update() {
    let record = Record::read(include_str!("../fixtures/effect/pam-trixie.txt"));
    let mut world = world(&record);
    world.call("libpam-runtime", "pam-auth-update --package", &["pam"]);
    world.run().unwrap();
    same(&world, &record);
}

#[test]
fn shells_are_those_of_update_shells() {
    let record = Record::read(include_str!("../fixtures/effect/shells-trixie.txt"));
    let mut world = world(&record);
    world.ship_link("/bin", "usr/bin");
    world.call("debianutils", "update-shells", &["shells"]);
    world.run().unwrap();
    same(&world, &record);
}

#[test]
fn alternatives_are_those_of_update_alternatives() {
    let record = Record::read(include_str!("../fixtures/effect/alternatives-trixie.txt"));
    let mut world = world(&record);
    world.ship_link("/bin", "usr/bin");
    for name in ["mawk", "nano", "less", "more", "vim.tiny"] {
        world.ship(&format!("/usr/bin/{name}"), "");
    }
    // the manual page of mawk is there, the others' were left out
    world.ship("/usr/share/man/man1/mawk.1.gz", "");
    for (package, text) in &record.scripts {
        world.call(package, text, &["alternatives"]);
    }
    world.run().unwrap();
    same(&world, &record);
    let links: String =
        world.touched().lines().filter(|line| line.contains("->")).map(|line| format!("{line}\n")).collect();
    insta::assert_snapshot!(links, @r"
    /etc/alternatives/awk 0777 0:0 -> /usr/bin/mawk
    /etc/alternatives/awk.1.gz 0777 0:0 -> /usr/share/man/man1/mawk.1.gz
    /etc/alternatives/editor 0777 0:0 -> /bin/nano
    /etc/alternatives/nawk 0777 0:0 -> /usr/bin/mawk
    /etc/alternatives/nawk.1.gz 0777 0:0 -> /usr/share/man/man1/mawk.1.gz
    /etc/alternatives/pager 0777 0:0 -> /usr/bin/less
    /etc/alternatives/pico 0777 0:0 -> /bin/nano
    /usr/bin/awk 0777 0:0 -> /etc/alternatives/awk
    /usr/bin/editor 0777 0:0 -> /etc/alternatives/editor
    /usr/bin/nawk 0777 0:0 -> /etc/alternatives/nawk
    /usr/bin/pager 0777 0:0 -> /etc/alternatives/pager
    /usr/bin/pico 0777 0:0 -> /etc/alternatives/pico
    /usr/share/man/man1/awk.1.gz 0777 0:0 -> /etc/alternatives/awk.1.gz
    /usr/share/man/man1/nawk.1.gz 0777 0:0 -> /etc/alternatives/nawk.1.gz
    ");
}

#[test]
fn base_files_makes_what_its_postinst_makes() {
    let record = Record::read(include_str!("../fixtures/effect/base-files-trixie.txt"));
    let mut world = world(&record);
    for (path, mode) in [("/var/run", 0o755), ("/var/lock", 0o1777), ("/var/spool", 0o755), ("/run", 0o755)] {
        world.ship_dir(path, mode);
    }
    for file in ["dot.profile", "dot.bashrc", "profile", "motd"] {
        world.ship(&format!("/usr/share/base-files/{file}"), file);
    }
    world.ship("/etc/dpkg/origins/debian", "Vendor: Debian\n");
    world.ship("/usr/share/base-passwd/group.master", "root:*:0:\nmail:*:8:\nutmp:*:43:\nstaff:*:50:\n");
    // a package that still ships something below the old name
    world.ship("/var/lock/tool/pid", "");
    world.call("base-files", &record.scripts[0].1, &["base-files"]);
    world.run().unwrap();
    for line in record.made[0].1.lines() {
        let (path, stat) = line.split_once(' ').unwrap();
        assert_eq!(world.stat(path), stat, "{path}");
    }
    assert_eq!(world.text("/etc/profile"), "profile");
    assert_eq!(world.stat("/run/lock/tool/pid"), "0644 0:0 file");
    assert_eq!(world.stat("/usr/share/info/dir"), "-");
}
