//! What dpkg, apt and ucf remember in an image.

use wharf::deb::Conffile;
use wharf::estate::{Diversion, Mode, Package, UcfFile};

use super::stories::owner;
use super::world::{World, account, name, package, path, span};

#[test]
fn ucf_copies_and_remembers_and_says_what_is_missing() {
    let mut world = World::new();
    world.image_account(account("app", Some(2000)));
    let one = UcfFile {
        path: path("/etc/app.conf"),
        source: path("/usr/share/app/app.conf"),
        owner: None,
        group: owner("app"),
        mode: Some(Mode(0o640)),
    };
    world.call("app-common", "ucf /usr/share/app/app.conf /etc/app.conf", &["ucf"]).ucf.push(one);
    insta::assert_snapshot!(world.fails(), @r"
    `app-common` copies `/usr/share/app/app.conf` to `/etc/app.conf`, and it is not in this image
    help: a filter of the distro may leave it out: include it there, or give the image a `file` node for `/etc/app.conf`
    ");
    world.ship("/usr/share/app/app.conf", "x\n");
    world.run().unwrap();
    assert_eq!(world.stat("/etc/app.conf"), "0640 0:2000 file");
    assert_eq!(world.text("/var/lib/ucf/hashfile"), "401b30e3b8b5d629635a5c613cdb7919  /etc/app.conf\n");
    assert_eq!(world.text("/var/lib/ucf/registry"), "app-common \t /etc/app.conf\n");
    assert_eq!(world.text("/var/lib/ucf/cache/:etc:app.conf"), "x\n");
}

#[test]
fn ucf_remembers_nothing_of_a_script_that_only_makes_it_forget() {
    let mut world = World::new();
    let (to, from) = (path("/etc/app.conf"), path("/usr/share/app/app.conf"));
    let one = UcfFile { path: to, source: from, owner: None, group: None, mode: None };
    let script = "install -m 0644 /usr/share/app/app.conf /etc/app.conf\nucf --purge /etc/old.conf\n";
    world.ship("/usr/share/app/app.conf", "x\n").call("app", script, &[]).ucf.push(one);
    world.run().unwrap();
    assert_eq!(world.text("/etc/app.conf"), "x\n");
    assert_eq!(world.stat("/var/lib/ucf/hashfile"), "-");
    assert_eq!(world.stat("/var/lib/ucf/cache/:etc:app.conf"), "-");
}

#[test]
fn the_native_architecture_is_recorded_where_dpkgs_script_does() {
    for (script, made) in [("echo $DPKG_MAINTSCRIPT_ARCH >$admindir/arch-native", true), ("# an older one", false)] {
        let mut world = World::new();
        let mut dpkg = package("dpkg", &[("Architecture", "ppc64el")]);
        dpkg.arch = "ppc64el".into();
        dpkg.members.insert("postinst".into(), script.into());
        world.packages.push(dpkg);
        world.run().unwrap();
        let file = "/var/lib/dpkg/arch-native";
        assert_eq!(if made { world.text(file) } else { world.stat(file) }, if made { "ppc64el\n" } else { "-" });
    }
}

#[test]
fn a_file_that_an_upgrade_is_to_remove_is_in_dpkgs_status() {
    let mut world = World::new();
    let mut tool = package("tool", &[("Architecture", "amd64")]);
    let conffile = |path: &str, md5: Option<&str>| Conffile { path: path.into(), md5: md5.map(str::to_owned) };
    tool.conffiles = vec![conffile("/etc/tool.conf", Some("00")), conffile("/etc/old.conf", None)];
    world.packages.push(tool);
    world.run().unwrap();
    let status = world.text("/var/lib/dpkg/status");
    let lines = "Conffiles:\n /etc/tool.conf 00\n /etc/old.conf newconffile remove-on-upgrade\n";
    assert!(status.contains(lines), "{status}");
}

#[test]
fn dpkg_and_apt_find_their_files() {
    let mut world = World::new();
    let mut libc = package("libc6", &[("Architecture", "amd64"), ("Multi-Arch", "same"), ("Depends", "a(>=1),b|c")]);
    libc.members
        .insert("triggers".into(), "# dh\ninterest-noawait /usr/lib/x\ninterest ldconfig\nactivate-noawait z\n".into());
    let apt = package("apt", &[("Architecture", "amd64"), ("Description", "short\n long"), ("Homepage", "http://x/")]);
    let exim = package("exim4", &[("Provides", "default-mta, mail-transport-agent (= 1)")]);
    world.packages = vec![apt, exim, libc];
    world.distro.filters.rules = vec![(false, "/usr/share/doc/*".into()), (true, "/usr/share/doc/*/copyright".into())];
    world.ship_dir("/etc/dpkg/dpkg.cfg.d", 0o755);
    world.level().packages =
        ["apt", "mail-transport-agent"].map(|text| Package { name: name(text), version: None, span: span() }).to_vec();
    world.call("bash", "", &[]).diversions.push(Diversion {
        path: path("/bin/x"),
        to: path("/bin/x.y"),
        package: None,
    });
    world.run().unwrap();
    let files = ["status", "diversions", "triggers/File", "triggers/ldconfig", "info/format", "available"];
    let shown = files.map(|file| format!("{file}:\n{}", world.text(&format!("/var/lib/dpkg/{file}")))).join("\n");
    insta::assert_snapshot!(shown, @r"
    status:
    Package: apt
    Status: install ok installed
    Architecture: amd64
    Version: 1
    Description: short
     long
    Homepage: http://x/

    Package: exim4
    Status: install ok installed
    Version: 1
    Provides: default-mta, mail-transport-agent (= 1)

    Package: libc6
    Status: install ok installed
    Architecture: amd64
    Multi-Arch: same
    Version: 1
    Depends: a (>= 1), b | c


    diversions:
    /bin/x
    /bin/x.y
    bash

    triggers/File:
    /usr/lib/x libc6:amd64/noawait

    triggers/ldconfig:
    libc6:amd64

    info/format:
    1

    available:
    ");
    insta::assert_snapshot!(world.text("/etc/dpkg/dpkg.cfg.d/wharf"), @r"
    # What debian-trixie leaves out of its packages.
    path-exclude=/usr/share/doc/*
    path-include=/usr/share/doc/*/copyright
    ");
    insta::assert_snapshot!(world.text("/var/lib/apt/extended_states"), @r"
    Package: libc6
    Architecture: amd64
    Auto-Installed: 1
    ");
}

#[test]
fn a_trigger_line_that_is_none_is_an_error() {
    let mut world = World::new();
    let mut one = package("one", &[]);
    one.members.insert("triggers".into(), "interested /x\n".into());
    world.packages = vec![one];
    assert_eq!(
        world.fails(),
        "the `triggers` file of `one` has a line that deb-triggers(5) does not know: `interested /x`"
    );
}
