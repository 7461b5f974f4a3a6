//! A service of an ordinary account: what its container has, and who else sees it.

use super::Host;
use super::estate::Estate;

/// A program of the account that the estate names.
pub const AS: [&str; 6] = ["runuser", "--user=svc", "--", "env", "HOME=/home/svc", "XDG_RUNTIME_DIR=/run/user/2001"];

/// Of the files of the service, another account of the host sees only those that all may read.
fn no_other_account_reads(host: &Host) {
    host.run(&["useradd", "--uid=2002", "--create-home", "other"]);
    let search = |account: &str, text: &str| {
        let words =
            ["runuser", &format!("--user={account}"), "--", "grep", "-rlsF", text, "/var/lib/wharf", "/home/svc"];
        String::from_utf8(host.try_run(&words).stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(search("svc", "who = root").len(), 1);
    assert_eq!(search("other", "who = root"), Vec::<String>::new());
    assert_eq!(search("other", "who = all").len(), 1);
    // podman keeps secrets in base64.
    let kept = search("svc", "d2hvID0gc3ZjCg==");
    assert!(!kept.is_empty() && kept.iter().all(|path| path.starts_with("/home/svc/")), "{kept:?}");
    assert_eq!(search("other", "d2hvID0gc3ZjCg=="), Vec::<String>::new());
}

/// What of the account's service `lab-own` is otherwise than the spec says, with nobody logged in.
pub(super) fn judge(host: &Host, estate: &Estate) {
    let run = |words: &[&str]| host.run(&[&AS[..], words].concat());
    assert_eq!(run(&["podman", "inspect", "--format={{.State.Health.Status}}", "lab-own"]), "healthy\n");
    let exec = |words: &[&str]| run(&[&["podman", "exec", "lab-own"], words].concat());
    assert_eq!(exec(&["cat", "/etc/box/mine.conf"]), "who = svc\n");
    assert_eq!(exec(&["cat", "/run/secrets/token"]), estate.secret("lab-own-token"));
    assert_eq!(exec(&["id", "-u"]), "42999\n");
    let stat = |path: &str| exec(&["stat", "--dereference", "--format=%u:%g %a", path]);
    assert_eq!(stat("/run/secrets/token"), "42999:42999 400\n");
    // What is its user's is a secret; what is root's, the account's own on the host.
    assert_eq!(stat("/etc/box/mine.conf"), "42999:42999 400\n");
    assert_eq!(stat("/etc/box/root.conf"), "0:0 400\n");
    assert_eq!(stat("/etc/box/all.conf"), "0:0 644\n");
    assert_eq!(exec(&["cat", "/etc/box/all.conf"]), "who = all\n");
    let denied = host.try_run(&[&AS[..], &["podman", "exec", "lab-own", "cat", "/etc/box/root.conf"]].concat());
    assert!(!denied.status.success() && denied.stdout.is_empty(), "{denied:?}");
    assert_eq!(run(&["podman", "exec", "--user=0", "lab-own", "cat", "/etc/box/root.conf"]), "who = root\n");
    no_other_account_reads(host);
    // It is the account's: root's podman knows nothing of it.
    assert_eq!(host.run(&["podman", "ps", "--all", "--quiet", "--filter=name=lab-own"]), "");
    run(&["systemctl", "--user", "reload", "lab-own.service"]);
    host.until("the reload", || {
        let words = ["podman", "exec", "lab-own", "cat", "/var/lib/box/reloaded"];
        (host.try_run(&[&AS[..], &words].concat()).stdout == b"live = one\n").then_some(())
    });
    run(&["systemctl", "--user", "is-active", "lab-own.service"]);
}
