//! What children take from parents, what conditions do, who supports what.

use super::{Written, image, project};
use crate::estate::{FileContent, Tier, TreeContent};
use crate::spec::Origin;

#[test]
fn a_child_wins_over_its_parent_and_lists_add() {
    let project = project(
        r#"
        image "base" {
            packages "aa"; env A="1" B="1"; expose 80; volume "/v"; user "root"; workdir "/w"; label x="1" y="1"
            command "sh"; health "h"; account "n" uid=5 groups="adm"; tier "maintained"; summary "s"
            entrypoint "e"; stop-signal "SIGHUP"
        }
        image "child" {
            from "base"
            packages "bb"; env B="2" A=#null; expose "53/udp" 80; volume "/v" "/u"; user "n"; label y="2"
            command "c" "d"; health #null; account "n" home="/h" groups="video"; entrypoint #null
        }"#,
    );
    let child = image(&project, "child", "x86_64");
    let names: Vec<_> =
        child.levels.iter().map(|level| (level.image.as_str(), level.packages[0].name.as_str())).collect();
    assert_eq!(names, [("base", "aa"), ("child", "bb")]);
    let config = &child.config;
    assert_eq!(config.env.iter().collect::<Vec<_>>(), [(&"B".to_owned(), &"2".to_owned())]);
    assert_eq!(config.expose, ["80/tcp", "53/udp"]);
    assert_eq!(config.volumes.len(), 2);
    assert_eq!(config.user.as_deref(), Some("n"));
    assert_eq!(config.workdir.as_ref().unwrap().as_str(), "/w");
    assert_eq!(config.labels.values().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!((config.entrypoint.len(), config.command.join(" ").as_str()), (0, "c d"));
    assert_eq!((config.health.clone(), config.stop_signal.as_deref()), (None, Some("SIGHUP")));
    let account = &child.accounts["n"];
    assert_eq!((account.uid, account.gid, account.home.as_ref().unwrap().as_str()), (Some(5), Some(5), "/h"));
    assert_eq!(account.groups.iter().map(|group| group.as_str()).collect::<Vec<_>>(), ["adm", "video"]);
    assert_eq!((child.summary.as_deref(), child.support.tier), (None, Tier::BestEffort));
}

#[test]
fn conditions_are_anded_and_nest_and_the_deeper_wins() {
    let project = project(
        r#"image "a" {
            user "x"
            when arch="ppc64le|x86_64" distro="trixie" {
                packages "both"
                when arch="ppc64le" { packages "power"; user "p" }
                unless arch="ppc64le" { packages "other" }
            }
            unless distro="trixie" arch="x86_64" { packages "not-trixie-x86" }
        }"#,
    );
    let packages = |arch: &str| {
        let level = &image(&project, "a", arch).levels[0];
        level.packages.iter().map(|package| package.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(packages("x86_64"), ["both", "other"]);
    assert_eq!(packages("ppc64le"), ["both", "power", "not-trixie-x86"]);
    assert_eq!(image(&project, "a", "ppc64le").config.user.as_deref(), Some("p"));
    assert_eq!(image(&project, "a", "x86_64").config.user.as_deref(), Some("x"));
    let bookworm = project.images.values().find(|image| image.distro.as_str() == "bookworm").unwrap();
    assert_eq!(bookworm.levels[0].packages[0].name.as_str(), "not-trixie-x86");
}

#[test]
fn variables_come_from_the_image_the_file_set_or_the_target() {
    let project = project(
        r#"
        let root="/srv" port=5000
        image "a" {
            let home="${root}/${image}"
            when arch="ppc64le" { let jit="no" }
            unless arch="ppc64le" { let jit="yes" }
            dir "${home}"
            env HOME="${home}" ARCH="${arch} ${debian-arch} ${oci-arch} ${triplet} ${distro}" JIT="${jit}" V="${version}"
            file "/x" "$${HOME} $1"
            expose "${port}/tcp"
            summary "a ${version}"
        }"#,
    );
    let x86 = image(&project, "a", "x86_64");
    assert_eq!(x86.levels[0].dirs[0].path.as_str(), "/srv/a");
    assert_eq!(x86.config.env["ARCH"], "x86_64 amd64 amd64 x86_64-linux-gnu trixie");
    assert_eq!((x86.config.env["JIT"].as_str(), x86.config.env["V"].as_str()), ("yes", "${version}"));
    assert_eq!(x86.levels[0].files[0].content, FileContent::Text("${HOME} $1".to_owned()));
    assert_eq!(x86.config.expose, ["5000/tcp"]);
    assert_eq!(x86.summary.as_deref(), Some("a ${version}"));
    let power = image(&project, "a", "ppc64le");
    assert_eq!(power.config.env["ARCH"], "ppc64le ppc64el ppc64le powerpc64le-linux-gnu trixie");
    assert_eq!(power.config.env["JIT"], "no");
}

#[test]
fn a_tier_is_lowered_by_its_target_and_set_for_one() {
    let project = project(
        r#"
        image "a" { tier "maintained"; deprecated since="2026.1" removed="2027.1" }
        image "b" { tier "maintained"; support arch="x86_64" tier="best-effort"; support arch="x86_64" distro="trixie" tier="unmaintained" }"#,
    );
    let tier = |name: &str, arch: &str| image(&project, name, arch).support.tier;
    assert_eq!(tier("a", "x86_64"), Tier::Maintained);
    assert_eq!(tier("a", "ppc64le"), Tier::BestEffort);
    assert_eq!(tier("b", "x86_64"), Tier::Unmaintained);
    assert_eq!(image(&project, "a", "x86_64").support.removed_in.as_deref(), Some("2027.1"));
    assert_eq!(project.specs["a"].deprecated_since.as_deref(), Some("2026.1"));
}

#[test]
fn what_cannot_be_built_makes_children_unbuildable() {
    let project = project(
        r#"
        image "a" { build-for distro="trixie"; unbuildable arch="ppc64le" reason="no rust there" }
        image "b" { from "a"; build-for distro="trixie" }
        image "c" { from "b"; build-for distro="trixie" arch="x86_64" }"#,
    );
    let built: Vec<_> = project.images.keys().map(|key| format!("{} {}", key.image, key.arch)).collect();
    assert_eq!(built, ["a x86_64", "b x86_64", "c x86_64"]);
    let not: Vec<_> = project.unbuildable.iter().map(|(key, why)| format!("{}: {why}", key.image)).collect();
    assert_eq!(not, ["a: no rust there", "b: a: no rust there"]);
}

#[test]
fn accounts_take_ids_from_the_distro() {
    let written = Written::new(&[(
        "specs/a.kdl",
        r#"extend distro "trixie" { account "messagebus" uid=101 gid=102 }
        image "a" { build-for distro="trixie"; account "messagebus" groups="adm"; account "render" group-only=#true gid=104 }"#,
    )]);
    let project = written.load().unwrap();
    let accounts = &image(&project, "a", "x86_64").accounts;
    assert_eq!((accounts["messagebus"].uid, accounts["messagebus"].gid), (Some(101), Some(102)));
    assert_eq!((accounts["render"].uid, accounts["render"].gid), (None, Some(104)));
}

#[cfg(unix)]
#[test]
fn a_tree_keeps_links_and_the_x_bit() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let written = Written::new(&[
        ("layers/t/bin/run", "#!"),
        ("layers/t/etc/x", ""),
        ("specs/a.kdl", "image \"a\" { tree \"t\" }"),
    ]);
    let bin = written.path().join("layers/t/bin");
    std::fs::set_permissions(bin.join("run"), std::fs::Permissions::from_mode(0o700)).unwrap();
    symlink("run", bin.join("link")).unwrap();
    let project = written.load().unwrap();
    let files = &image(&project, "a", "x86_64").levels[0].trees[0].files;
    let listed: Vec<_> = files
        .iter()
        .map(|file| match &file.content {
            TreeContent::Dir => format!("{} dir", file.path),
            TreeContent::Symlink(target) => format!("{} -> {target}", file.path),
            TreeContent::File { executable, size, .. } => format!("{} {executable} {size}", file.path),
        })
        .collect();
    assert_eq!(listed, ["/bin dir", "/bin/link -> run", "/bin/run true 2", "/etc dir", "/etc/x false 0"]);
}

#[test]
fn one_s_own_images_are_wanted_and_those_of_imports_only_when_named() {
    let written = Written::new(&[
        ("specs/a.kdl", "import \"./other\"\nimage \"mine\" { from \"theirs\" }\nwant \"asked\""),
        (
            "other/specs/b.kdl",
            "image \"theirs\"\nimage \"asked\" { from \"root\" }\nimage \"root\"\nimage \"unasked\"\nwant \"unasked\"",
        ),
    ]);
    let project = written.load().unwrap();
    let wanted: Vec<_> = project.wanted.iter().map(|name| name.as_str()).collect();
    assert_eq!(wanted, ["asked", "mine", "root", "theirs"]);
    assert_eq!(project.specs["theirs"].origin, Origin::Import("./other".to_owned()));
    assert_eq!(project.specs["mine"].origin, Origin::Project);
    assert!(project.images.keys().any(|key| key.image.as_str() == "unasked"));
}

#[test]
fn later_parts_of_the_language_are_left_alone() {
    project("image \"a\"\nvalidation \"v\" { anything 5 }\nextend validation \"v\" { x }");
}

#[test]
fn a_project_without_targets_is_read_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("specs")).unwrap();
    std::fs::write(folder.path().join("specs/a.kdl"), "image \"a\" { dir \"/${arch}\"; usr }").unwrap();
    let mistakes = super::load(folder.path()).unwrap_err();
    assert_eq!(mistakes.len(), 1);
}

