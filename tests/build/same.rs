//! The same bytes, whatever the machine, the user and the moment.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Yard, ended};
use crate::oracle::is_root;

/// Copies what a project is made of.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in ["specs", "layers", "targets", "wharf.lock"] {
        let status = Command::new("cp").arg("-r").arg(from.join(name)).arg(to).status().unwrap();
        assert!(status.success());
    }
}

#[test]
fn cold_or_warm_with_one_thread_or_eight_and_in_any_folder_the_digest_is_the_same() {
    let yard = Yard::good();
    let (first, _) = yard.run(0, &["build", "--jobs", "8"]);
    // Three images, two arches, and an index for each image.
    assert_eq!(first.lines().count(), 9, "{first}");
    yard.assert_whole();
    assert_eq!(yard.run(0, &["build", "--jobs", "1"]).0, first);
    for (name, jobs, cold) in [("a", "1", true), ("a much longer name", "8", false), ("b/c", "1", false)] {
        let folder = yard.folder.path().join(name);
        copy(&yard.project(), &folder);
        let cache = if cold { folder.join("cache") } else { yard.cache() };
        let output = yard.command_in(&folder, &cache, &["build", "--locked", "--jobs", jobs]).output().unwrap();
        assert_eq!(ended(0, &output).0, first, "{name}");
    }
}

#[test]
fn umask_time_zone_and_language_do_not_reach_the_bytes() {
    let yard = Yard::good();
    let (first, _) = yard.run(0, &["build"]);
    for (umask, zone, language) in [("077", "Asia/Tokyo", "tr_TR.UTF-8"), ("000", "America/St_Johns", "C")] {
        let folder = yard.folder.path().join(umask);
        copy(&yard.project(), &folder);
        let wharf = yard.command_in(&folder, &folder.join("cache"), &["build"]);
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask $0; exec \"$@\"", umask]).arg(wharf.get_program()).args(wharf.get_args()).env_clear();
        shell.envs(wharf.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.env("TZ", zone).env("LANG", language).env("LC_ALL", language);
        assert_eq!(ended(0, &shell.output().unwrap()).0, first, "umask {umask}");
    }
}

#[test]
fn an_ordinary_user_builds_what_root_builds() {
    if !is_root() {
        return;
    }
    let yard = Yard::good();
    let (first, _) = yard.run(0, &["build"]);
    let home = tempfile::Builder::new().prefix("nobody-").tempdir().unwrap();
    copy(&yard.project(), &home.path().join("project"));
    // The build folder may be closed to others.
    fs::copy(super::WHARF, home.path().join("wharf")).unwrap();
    assert!(Command::new("chown").args(["-R", "65534:65534"]).arg(home.path()).status().unwrap().success());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(home.path().join("wharf"));
    command.args(["build", "--no-apt-sources", "--directory"]).arg(home.path().join("project"));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home.path());
    assert_eq!(ended(0, &command.output().unwrap()).0, first);
}

#[test]
fn gzip_is_as_exact_and_holds_the_same_trees() {
    let yard = Yard::good();
    let tar = |name: &str| {
        let file = yard.folder.path().join(name);
        yard.run(0, &["export", "greeter:trixie-x86_64", "--to", &format!("tar:{}", file.display())]);
        fs::read(file).unwrap()
    };
    yard.run(0, &["build"]);
    let zstd = tar("zstd.tar");
    yard.spec("compression.kdl", "compression \"gzip\"\n");
    yard.run(0, &["lock"]);
    let (first, _) = yard.run(0, &["build", "--jobs", "8"]);
    assert!(tar("gzip.tar") == zstd);
    fs::remove_dir_all(yard.project().join(".wharf")).unwrap();
    fs::remove_dir_all(yard.cache()).unwrap();
    assert_eq!(yard.run(0, &["build", "--jobs", "1"]).0, first);
    yard.assert_whole();
}
