//! What people write, and what wins over what.

use std::path::PathBuf;

use wharf::digest::Digest;
use wharf::estate::{
    Alternative, Attr, Dir, EffectUse, File, FileContent, FileSource, Link, Mode, Omit, Owner, Tree, TreeContent,
    TreeFile,
};
use wharf::spec::Spanned;
use wharf::tree::Kind;

use super::world::{World, account, level, name, package, path, span};

fn file(at: &str, text: &str) -> File {
    let content = FileContent::Text(text.into());
    File { path: path(at), content, owner: None, group: None, mode: None, span: span() }
}

fn dir(at: &str) -> Dir {
    Dir { path: path(at), owner: None, group: None, mode: None, span: span() }
}

fn attr(at: &str) -> Attr {
    Attr { path: at.into(), owner: None, group: None, mode: None, capabilities: None, span: span() }
}

pub fn owner(text: &str) -> Option<Owner> {
    Some(Owner::Name(name(text)))
}

fn folder(tree: &str, files: &[(&str, TreeContent)]) -> Spanned<Tree> {
    let files = files.iter().map(|(at, content)| TreeFile { path: path(at), content: content.clone() }).collect();
    Spanned::new(Tree { name: name(tree), files }, span())
}

fn held(text: &'static str, executable: bool) -> TreeContent {
    let digest = Digest::of(text.as_bytes());
    let source = FileSource::Embedded(text.as_bytes());
    TreeContent::File { source, executable, size: text.len() as u64, digest }
}