const SAMPLE: &str = r#"
let x="/${y}" y="z"
image "base" { packages "a1" essential=#true; account "n" uid=5; tree "t"; env A="${x}" }
(replace)image "base" { from "base" }
image "b" {
    from "base"; when arch="x86_64|ppc64le" { unless distro="trixie" { dir "/x" mode="0750" owner=5 } }
    health "x" interval="30s"; expose 80 "53/udp"; script "aa" { effect "b" "c"; alternative "/a" name="b" path="/c" priority=5 }
    test "t" { run "x"; expect "y" }; file "/f" "t"; link "/l" "f"; attr "/**" mode="0644"
}
extend image "b" { remove "health"; packages "c2=1.*" }
extend distro "trixie" { script "x1" kind="postinst" effect="run"; filters { exclude "/a" } }
want "b"
"#;

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 96, ..Default::default() })]
    #[test]
    fn no_spoiled_text_makes_it_panic(at in 0..SAMPLE.len(), len in 0usize..12, noise in "[{}\"=;#$()/a-z0-9 \n-]{0,6}") {
        let mut text = SAMPLE.to_owned();
        let end = (at + len).min(text.len());
        text.replace_range(at..end, &noise);
        let _ = Written::new(&[("specs/a.kdl", &text)]).load();
    }
}

#[test]
fn the_deepest_nesting_that_is_allowed_is_read() {
    let deep = ["image \"a\" {", &"when arch=\"x86_64\" {".repeat(31), "user \"x\"", &"}".repeat(32)].concat();
    assert_eq!(image(&project(&deep), "a", "x86_64").config.user.as_deref(), Some("x"));
}

#[test]
fn the_root_is_looked_for_upwards() {
    let written = Written::new(&[("specs/images/a.kdl", "")]);
    let root = written.path().canonicalize().unwrap();
    assert_eq!(super::super::find_root(&written.path().join("specs/images")), Some(root));
    assert_eq!(super::super::find_root(std::path::Path::new("/proc/self")), None);
}
