//! The tables of known maintainer scripts: what ships is whole, and fits Debian's real packages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use wharf::deb::script::{JUDGED, Script, judge};
use wharf::deb::{PackageInfo, Spool, file};
use wharf::estate::{Project, Worth, load};

fn repository() -> Project {
    load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

#[test]
fn every_distro_ships_a_table_and_every_ignored_script_its_reason() {
    let project = repository();
    for distro in project.distros.values() {
        assert!(distro.scripts.len() > 40 && distro.snippets.len() > 30, "{}", distro.name);
        for rule in &distro.scripts {
            let place = project.sources.place(rule.span);
            assert!(rule.rest.is_some(), "{place}: a shipped judgement is of one text");
            assert!(rule.worth != Worth::default() || rule.reason.is_some(), "{place}: ignored without a reason");
            assert!(!rule.worth.run, "{place}: no shipped image has a script run");
        }
    }
}

#[test]
fn every_account_that_a_judged_script_makes_has_an_id() {
    let project = repository();
    for distro in project.distros.values() {
        for account in distro.scripts.iter().flat_map(|rule| &rule.worth.accounts) {
            let place = project.sources.place(account.span);
            assert!(distro.accounts.contains_key(&account.name), "{place}: `{}` has no id", account.name);
        }
    }
}

#[test]
fn an_effect_that_there_is_not_is_a_mistake_of_the_spec_with_the_nearest_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("specs")).unwrap();
    let spec = "import \"catalogue\"\nextend distro \"debian-trixie\" {\n    script \"xx\" kind=\"postinst\" effect=\"sysuser\"\n}\n";
    std::fs::write(folder.path().join("specs/x.kdl"), spec).unwrap();
    let run =
        std::process::Command::new(env!("CARGO_BIN_EXE_wharf")).arg("-C").arg(folder.path()).arg("check").output();
    let message = String::from_utf8(run.unwrap().stderr).unwrap();
    assert!(message.contains("there is no effect `sysuser`"), "{message}");
    assert!(message.contains("specs/x.kdl:3:40"), "{message}");
    assert!(message.contains("did you mean `sysusers`?"), "{message}");
}

/// `WHARF_TEST_DEBS` holds a folder per distro (`debian-trixie/`) with the .debs that its table was made from.
fn debs(distro: &str) -> Option<Vec<PackageInfo>> {
    let Some(root) = std::env::var_os("WHARF_TEST_DEBS") else {
        eprintln!("skipped: WHARF_TEST_DEBS names no folder of .debs to hold the table of {distro} against");
        return None;
    };
    let folder = Path::new(&root).join(distro);
    let mut packages = Vec::new();
    for entry in folder.read_dir().unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            let size = path.metadata().unwrap().len();
            let mut spool = Spool::new(&std::env::temp_dir());
            packages.push(file::read(&path, File::open(&path).unwrap(), size, None, &mut spool).unwrap().info);
        }
    }
    assert!(packages.len() > 50, "{} holds {} .debs", folder.display(), packages.len());
    Some(packages)
}

#[test]
fn the_tables_judge_every_script_of_the_catalogue_and_nothing_else() {
    let project = repository();
    for (name, distro) in &project.distros {
        let Some(packages) = debs(name.as_str()) else { continue };
        let judgement = judge(&packages, distro, &[]);
        for part in &judgement.unjudged {
            eprintln!("{part}\n{}", part.ways_out());
        }
        assert_eq!(judgement.unjudged.len(), 0);
        assert_eq!(judgement.changed, []);
        let mut texts: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for package in &packages {
            for kind in JUDGED {
                let rest = package.script(kind).and_then(|text| Script::split(kind, text).rest);
                texts.entry((&package.name, kind)).or_default().extend(rest.map(|rest| rest.digest));
            }
        }
        for rule in &distro.scripts {
            let used =
                texts.get(&(&rule.package, rule.kind)).zip(rule.rest).is_some_and(|(all, one)| all.contains(&one));
            assert!(used, "{}: no package has this script", project.sources.place(rule.span));
        }
    }
}
