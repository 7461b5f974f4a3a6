//! The command line as a whole: help, usage errors, manual pages, completions, what is printed and how.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::oracle::{has, wharf, wharf_ends};

/// Every verb that `--help` lists.
fn verbs() -> Vec<String> {
    let (help, _) = wharf_ends(0, &["--help"]);
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let words = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let verbs: Vec<String> = words.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert!(verbs.len() > 10, "{verbs:?}");
    verbs.into_iter().filter(|verb| verb != "help").collect()
}

#[test]
fn usage_errors_exit_with_64_and_say_what_is_near() {
    for arguments in [&["frobnicate"][..], &["build", "--no-such"], &["build", "--jobs", "0"], &["completions"], &[]] {
        let output = wharf(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    let (_, said) = wharf_ends(64, &["biuld"]);
    assert!(said.contains("'build'"), "{said}");
    let (_, said) = wharf_ends(64, &["build", "--ofline"]);
    assert!(said.contains("'--offline'"), "{said}");
}

#[test]
fn every_verb_shows_an_example() {
    for verb in verbs() {
        let (help, _) = wharf_ends(0, &["help", &verb]);
        assert!(help.contains("\nExample"), "`wharf help {verb}` shows no example:\n{help}");
        assert!(
            help.contains(&format!("  wharf {verb}")) || help.contains(&format!("  wharf --json {verb}")),
            "{help}"
        );
        assert_eq!(wharf_ends(0, &[&verb, "--help"]).0, help);
    }
}

#[test]
fn every_verb_has_a_manual_page_that_man_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("man");
    wharf_ends(0, &["man", "--to", to.to_str().unwrap()]);
    let pages: BTreeSet<String> =
        std::fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    for verb in verbs() {
        assert!(pages.contains(&format!("wharf-{verb}.1")), "{verb}: {pages:?}");
    }
    assert!(pages.contains("wharf.1"));
    let (first, _) = wharf_ends(0, &["man"]);
    assert!(first.starts_with(".ie") || first.contains(".TH wharf 1"), "{first}");
    if !has("man") {
        return;
    }
    for page in &pages {
        let mut command = Command::new("man");
        command.args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8"]).arg(to.join(page)).env("MANWIDTH", "100");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{page}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{page}");
    }
}

#[test]
fn completions_know_every_verb_and_shells_accept_them() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (script, _) = wharf_ends(0, &["completions", shell]);
        for verb in verbs() {
            assert!(script.contains(&verb), "{shell} does not know {verb}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.bash");
    std::fs::write(&path, wharf_ends(0, &["completions", "bash"]).0).unwrap();
    let asked = format!(
        "source {}; COMP_WORDS=(wharf bui); COMP_CWORD=1; _wharf wharf bui wharf; echo \"${{COMPREPLY[@]}}\"",
        path.display()
    );
    let output = Command::new("bash").args(["--norc", "-c", &asked]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "build\n", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn quiet_leaves_results_and_mistakes() {
    let root = env!("CARGO_MANIFEST_DIR");
    let (out, said) = wharf_ends(0, &["-C", root, "--quiet", "check"]);
    assert_eq!((out.as_str(), said.as_str()), ("", ""));
    let (_, said) = wharf_ends(0, &["-C", root, "check"]);
    assert!(said.starts_with("no mistakes: "), "{said}");
    let (out, _) = wharf_ends(0, &["-C", root, "--quiet", "--json", "check"]);
    assert!(out.contains("\"version\": 1"), "{out}");
    let (_, said) = wharf_ends(1, &["-C", "/nowhere", "--quiet", "check"]);
    assert!(said.contains("there is no folder /nowhere"), "{said}");
}

/// What `check` says of one mistake, on a terminal of its own (script(1) makes one).
fn on_a_terminal(project: &Path, flags: &str, no_color: &str) -> String {
    let inner = format!("{} -C {} {flags} check", env!("CARGO_BIN_EXE_wharf"), project.display());
    let output = Command::new("script")
        .args(["-qec", &inner, "/dev/null"])
        .env("NO_COLOR", no_color)
        .env("TERM", "xterm")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn colour_is_for_terminals_unless_the_user_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    for part in ["specs", "targets"] {
        std::fs::create_dir(folder.path().join(part)).unwrap();
    }
    std::fs::write(folder.path().join("specs/a.kdl"), "imagee \"a\"\n").unwrap();
    let project = folder.path().display().to_string();
    let piped = |more: &[&str]| wharf_ends(1, &[&["-C", &project, "check"], more].concat()).1;
    assert!(!piped(&[]).contains('\x1b'));
    assert!(!piped(&["--color", "never"]).contains('\x1b'));
    assert!(piped(&["--color", "always"]).contains('\x1b'));
    if !has("script") {
        return;
    }
    assert!(on_a_terminal(folder.path(), "", "").contains("\x1b["));
    assert!(!on_a_terminal(folder.path(), "", "1").contains("\x1b["));
    assert!(!on_a_terminal(folder.path(), "--color never", "").contains("\x1b["));
    assert!(on_a_terminal(folder.path(), "--color always", "1").contains("\x1b["));
}
