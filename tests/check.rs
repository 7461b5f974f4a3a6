//! `wharf check`.

use std::fs;
use std::path::Path;

use crate::oracle::{wharf, wharf_ends};

/// This repository: its folders are a project, and the catalogue.
const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn check(folder: &Path, code: i32) -> (String, String) {
    let output = wharf(&["-C", &folder.display().to_string(), "check"]);
    assert_eq!(output.status.code(), Some(code));
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_folder_that_is_no_project_is_said() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let (out, said) = wharf_ends(1, &["-C", &folder.path().display().to_string(), "check"]);
    assert_eq!(out, "");
    assert!(said.contains("there is no project at"), "{said}");
    assert!(said.contains("`wharf init` starts one"), "{said}");
    let (_, said) = wharf_ends(1, &["-C", "/nowhere/at/all", "check"]);
    assert!(said.contains("there is no folder /nowhere/at/all"), "{said}");
}

#[test]
fn every_mistake_of_every_file_is_underlined() {
    let folder = project(&[
        ("specs/a.kdl", "image \"a\" {\n    exposes 5000 // é\n    user \"é\" 5\n}\n"),
        ("specs/b.kdl", "image \"b\" {\n    from \"aa\"\n}\n"),
    ]);
    let (out, said) = check(folder.path(), 1);
    assert_eq!(out, "");
    insta::assert_snapshot!(said, @r#"
     x unknown node `exposes` in `image`
      ,-[specs/a.kdl:2:5]
    1 | image "a" {
    2 |     exposes 5000 // é
      :     ^^^|^^^
      :        `-- not known here
    3 |     user "é" 5
      `----
     help: did you mean `expose`?

     x `user` takes one argument
      ,-[specs/a.kdl:3:14]
    2 |     exposes 5000 // é
    3 |     user "é" 5
      :              |
      :              `-- one too many
    4 | }
      `----

     x `b` is built from `aa`, which does not exist
      ,-[specs/b.kdl:2:10]
    1 | image "b" {
    2 |     from "aa"
      :          ^^|^
      :            `-- no such image
    3 | }
      `----
     help: did you mean `a`?

     x 3 mistakes in 2 files
    "#);
}

#[test]
fn mistakes_are_one_document_with_json() {
    let folder = project(&[("specs/a.kdl", "image \"a\" {\n    user \"é\" 5\n    exposes 1\n}\nimage \"a\"\n")]);
    let (out, said) = wharf_ends(1, &["--json", "-C", &folder.path().display().to_string(), "check"]);
    assert_eq!(said, "");
    insta::assert_snapshot!(out, @r#"
    {
      "version": 1,
      "mistakes": [
        {
          "code": "extra-argument",
          "message": "`user` takes one argument",
          "label": "one too many",
          "help": null,
          "file": "specs/a.kdl",
          "line": 2,
          "column": 14,
          "length": 1,
          "also": []
        },
        {
          "code": "unknown-node",
          "message": "unknown node `exposes` in `image`",
          "label": "not known here",
          "help": "did you mean `expose`?",
          "file": "specs/a.kdl",
          "line": 3,
          "column": 5,
          "length": 7,
          "also": []
        },
        {
          "code": "duplicate",
          "message": "there are two of image `a`",
          "label": "the second",
          "help": "rename one, or mark the one that counts: (replace)image \"a\"",
          "file": "specs/a.kdl",
          "line": 5,
          "column": 1,
          "length": 9,
          "also": [
            {
              "label": "the first",
              "file": "specs/a.kdl",
              "line": 1,
              "column": 1,
              "length": 9
            }
          ]
        }
      ],
      "warnings": [],
      "files": 1
    }
    "#);
    let (out, _) = wharf_ends(0, &["--json", "-C", REPOSITORY, "check"]);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["mistakes"].as_array().unwrap().len(), 0);
    assert!(document["counts"]["builds"].as_u64().unwrap() > 0);
}

#[test]
fn what_this_repository_ships_has_no_mistakes() {
    let (_, said) = wharf_ends(0, &["-C", REPOSITORY, "check"]);
    assert!(said.starts_with("no mistakes: "), "{said}");
}

#[test]
fn the_examples_of_the_guide_are_kdl_laid_out_by_fmt() {
    let guide = fs::read_to_string(Path::new(REPOSITORY).join("docs/guide/language.md")).unwrap();
    let blocks: Vec<&str> = guide.split("```kdl\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() > 6);
    for block in blocks {
        let id = wharf::spec::Sources::default().add("guide".to_owned(), String::new(), wharf::spec::Origin::Project);
        assert_eq!(wharf::spec::format(id, block).unwrap(), block);
    }
}

#[test]
fn the_project_is_found_from_a_folder_inside_it() {
    let inside = Path::new(REPOSITORY).join("specs/images");
    wharf_ends(0, &["-C", &inside.display().to_string(), "check"]);
}
