//! Accounts: whose ids hold, and what is refused.

use wharf::estate::Account;

use super::world::{World, account, name, path};

const PASSWD: &str = "/usr/share/base-passwd/passwd.master";
const GROUP: &str = "/usr/share/base-passwd/group.master";

fn debian() -> World {
    let mut world = World::new();
    world.ship(PASSWD, "root:*:0:0:root:/root:/bin/bash\nwww-data:*:33:33:www-data:/var/www:/usr/sbin/nologin\n");
    world.ship(GROUP, "root:*:0:\nadm:*:4:\nwww-data:*:33:\nshadow:*:42:\nnogroup:*:65534:\n");
    world.call("base-passwd", "", &["base-passwd"]);
    world
}

#[test]
fn accounts_without_an_id_are_all_named_with_nodes_to_paste() {
    let mut world = debian();
    world.distro_account("taken", 100);
    world.call("rabbitmq-server", "", &[]).accounts.push(account("rabbitmq", None));
    world.call("cron", "", &[]).accounts.push(Account { group_only: true, ..account("crontab", None) });
    insta::assert_snapshot!(world.fails(), @r#"
    packages make accounts that have no fixed id: `crontab` (made by cron), `rabbitmq` (made by rabbitmq-server)
    help: give each an id in the image, or for all images in the distro; these ids are free:
        account "crontab" gid=102 group-only=#true
        account "rabbitmq" uid=101 gid=101
    "#);
}

#[test]
fn an_id_that_debian_fixed_cannot_be_moved() {
    let mut world = debian();
    world.image_account(account("www-data", Some(42)));
    insta::assert_snapshot!(world.fails(), @r"
    the account `www-data` has gid 33 in this distribution, and cannot have 42
    help: files of packages are owned by that number: take uid= and gid= out of the node, or use another account
    ");
}

#[test]
fn two_names_never_share_an_id() {
    let mut world = debian();
    world.image_account(account("one", Some(2000))).image_account(account("two", Some(2000)));
    insta::assert_snapshot!(world.fails(), @r"
    `one` and `two` both have gid 2000
    help: give one of their `account` nodes another id
    ");
}

#[test]
fn a_group_that_is_not_there_is_an_error_with_the_nearest() {
    let mut world = debian();
    world.image_account(Account { groups: vec![name("shadwo")], ..account("app", Some(2000)) });
    insta::assert_snapshot!(world.fails(), @r#"
    `app` cannot be in its group: there is no group `shadwo` in this image, but `shadow`
    help: make the group with `account "…" gid=… group-only=#true`
    "#);
}

#[test]
fn a_sysusers_file_that_is_not_there_is_an_error() {
    let mut world = debian();
    world.call("dbus", "systemd-sysusers dbus.conf", &["sysusers"]);
    assert_eq!(world.fails(), "the scripts of `dbus` name `dbus.conf`, which is in none of the sysusers.d directories");
}

#[test]
fn a_line_of_sysusers_that_is_none_is_an_error_with_its_place() {
    let mut world = debian();
    world.ship("/usr/lib/sysusers.d/x.conf", "# fine\nq app\n");
    world.call("xx", "systemd-sysusers x.conf", &["sysusers"]);
    assert_eq!(world.fails(), "line 2 of `/usr/lib/sysusers.d/x.conf` is none of sysusers.d(5): `q app`");
}

#[test]
fn the_image_s_id_goes_before_the_judgement_s_and_that_before_the_distro_s() {
    let mut world = debian();
    world.distro_account("aa", 301).distro_account("bb", 302).distro_account("cc", 303);
    for (name, id) in [("aa", None), ("bb", Some(202)), ("cc", Some(203))] {
        world.call("some-package", "", &[]).accounts.push(account(name, id));
    }
    world.image_account(Account { home: Some(path("/srv/cc")), ..account("cc", Some(103)) });
    world.run().unwrap();
    insta::assert_snapshot!(world.text("/etc/passwd"), @r"
    root:*:0:0:root:/root:/bin/bash
    www-data:*:33:33:www-data:/var/www:/usr/sbin/nologin
    aa:!:301:301::/nonexistent:/usr/sbin/nologin
    bb:!:202:202::/nonexistent:/usr/sbin/nologin
    cc:!:103:103::/srv/cc:/usr/sbin/nologin
    ");
}

#[test]
fn a_comment_is_the_image_s_else_the_judgement_s_else_empty() {
    let mut world = debian();
    let commented = |name, id, gecos: &str| Account { gecos: Some(gecos.to_owned()), ..account(name, id) };
    world
        .call("some-package", "", &[])
        .accounts
        .extend([commented("aa", Some(301), "Of the package"), commented("bb", Some(302), "Of the package")]);
    world.image_account(commented("bb", None, "Of the image,,,"));
    world.image_account(account("cc", Some(303)));
    world.run().unwrap();
    let passwd = world.text("/etc/passwd");
    let comments: Vec<&str> = passwd.lines().skip(2).map(|line| line.split(':').nth(4).unwrap()).collect();
    assert_eq!(comments, ["Of the package", "Of the image,,,", ""]);
}

#[test]
fn a_distro_s_id_makes_no_account_by_itself() {
    let mut world = debian();
    world.distro_account("aa", 301);
    world.run().unwrap();
    assert!(!world.text("/etc/passwd").contains("aa:"));
}

#[test]
fn members_groups_alone_and_shared_groups() {
    let mut world = debian();
    world.ship("/usr/sbin/pwconv", "");
    world.image_account(Account { groups: vec![name("adm"), name("tools")], ..account("app", Some(2000)) });
    world.image_account(Account { group_only: true, ..account("tools", Some(3000)) });
    world.image_account(Account { gid: Some(65534), ..account("guest", Some(2001)) });
    world.image_account(Account { uid: None, gid: None, groups: vec![name("tools")], ..account("www-data", None) });
    world.run().unwrap();
    insta::assert_snapshot!(
        format!("{}\n{}\n{}\n{}", world.text("/etc/passwd"), world.text("/etc/group"), world.text("/etc/shadow"),
            world.text("/etc/gshadow")), @r"
        root:x:0:0:root:/root:/bin/bash
        www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
        app:x:2000:2000::/nonexistent:/usr/sbin/nologin
        guest:x:2001:65534::/nonexistent:/usr/sbin/nologin

        root:x:0:
        adm:x:4:app
        www-data:x:33:
        shadow:x:42:
        nogroup:x:65534:
        app:x:2000:
        tools:x:3000:app,www-data

        root:*:20781:0:99999:7:::
        www-data:*:20781:0:99999:7:::
        app:!:20781::::::
        guest:!:20781::::::

        root:*::
        adm:*::app
        www-data:*::
        shadow:*::
        nogroup:*::
        app:!::
        tools:!::app,www-data
        ");
}

#[test]
fn an_image_without_base_passwd_has_its_own_accounts_alone() {
    let mut world = World::new();
    world.image_account(account("app", Some(2000)));
    world.run().unwrap();
    assert_eq!(world.text("/etc/passwd"), "app:!:2000:2000::/nonexistent:/usr/sbin/nologin\n");
    assert_eq!(world.text("/etc/group"), "app:!:2000:\n");
    assert_eq!(world.stat("/etc/shadow"), "-");
}
