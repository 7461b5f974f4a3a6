//! Projects on projects.

use super::{Written, image, project};
use crate::digest::Digest;
use proptest::prelude::*;

#[test]
fn lists_add_keyed_nodes_merge_and_a_scalar_is_replaced() {
    let project = project(
        r#"
        image "a" { packages "xx"; account "n" uid=5 home="/h"; dir "/d" owner="n" mode="0755"; file "/f" "text"; user "root"; env A="1" B="1" }
        extend image "a" { packages "yy"; account "n" shell="/bin/sh"; dir "/d" mode="0700"; file "/f" mode="0600"; user "n" }
        extend image "a" { env B="2"; dir "/d" group="adm" }"#,
    );
    let a = image(&project, "a", "x86_64");
    let level = &a.levels[0];
    assert_eq!(level.packages.len(), 2);
    let account = &a.accounts["n"];
    assert_eq!((account.uid, account.home.is_some(), account.shell.is_some()), (Some(5), true, true));
    let dir = &level.dirs[0];
    assert_eq!(
        (level.dirs.len(), dir.owner.is_some(), dir.group.is_some(), dir.mode.unwrap().0),
        (1, true, true, 0o700)
    );
    assert_eq!(level.files[0].mode.unwrap().0, 0o600);
    assert_eq!(a.config.user.as_deref(), Some("n"));
    assert_eq!(a.config.env["B"], "2");
}

#[test]
fn remove_takes_away_what_the_spec_says_also_inside_conditions() {
    let project = project(
        r#"
        image "a" { packages "xx=1" "yy"; when arch="x86_64" { packages "zz" }; env A="1" B="2"; user "n"; dir "/d"; expose 80 81 }
        extend image "a" {
            remove "packages" "xx" "zz"; remove "env" "A"; remove "user"; remove "dir" "/d"; remove "expose" "80"
        }"#,
    );
    let a = image(&project, "a", "x86_64");
    assert_eq!(a.levels[0].packages.iter().map(|package| package.name.as_str()).collect::<Vec<_>>(), ["yy"]);
    assert_eq!(a.config.env.len(), 1);
    assert_eq!((a.config.user.as_ref(), a.levels[0].dirs.len(), a.config.expose.len()), (None, 0, 1));
}

#[test]
fn a_distro_is_extended_with_tables_and_suites() {
    let project = project(
        r#"
        extend distro "trixie" {
            archive "debian" { suites "trixie-backports" }
            script "xx" kind="postinst" rest="sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" effect="ignore" reason="y"
        }
        extend distro "trixie" {
            script "xx" kind="postinst" effect="run"
            account "a" uid=100
        }"#,
    );
    let trixie = &project.distros["trixie"];
    let crate::estate::ArchiveSource::Remote { suites, .. } = &trixie.archives[0].source else { panic!() };
    assert_eq!(suites.join(" "), "trixie trixie-backports");
    assert_eq!((trixie.scripts.len(), trixie.accounts.len()), (2, 1));
}

#[test]
fn a_replaced_spec_leaves_nothing_of_its_namesake() {
    let written = Written::new(&[
        (
            "specs/a.kdl",
            "import \"./other\"\n(replace)image \"b\" { user \"mine\" }\nextend image \"b\" { workdir \"/w\" }",
        ),
        ("other/specs/b.kdl", "image \"b\" { user \"theirs\"; packages \"x\" }"),
    ]);
    let project = written.load().unwrap();
    let b = image(&project, "b", "x86_64");
    assert_eq!(
        (b.config.user.as_deref(), b.levels[0].packages.len(), b.config.workdir.is_some()),
        (Some("mine"), 0, true)
    );
    assert!(project.wanted.contains("b"));
}

