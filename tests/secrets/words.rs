//! Values: get, set, edit, list; and that none is ever seen elsewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::world::{World, streams};
use crate::oracle::{has, joined};

/// What no output may hold.
const VALUE: &str = "geheim-9f3b1c7d";

#[test]
fn unknown_names_get_the_nearest() {
    let world = World::new("");
    let (_, said) = world.ends(1, &["get", "api-db"]);
    assert!(said.contains("the estate `cloud` has no secrets yet") && said.contains("generate"), "{said}");
    world.out(&["generate"]);
    let (out, said) = world.ends(1, &["get", "api-bd"]);
    assert!(out.is_empty() && said.contains("there is no secret `api-bd`") && said.contains("`api-db`"), "{said}");
    let (_, said) = world.ends(1, &["generate", "api-bd"]);
    assert!(said.contains("no rule makes `api-bd`") && said.contains("did you mean `api-db`?"), "{said}");
    let (_, said) = world.ends(64, &["get", "Not A Name"]);
    assert!(said.contains("cannot be a secret's name"), "{said}");
    let (_, said) = streams(0, &world.set("smtp-pasword", VALUE.as_bytes()));
    assert!(
        said.contains("nothing in the estate `cloud` uses `smtp-pasword` yet: did you mean `smtp-password`?"),
        "{said}"
    );
    assert!(world.out(&["list"]).lines().any(|line| line.starts_with("smtp-pasword") && line.contains("unused")));
}

#[test]
fn an_estate_must_be_chosen_where_there_are_several() {
    let world = World::new("");
    world.file("p/targets/lab.kdl", "estate \"lab\" {\nhost \"l\" address=\"10.0.0.9\" { role \"control\" }\n}\n");
    let (_, said) = world.ends(1, &["list"]);
    assert!(said.contains("several estates: `cloud`, `lab`") && said.contains("--estate"), "{said}");
    let (_, said) = world.ends(1, &["--estate", "lap", "list"]);
    assert!(said.contains("there is no estate `lap`") && said.contains("did you mean `lab`?"), "{said}");
    world.out(&["--estate", "cloud", "generate"]);
    assert!(world.vault().exists() && !world.path("p/secrets/lab.age").exists());
}

#[test]
fn values_go_in_and_come_out_as_they_were() {
    let world = World::new("");
    let bytes: Vec<u8> = (0..=255).collect();
    for (given, kept) in [
        (b"one line\n".to_vec(), b"one line".to_vec()),
        (b"two\nlines\n".to_vec(), b"two\nlines\n".to_vec()),
        ("  blänk \\ \"quotes\"".into(), "  blänk \\ \"quotes\"".into()),
        (bytes.clone(), bytes),
    ] {
        streams(0, &world.set("smtp-password", &given));
        assert_eq!(world.command(&["get", "smtp-password"]).output().unwrap().stdout, kept);
        // An edit that changes nothing changes nothing.
        let (_, said) = streams(0, &world.edit("exit 0"));
        assert!(said.contains("nothing was changed"), "{said}");
    }
    world.file("value", "exact\n");
    let file = world.path("value");
    world.out(&["set", "smtp-password", "--exact", "--file", file.to_str().unwrap()]);
    assert_eq!(world.out(&["get", "smtp-password"]), "exact\n");
    let document: serde_json::Value = serde_json::from_str(&world.out(&["--json", "get", "smtp-password"])).unwrap();
    assert_eq!(document["base64"], "ZXhhY3QK");
    let (_, said) = world.ends(0, &["set", "smtp-password", "--exact", "--file", file.to_str().unwrap()]);
    assert!(said.contains("has that value already"), "{said}");
}

#[test]
fn values_that_podman_refuses_are_refused() {
    let world = World::new("");
    let (_, said) = streams(1, &world.set("smtp-password", b"\n"));
    assert!(said.contains("is 0 bytes long") && said.contains("1 to 511999"), "{said}");
    streams(1, &world.set("smtp-password", &vec![b'x'; 512_000]));
    let (_, said) = world.ends(1, &["set", "smtp-password", "--file", "/nowhere"]);
    assert!(said.contains("/nowhere"), "{said}");
    assert!(!world.vault().exists());
}

