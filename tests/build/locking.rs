//! `wharf.lock`: made, refused, moved, checked.

use std::fs;

use super::{Yard, archive, packages};
use crate::support::archive::DATE;
use crate::support::deb::Deb;
use crate::support::server::Fault;

const DAY: i64 = 86_400;

#[test]
fn build_makes_a_missing_lock_unless_it_is_told_that_there_is_one() {
    let yard = Yard::good();
    let said = yard.refused(&["build", "--locked"]);
    insta::assert_snapshot!(said);
    assert!(!yard.project().join("wharf.lock").exists());
    yard.run(0, &["build"]);
    let made = yard.lock_text();
    yard.run(0, &["lock"]);
    assert_eq!(yard.lock_text(), made);
    yard.run(0, &["lock", "--check"]);
    yard.run(0, &["build", "--locked"]);
}

#[test]
fn a_lock_of_other_specs_is_stale() {
    let yard = Yard::good();
    yard.run(0, &["lock"]);
    let old = yard.lock_text();
    yard.spec("extend.kdl", "extend image \"base\" { packages \"extra\"; }\n");
    let (_, said) = yard.run(2, &["lock", "--check"]);
    insta::assert_snapshot!("check", said);
    for arguments in [&["build"][..], &["build", "--locked"]] {
        let said = yard.refused(arguments);
        assert!(said.contains("wharf.lock is stale") && said.contains("`wharf lock` brings it up to date"), "{said}");
    }
    assert_eq!(yard.lock_text(), old);
    yard.run(0, &["lock"]);
    yard.run(0, &["build", "--locked"]);
}

#[test]
fn newer_packages_are_taken_when_asked_for_and_only_those() {
    let yard = Yard::good();
    yard.run(0, &["lock"]);
    let old = yard.lock_text();
    let mut debs = packages("1.0");
    debs.extend(packages("1.1"));
    yard.publish(archive(debs, DATE + DAY));
    yard.run(0, &["lock"]);
    assert_eq!(yard.lock_text(), old, "nothing was asked for");
    yard.run(0, &["lock", "--upgrade=extra"]);
    let new = yard.lock_text();
    let moved: Vec<&str> = new.lines().filter(|line| line.contains("1.1")).collect();
    assert_eq!(moved.len(), 2, "{moved:?}");
    assert!(moved.iter().all(|line| line.contains("extra")), "{moved:?}");
    assert!(new.lines().filter(|line| line.contains("hello")).all(|line| !line.contains("1.1")));
    yard.run(0, &["lock", "--upgrade"]);
    assert!(!yard.lock_text().lines().any(|line| line.contains("_1.0_")), "{}", yard.lock_text());
}

#[test]
fn locking_one_image_leaves_the_lines_of_others_alone() {
    let yard = Yard::good();
    yard.spec("images.kdl", "image \"a\" { packages \"extra\"; }\nimage \"b\" { packages \"hello-data\"; }\n");
    yard.run(0, &["lock"]);
    let old = yard.lock_text();
    yard.spec(
        "images.kdl",
        "image \"a\" { packages \"extra\" \"libhello\"; }\nimage \"b\" { packages \"hello-data\" \"hello\"; }\n",
    );
    yard.run(0, &["lock", "a"]);
    let new = yard.lock_text();
    assert!(new.contains("libhello"), "{new}");
    assert!(!new.contains("hello_1.0_amd64.deb") || new.contains("libhello_1.0_amd64.deb"), "{new}");
    for line in old.lines().filter(|line| line.contains("hello-data")) {
        assert!(new.contains(line), "{line}");
    }
    yard.run(2, &["lock", "--check"]);
    yard.run(0, &["lock", "--check", "a"]);
    yard.run(2, &["lock", "--check", "b"]);
}

fn fussy(text: &str, version: &str) -> Deb {
    Deb::new("fussy", version).file("/usr/bin/fussy", 0o755, "fussy\n").script("postinst", text)
}

