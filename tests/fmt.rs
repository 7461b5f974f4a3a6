//! `wharf fmt`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::oracle::wharf_ends;

const UGLY: &str = "// why\nimage \"a\"   { packages  \"bb\"\n\n\n\n  user \"c\"// who\n}\n";
const NEAT: &str = "// why\nimage \"a\" {\n    packages \"bb\"\n\n    user \"c\" // who\n}\n";

fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in ["specs/deep", "targets", "layers/x"] {
        fs::create_dir_all(folder.path().join(part)).unwrap();
    }
    fs::write(folder.path().join("specs/deep/a.kdl"), UGLY).unwrap();
    fs::write(folder.path().join("targets/b.kdl"), NEAT).unwrap();
    fs::write(folder.path().join("layers/x/not-a-spec.kdl"), UGLY).unwrap();
    folder
}

fn fmt(code: i32, folder: &Path, more: &[&str]) -> (String, String) {
    wharf_ends(code, &[&["-C", &folder.display().to_string(), "fmt"], more].concat())
}

#[test]
fn a_file_that_is_no_kdl_is_named_and_stays_while_others_are_formatted() {
    let folder = project();
    fs::write(folder.path().join("specs/bad.kdl"), "image \"a\" {\n").unwrap();
    let (_, said) = fmt(1, folder.path(), &[]);
    assert!(said.contains("this `{` is never closed"), "{said}");
    assert!(said.contains("specs/bad.kdl:1:11"), "{said}");
    assert_eq!(fs::read_to_string(folder.path().join("specs/bad.kdl")).unwrap(), "image \"a\" {\n");
    assert_eq!(fs::read_to_string(folder.path().join("specs/deep/a.kdl")).unwrap(), NEAT);
}

#[test]
fn check_changes_nothing_and_ends_with_2() {
    let folder = project();
    let (_, said) = fmt(2, folder.path(), &["--check"]);
    assert!(said.contains("would format specs/deep/a.kdl"), "{said}");
    assert_eq!(fs::read_to_string(folder.path().join("specs/deep/a.kdl")).unwrap(), UGLY);
    fmt(0, folder.path(), &[]);
    fmt(0, folder.path(), &["--check"]);
    assert_eq!(fs::read_to_string(folder.path().join("layers/x/not-a-spec.kdl")).unwrap(), UGLY);
}

#[test]
fn files_are_named_and_keep_their_mode() {
    let folder = project();
    let file = folder.path().join("specs/deep/a.kdl");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let (out, _) = fmt(0, folder.path(), &["--json", &file.display().to_string()]);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["version"], 1);
    assert_eq!((document["files"].as_u64(), document["changed"].as_array().unwrap().len()), (Some(1), 1));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_to_string(&file).unwrap(), NEAT);
}

#[test]
fn a_file_that_is_not_there_is_said() {
    let folder = project();
    let (_, said) = fmt(1, folder.path(), &["/nowhere.kdl"]);
    assert!(said.contains("cannot format /nowhere.kdl: No such file"), "{said}");
}

#[test]
fn what_this_repository_ships_is_formatted() {
    fmt(0, Path::new(env!("CARGO_MANIFEST_DIR")), &["--check"]);
}