#[test]
fn the_list_tells_states_and_users() {
    let world =
        World::new("generate \"key\" kind=\"ssh-ed25519\"\ngenerate \"ca\" kind=\"ca\" common-name=\"X\" days=30");
    let states = || {
        let document: serde_json::Value = serde_json::from_str(&world.out(&["--json", "list"])).unwrap();
        let line = |line: &serde_json::Value| {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            format!("{} {} {}", text("name"), text("kind"), text("state"))
        };
        document["secrets"].as_array().unwrap().iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(
        states(),
        [
            "api-db text missing",
            "api-token by-hand missing",
            "ca ca missing",
            "ca.key ca missing",
            "key ssh-ed25519 missing",
            "key.pub ssh-ed25519 missing",
            "smtp-password by-hand missing",
        ]
    );
    let (_, said) = world.ends(0, &["generate"]);
    assert!(said.contains("no rule makes `api-token`: wharf secrets set api-token"), "{said}");
    world.set("api-token", VALUE.as_bytes());
    world.set("old", VALUE.as_bytes());
    world.estate(&format!(
        "recipient \"{}\"\ngenerate \"api-db\" length=40\ngenerate \"key\" kind=\"ssh-ed25519\"\n\
         generate \"ca\" kind=\"ca\" common-name=\"X\" days=40 renew=\"39d\"",
        world.recipient
    ));
    assert_eq!(
        states(),
        [
            "api-db text other-rule",
            "api-token by-hand present",
            "ca ca ending",
            "ca.key ca other-rule",
            "key ssh-ed25519 present",
            "key.pub ssh-ed25519 present",
            "old by-hand unused",
            "smtp-password by-hand missing",
        ]
    );
    let table = world.out(&["list"]);
    let line = table.lines().find(|line| line.starts_with("api-db")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["api-db", "text", "other-rule", "api"]);
}

#[test]
fn an_editor_that_fails_changes_nothing_and_leaves_nothing() {
    let world = World::new("");
    streams(0, &world.set("smtp-password", VALUE.as_bytes()));
    let before = fs::read(world.vault()).unwrap();
    let said_path = world.path("where");
    let note = format!("dirname \"$1\" > {}", said_path.display());
    for script in [
        "echo 'api-db: x' >> \"$1\"; exit 3",
        "kill -9 $$",
        "rm \"$1\"",
        "echo nonsense >> \"$1\"",
        "echo 'smtp-password: twice' >> \"$1\"",
        "printf 'x: \\377\\n' >> \"$1\"",
        "echo 'x:' >> \"$1\"",
    ] {
        let output = world.edit(&format!("{note}; cp \"$1\" \"$1~\"; {script}"));
        let (out, said) = streams(1, &output);
        assert!(out.is_empty() && !said.contains(VALUE) && !said.contains("nonsense"), "{script}: {said}");
        assert_eq!(fs::read(world.vault()).unwrap(), before, "{script}");
        let folder = fs::read_to_string(&said_path).unwrap();
        assert!(!fs::exists(folder.trim()).unwrap(), "{script}: {folder}");
    }
    let output = world.command(&["edit"]).env("EDITOR", "/nowhere/editor --wait").output().unwrap();
    let (_, said) = streams(1, &output);
    assert!(said.contains("the editor `/nowhere/editor --wait` ended badly"), "{said}");
}

#[test]
fn the_text_to_edit_is_its_owners_alone_and_in_memory() {
    let world = World::new("");
    streams(0, &world.set("smtp-password", VALUE.as_bytes()));
    let modes = world.path("modes");
    let script = format!("stat -c %a \"$1\" \"$(dirname \"$1\")\" > {0}; stat -f -c %T \"$1\" >> {0}", modes.display());
    streams(0, &world.edit(&script));
    let text = fs::read_to_string(modes).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["600", "700"]);
    let in_memory = Command::new("stat").args(["-f", "-c", "%T", "/dev/shm"]).output().unwrap().stdout;
    if in_memory == b"tmpfs\n" {
        assert_eq!(lines[2], "tmpfs");
    }
}