#[test]
fn imports_bring_their_own_files_and_variables() {
    let written = Written::new(&[
        (
            "specs/a.kdl",
            "import \"./other\"\nlet x=\"mine\"\nimage \"a\" { tree \"shared\"; env X=\"${x}\" }\nextend image \"b\" { env Y=\"${x}\" }",
        ),
        (
            "other/specs/b.kdl",
            "import \"./third\"\nlet x=\"theirs\"\nimage \"b\" { tree \"shared\"; env X=\"${x}\"; file \"/f\" source=\"shared/f\" }",
        ),
        ("other/layers/shared/f", "theirs"),
        ("other/third/specs/c.kdl", "image \"c\""),
        ("layers/unrelated/f", ""),
    ]);
    let project = written.load().unwrap();
    assert_eq!(image(&project, "a", "x86_64").config.env["X"], "mine");
    let b = image(&project, "b", "x86_64");
    assert_eq!((b.config.env["X"].as_str(), b.config.env["Y"].as_str()), ("theirs", "mine"));
    assert_eq!(project.imports.keys().collect::<Vec<_>>(), ["./other", "./other/./third"]);
    assert!(project.specs.contains_key("c"));
}

#[test]
fn an_import_s_digest_is_of_all_that_it_brings() {
    let written = Written::new(&[
        ("specs/a.kdl", "import \"./other\""),
        ("other/specs/b.kdl", "image \"b\""),
        ("other/README", "1"),
    ]);
    let digest = || written.load().unwrap().imports["./other"];
    let first: Digest = digest();
    written.file("other/README", "2");
    assert_eq!(digest(), first);
    written.file("other/layers/l/x", "");
    let second = digest();
    assert_ne!(second, first);
    written.file("other/layers/l/x", "y");
    assert_ne!(digest(), second);
}

#[test]
fn the_catalogue_in_the_binary_is_the_one_that_init_copies() {
    let written = Written::new(&[("specs/a.kdl", "")]);
    crate::estate::unpack_catalogue(&written.path().join("copied")).unwrap();
    let embedded = super::super::super::folder::Folder::embedded().digest().unwrap();
    let copied =
        super::super::super::folder::Folder::on_disk(&written.path().join("copied")).unwrap().digest().unwrap();
    assert_eq!(embedded, copied);
}

fn extensions() -> Vec<&'static str> {
    vec![
        "extend image \"a\" { packages \"p2\" \"p1\"; dir \"/x\" mode=\"0700\" }",
        "extend image \"a\" { packages \"p3\"; dir \"/x\" owner=\"root\"; env B=\"2\" }",
        "extend image \"a\" { env C=\"3\"; user \"u\"; expose 1 2; test \"t\" { run \"x\" } }",
        "extend image \"a\" { remove \"packages\" \"p0\"; expose 2 3; tree \"t\" }",
        "extend image \"a\" { when arch=\"x86_64\" { packages \"p4\" }; omit \"/y\" }",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn extends_commute_and_file_names_mean_nothing(
        order in Just(extensions()).prop_shuffle(),
        names in Just(vec!["b", "c", "d", "e", "f"]).prop_shuffle(),
    ) {
        let load = |texts: &[&str], names: &[&str]| {
            let written = Written::new(&[("specs/m.kdl", "image \"a\" { packages \"p0\" \"p9\"; dir \"/x\" }"), ("layers/t/x", "")]);
            for (text, name) in texts.iter().zip(names) {
                written.file(&format!("specs/{name}.kdl"), text);
            }
            let project = written.load().unwrap();
            // Spans are all that may differ.
            let text = format!("{:#?}", image(&project, "a", "x86_64"));
            let line = |line: &&str| !["source", "start:", "len:", "SourceId", "Disk("].iter().any(|word| line.contains(word));
            let root = written.path().display().to_string();
            text.replace(&root, "").lines().filter(line).filter(|line| line.trim().parse::<u32>().is_err() && !line.contains(&root)).collect::<Vec<_>>().join("\n")
        };
        let digits = |text: String| text.lines().filter(|line| !line.trim().trim_end_matches(',').chars().all(|c| c.is_ascii_digit())).collect::<Vec<_>>().join("\n");
        prop_assert_eq!(digits(load(&order, &names)), digits(load(&extensions(), &["b", "c", "d", "e", "f"])));
    }
}
