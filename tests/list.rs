//! `wharf list`.

use crate::views::{json, out, project, said};

#[test]
fn a_filter_that_names_nothing_is_an_error() {
    let folder = project();
    insta::assert_snapshot!(said(&folder, &["list", "--arch", "ppc64el", "--distro", "debian-trixi"]), @"wharf::select::unknown x there is no distro `debian-trixi` help: did you mean `debian-trixie`? wharf::select::unknown x there is no arch `ppc64el` help: did you mean `ppc64le`?");
}

#[test]
fn images_are_a_line_each() {
    let folder = project();
    insta::assert_snapshot!(out(&folder, &["list"]), @r#"
    NAME  TIER                                                                FROM  BUILT FOR                                               SUMMARY
    base  maintained to best-effort                                           -     debian-bookworm: x86_64; debian-trixie: x86_64 ppc64le  What all have in common
    jit   unmaintained                                                        base  debian-bookworm: x86_64; debian-trixie: x86_64
    web   maintained to best-effort, deprecated since 2026.1, goes in 2027.1  base  debian-trixie: x86_64 ppc64le                           A <web> server & "more"
    "#);
    assert_eq!(out(&folder, &["list"]), out(&folder, &["list", "images", "--wanted"]));
}

#[test]
fn filters_leave_images_that_have_a_build_for_all_of_them() {
    let folder = project();
    insta::assert_snapshot!(out(&folder, &["list", "images", "--tier", "maintained", "--distro", "debian-bookworm"]), @"
    NAME  TIER        FROM  BUILT FOR                SUMMARY
    base  maintained  -     debian-bookworm: x86_64  What all have in common
    ");
    insta::assert_snapshot!(out(&folder, &["list", "--tier", "unmaintained", "--arch", "ppc64le"]), @"NAME  TIER  FROM  BUILT FOR  SUMMARY");
}

#[test]
fn imported_images_that_nobody_wants_are_there_with_all() {
    let (library, folder) = (project(), project());
    let own = format!("import \"{}\"\nimage \"mine\" {{ from \"base\" }}\n", library.path().display());
    std::fs::write(folder.path().join("specs/images.kdl"), own).unwrap();
    std::fs::remove_file(folder.path().join("targets/all.kdl")).unwrap();
    let names = |arguments: &[&str]| -> Vec<String> {
        let document = json(&folder, arguments);
        document["images"].as_array().unwrap().iter().map(|image| image["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["list"]), ["base", "mine"]);
    assert_eq!(names(&["list", "--all"]), ["base", "jit", "mine", "web"]);
    let document = json(&folder, &["list", "--all"]);
    assert_eq!(document["images"][3]["wanted"], false);
    assert_eq!(document["images"][3]["import"], library.path().display().to_string());
}

#[test]
fn distros_and_arches_are_listed() {
    let folder = project();
    insta::assert_snapshot!(out(&folder, &["list", "distros"]), @"
    NAME             DEFAULT  TIER        ARCHES          ARCHIVES                            IMAGES
    debian-bookworm  -        -           x86_64          debian: bookworm                    2
    debian-trixie    yes      maintained  x86_64 ppc64le  debian: trixie trixie-updates; own  3
    ");
    insta::assert_snapshot!(out(&folder, &["list", "arches"]), @"
    NAME     OCI      DEBIAN   DISTROS                        IMAGES
    ppc64le  ppc64le  ppc64el  debian-trixie                  2
    x86_64   amd64    amd64    debian-bookworm debian-trixie  3
    ");
    insta::assert_snapshot!(out(&folder, &["list", "distros", "--arch", "ppc64le"]), @"
    NAME           DEFAULT  TIER        ARCHES          ARCHIVES                            IMAGES
    debian-trixie  yes      maintained  x86_64 ppc64le  debian: trixie trixie-updates; own  2
    ");
}

#[test]
fn documents_hold_the_same() {
    let folder = project();
    let images = json(&folder, &["list", "images"]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&images["images"][1]).unwrap(), @r#"
    {
      "builds": [
        {
          "arch": "x86_64",
          "deprecated_since": null,
          "distro": "debian-bookworm",
          "removed_in": null,
          "tier": "unmaintained"
        },
        {
          "arch": "x86_64",
          "deprecated_since": null,
          "distro": "debian-trixie",
          "removed_in": null,
          "tier": "unmaintained"
        }
      ],
      "from": "base",
      "import": null,
      "name": "jit",
      "summary": null,
      "tier": "unmaintained",
      "unbuildable": [
        {
          "arch": "ppc64le",
          "distro": "debian-trixie",
          "reason": "its compiler knows no ppc64le"
        }
      ],
      "wanted": true
    }
    "#);
    assert_eq!(images["version"], 1);
    let distros = json(&folder, &["list", "distros"]);
    assert_eq!(distros["distros"][1]["archives"][0]["suites"][1], "trixie-updates");
    assert_eq!(distros["distros"][1]["default"], true);
    let arches = json(&folder, &["list", "arches"]);
    assert_eq!(arches["arches"][0]["debian"], "ppc64el");
}