#[test]
fn an_edit_adds_changes_and_removes() {
    let world = World::new("");
    world.out(&["generate"]);
    streams(0, &world.set("smtp-password", b"one"));
    let output = world.edit("sed -i 's/^smtp-password:.*/new: two/; s/^api-db:.*/api-db: by hand/' \"$1\"");
    let (out, said) = streams(0, &output);
    assert!(out.is_empty());
    assert!(said.contains("added `new`\nchanged `api-db`\nremoved `smtp-password`\n"), "{said}");
    assert_eq!((world.out(&["get", "new"]), world.out(&["get", "api-db"])), ("two".to_owned(), "by hand".to_owned()));
    world.ends(1, &["get", "smtp-password"]);
    // What was set by hand stays.
    let (_, said) = world.ends(0, &["generate"]);
    assert!(said.contains("nothing to make"), "{said}");
    assert_eq!(world.out(&["get", "api-db"]), "by hand");
}

#[test]
fn two_writers_never_meet() {
    let world = World::new("");
    world.out(&["generate"]);
    let (ready, done) = (world.path("ready"), world.path("done"));
    world.file(
        "slow",
        &format!(
            "touch {}; for i in $(seq 200); do test -e {} && break; sleep 0.05; done; echo 'late: x' >> \"$1\"\n",
            ready.display(),
            done.display()
        ),
    );
    let editor = format!("sh {}", world.path("slow").display());
    let mut command = world.command(&["edit"]);
    let child = command.env("EDITOR", editor).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&ready);
    for output in [world.set("api-db", b"x"), world.command(&["generate"]).output().unwrap(), world.edit("exit 0")] {
        let (_, said) = streams(5, &output);
        assert!(said.contains("another wharf is changing"), "{said}");
    }
    // Who only reads need not wait.
    world.out(&["get", "api-db"]);
    fs::write(&done, "").unwrap();
    streams(0, &child.wait_with_output().unwrap());
    assert_eq!(world.out(&["get", "late"]), "x");
}