const SCRIPT: &str = "#!/bin/sh\nset -e\nfrobnicate --all\n";

#[test]
fn a_script_that_nobody_judged_stops_the_lock_with_the_nodes_to_paste() {
    let yard = Yard::with("fussy", vec![fussy(SCRIPT, "1.0")]);
    let (_, said) = yard.run(1, &["lock"]);
    insta::assert_snapshot!(said.split_once("Error: ").unwrap().1);
    assert!(!yard.project().join("wharf.lock").exists());
    // The nodes that it shows are nodes that it takes.
    let line = said.lines().map(str::trim).find(|line| line.ends_with("effect=\"ignore\" reason=\"…\"")).unwrap();
    yard.put("targets/scripts.kdl", &format!("extend distro \"trixie\" {{\n    {line}\n}}\n"));
    yard.run(0, &["build", "--strict"]);
    let effect = said.lines().map(str::trim).find(|line| line.contains("{ effect")).unwrap();
    let effect = effect.replacen("effect \"…\"", "dir \"/var/lib/fussy\"", 1);
    yard.put("targets/scripts.kdl", &format!("extend distro \"trixie\" {{\n    {effect}\n}}\n"));
    yard.run(0, &["lock"]);
    yard.run(0, &["build", "--strict"]);
    yard.put("targets/scripts.kdl", "");
    yard.spec("script.kdl", "extend image \"one\" { script \"fussy\" kind=\"postinst\" effect=\"run\"; }\n");
    yard.run(0, &["lock"]);
    let refused = yard.refused(&["build"]);
    assert!(refused.contains("a `run` step of the image"), "{refused}");
    yard.spec("script.kdl", "extend image \"one\" { script \"fussy\" kind=\"postinst\" effect=\"ignore\"; }\n");
    yard.run(0, &["lock"]);
    yard.run(0, &["build"]);
    yard.assert_whole();
}

/// A yard whose package `fussy` has a postinst that was judged, and its digest.
fn judged() -> Yard {
    let yard = Yard::with("fussy", vec![fussy(SCRIPT, "1.0")]);
    let (_, said) = yard.run(1, &["lock"]);
    let rest = said.split("rest=\"").nth(1).and_then(|text| text.split('"').next()).unwrap();
    yard.put(
        "targets/scripts.kdl",
        &format!(
            "extend distro \"trixie\" {{\n    script \"fussy\" kind=\"postinst\" rest=\"{rest}\" effect=\"ignore\" reason=\"a test\"\n}}\n"
        ),
    );
    yard
}

/// Publishes `fussy` in `version` with another word in its postinst.
fn change(yard: &Yard, word: &str, version: &str, days: i64) {
    yard.publish(archive(vec![fussy(&SCRIPT.replace("--all", word), version)], DATE + days * DAY));
}

