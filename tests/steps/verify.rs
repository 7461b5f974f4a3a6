//! `wharf verify`: what is the same when it is built again, and what is not.

use std::fs;

use super::{Steps, Who};

const IMAGES: &str = r#"
image "steady" {
    from "base"
    run "date > /opt-now; rm /opt-now; echo steady > /opt-file; ln -s /opt-file /opt-link"
}
image "fickle" {
    from "base"
    run "cat /proc/sys/kernel/random/uuid > /opt-stamp; echo same > /opt-same" { cache "/var/cache/x" }
}
"#;

#[test]
fn what_differs_when_it_is_built_again_is_named() {
    for who in [Who::Caller, Who::User] {
        let Some(steps) = Steps::new(who, IMAGES) else { continue };
        let said = steps.run(1, &["verify", "--no-apt-sources"]).1;
        assert!(said.contains("there is no wharf.lock"), "{said}");
        steps.run(0, &["build", "base", "steady", "fickle"]);
        let (out, _) = steps.run(0, &["verify", "base", "steady", "--no-apt-sources"]);
        assert_eq!(out, "base:trixie-x86_64 is the same\nsteady:trixie-x86_64 is the same\n");
        let (out, _) = steps.run(2, &["verify", "--no-apt-sources"]);
        assert!(out.contains("steady:trixie-x86_64 is the same\n") && out.contains("/opt-stamp"), "{out}");
        assert!(!out.contains("/opt-same") && !out.contains("/opt-file"), "{out}");
        let (out, _) = steps.run(2, &["--json", "verify", "fickle", "--no-apt-sources"]);
        let document: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(document["same"], serde_json::json!([]));
        let changed = &document["differ"]["fickle:trixie-x86_64"]["changed"][0];
        let files: Vec<&str> =
            changed["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
        assert_eq!(files, ["/opt-stamp"]);
        // What one that was killed left is taken away by the next; neither leaves anything.
        let left = steps.yard.cache().join("verify-left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("lock"), "").unwrap();
        if who == Who::User {
            crate::support::place::own(steps.yard.folder.path());
        }
        steps.run(0, &["verify", "steady", "--no-apt-sources"]);
        let names = steps.yard.cache().read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        let names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        assert!(!names.iter().any(|name| name.starts_with("verify-")), "{names:?}");
        steps.nothing_left();
        let said = steps.run(1, &["verify", "more", "--no-apt-sources"]).1;
        assert!(said.contains("more"), "{said}");
    }
}
