//! Who reads: identities, recipients, files that cannot be read.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::world::{World, streams};
use crate::oracle::{has, stdout};

#[test]
fn without_recipients_nothing_is_written_and_a_key_is_the_way() {
    let world = World::without_recipient();
    let (_, said) = world.ends(1, &["generate"]);
    assert!(said.contains("the estate `cloud` names nobody who can read its secrets"), "{said}");
    assert!(said.contains("wharf secrets keygen"), "{said}");
    assert!(!world.vault().exists());
}

#[test]
fn a_recipient_that_is_none_is_named_and_a_secret_key_is_not() {
    let world = World::without_recipient();
    world.estate("recipient \"age1nonsense\"");
    let (_, said) = world.ends(1, &["generate"]);
    assert!(said.contains("`age1nonsense` is no recipient"), "{said}");
    let key = fs::read_to_string(world.path("keys/me")).unwrap();
    let key = key.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap();
    world.estate(&format!("recipient \"{key}\""));
    let (_, said) = world.ends(1, &["generate"]);
    assert!(said.contains("is a secret key"), "{said}");
    assert!(!said.contains(key), "{said}");
}

#[test]
fn without_an_identity_the_ways_to_one_are_said() {
    let world = World::new("");
    world.out(&["generate"]);
    let output = world.command(&["list"]).env_remove("WHARF_IDENTITY").output().unwrap();
    let (_, said) = streams(1, &output);
    assert!(
        said.contains("there is no identity to read secrets with") && said.contains("config/wharf/identity"),
        "{said}"
    );
    for way in ["wharf secrets keygen", "--identity", "WHARF_IDENTITY"] {
        assert!(said.contains(way), "{said}");
    }
    let output = world.command(&["list"]).env("WHARF_IDENTITY", "").output().unwrap();
    assert!(streams(1, &output).1.contains("config/wharf/identity"));
    // In the user's configuration folder it is found.
    world.file("config/wharf/identity", &fs::read_to_string(world.path("keys/me")).unwrap());
    let output = world.command(&["list"]).env_remove("WHARF_IDENTITY").output().unwrap();
    streams(0, &output);
}

#[test]
fn another_identity_reads_nothing_until_a_rekey() {
    let world = World::new("");
    world.out(&["generate"]);
    let value = world.out(&["get", "api-db"]);
    let other = world.key("other");
    let path = world.path("keys/other");
    let as_other = |code, arguments: &[&str]| {
        let output = world.command(arguments).env("WHARF_IDENTITY", &path).output().unwrap();
        streams(code, &output)
    };
    let (_, said) = as_other(1, &["get", "api-db"]);
    assert!(said.contains("is not encrypted for the identity in") && said.contains("rekey"), "{said}");
    world.estate(&format!("recipient \"{}\" \"{other}\"", world.recipient));
    // A recipient in the spec alone reads nothing, also after a change; it is said.
    let output = world.set("smtp-password", b"x\n");
    let (_, said) = streams(0, &output);
    assert!(said.contains("is not yet encrypted for a recipient of the estate") && said.contains(&other), "{said}");
    as_other(1, &["get", "api-db"]);
    let (_, said) = world.ends(0, &["rekey"]);
    assert!(said.contains(&format!("new: {other}")), "{said}");
    assert_eq!(as_other(0, &["get", "api-db"]).0, value);
    // And who leaves.
    world.estate(&format!("recipient \"{other}\""));
    let (_, said) = world.ends(0, &["rekey"]);
    assert!(said.contains(&format!("gone: {}", world.recipient)), "{said}");
    assert!(said.contains("your own identity does not read it any more"), "{said}");
    world.ends(1, &["list"]);
    assert_eq!(as_other(0, &["get", "api-db"]).0, value);
}

