//! The same bytes of real images, whatever the machine, the user and the moment.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Copy, DISTRO, built};
use crate::build::ended;
use crate::support::place::{as_user, cache, is_root, own};

const BOTH: &[&str] = &["memcached", "keystone"];

/// How one build differs from another.
struct World {
    images: &'static [&'static str],
    folder: &'static str,
    /// Nothing at hand but the .debs: their download is no part of the question.
    cold: bool,
    /// As root, where root tests.
    root: bool,
    jobs: &'static str,
    umask: &'static str,
    zone: &'static str,
    language: &'static str,
}

/// The catalogue with x86_64 alone, so that an image's index holds what is built; locked as `from` is.
fn narrowed(folder: &str, from: &Copy) -> Copy {
    let copy = Copy::new(folder);
    copy.edit("targets/distros/debian-trixie.kdl", |text| {
        text.replace("arches \"x86_64\" \"aarch64\" \"ppc64le\"", "arches \"x86_64\"")
    });
    fs::copy(from.project().join("wharf.lock"), copy.project().join("wharf.lock")).unwrap();
    own(copy.home());
    copy
}

/// A cache with the .debs of the lock in it.
pub fn cold_cache(copy: &Copy) -> std::path::PathBuf {
    let folder = copy.home().join("cache");
    fs::create_dir_all(folder.join("debs")).unwrap();
    let lock = copy.lock();
    for package in lock.targets.values().flat_map(|target| target.packages.values()) {
        let name = package.sha256.hex();
        let from = cache().join("debs").join(&name);
        if from.exists() {
            fs::copy(from, folder.join("debs").join(name)).unwrap();
        }
    }
    own(&folder);
    folder
}

/// What a build says, a line an image or index.
fn build(world: &World, locked: &Copy) -> String {
    let copy = narrowed(world.folder, locked);
    let cache = if world.cold { cold_cache(&copy) } else { cache().to_owned() };
    let mut shell = if world.root { Command::new("sh") } else { as_user(Path::new("sh")) };
    shell.args(["-c", "umask \"$0\"; exec \"$@\"", world.umask]).arg(copy.home().join("wharf"));
    shell.env("TZ", world.zone).env("LANG", world.language).env("LC_ALL", world.language);
    let arguments = which(&["build"], world.images, &["--locked", "--strict", "--jobs", world.jobs]);
    ended(0, &copy.on(shell, &cache, &arguments).output().unwrap()).0
}

fn which<'a>(verb: &[&'a str], images: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [verb, images, &["--distro", DISTRO, "--arch", "x86_64"], more].concat()
}

#[test]
fn one_digest_cold_and_warm_with_one_thread_and_eight_as_root_and_as_a_user_in_any_surroundings() {
    let Some(all) = built() else { return };
    let first = narrowed("first", all);
    ended(0, &first.wharf(&which(&["lock"], BOTH, &[])));
    let Some((out, _)) = first.build(&which(&[], BOTH, &["--locked", "--strict", "--jobs", "1"])) else { return };
    let digest = |what: &str| {
        let line = out.lines().find(|line| line.starts_with(what)).unwrap();
        line.split(' ').find(|word| word.starts_with("sha256:")).unwrap().to_owned()
    };
    for image in BOTH {
        // The same manifest as from a run for three arches and five images.
        let refs = wharf::oci::Store::open(&all.store()).unwrap().refs().unwrap();
        let before = &refs[&format!("{image}:{DISTRO}-x86_64").parse().unwrap()].digest;
        assert_eq!(digest(&format!("{image} {DISTRO} x86_64 ")), before.to_string());
        digest(&format!("{image} {DISTRO} index "));
    }
    let worlds = [
        World {
            images: BOTH,
            folder: "warm",
            cold: false,
            root: false,
            jobs: "8",
            umask: "077",
            zone: "Asia/Tokyo",
            language: "tr_TR.UTF-8",
        },
        World {
            images: BOTH,
            folder: "a much longer name/of a folder",
            cold: true,
            root: is_root(),
            jobs: "8",
            umask: "077",
            zone: "America/St_Johns",
            language: "C",
        },
        World {
            // A thread alone takes long: without keystone, whose packages are as many again.
            images: &["memcached"],
            folder: "cold",
            cold: true,
            root: false,
            jobs: "1",
            umask: "022",
            zone: "UTC",
            language: "de_DE.UTF-8",
        },
    ];
    for world in &worlds {
        let of_these = |line: &&str| world.images.iter().any(|image| line.split(' ').next() == Some(image));
        let expected: Vec<&str> = out.lines().filter(of_these).collect();
        assert_eq!(build(world, &first).lines().collect::<Vec<_>>(), expected, "{}", world.folder);
        assert_eq!(expected.len(), 2 * world.images.len());
    }
}
