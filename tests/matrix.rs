//! `wharf matrix`.

use crate::views::{json, out, project};

#[test]
fn every_image_stands_with_its_tier_on_each_arch() {
    let folder = project();
    insta::assert_snapshot!(out(&folder, &["matrix"]), @"
    IMAGE  DISTRO           x86_64                                               ppc64le
    base   debian-bookworm  maintained                                           -
    base   debian-trixie    maintained                                           best-effort
    jit    debian-bookworm  unmaintained                                         -
    jit    debian-trixie    unmaintained                                         unbuildable
    web    debian-trixie    maintained, deprecated since 2026.1, goes in 2027.1  best-effort, deprecated since 2026.1, goes in 2027.1

    jit cannot be built for debian-trixie ppc64le: its compiler knows no ppc64le
    ");
}

#[test]
fn filters_take_rows_and_columns_away() {
    let folder = project();
    insta::assert_snapshot!(out(&folder, &["matrix", "--arch", "x86_64", "--tier", "maintained"]), @"
    IMAGE  DISTRO           x86_64
    base   debian-bookworm  maintained
    base   debian-trixie    maintained
    web    debian-trixie    maintained, deprecated since 2026.1, goes in 2027.1
    ");
}

#[test]
fn markdown_can_be_put_into_a_page() {
    let folder = project();
    insta::assert_snapshot!(out(&folder, &["matrix", "--markdown"]), @"
    | image | distro | x86_64 | ppc64le |
    |---|---|---|---|
    | base | debian-bookworm | maintained | - |
    | base | debian-trixie | maintained | best-effort |
    | jit | debian-bookworm | unmaintained | - |
    | jit | debian-trixie | unmaintained | unbuildable |
    | web | debian-trixie | maintained, deprecated since 2026.1, goes in 2027.1 | best-effort, deprecated since 2026.1, goes in 2027.1 |

    - jit cannot be built for debian-trixie ppc64le: its compiler knows no ppc64le
    ");
}

#[test]
fn the_document_has_an_entry_for_each_cell() {
    let folder = project();
    let document = json(&folder, &["matrix"]);
    assert_eq!(document["version"], 1);
    let entries: Vec<String> = document["entries"].as_array().unwrap().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(entries.join("\n"), @r#"
    {"arch":"x86_64","deprecated_since":null,"distro":"debian-bookworm","image":"base","removed_in":null,"tier":"maintained","unbuildable":null}
    {"arch":"ppc64le","deprecated_since":null,"distro":"debian-trixie","image":"base","removed_in":null,"tier":"best-effort","unbuildable":null}
    {"arch":"x86_64","deprecated_since":null,"distro":"debian-trixie","image":"base","removed_in":null,"tier":"maintained","unbuildable":null}
    {"arch":"x86_64","deprecated_since":null,"distro":"debian-bookworm","image":"jit","removed_in":null,"tier":"unmaintained","unbuildable":null}
    {"arch":"ppc64le","deprecated_since":null,"distro":"debian-trixie","image":"jit","removed_in":null,"tier":null,"unbuildable":"its compiler knows no ppc64le"}
    {"arch":"x86_64","deprecated_since":null,"distro":"debian-trixie","image":"jit","removed_in":null,"tier":"unmaintained","unbuildable":null}
    {"arch":"ppc64le","deprecated_since":"2026.1","distro":"debian-trixie","image":"web","removed_in":"2027.1","tier":"best-effort","unbuildable":null}
    {"arch":"x86_64","deprecated_since":"2026.1","distro":"debian-trixie","image":"web","removed_in":"2027.1","tier":"maintained","unbuildable":null}
    "#);
}