#[test]
fn a_rekey_keeps_values_and_the_hash_key() {
    if !has("age") {
        return;
    }
    let world = World::new("generate \"n\" kind=\"ssh-ed25519\"");
    world.out(&["generate"]);
    let key = world.path("keys/me");
    let inside = || {
        let age =
            ["--decrypt", "--identity", key.to_str().unwrap(), world.vault().to_str().unwrap()].map(str::to_owned);
        let age: Vec<&str> = age.iter().map(String::as_str).collect();
        serde_json::from_str::<serde_json::Value>(&stdout("age", &age)).unwrap()
    };
    let before = inside();
    assert_eq!(before["recipients"].as_array().unwrap().len(), 1);
    world.estate(&format!(
        "recipient \"{}\" \"{}\"\ngenerate \"n\" kind=\"ssh-ed25519\"",
        world.recipient,
        world.key("other")
    ));
    let sealed = fs::read(world.vault()).unwrap();
    world.out(&["rekey"]);
    assert_ne!(fs::read(world.vault()).unwrap(), sealed);
    let after = inside();
    assert_eq!(after["hash-key"], before["hash-key"]);
    assert_eq!(after["secrets"], before["secrets"]);
    assert_eq!(after["recipients"].as_array().unwrap().len(), 2);
    assert_eq!(after["secrets"]["api-db"]["text"].as_str().unwrap(), world.out(&["get", "api-db"]));
}

#[test]
fn an_ssh_key_can_be_an_identity() {
    if !has("ssh-keygen") {
        return;
    }
    let world = World::without_recipient();
    let path = world.path("keys/id");
    stdout("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "me@here", "-f", path.to_str().unwrap()]);
    let public = fs::read_to_string(path.with_extension("pub")).unwrap();
    world.estate(&format!("recipient \"{}\"", public.trim()));
    let run = |code, arguments: &[&str]| {
        streams(code, &world.command(arguments).env("WHARF_IDENTITY", &path).output().unwrap())
    };
    run(0, &["generate"]);
    let (value, said) = run(0, &["get", "api-db"]);
    assert_eq!((value.len(), said.as_str()), (24, ""));
    world.ends(1, &["get", "api-db"]);
    stdout("ssh-keygen", &["-q", "-p", "-P", "", "-N", "geheim", "-f", path.to_str().unwrap()]);
    let (_, said) = run(1, &["get", "api-db"]);
    assert!(said.contains("its ssh key has a passphrase"), "{said}");
}

#[test]
fn a_key_that_is_there_is_never_overwritten_and_is_its_owners_alone() {
    let world = World::new("");
    let path = world.path("keys/me");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&path).unwrap();
    let (_, said) = world.ends(1, &["keygen"]);
    assert!(said.contains("is there already"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), before);
    let output = world.command(&["keygen"]).env_remove("WHARF_IDENTITY").output().unwrap();
    streams(0, &output);
    let mode = |path: &str| fs::metadata(world.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("config/wharf"), mode("config/wharf/identity")), (0o700, 0o600));
}

#[test]
fn a_damaged_file_is_refused_and_stays() {
    let world = World::new("");
    world.out(&["generate"]);
    let good = fs::read_to_string(world.vault()).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let without_a_line = [&lines[..lines.len() - 2], &lines[lines.len() - 1..]].concat().join("\n");
    let swapped = good.replace(lines[3], &lines[3].chars().rev().collect::<String>());
    for bad in ["", "geheim", "<<<<<<< ours\n", &without_a_line, &swapped, &good[..good.len() / 2]] {
        fs::write(world.vault(), bad).unwrap();
        for arguments in [&["list"][..], &["get", "api-db"], &["generate"], &["rekey"]] {
            let (_, said) = world.ends(1, arguments);
            assert!(said.contains("cannot be decrypted"), "{bad:?}: {said}");
        }
        assert_eq!(world.set("api-db", b"x").status.code(), Some(1));
        assert_eq!(fs::read_to_string(world.vault()).unwrap(), bad);
    }
}

#[test]
fn what_is_inside_and_not_ours_is_refused_without_a_word_of_it() {
    if !has("age") {
        return;
    }
    let world = World::new("");
    fs::create_dir(world.path("p/secrets")).unwrap();
    for (text, expected) in [
        ("geheim: geheim", "was not written by wharf: line 1"),
        ("{\"wharf-secrets\": 9, \"x\": \"geheim\"}", "is of version 9, and this wharf knows 1"),
        ("{\"wharf-secrets\": 1,\n\"hash-key\": \"geheim\"}", "was not written by wharf: line 2"),
    ] {
        world.file("plain", text);
        let (from, to) = (world.path("plain"), world.vault());
        stdout("age", &["-a", "-r", &world.recipient, "-o", to.to_str().unwrap(), from.to_str().unwrap()]);
        let (_, said) = world.ends(1, &["list"]);
        assert!(said.contains(expected) && !said.contains("geheim"), "{said}");
    }
}