/// What was said of the changed script, as it stands there.
fn note(said: &str) -> String {
    let lines = said.lines().skip_while(|line| !line.starts_with("trixie: "));
    lines.take_while(|line| line.starts_with([' ', 't'])).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_changed_script_locks_with_the_old_judgement_and_never_passes_strict_unseen() {
    let yard = judged();
    yard.run(0, &["build", "--strict"]);
    change(&yard, "--most", "1.1", 1);
    let (_, said) = yard.run(0, &["lock", "--upgrade"]);
    insta::assert_snapshot!("changed", note(&said));
    insta::assert_snapshot!("strict", yard.refused(&["build", "--strict"]));
    yard.run(0, &["build"]);
    yard.run(0, &["lock", "--accept", "fussy"]);
    yard.run(0, &["build", "--strict", "--locked"]);
    // What a person saw last is what the next change is compared with.
    change(&yard, "--some", "1.2", 2);
    let (_, said) = yard.run(0, &["lock", "--upgrade"]);
    insta::assert_snapshot!("changed_again", note(&said));
}

#[test]
fn a_changed_script_is_compared_with_the_package_of_the_old_lock_where_the_cache_has_only_that() {
    let yard = judged();
    yard.run(0, &["lock"]);
    fs::remove_dir_all(yard.cache().join("scripts")).unwrap();
    change(&yard, "--most", "1.1", 1);
    let (out, said) = yard.run(0, &["--json", "lock", "--upgrade"]);
    assert!(note(&said).contains("  | -frobnicate --all\n  | +frobnicate --most\n"), "{said}");
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    let script = &document["changed_scripts"][0];
    assert_eq!((&script["text"], &script["accepted"]), (&"frobnicate --most".into(), &false.into()));
    assert!(
        script["diff"].as_str().unwrap().starts_with(&format!("--- judged {}\n", script["judged"].as_str().unwrap()))
    );
}

#[test]
fn a_changed_script_is_shown_whole_where_nobody_has_what_was_judged() {
    let yard = judged();
    change(&yard, "--most\u{1b}[2J", "1.1", 1);
    let (_, said) = yard.run(0, &["build"]);
    insta::assert_snapshot!("changed_whole", note(&said));
}

#[test]
fn a_build_without_a_network_takes_what_the_lock_brought_in_and_names_what_is_missing() {
    let yard = Yard::good();
    insta::assert_snapshot!("offline_lock", yard.refused(&["lock", "--offline"]));
    yard.run(0, &["lock"]);
    yard.server.requests();
    let (first, _) = yard.run(0, &["build", "--offline"]);
    assert_eq!(yard.server.requests(), Vec::<String>::new());
    fs::remove_dir_all(yard.cache()).unwrap();
    fs::remove_dir_all(yard.project().join(".wharf")).unwrap();
    insta::assert_snapshot!("offline_build", yard.refused(&["build", "base", "--arch", "x86_64", "--offline"]));
    assert_eq!(yard.run(0, &["build"]).0, first);
}

/// A project whose base image comes from an import.
fn importing() -> Yard {
    let yard = Yard::good();
    fs::write(
        yard.project().join("specs/images.kdl"),
        "import \"../other\"\nimage \"own\" { from \"imported\"; packages \"hello\"; }\n",
    )
    .unwrap();
    let imported = yard.project().join("../other/specs/imported.kdl");
    fs::create_dir_all(imported.parent().unwrap()).unwrap();
    fs::write(imported, "image \"imported\" { packages \"libhello\"; }\n").unwrap();
    yard
}

#[test]
fn an_import_that_is_not_the_locked_one_is_refused_and_taken_up_without_moving_a_package() {
    let yard = importing();
    yard.run(0, &["lock"]);
    let old = yard.lock_text();
    // Nothing that any image's packages follow from.
    let imported = yard.project().join("../other/specs/imported.kdl");
    fs::write(imported, "image \"imported\" { packages \"libhello\"; }\nimage \"other\" { packages \"extra\"; }\n")
        .unwrap();
    let mut debs = packages("1.0");
    debs.extend(packages("1.1"));
    yard.publish(archive(debs, DATE + DAY));
    insta::assert_snapshot!("import_build", yard.refused(&["build"]));
    assert_eq!(yard.refused(&["build", "--locked"]), yard.refused(&["fetch"]));
    let (_, said) = yard.run(2, &["lock", "--check"]);
    assert!(said.contains("import \"../other\" is not the one that was locked"), "{said}");
    assert_eq!(yard.lock_text(), old);
    yard.server.requests();
    let (_, said) = yard.run(0, &["lock"]);
    insta::assert_snapshot!("import_lock", yard.plain(&said));
    assert_eq!(yard.server.requests(), Vec::<String>::new(), "no package is in question");
    let moved: Vec<String> = changed_lines(&old, &yard.lock_text());
    assert!(moved.len() == 1 && moved[0].starts_with("import ../other "), "{moved:?}");
    yard.run(0, &["build", "--locked"]);
}

/// Lines of `new` that `old` does not have.
fn changed_lines(old: &str, new: &str) -> Vec<String> {
    new.lines().filter(|line| !old.lines().any(|other| other == *line)).map(str::to_owned).collect()
}

#[test]
fn other_filters_are_refused_and_packages_read_anew_in_the_same_versions() {
    let yard = Yard::good();
    yard.run(0, &["build"]);
    let old = yard.lock_text();
    yard.put("targets/more.kdl", "extend distro \"trixie\" { filters { exclude \"/usr/share/hello/*\"; }; }\n");
    let said = yard.refused(&["build"]);
    assert!(said.contains("the filters of trixie, or how its python is compiled, are not those"), "{said}");
    let mut debs = packages("1.0");
    debs.extend(packages("1.1"));
    yard.publish(archive(debs, DATE + DAY));
    yard.run(0, &["lock"]);
    assert!(!yard.lock_text().contains("_1.1_"));
    let moved = changed_lines(&old, &yard.lock_text());
    assert!(
        moved.iter().all(|line| line.starts_with("reading trixie ") || line.starts_with("package hello-data ")),
        "{moved:?}"
    );
    assert_eq!(moved.len(), 3, "{moved:?}");
    yard.run(0, &["build", "--locked"]);
}

#[test]
fn another_codec_is_refused_until_it_is_locked() {
    let yard = Yard::good();
    yard.run(0, &["lock"]);
    let old = yard.lock_text();
    yard.spec("compression.kdl", "compression \"gzip\"\n");
    let said = yard.refused(&["build"]);
    assert!(said.contains("the project's `compression` is not the one that was locked"), "{said}");
    yard.run(0, &["lock"]);
    assert_eq!(changed_lines(&old, &yard.lock_text()), ["compression libdeflate-1.26-6-1m"]);
    yard.run(0, &["build", "--locked"]);
}

#[test]
fn what_is_downloaded_is_told_from_what_the_cache_had() {
    let yard = Yard::good();
    let said = |arguments: &[&str]| {
        let (_, said) = yard.run(0, arguments);
        let line = said.lines().find(|line| line.starts_with("downloaded: ")).map(str::to_owned);
        line.map(|line| line.split(" (").map(|part| part.rsplit(')').next().unwrap()).collect::<String>())
    };
    assert_eq!(said(&["lock"]).unwrap(), "downloaded: 7");
    assert_eq!(said(&["fetch"]).unwrap(), "downloaded: nothing, 7 from the cache");
    let lock = yard.lock_text();
    let line = lock.lines().find(|line| line.starts_with("package extra ")).unwrap();
    let sha256 = line.split(" sha256:").nth(1).unwrap().split(' ').next().unwrap();
    fs::remove_file(yard.cache().join("debs").join(sha256)).unwrap();
    assert_eq!(said(&["fetch"]).unwrap(), "downloaded: 1, 6 from the cache");
}

#[test]
fn a_password_goes_with_each_request_to_its_server_and_into_no_output() {
    let yard = Yard::good();
    let config = yard.folder.path().join(".config/wharf");
    fs::create_dir_all(&config).unwrap();
    let auth = format!("machine {}\nlogin Aladdin\npassword opensesame\n", yard.server.url());
    fs::write(config.join("auth.conf"), auth).unwrap();
    let (out, said) = yard.run(0, &["lock"]);
    assert!(!format!("{out}{said}{}", yard.lock_text()).contains("opensesame"));
    let requests = yard.server.requests();
    assert!(!requests.is_empty());
    assert!(requests.iter().all(|request| request.ends_with(" Basic QWxhZGRpbjpvcGVuc2VzYW1l")), "{requests:?}");
    // A refusal says no password, and where one would be read.
    fs::remove_dir_all(yard.cache()).unwrap();
    yard.server.fault("/dists/trixie/InRelease", Fault::Status(401));
    let said = yard.refused(&["lock", "--upgrade"]);
    assert!(said.contains("was refused with HTTP status 401") && said.contains("wharf/auth.conf"), "{said}");
    assert!(!said.contains("opensesame") && !said.contains("Aladdin"), "{said}");
}