#[test]
fn an_effect_that_there_is_not_is_named_with_the_nearest() {
    let mut world = World::new();
    world.call("mawk", "", &["alternative"]);
    insta::assert_snapshot!(world.fails(), @r"
    the judgement of `mawk` names the effect `alternative`, which there is not; `alternatives` there is
    help: effects are: accounts, alternatives, apache2-confs, apache2-modules, apache2-sites, base-files, base-passwd, bytecode, ca-certificates, debconf, ldconfig, nsswitch, pam, shells, statoverride, sysusers, tmpfiles, ucf
    ");
}

#[test]
fn two_trees_that_bring_one_path_must_bring_the_same() {
    let mut world = World::new();
    world.level().trees =
        vec![folder("aa", &[("/etc/x", held("1", false))]), folder("bb", &[("/etc/x", held("1", true))])];
    insta::assert_snapshot!(world.fails(), @r"
    the trees `aa` and `bb` both bring `/etc/x`, and not the same
    help: take it out of one of them, or say which holds with a `file` or `link` node
    ");
    world.level().trees =
        vec![folder("aa", &[("/etc/x", held("1", true))]), folder("bb", &[("/etc/x", held("1", true))])];
    assert_eq!(world.run().unwrap().stat("/etc/x"), "0755 0:0 file");
}

#[test]
fn a_file_never_takes_the_place_of_a_directory() {
    let mut world = World::new();
    world.ship_dir("/etc/x", 0o755);
    world.level().files.push(file("/etc/x", "text"));
    insta::assert_snapshot!(world.fails(), @r"
    `/etc/x` is a directory in one place and none in another
    help: another path, or `omit` what stands there
    ");
}

#[test]
fn a_source_that_is_gone_is_an_error() {
    let mut world = World::new();
    let content = FileContent::Source(FileSource::Disk(PathBuf::from("/nonexistent/x")));
    world.level().files.push(File { content, ..file("/etc/x", "") });
    assert!(world.fails().starts_with("the source of `/etc/x` cannot be read: No such file"), "{}", world.fails());
}

#[test]
fn an_owner_that_the_image_does_not_have_is_an_error_with_the_nearest() {
    let mut world = World::new();
    world.image_account(account("keystone", Some(42425)));
    world.level().dirs.push(Dir { owner: owner("keystnoe"), ..dir("/var/log/keystone") });
    insta::assert_snapshot!(world.fails(), @r#"
    `/var/log/keystone` cannot be given away: there is no user `keystnoe` in this image, but `keystone`
    help: make the account with `account "…" uid=… gid=…`, or give a number
    "#);
}

#[test]
fn a_node_wins_over_a_tree_over_a_package_and_a_child_over_its_parent() {
    let mut world = World::new();
    world.ship("/etc/a", "package").ship("/etc/b", "package").ship("/etc/c", "package").ship("/etc/d", "package");
    let mut parent = level("base");
    parent.trees = vec![folder("base", &[("/etc/b", held("tree", false)), ("/etc/c", held("tree", false))])];
    parent.files = vec![file("/etc/c", "node"), file("/etc/d", "parent's node")];
    world.image.levels.insert(0, parent);
    world.level().trees = vec![folder("app", &[("/etc/d", held("child's tree", false))])];
    world.run().unwrap();
    let texts = ["/etc/a", "/etc/b", "/etc/c", "/etc/d"].map(|at| world.text(at));
    assert_eq!(texts, ["package", "tree", "node", "child's tree"]);
}

#[test]
fn a_tree_s_directories_are_only_the_way_to_its_files() {
    let mut world = World::new();
    world.ship_dir("/root", 0o700).ship_dir("/usr/bin", 0o755).ship_link("/bin", "usr/bin");
    world.level().trees = vec![folder(
        "app",
        &[
            ("/bin", TreeContent::Dir),
            ("/bin/tool", held("#!/bin/sh", true)),
            ("/root", TreeContent::Dir),
            ("/root/.x", TreeContent::Symlink("y".into())),
        ],
    )];
    world.run().unwrap();
    insta::assert_snapshot!(world.touched(), @r"
    /root/.x 0777 0:0 -> y
    /usr/bin/tool 0755 0:0 file
    ");
    assert_eq!(world.stat("/root"), "0700 0:0 dir");
}

#[test]
fn owners_and_modes_of_nodes() {
    let mut world = World::new();
    world.image_account(account("app", Some(2000))).image_account(account("log", Some(2001)));
    world.ship_dir("/var/log/app", 0o750).ship_link("/etc/there", "elsewhere");
    let level = world.level();
    level.dirs.push(Dir { owner: owner("app"), ..dir("/var/log/app") });
    level.dirs.push(Dir { owner: Some(Owner::Id(7)), mode: Some(Mode(0o2770)), ..dir("/var/lib/app/state") });
    level.files.push(File { group: owner("log"), mode: Some(Mode(0o640)), ..file("/etc/app.conf", "x") });
    level.files.push(file("/etc/there", "a file in the place of a link"));
    level.links.push(Link { path: path("/usr/bin/app"), target: "../lib/app".into(), span: span() });
    world.run().unwrap();
    let stats = ["/var/log/app", "/var/lib/app", "/var/lib/app/state", "/etc/app.conf", "/etc/there", "/usr/bin/app"]
        .map(|at| format!("{at} {}\n", world.stat(at)))
        .concat();
    insta::assert_snapshot!(stats, @r"
    /var/log/app 0750 2000:2000 dir
    /var/lib/app 0755 0:0 dir
    /var/lib/app/state 2770 7:7 dir
    /etc/app.conf 0640 0:2001 file
    /etc/there 0644 0:0 file
    /usr/bin/app 0777 0:0 -> ../lib/app
    ");
}

#[test]
fn what_a_judgement_makes_never_replaces_what_a_package_ships() {
    let mut world = World::new();
    world.ship("/etc/hosts", "shipped");
    let worth = world.call("netbase", "", &[]);
    worth.files = vec![file("/etc/hosts", "made"), file("/etc/networks", "made")];
    worth.links =
        vec![Link { path: path("/etc/localtime"), target: "/usr/share/zoneinfo/Etc/UTC".into(), span: span() }];
    world.level().files.push(file("/etc/networks", "the image's"));
    world.run().unwrap();
    assert_eq!(["/etc/hosts", "/etc/networks"].map(|at| world.text(at)), ["shipped", "the image's"]);
    assert_eq!(world.stat("/etc/localtime"), "0777 0:0 -> /usr/share/zoneinfo/Etc/UTC");
}

#[test]
fn an_attr_of_a_path_that_is_not_there_is_an_error_with_the_nearest() {
    let mut world = World::new();
    world.ship("/usr/bin/ping", "");
    world.level().attrs.push(Attr { mode: Some(Mode(0o755)), ..attr("/usr/bin/pign") });
    insta::assert_snapshot!(world.fails(), @r"
    there is no `/usr/bin/pign` in this image; `/usr/bin/ping` there is
    help: a glob may match nothing, a plain path may not
    ");
    world.level().attrs = vec![Attr { mode: Some(Mode(0o755)), ..attr("/usr/bin/[") }];
    insta::assert_snapshot!(world.fails(), @r"
    `/usr/bin/[` is no glob: unclosed character class; missing ']'
    ");
    world.level().attrs = vec![Attr { capabilities: Some("cap_net_rwa=ep".into()), ..attr("/usr/bin/ping") }];
    assert_eq!(world.fails(), "there is no capability `cap_net_rwa`; `cap_net_raw` there is");
}

#[test]
fn attr_changes_every_name_of_a_file_and_omit_goes_before_it() {
    let mut world = World::new();
    world
        .ship("/usr/bin/perl", "x")
        .ship("/usr/bin/perl5", "")
        .ship("/usr/share/doc/a/b", "")
        .ship("/usr/bin/x/deep", "");
    let mut link = world.tree.get(&path("/usr/bin/perl5")).unwrap().clone();
    link.kind = Kind::Hardlink(path("/usr/bin/perl"));
    world.tree.place(path("/usr/bin/perl5"), link);
    let level = world.level();
    level.omits.push(Omit { glob: "/usr/share/doc/**".into(), span: span() });
    level.omits.push(Omit { glob: "/nothing/**".into(), span: span() });
    level.attrs.push(Attr {
        mode: Some(Mode(0o750)),
        capabilities: Some("cap_net_raw=ep".into()),
        ..attr("/usr/bin/*")
    });
    world.run().unwrap();
    insta::assert_snapshot!(world.touched(), @r"
    /bin 0777 0:0 -> usr/bin
    /usr/bin/perl 0750 0:0 file
    /usr/bin/perl5 0750 0:0 = /usr/bin/perl
    /usr/bin/x 0750 0:0 dir
    ");
    assert!(world.tree.get(&path("/usr/bin/perl")).unwrap().capability.is_some());
    assert!(world.tree.removed().contains(&path("/usr/share/doc/a/b")));
    assert_eq!(world.stat("/usr/share/doc"), "0755 0:0 dir");
    assert_eq!(world.stat("/usr/bin/x/deep"), "0644 0:0 file");
}

#[test]
fn statoverrides_are_set_and_recorded_even_where_nothing_is_there() {
    let mut world = World::new();
    world.packages = vec![package("dbus", &[])];
    world.ship("/usr/bin/crontab", "").ship("/usr/bin/agent", "");
    world.image_account(account("crontab", Some(102)));
    let text = "dpkg-statoverride --update --add root crontab 02755 /usr/bin/crontab\n\
                dpkg-statoverride --update --add root root 0700 /nowhere\n\
                dpkg-statoverride --update --add root root 0700 \"$UNKNOWN\"";
    world.call("cron", text, &["statoverride"]);
    // chmod leaves dpkg nothing to remember
    let worth = world.call("agent", "chmod 2755 /usr/bin/agent", &[]);
    let (user, group) = (owner("root"), owner("crontab"));
    worth.attrs.push(Attr { owner: user, group, mode: Some(Mode(0o2755)), ..attr("/usr/bin/agent") });
    world.run().unwrap();
    assert_eq!(world.stat("/usr/bin/crontab"), "2755 0:102 file");
    assert_eq!(world.stat("/usr/bin/agent"), "2755 0:102 file");
    assert_eq!(
        world.text("/var/lib/dpkg/statoverride"),
        "root root 700 /nowhere\nroot crontab 2755 /usr/bin/crontab\n"
    );
}

#[test]
fn tmpfiles_make_what_an_image_keeps_and_leave_the_rest_to_the_running_system() {
    let mut world = World::new();
    world.image_account(account("app", Some(2000)));
    world.ship_dir("/var/log/app", 0o755).ship("/usr/share/app/skel/a", "copied").ship("/var/lib/app/key", "");
    world.ship(
        "/usr/lib/tmpfiles.d/app.conf",
        "d /run/app 0755 app app\n\
         d /var/log/app 2750 app :root\n\
         d %C/app 0700 app app 10d\n\
         f /etc/app/stamp 0600 - - - two  words\\n\n\
         f+ \"/etc/app/with blank\" - - - - x\n\
         L /var/lib/app/link - - - - ../link\n\
         L? /var/lib/app/none - - - - /nowhere\n\
         C /var/lib/app/skel - - - - /usr/share/app/skel\n\
         z /var/lib/app/k* ~0755 app -\n\
         d! /var/lib/app/boot\n\
         d /var/lib/app/%b\n\
         a+ /var/log/app - - - - group:adm:r-x\n",
    );
    world.call("app", "systemd-tmpfiles ${DPKG_ROOT:+--root=\"$DPKG_ROOT\"} --create app.conf || true", &["tmpfiles"]);
    world.run().unwrap();
    insta::assert_snapshot!(world.touched(), @r"
    /etc 0755 0:0 dir
    /etc/app 0755 0:0 dir
    /etc/app/stamp 0600 0:0 file
    /etc/app/with blank 0644 0:0 file
    /etc/group 0644 0:0 file
    /etc/passwd 0644 0:0 file
    /lib 0777 0:0 -> usr/lib
    /var/cache 0755 0:0 dir
    /var/cache/app 0700 2000:2000 dir
    /var/lib/app/key 0644 2000:0 file
    /var/lib/app/link 0777 0:0 -> ../link
    /var/lib/app/skel 0755 0:0 dir
    /var/lib/app/skel/a 0644 0:0 file
    /var/log/app 2750 2000:0 dir
    ");
    assert_eq!(world.text("/etc/app/stamp"), "two words\n");
    assert_eq!(world.text("/var/lib/app/skel/a"), "copied");
}

#[test]
fn a_line_of_tmpfiles_that_is_none_is_an_error_with_its_place() {
    for (line, why) in [
        ("y /var/x", "has the type `y`, which tmpfiles.d(5) does not know"),
        ("d /var/%w", "holds `%w`, which is not known before the system runs"),
        ("d /var/x 0999", "has the mode `0999`, which is none"),
        ("d /var/x - nobdy", "gives a path away: there is no user `nobdy` in this image"),
        ("d \"/var/x", "has a quote that does not end"),
    ] {
        let mut world = World::new();
        world.ship("/usr/lib/tmpfiles.d/x.conf", line);
        world.call("xx", "", &[]).effects.push(EffectUse { name: "tmpfiles".into(), arguments: vec!["x.conf".into()] });
        let expected = format!("line 1 of `/usr/lib/tmpfiles.d/x.conf` {why}: `{line}`");
        assert!(world.fails().starts_with(&expected), "{}", world.fails());
    }
}

fn awk(path_text: &str, priority: i32) -> Alternative {
    let slaves = vec![(path("/usr/bin/nawk"), "nawk".to_owned(), path(path_text))];
    Alternative { link: path("/usr/bin/awk"), name: "awk".into(), path: path(path_text), priority, slaves }
}

#[test]
fn an_alternative_that_is_not_there_is_an_error_unless_a_filter_left_it_out() {
    let mut world = World::new();
    world.call("mawk", "", &[]).alternatives.push(awk("/usr/bin/mawk", 5));
    insta::assert_snapshot!(world.fails(), @r"
    `mawk` offers `/usr/bin/mawk` as `awk`, and it is not in this image
    help: if it is left out on purpose, a filter of the distro says so; else its `script` node names the wrong path
    ");
    world.distro.filters.rules = vec![(false, "/usr/bin/m*".into())];
    world.run().unwrap();
    assert_eq!(world.stat("/usr/bin/awk"), "-");
}

#[test]
fn arguments_that_only_a_shell_knows_are_an_error() {
    let mut world = World::new();
    world.call("procps", "update-alternatives --install \"$BIN/w\" w \"$BIN/w.procps\" 50", &["alternatives"]);
    insta::assert_snapshot!(world.fails(), @r#"
    the postinst of `procps` gives update-alternatives `$BIN/w`, which only a running shell knows
    help: give its `script` node the alternatives: `alternative "/usr/bin/x" name="x" path="/usr/bin/y" priority=50`
    "#);
}

#[test]
fn the_image_s_own_link_is_the_choice_made_by_hand() {
    let mut world = World::new();
    world.ship("/usr/bin/mawk", "").ship("/usr/bin/gawk", "");
    world.call("mawk", "", &[]).alternatives.push(awk("/usr/bin/mawk", 5));
    world.call("gawk", "", &[]).alternatives.push(awk("/usr/bin/gawk", 10));
    world.level().links.push(Link {
        path: path("/etc/alternatives/awk"),
        target: "/usr/bin/mawk".into(),
        span: span(),
    });
    world.run().unwrap();
    assert_eq!(world.stat("/etc/alternatives/awk"), "0777 0:0 -> /usr/bin/mawk");
    assert_eq!(world.stat("/etc/alternatives/nawk"), "0777 0:0 -> /usr/bin/mawk");
    assert!(world.text("/var/lib/dpkg/alternatives/awk").starts_with("manual\n/usr/bin/awk\n"));
}

#[test]
fn a_generic_name_that_is_a_file_stays() {
    let mut world = World::new();
    world.ship("/usr/bin/mawk", "").ship("/usr/bin/awk", "an awk of its own");
    world.call("mawk", "", &[]).alternatives.push(awk("/usr/bin/mawk", 5));
    world.run().unwrap();
    assert_eq!(world.text("/usr/bin/awk"), "an awk of its own");
}

#[test]
fn an_image_of_nothing_stays_nothing() {
    let mut world = World::new();
    world.run().unwrap();
    insta::assert_snapshot!(world.touched(), @"");
}
