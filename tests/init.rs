//! `wharf init`.

use std::fs;

use crate::oracle::wharf_ends;

#[test]
fn a_folder_that_is_a_project_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    fs::create_dir(folder.path().join("specs")).unwrap();
    fs::write(folder.path().join("specs/mine.kdl"), "").unwrap();
    let (_, said) = wharf_ends(1, &["init", &path]);
    assert!(said.contains("is a project already: it has specs/"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_it_makes_has_no_mistakes_and_is_formatted() {
    let folder = tempfile::tempdir().unwrap();
    for more in [&[][..], &["--vendor"]] {
        let path = folder.path().join(format!("new{}", more.len())).display().to_string();
        wharf_ends(0, &[&["init", &path], more].concat());
        let (out, _) = wharf_ends(0, &["--json", "-C", &path, "check"]);
        let document: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert!(document["counts"]["images"].as_u64().unwrap() > 1, "{out}");
        wharf_ends(0, &["-C", &path, "fmt", "--check"]);
        assert_eq!(fs::read_to_string(format!("{path}/.gitignore")).unwrap(), ".wharf/\n");
        let (_, said) = wharf_ends(1, &["init", &path]);
        assert!(said.contains("is a project already"), "{said}");
    }
}

#[test]
fn a_vendored_catalogue_is_the_one_of_the_binary() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str, more: &[&str]| {
        let path = folder.path().join(name);
        wharf_ends(0, &[&["init", &path.display().to_string()], more].concat());
        wharf::estate::load(&path).unwrap()
    };
    let (embedded, vendored) = (load("a", &[]), load("b", &["--vendor"]));
    assert_eq!(embedded.imports["catalogue"], vendored.imports["./catalogue"]);
    assert_eq!(embedded.images.keys().collect::<Vec<_>>(), vendored.images.keys().collect::<Vec<_>>());
    let wanted: Vec<_> = vendored.wanted.iter().map(|name| name.as_str()).collect();
    assert_eq!(wanted, ["base", "hello"]);
}

#[test]
fn a_gitignore_that_is_there_is_added_to_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    fs::write(folder.path().join(".gitignore"), "target/").unwrap();
    wharf_ends(0, &["init", &path]);
    assert_eq!(fs::read_to_string(folder.path().join(".gitignore")).unwrap(), "target/\n.wharf/\n");
}
