//! Each rule on a universe of a few packages, written as stanzas.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Reason, Request, SolveError, Solver, order};
use crate::deb::{Control, MultiArch, PackageInfo, PackageRecord, Priority, Relations, SuiteFacts, Universe};
use crate::digest::Digest;
use crate::estate::{Package, Pin, Relation};
use crate::name::PackageName;
use crate::spec::{Origin, Sources, Span};

fn nowhere() -> Span {
    Span { source: Sources::default().add(String::new(), String::new(), Origin::Project), start: 0, len: 0 }
}

fn name(text: &str) -> PackageName {
    PackageName::new(text).unwrap()
}

/// Stanzas apart by blank lines; `Version: 1`, and `Suite: main` unless told.
fn universe(text: &str) -> Universe {
    let record = |stanza: &Control| {
        let field = |name: &str, default: &str| stanza.get(name).unwrap_or(default).to_owned();
        let suite = field("Suite", "main");
        PackageRecord {
            name: name(&field("Package", "")),
            version: field("Version", "1"),
            arch: field("Architecture", "amd64"),
            source: (name(&field("Source", &field("Package", ""))), String::new()),
            relations: Relations::new(|field| stanza.get(field.as_str())),
            essential: stanza.get("Essential") == Some("yes"),
            multi_arch: stanza.get("Multi-Arch").map(MultiArch::parse).unwrap_or_default(),
            priority: stanza.get("Priority").map(Priority::parse).unwrap_or_default(),
            path: String::new(),
            size: 0,
            installed_size: 0,
            sha256: Digest::of(
                stanza.iter().map(|(name, value)| format!("{name}:{value}\n")).collect::<String>().as_bytes(),
            ),
            suite: Arc::new(SuiteFacts {
                archive: "debian".to_owned(),
                not_automatic: suite == "backports",
                but_automatic_upgrades: suite == "backports",
                name: suite,
                ..SuiteFacts::default()
            }),
        }
    };
    let stanzas = Control::parse_all(text).unwrap();
    Universe::new(stanzas.iter().map(|(_, stanza)| record(stanza)).collect(), Vec::new())
}

fn wanted(text: &str) -> Package {
    let (package, version) = match text.split_once(' ') {
        None => (text, None),
        Some((package, bound)) => {
            let (sign, version) = bound.split_once(' ').unwrap();
            let relation = match sign {
                "=" => Relation::Equal,
                ">=" => Relation::AtLeast,
                "<=" => Relation::AtMost,
                ">>" => Relation::Later,
                _ => Relation::Earlier,
            };
            (package, Some((relation, version.to_owned())))
        }
    };
    Package { name: name(package), version, span: nowhere() }
}

fn asking(packages: &[&str]) -> Request<'static> {
    Request { wanted: packages.iter().map(|text| wanted(text)).collect(), ..Request::default() }
}

fn pin(packages: &str, suite: Option<&str>, version: Option<&str>, priority: i32) -> Pin {
    Pin {
        packages: vec![packages.to_owned()],
        version: version.map(Into::into),
        suite: suite.map(Into::into),
        origin: None,
        label: None,
        archive: None,
        priority,
        span: nowhere(),
    }
}

fn versions(pairs: &[(&str, &str)]) -> BTreeMap<PackageName, String> {
    pairs.iter().map(|(package, version)| (name(package), (*version).to_owned())).collect()
}

/// The answer in one line, or the errors.
fn solve_with(universe: &Universe, request: &Request<'_>) -> String {
    match Solver::new(universe, "amd64").solve(request) {
        Ok(chosen) => {
            let one = |chosen: &super::Chosen<'_>| format!("{}={}", chosen.record.name, chosen.record.version);
            chosen.iter().map(one).collect::<Vec<_>>().join(" ")
        }
        Err(errors) => errors.iter().map(report).collect::<Vec<_>>().join("\n"),
    }
}

fn report(error: &SolveError) -> String {
    let help = miette::Diagnostic::help(error).map_or_else(String::new, |help| format!("\nhelp: {help}"));
    format!("{error}{help}")
}

fn solve(text: &str, packages: &[&str]) -> String {
    solve_with(&universe(text), &asking(packages))
}

