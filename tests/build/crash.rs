//! Killed, and crowded.

use std::fs;
use std::process::Stdio;

use super::{Yard, archive, ended, noise, packages};
use crate::support::archive::DATE;
use crate::support::deb::Deb;

fn large() -> Yard {
    let mut debs = packages("1.0");
    for arch in ["amd64", "arm64"] {
        debs.push(Deb::new("large", "1.0").arch(arch).file("/usr/share/large", 0o644, noise(arch, 2 << 20)));
    }
    let yard = Yard::new(archive(debs, DATE));
    yard.spec("large.kdl", "image \"large\" { from \"more\"; packages \"large\"; }\n");
    yard
}

#[test]
fn a_kill_at_any_moment_leaves_the_store_and_the_cache_usable() {
    let yard = large();
    let started = std::time::Instant::now();
    let (first, _) = yard.run(0, &["build"]);
    let whole = started.elapsed();
    let again = || {
        for folder in [yard.cache(), yard.project().join(".wharf")] {
            fs::remove_dir_all(folder).unwrap();
        }
        fs::remove_file(yard.project().join("wharf.lock")).unwrap();
    };
    again();
    let mut killed = 0;
    // Moments spread over the time that a whole build takes, each run going on from what the last one left.
    for part in 1..=9 {
        let mut child = yard.command(&["build"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * part / 12);
        child.kill().unwrap();
        killed += u32::from(child.wait().unwrap().code().is_none());
        yard.assert_usable();
        if part % 3 == 0 {
            assert_eq!(yard.run(0, &["build"]).0, first, "after {part}");
            again();
            fs::create_dir_all(yard.cache()).unwrap();
        }
    }
    assert!(killed >= 3, "only {killed} of 9 builds were killed before they ended");
    assert_eq!(yard.run(0, &["build"]).0, first);
    yard.assert_usable();
    // What the killed ones left is taken away, and no more.
    yard.run(0, &["prune"]);
    assert_eq!(yard.run(0, &["build", "--offline", "--locked"]).0, first);
}

#[test]
fn processes_at_once_on_one_cache_and_one_store_do_not_disturb_each_other() {
    let yard = large();
    let start = || {
        let mut command = yard.command(&["build"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children = [start(), start(), start()];
    let said = children.map(|child| ended(0, &child.wait_with_output().unwrap()).0);
    assert!(said[0] == said[1] && said[1] == said[2], "{said:?}");
    yard.assert_whole();
    assert_eq!(yard.run(0, &["build", "--locked"]).0, said[0]);
}
