//! What an image's own dpkg, apt and ldconfig say of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use globset::{Glob, GlobMatcher};

use super::{built, stdout};

/// An image's root, in which its programs are run.
struct Root(tempfile::TempDir);

impl Root {
    fn unpack(tar: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        stdout(Command::new("tar").args(["-x", "-p", "--numeric-owner", "-f"]).arg(tar).arg("-C").arg(folder.path()));
        Self(folder)
    }

    /// In a mount namespace of its own, which takes what is mounted away again.
    fn run(&self, command: &str) -> String {
        let script =
            "mount --bind /dev \"$0/dev\" && mount -t proc proc \"$0/proc\" && exec chroot \"$0\" sh -c \"$1\"";
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "sh", "-c", script]).arg(self.0.path()).arg(command);
        stdout(unshare.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LANG", "C.UTF-8"))
    }
}

/// dpkg's path filters as the image's own dpkg.cfg.d has them: whether including, and what. As for fnmatch(3) without
/// FNM_PATHNAME, `*` goes over slashes.
fn filters(root: &Root) -> Vec<(bool, GlobMatcher)> {
    let text = root.run("cat /etc/dpkg/dpkg.cfg.d/*");
    let rules = text.lines().filter_map(|line| {
        let (word, glob) = line.strip_prefix("path-")?.split_once('=')?;
        Some((word == "include", Glob::new(glob).unwrap().compile_matcher()))
    });
    let rules: Vec<_> = rules.collect();
    assert!(!rules.is_empty());
    rules
}

/// The last rule that matches says so (dpkg(1)).
fn is_left_out(rules: &[(bool, GlobMatcher)], path: &str) -> bool {
    rules.iter().rev().find(|(_, glob)| glob.is_match(path)).is_some_and(|(including, _)| !including)
}

fn assert_whole(image: &str) {
    let Some(built) = built() else { return };
    let root = Root::unpack(&built.export(image));

    let locked: BTreeSet<String> =
        built.packages(image).iter().map(|package| format!("{} {}", package.name, package.version)).collect();
    let table = root.run("COLUMNS=500 dpkg -l");
    let listed = table.lines().skip_while(|line| !line.starts_with("+++")).skip(1).map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[0], "ii", "{line}");
        format!("{} {}", words[1].split(':').next().unwrap(), words[2])
    });
    assert_eq!(listed.collect::<BTreeSet<String>>(), locked);

    let rules = filters(&root);
    let verified = root.run("dpkg --verify");
    let wrong: Vec<&str> = verified
        .lines()
        .filter(|line| !line.strip_prefix("missing ").is_some_and(|path| is_left_out(&rules, path.trim())))
        .collect();
    assert_eq!(wrong, Vec::<&str>::new());
    assert!(verified.lines().count() > wrong.len(), "dpkg looked at nothing");

    let checked = root.run("dpkg --audit && apt-get -q check");
    insta::allow_duplicates! {
        insta::assert_snapshot!(checked, @r"
        Reading package lists...
        Building dependency tree...
        Reading state information...
        ");
    }

    let ours = root.run("ldconfig -p");
    // What the image's own ldconfig makes of the same libraries.
    let theirs = root.run("ldconfig -X -C /tmp/ld.so.cache && ldconfig -p -C /tmp/ld.so.cache");
    let libraries =
        |text: &str| text.lines().filter(|line| line.contains(" => ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(libraries(&ours), libraries(&theirs));
    assert!(libraries(&ours).iter().any(|line| line.contains("libc.so.6 (libc6,x86-64")), "{ours}");
}

#[test]
fn base_is_whole_to_its_own_dpkg_apt_and_ldconfig() {
    assert_whole("base");
}

#[test]
fn keystone_is_whole_to_its_own_dpkg_apt_and_ldconfig() {
    assert_whole("keystone");
}