#[test]
fn an_unknown_package_shows_the_nearest_names() {
    let text = "Package: keystone\nProvides: keystone-api\n\nPackage: libapache2-mod-wsgi-py3\n";
    insta::assert_snapshot!(solve(text, &["keystoen", "zz"]), @"
    there is no package `keystoen`
    help: the nearest names are `keystone`, `keystone-api`
    there is no package `zz`
    help: no name is near; the distro's `archive` nodes say which suites and components are read
    ");
}

#[test]
fn a_package_of_other_arches_says_of_which() {
    let (here, there) = (universe("Package: aa"), universe("Package: bb"));
    let request = Request { elsewhere: vec![("arm64", &there), ("ppc64el", &there)], ..asking(&["bb"]) };
    insta::assert_snapshot!(solve_with(&here, &request), @"
    there is no package `bb`
    help: it exists for arm64, ppc64el only: put it into a `when` block, or name the image `unbuildable` here
    ");
}

#[test]
fn a_package_that_pins_exclude_says_so() {
    let universe = universe("Package: aa\nVersion: 1");
    let request = Request { pins: vec![pin("a*", None, None, -1)], ..asking(&["aa"]) };
    insta::assert_snapshot!(solve_with(&universe, &request), @r#"
    the pins exclude every version of `aa`
    help: there is 1 (main, priority -1); a `pin "aa"` with a priority above 0 in the image lets it in
    "#);
}

#[test]
fn a_bound_that_nothing_meets_shows_what_there_is() {
    let text = "Package: aa\nVersion: 1\n\nPackage: aa\nVersion: 2:3-1\nSuite: backports";
    insta::assert_snapshot!(solve(text, &["aa = 4.*"]), @"
    no version of `aa` is `= 4.*`
    help: there is 2:3-1 (backports, priority 100), 1 (main, priority 500)
    ");
    insta::assert_snapshot!(solve(text, &["aa >= x"]), @"
    the bound of `aa` cannot be read: `x` is no version: the upstream version does not begin with a digit
    help: globs as `2:31.*` go with `=` only
    ");
}

#[test]
fn a_record_that_cannot_be_read_is_named() {
    insta::assert_snapshot!(solve("Package: aa\nVersion: x y", &["aa"]), @"
    what the archive says of `aa` cannot be read: `x y` is no version: the upstream version does not begin with a digit
    help: the package is passed over; its maintainer has to mend it, or name a version that can be read
    ");
    insta::assert_snapshot!(solve("Package: aa\nDepends: bb (>> )", &["aa"]), @"
    the packages cannot be installed together:
    - `aa` is wanted
    - what aa 1 needs cannot be read: `bb (>> )` is no relation: `` is no version: there is no upstream version
    help: take one of the packages out, or let another version in by a `pin`
    ");
}

#[test]
fn a_fixed_version_that_is_gone_says_how_to_go_on() {
    let universe = universe("Package: aa\nVersion: 2");
    let request = Request { forced: versions(&[("aa", "1")]), ..asking(&["aa"]) };
    insta::assert_snapshot!(solve_with(&universe, &request), @"
    `aa` is fixed at 1, which no archive holds any more
    help: `wharf lock --upgrade aa` chooses another version, for all images that hold it
    ");
    let request = Request { forced: versions(&[("aa", "2")]), ..asking(&["aa << 2"]) };
    insta::assert_snapshot!(solve_with(&universe, &request), @r#"
    `aa` is fixed at 2 by other images of this lock, and here it has to be `<< 2`
    help: one version of a package is in one lock: use the same bound or pin in all images that hold it, or say `versions "own"` in this image
    "#);
}

#[test]
fn what_contradicts_itself_is_a_short_chain() {
    let mta = "Package: exim4\nProvides: mail-transport-agent\nConflicts: mail-transport-agent\n\n\
               Package: postfix\nProvides: mail-transport-agent\n\nPackage: app\nDepends: exim4\n\nPackage: other";
    insta::assert_snapshot!(solve(mta, &["app", "other", "postfix"]), @"
    the packages cannot be installed together:
    - `app` is wanted
    - app 1 needs `exim4`
    - `postfix` is wanted
    - exim4 1 conflicts with `mail-transport-agent`, which postfix 1 provides
    help: take one of the packages out, or let another version in by a `pin`
    ");
    let missing = "Package: aa\nDepends: bb\n\nPackage: bb\nDepends: cc (>= 2) | dd\n\nPackage: cc\nVersion: 1";
    insta::assert_snapshot!(solve(missing, &["aa"]), @"
    the packages cannot be installed together:
    - `aa` is wanted
    - aa 1 needs `bb`
    - bb 1 needs `cc (>= 2) | dd`
    - there is cc 1, which is not `cc (>= 2)`
    - there is no `dd`, and nothing provides `dd`
    help: take one of the packages out, or let another version in by a `pin`
    ");
    let versions = "Package: aa\nDepends: lib (= 1)\n\nPackage: bb\nDepends: lib (= 2)\n\n\
                    Package: lib\nVersion: 1\n\nPackage: lib\nVersion: 2";
    insta::assert_snapshot!(solve(versions, &["aa", "bb"]), @"
    the packages cannot be installed together:
    - `bb` is wanted
    - bb 1 needs `lib (= 2)`
    - `aa` is wanted
    - aa 1 needs `lib (= 1)`
    - only one version of a package can be there, so not lib 2 as well
    help: take one of the packages out, or let another version in by a `pin`
    ");
}

#[test]
fn an_error_points_at_all_that_takes_part() {
    let text = universe("Package: aa\nConflicts: bb\n\nPackage: bb\n\nPackage: cc");
    let errors = Solver::new(&text, "amd64").solve(&asking(&["aa", "bb", "cc"])).unwrap_err();
    let mistake = errors[0].mistake();
    assert_eq!((mistake.code, mistake.span.is_some(), mistake.also.len()), ("unsatisfiable", true, 1));
    assert_eq!(mistake.help.as_deref(), Some("take one of the packages out, or let another version in by a `pin`"));
}

#[test]
fn a_contradiction_behind_a_choice_names_the_choice() {
    let text = "Package: aa\nDepends: bb | cc\n\nPackage: bb\nDepends: nothing1\n\nPackage: cc\nDepends: nothing2";
    insta::assert_snapshot!(solve(text, &["aa"]), @"
    the packages cannot be installed together:
    - `aa` is wanted
    - aa 1 needs `bb | cc`, say bb 1
    - bb 1 needs `nothing1`
    - there is no `nothing1`, and nothing provides `nothing1`
    help: take one of the packages out, or let another version in by a `pin`
    ");
}

#[test]
fn the_parents_packages_stay_and_a_contradiction_with_them_says_so() {
    let text = universe(
        "Package: lib\nVersion: 1\n\nPackage: lib\nVersion: 2\n\nPackage: aa\nDepends: lib (>= 2)\n\nPackage: bb\nDepends: lib",
    );
    let request = Request { base: versions(&[("lib", "1")]), ..asking(&["bb"]) };
    assert_eq!(solve_with(&text, &request), "bb=1 lib=1");
    let request = Request { base: versions(&[("lib", "1")]), ..asking(&["aa"]) };
    insta::assert_snapshot!(solve_with(&text, &request), @"
    the packages cannot be installed together:
    - `aa` is wanted
    - aa 1 needs `lib (>= 2)`
    - `lib` is fixed at 1 by the parent image or other images of this lock
    help: take one of the packages out, or let another version in by a `pin`
    ");
}

#[test]
fn a_parents_package_that_is_gone_is_named() {
    let request = Request { base: versions(&[("lib", "1")]), ..asking(&["aa"]) };
    insta::assert_snapshot!(solve_with(&universe("Package: aa"), &request), @"
    `lib` is fixed at 1, which no archive holds any more
    help: `wharf lock --upgrade lib` chooses another version, for all images that hold it
    ");
}

#[test]
fn a_version_of_provides_meets_bounds_and_none_meets_none() {
    let text = "Package: aa\nDepends: vv (>= 2)\n\nPackage: p1\nProvides: vv\n\nPackage: p2\nProvides: vv (= 1)\n\nPackage: p3\nProvides: vv (= 2)";
    assert_eq!(solve(text, &["aa"]), "aa=1 p3=1");
}

#[test]
fn a_package_does_not_conflict_with_what_it_provides_itself() {
    assert_eq!(solve("Package: aa\nProvides: vv\nConflicts: vv\nBreaks: aa", &["aa"]), "aa=1");
}

#[test]
fn breaks_with_a_bound_lets_other_versions_be() {
    let text = "Package: aa\nBreaks: bb (<< 2)\n\nPackage: bb\nVersion: 1\n\nPackage: bb\nVersion: 2\nSuite: backports";
    assert!(solve(text, &["aa", "bb"]).contains("aa 1 breaks `bb (<< 2)`"));
    assert_eq!(solve(text, &["aa", "bb = 2"]), "aa=1 bb=2");
}

#[test]
fn the_first_alternative_is_taken_unless_another_is_there() {
    let text = "Package: aa\nDepends: bb | cc\n\nPackage: bb\n\nPackage: cc";
    assert_eq!(solve(text, &["aa"]), "aa=1 bb=1");
    assert_eq!(solve(text, &["aa", "cc"]), "aa=1 cc=1");
}

#[test]
fn an_alternative_that_cannot_be_is_passed_over() {
    let text = "Package: aa\nDepends: bb | cc\n\nPackage: bb\nDepends: missing\n\nPackage: cc";
    assert_eq!(solve(text, &["aa"]), "aa=1 cc=1");
    // apt's walk takes bb before it meets zz, which does not want it; another choice is found all the same.
    let text = "Package: aa\nDepends: bb | cc, zz\n\nPackage: bb\n\nPackage: cc\n\nPackage: zz\nConflicts: bb";
    assert_eq!(solve(text, &["aa"]), "aa=1 cc=1 zz=1");
}

#[test]
fn of_several_providers_the_important_one_is_taken() {
    let text = "Package: aa\nDepends: awk\n\nPackage: gawk\nProvides: awk\n\nPackage: mawk\nProvides: awk\nPriority: required\n\nPackage: zawk\nProvides: awk";
    assert_eq!(solve(text, &["aa"]), "aa=1 mawk=1");
    assert_eq!(solve(text, &["awk"]), "mawk=1");
}

#[test]
fn a_real_package_is_taken_before_those_that_provide_it() {
    let text = "Package: aa\nDepends: mta\n\nPackage: mta\n\nPackage: xx\nProvides: mta\nPriority: required";
    assert_eq!(solve(text, &["aa"]), "aa=1 mta=1");
}

#[test]
fn any_reaches_only_what_is_allowed() {
    let text = "Package: aa\nDepends: py:any\n\nPackage: py\nMulti-Arch: allowed";
    assert_eq!(solve(text, &["aa"]), "aa=1 py=1");
    assert!(solve("Package: aa\nDepends: py:any\n\nPackage: py", &["aa"]).contains("aa 1 needs `py:any`"));
    assert_eq!(solve("Package: aa\nDepends: py:amd64\n\nPackage: py", &["aa"]), "aa=1 py=1");
    assert!(solve("Package: aa\nDepends: py:i386\n\nPackage: py", &["aa"]).contains("aa 1 needs `py:i386`"));
}

#[test]
fn essential_packages_come_with_all_that_they_need() {
    let text = universe("Package: bash\nEssential: yes\nPre-Depends: libc6\n\nPackage: libc6\n\nPackage: aa");
    let request = Request { essential: true, ..asking(&["aa"]) };
    let chosen = Solver::new(&text, "amd64");
    let reasons: Vec<_> =
        chosen.solve(&request).unwrap().iter().map(|chosen| (chosen.record.name.to_string(), chosen.reason)).collect();
    assert_eq!(
        reasons,
        [
            ("aa".to_owned(), Reason::Wanted),
            ("bash".to_owned(), Reason::Essential),
            ("libc6".to_owned(), Reason::Needed),
        ]
    );
    assert_eq!(solve_with(&text, &asking(&["aa"])), "aa=1");
}

#[test]
fn recommendations_are_followed_as_far_as_they_can_be() {
    let text = universe(
        "Package: aa\nRecommends: bb, missing, cc\n\nPackage: bb\nRecommends: dd\n\nPackage: cc\nConflicts: aa\n\nPackage: dd",
    );
    assert_eq!(solve_with(&text, &asking(&["aa"])), "aa=1");
    let request = Request { recommends: true, ..asking(&["aa"]) };
    assert_eq!(solve_with(&text, &request), "aa=1 bb=1 dd=1");
}

#[test]
fn a_recommendation_gives_way_to_a_need() {
    let text = universe(
        "Package: aa\nRecommends: bb\n\nPackage: bb\n\nPackage: zz\nDepends: yy\n\nPackage: yy\nConflicts: bb",
    );
    let request = Request { recommends: true, ..asking(&["aa", "zz"]) };
    assert_eq!(solve_with(&text, &request), "aa=1 yy=1 zz=1");
}

#[test]
fn recommendations_of_the_parents_packages_were_decided_with_it() {
    let text = universe("Package: aa\nRecommends: bb\n\nPackage: bb\n\nPackage: cc\nRecommends: dd\n\nPackage: dd");
    let request = Request { recommends: true, base: versions(&[("aa", "1")]), ..asking(&["cc"]) };
    assert_eq!(solve_with(&text, &request), "aa=1 cc=1 dd=1");
}

const SUITES: &str =
    "Package: aa\nVersion: 1\n\nPackage: aa\nVersion: 2\nSuite: updates\n\nPackage: aa\nVersion: 3\nSuite: backports";

#[test]
fn the_newest_of_the_ordinary_suites_is_the_candidate() {
    assert_eq!(solve(SUITES, &["aa"]), "aa=2");
    assert_eq!(solve(SUITES, &["aa = 3*"]), "aa=3");
    assert_eq!(solve("Package: aa\nVersion: 3\nSuite: backports", &["aa"]), "aa=3");
}

#[test]
fn pins_choose_by_priority_and_names_go_before_the_general_form() {
    let universe = universe(SUITES);
    let with = |pins: Vec<Pin>| solve_with(&universe, &Request { pins, ..asking(&["aa"]) });
    assert_eq!(with(vec![pin("a*", Some("backports"), None, 990)]), "aa=3");
    assert_eq!(with(vec![pin("aa", None, Some("1*"), 1001)]), "aa=1");
    assert_eq!(with(vec![pin("*", Some("backports"), None, 990), pin("aa", Some("backports"), None, 50)]), "aa=2");
    assert_eq!(with(vec![pin("aa", Some("updates"), None, -1)]), "aa=1");
    assert_eq!(with(vec![pin("src:aa", Some("backports"), None, 600)]), "aa=3");
}

#[test]
fn a_low_priority_is_not_taken_to_meet_a_need() {
    let text =
        "Package: aa\nVersion: 1\n\nPackage: aa\nVersion: 3\nSuite: backports\n\nPackage: bb\nDepends: aa (>= 3)";
    insta::assert_snapshot!(solve(text, &["bb"]), @"
    the packages cannot be installed together:
    - `bb` is wanted
    - bb 1 needs `aa (>= 3)`
    - the pins exclude aa 3 (priority 100)
    help: take one of the packages out, or let another version in by a `pin`
    ");
}

#[test]
fn a_locked_version_stays_until_it_no_longer_solves() {
    let universe = universe(&format!("{SUITES}\n\nPackage: bb\nDepends: aa (>= 2)"));
    let with = |locked: &str, packages: &[&str], pins: Vec<Pin>| {
        solve_with(&universe, &Request { pins, preferred: versions(&[("aa", locked)]), ..asking(packages) })
    };
    assert_eq!(with("1", &["aa"], vec![]), "aa=1");
    assert_eq!(with("1", &["aa", "bb"], vec![]), "aa=2 bb=1");
    assert_eq!(with("0", &["aa"], vec![]), "aa=2", "it is gone");
    // apt leaves an installed version for a higher priority, but goes back to an older one from 1000 on only.
    assert_eq!(with("2", &["aa"], vec![pin("aa", Some("backports"), None, 990)]), "aa=3");
    assert_eq!(with("3", &["aa"], vec![]), "aa=3");
    assert_eq!(with("3", &["aa"], vec![pin("aa", Some("main"), None, 999)]), "aa=3");
    assert_eq!(with("3", &["aa"], vec![pin("aa", Some("main"), None, 1000)]), "aa=1");
    assert_eq!(with("2", &["aa"], vec![pin("aa", Some("updates"), None, -1)]), "aa=1");
}

#[test]
fn a_version_that_other_images_have_is_the_only_one() {
    let universe = universe(SUITES);
    assert_eq!(solve_with(&universe, &Request { forced: versions(&[("aa", "1")]), ..asking(&["aa"]) }), "aa=1");
}

#[test]
fn a_long_chain_of_dependencies_is_no_problem() {
    let text: String = (0..5_000).map(|at| format!("Package: p{at}\nDepends: p{}\n\n", at + 1)).collect();
    let universe = universe(&(text + "Package: p5000\n"));
    assert_eq!(Solver::new(&universe, "amd64").solve(&asking(&["p0"])).unwrap().len(), 5_001);
}

fn infos(text: &str) -> Vec<PackageInfo> {
    let info = |stanza: &Control| PackageInfo {
        name: name(stanza.get("Package").unwrap()),
        version: "1".to_owned(),
        arch: "amd64".to_owned(),
        control: stanza.clone(),
        members: BTreeMap::new(),
        conffiles: Vec::new(),
    };
    Control::parse_all(text).unwrap().iter().map(|(_, stanza)| info(stanza)).collect()
}

fn ordered(text: &str) -> String {
    order(&infos(text), "amd64").iter().map(PackageName::as_str).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_needed_is_configured_first() {
    let text = "Package: aa\nDepends: mm | zz\n\nPackage: mm\nDepends: virtual1\n\nPackage: xx\nProvides: virtual1\nPre-Depends: yy\n\nPackage: yy";
    assert_eq!(ordered(text), "yy xx mm aa");
}

#[test]
fn a_circle_is_cut_where_it_is_weakest() {
    // aa needs bb before it is unpacked; bb only depends on aa.
    assert_eq!(ordered("Package: aa\nPre-Depends: bb\n\nPackage: bb\nDepends: aa"), "bb aa");
    assert_eq!(ordered("Package: aa\nDepends: bb\n\nPackage: bb\nPre-Depends: aa"), "aa bb");
    assert_eq!(ordered("Package: aa\nDepends: bb\n\nPackage: bb\nDepends: aa\n\nPackage: cc\nDepends: aa"), "aa bb cc");
}

#[test]
fn a_long_chain_is_ordered() {
    let text: String = (0..5_000).map(|at| format!("Package: p{at}\nDepends: p{}\n\n", at + 1)).collect();
    let order = order(&infos(&(text + "Package: p5000\n")), "amd64");
    assert_eq!((order.first().unwrap().as_str(), order.len()), ("p5000", 5_001));
}

/// Small universes in which much conflicts.
fn thicket() -> impl Strategy<Value = String> {
    let names = || proptest::sample::select(vec!["p0", "p1", "p2", "p3", "p4", "p5", "vv"]);
    let relation = proptest::collection::vec(proptest::collection::vec(names(), 1..3), 0..3)
        .prop_map(|all| all.iter().map(|any| any.join(" | ")).collect::<Vec<_>>().join(", "));
    let conflicts = proptest::collection::vec(names(), 0..2).prop_map(|all| all.join(", "));
    proptest::collection::vec((relation, conflicts, any::<bool>()), 6).prop_map(|packages| {
        let stanza = |(at, (depends, conflicts, provides)): (usize, (String, String, bool))| {
            let provides = if provides { "Provides: vv\n" } else { "" };
            let depends = if depends.is_empty() { String::new() } else { format!("Depends: {depends}\n") };
            let conflicts = if conflicts.is_empty() { String::new() } else { format!("Conflicts: {conflicts}\n") };
            format!("Package: p{at}\n{depends}{conflicts}{provides}\n")
        };
        packages.into_iter().enumerate().map(stanza).collect()
    })
}

/// Whether a set of packages (a bit each) is whole, by trying the rules on their texts.
fn whole(text: &str, set: u32) -> bool {
    let stanzas = Control::parse_all(text).unwrap();
    let here = |at: usize| set & (1 << at) != 0;
    let holds = |wanted: &str, but: usize| {
        (0..stanzas.len()).any(|at| {
            at != but
                && here(at)
                && (wanted == format!("p{at}") || (wanted == "vv" && stanzas[at].1.get("Provides").is_some()))
        })
    };
    (0..stanzas.len()).filter(|&at| here(at)).all(|at| {
        let field = |name: &str| stanzas[at].1.get(name).unwrap_or_default().to_owned();
        let parts =
            |text: String| text.split(", ").filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect::<Vec<_>>();
        parts(field("Depends")).iter().all(|any| any.split(" | ").any(|wanted| holds(wanted, usize::MAX)))
            && !parts(field("Conflicts")).iter().any(|wanted| holds(wanted, at))
    })
}

proptest! {
    #[test]
    fn it_solves_exactly_what_can_be_solved(text in thicket(), roots in 1_u32..64) {
        let universe = universe(&text);
        let names: Vec<String> = (0..6).filter(|at| roots & (1 << at) != 0).map(|at| format!("p{at}")).collect();
        let request = asking(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let possible = (0..64_u32).any(|set| set & roots == roots && whole(&text, set));
        match Solver::new(&universe, "amd64").solve(&request) {
            Ok(chosen) => {
                let set = chosen.iter().fold(0, |set, chosen| set | 1 << chosen.record.name.as_str()[1..].parse::<u32>().unwrap());
                prop_assert!(set & roots == roots && whole(&text, set), "{set:b}");
            }
            Err(errors) => {
                prop_assert!(!possible, "{}", report(&errors[0]));
                prop_assert!(!errors[0].spans().is_empty());
                prop_assert!(!errors[0].to_string().contains("no single chain"), "{}", errors[0]);
            }
        }
    }
}