#[test]
fn of_many_writers_at_once_none_loses_what_another_wrote() {
    let world = World::new("");
    let codes: Vec<(String, Option<i32>)> = std::thread::scope(|scope| {
        let world = &world;
        let write = move |number: usize| {
            let name = format!("secret-{number}");
            let code = world.set(&name, name.as_bytes()).status.code();
            (name, code)
        };
        let threads: Vec<_> = (0..8).map(|number| scope.spawn(move || write(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(codes.iter().all(|(_, code)| matches!(code, Some(0 | 5))), "{codes:?}");
    let written: Vec<_> = codes.iter().filter(|(_, code)| *code == Some(0)).collect();
    assert!(!written.is_empty());
    for (name, _) in written {
        assert_eq!(world.out(&["get", name]), *name);
    }
}

#[test]
fn a_file_that_changed_under_an_editor_is_not_overwritten() {
    let world = World::new("");
    world.out(&["generate"]);
    let other = fs::read(world.vault()).unwrap();
    streams(0, &world.set("smtp-password", b"x"));
    world.file("other", std::str::from_utf8(&other).unwrap());
    let script = format!("cp {} {}; echo 'new: y' >> \"$1\"", world.path("other").display(), world.vault().display());
    let (_, said) = streams(1, &world.edit(&script));
    assert!(said.contains("was changed by something else meanwhile"), "{said}");
    assert_eq!(fs::read(world.vault()).unwrap(), other);
}

#[test]
fn who_is_told_to_end_wipes_the_text_first() {
    let world = World::new("");
    streams(0, &world.set("smtp-password", VALUE.as_bytes()));
    let before = fs::read(world.vault()).unwrap();
    for signal in ["TERM", "HUP"] {
        let place = world.path(&format!("place-{signal}"));
        world.file("slow", &format!("dirname \"$1\" > {0}.new; mv {0}.new {0}; exec sleep 30\n", place.display()));
        let mut command = world.command(&["edit"]);
        command.env("EDITOR", format!("sh {}", world.path("slow").display()));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for(&place);
        let began = Instant::now();
        assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
        let (_, said) = streams(1, &child.wait_with_output().unwrap());
        assert!(said.contains("told to end: nothing was changed"), "{said}");
        assert!(began.elapsed() < Duration::from_secs(20));
        let folder = fs::read_to_string(&place).unwrap();
        assert!(!fs::exists(folder.trim()).unwrap(), "{folder}");
        assert_eq!(fs::read(world.vault()).unwrap(), before);
    }
}

#[test]
fn on_a_terminal_a_value_is_asked_for_and_not_shown() {
    if !has("script") {
        return;
    }
    let world = World::new("");
    // The terminal that script(1) makes reads what comes through the pipe.
    let wharf = env!("CARGO_BIN_EXE_wharf");
    let line = format!("{wharf} -C {} secrets set smtp-password", world.path("p").display());
    let mut command = Command::new("sh");
    let feed = format!("(sleep 2; printf 'x\\177{VALUE}\\n'; sleep 2) | script -qec '{line}' /dev/null");
    command.args(["-c", &feed]).env("WHARF_IDENTITY", world.path("keys/me"));
    let output = command.output().unwrap();
    let seen = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(seen.contains("Value of `smtp-password`: "), "{seen}");
    // script's own terminal echoes before wharf has asked, never after.
    assert!(!seen.split("Value of").nth(1).unwrap().contains(VALUE), "{seen}");
    assert_eq!(world.out(&["get", "smtp-password"]), VALUE);
}

#[test]
fn no_value_is_seen_anywhere() {
    let world = World::new("generate \"ca\" kind=\"ca\" common-name=\"X\"\ngenerate \"n\" kind=\"ssh-ed25519\"");
    let mut seen = Vec::new();
    let mut run = |output: std::process::Output| {
        seen.push(output.stdout);
        seen.push(output.stderr);
    };
    run(world.command(&["generate"]).output().unwrap());
    run(world.set("smtp-password", VALUE.as_bytes()));
    run(world.set("api-token", b"-----BEGIN-----\ngeheim-9f3b1c7d\n"));
    for arguments in [
        &["list"][..],
        &["--json", "list"],
        &["generate", "--rotate", "api-db"],
        &["--json", "generate"],
        &["get", "smtp-passwort"],
        &["rekey"],
    ] {
        run(world.command(arguments).output().unwrap());
    }
    run(world.edit(&format!("echo 'bad line {VALUE}' >> \"$1\"")));
    run(world.edit(&format!("echo 'NOT {VALUE}: x' >> \"$1\"")));
    run(world.edit(&format!("echo 'x: base64 {VALUE}!' >> \"$1\"")));
    run(world.edit("echo 'y: z' >> \"$1\""));
    run(world.set("smtp-password", VALUE.as_bytes()));
    let mut values = vec![VALUE.to_owned()];
    for name in ["api-db", "ca.key", "n"] {
        let value = world.out(&["get", name]);
        let middle = value.lines().nth(usize::from(value.lines().count() > 2)).unwrap().to_owned();
        values.push(middle);
    }
    let files = world.files().into_iter().map(|(_, bytes)| bytes);
    for text in seen.into_iter().chain(files) {
        let text = String::from_utf8_lossy(&text).into_owned();
        for value in &values {
            assert!(!text.contains(value) && !joined(&text).contains(value), "{value} in {text}");
        }
    }
    for (path, _) in world.files().iter().filter(|(path, _)| path.starts_with(world.path("p/secrets"))) {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        assert_eq!(*path, world.vault(), "nothing else lies there");
    }
}

fn wait_for(path: &std::path::Path) {
    let until = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < until, "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}
