//! What comes from outside and is not as it should be: a clear word, exit code 1, and all whole afterwards.

use std::fs;
use std::path::PathBuf;

use super::{Yard, archive, packages};
use crate::support::archive::DATE;
use crate::support::deb::{Deb, Packing};

const DAY: i64 = 86_400;

#[test]
fn an_unknown_package_is_shown_with_the_nearest_names() {
    let yard = Yard::good();
    yard.spec("images.kdl", "image \"one\" {\n    packages \"helo\"\n}\n");
    insta::assert_snapshot!(yard.refused(&["lock"]));
}

#[test]
fn a_dependency_that_nobody_has_is_shown_with_the_way_to_it() {
    let yard = Yard::with(
        "app",
        vec![Deb::new("app", "1.0").depends("lib (>= 2)"), Deb::new("lib", "2.0").depends("missing (>= 3)")],
    );
    insta::assert_snapshot!(yard.refused(&["lock"]));
}

#[test]
fn packages_that_exclude_each_other_are_shown_as_a_chain() {
    let yard = Yard::with(
        "app\" \"other",
        vec![
            Deb::new("app", "1.0").depends("lib (>= 2)"),
            Deb::new("lib", "2.0").field("Conflicts", "old-lib"),
            Deb::new("old-lib", "1.0"),
            Deb::new("other", "1.0").depends("old-lib"),
        ],
    );
    insta::assert_snapshot!(yard.refused(&["lock"]));
}

fn in_release(yard: &Yard) -> PathBuf {
    yard.folder.path().join("archive/dists/trixie/InRelease")
}

#[test]
fn an_in_release_that_was_tampered_with_is_refused() {
    let yard = Yard::good();
    let file = in_release(&yard);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("Codename: trixie", "Codename: trixia")).unwrap();
    let said = yard.refused(&["lock"]);
    assert!(said.contains("InRelease") && said.contains("signature"), "{said}");
    fs::write(&file, text).unwrap();
    yard.run(0, &["build"]);
}

#[test]
fn an_expired_release_is_refused() {
    let yard = Yard::new(archive(packages("1.0"), DATE).valid_until(DATE + DAY));
    let said = yard.refused(&["lock"]);
    let (before, after) = said.split_once("and it is ").unwrap();
    // `2026-11-24 17:16:02 UTC`
    insta::assert_snapshot!(format!("{before}and it is [now]{}", &after[23..]));
}

#[test]
fn a_release_older_than_the_locked_one_is_refused() {
    let yard = Yard::new(archive(packages("1.0"), DATE + DAY));
    yard.run(0, &["lock"]);
    let old = yard.lock_text();
    yard.publish(archive(packages("1.0"), DATE));
    insta::assert_snapshot!(yard.refused(&["lock", "--upgrade"]));
    assert_eq!(yard.lock_text(), old);
}

/// The file of hello in the archive.
fn hello(yard: &Yard) -> PathBuf {
    yard.folder.path().join("archive/pool/main/h/hello/hello_1.0_amd64.deb")
}

#[test]
fn a_deb_with_other_bytes_or_too_few_is_named_and_does_not_stay() {
    let yard = Yard::good();
    let file = hello(&yard);
    let good = fs::read(&file).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for (name, bytes) in [("flipped", flipped.as_slice()), ("truncated", &good[..good.len() / 2])] {
        fs::write(&file, bytes).unwrap();
        insta::assert_snapshot!(name, yard.refused(&["build", "greeter", "--arch", "x86_64"]));
        assert!(!yard.project().join("wharf.lock").exists());
    }
    fs::write(&file, good).unwrap();
    yard.run(0, &["build"]);
    yard.assert_whole();
}

#[test]
fn a_deb_that_the_cache_holds_spoiled_is_fetched_again() {
    let yard = Yard::good();
    let (first, _) = yard.run(0, &["build"]);
    for file in super::walk(&yard.cache().join("debs")) {
        fs::write(file, "spoiled").unwrap();
    }
    for area in ["fragments", "records"] {
        fs::remove_dir_all(yard.cache().join(area)).unwrap();
    }
    fs::remove_dir_all(yard.project().join(".wharf")).unwrap();
    assert_eq!(yard.run(0, &["build"]).0, first);
    yard.assert_whole();
}

#[test]
fn a_deb_that_reaches_out_of_its_tree_is_refused() {
    use tar::EntryType;
    let evil = || Deb::new("evil", "1.0");
    let cases = [
        ("parent", evil().raw("./usr/../../etc/passwd", EntryType::Regular)),
        ("absolute", evil().raw("/etc/cron.d/evil", EntryType::Regular)),
        ("device", evil().raw("./dev/sda", EntryType::Block)),
        ("through_a_link", evil().symlink("/usr/share/evil", "../../../../etc").file("/usr/share/evil/x", 0o644, "x")),
        ("link_of_nothing", evil().hardlink("/usr/bin/evil", "/etc/shadow")),
        ("bomb", evil().packing(Packing::Zstd).file("/usr/share/evil", 0o644, vec![0; 160 << 20])),
        ("control_bomb", evil().packing(Packing::Zstd).member("md5sums2", &"0".repeat(70 << 20))),
    ];
    for (name, deb) in cases {
        let yard = Yard::with("evil", vec![deb, Deb::new("good", "1.0").file("/usr/bin/good", 0o755, "good")]);
        insta::assert_snapshot!(name, yard.refused(&["build"]));
        yard.spec("images.kdl", "image \"one\" { packages \"good\"; build-for arch=\"x86_64\"; }\n");
        yard.run(0, &["build"]);
        yard.assert_whole();
    }
}
