//! What ends: services that are gone from the specs, stopped ones, destroyed ones; and what is refused.

use std::collections::BTreeMap;

use wharf::host::Facts;
use wharf::plan::{destroyed, stopped};

use super::applied::{Small, having};

/// Facts with something else on a host.
fn with(mut facts: BTreeMap<String, Facts>, host: &str, change: impl FnOnce(&mut Facts)) -> BTreeMap<String, Facts> {
    change(facts.get_mut(host).unwrap());
    facts
}

#[test]
fn what_has_all_of_it_needs_nothing() {
    let small = Small::new();
    insta::assert_snapshot!(small.said(&small.applied(), &["plan"]), @"
    Nothing to do: 2 hosts as wanted.
    exit 0
    ");
}

#[test]
fn a_service_that_is_gone_is_removed_and_its_volume_stays() {
    let small = Small::new();
    let facts = small.applied();
    let start = super::applied::SPEC.find("service \"store\"").unwrap();
    small.write("specs/small.kdl", &super::applied::SPEC[..start]);
    insta::assert_snapshot!(small.said(&facts, &["plan"]), @"
    What ends:
      kept: volume store-data (12 MiB)  on a, b
      lost: container store  on a, b
      lost: network store  on a, b

    Wave 1: a, b
      remove    store-data.volume  no longer in the specs
      remove    store.container  no longer in the specs
      remove    store.network  no longer in the specs

    Plan ID: 6 changes on 2 of 2 hosts, in 1 wave.
    An apply refuses it: 6 of 10 units are to be removed (a, b). --allow-remove 6 does it; what it removes and what it keeps is said above.
    An apply refuses it: `store`, which keeps data, is to be removed from a, b. --allow-remove 6 does it; what it removes and what it keeps is said above.
    exit 2
    ");
    insta::assert_snapshot!(small.said(&facts, &["plan", "--allow-remove", "6"]), @"
    What ends:
      kept: volume store-data (12 MiB)  on a, b
      lost: container store  on a, b
      lost: network store  on a, b

    Wave 1: a, b
      remove    store-data.volume  no longer in the specs
      remove    store.container  no longer in the specs
      remove    store.network  no longer in the specs

    Plan ID: 6 changes on 2 of 2 hosts, in 1 wave.
    exit 2
    ");
}

#[test]
fn a_host_that_leaves_is_emptied_without_a_question_of_how_much() {
    let small = Small::new();
    let facts = small.applied();
    small.change(
        "host \"b\" address=\"10.0.0.2\" { role \"box\" }",
        "host \"b\" address=\"10.0.0.2\" { role \"box\"; leave }",
    );
    insta::assert_snapshot!(small.said(&facts, &["plan"]), @"
    What ends:
      kept: volume store-data (12 MiB)  on b
      lost: container cache  on b
      lost: container store  on b
      lost: network store  on b

    Wave 1: b
      remove    cache.container  no longer in the specs
      remove    wharf-small.target  no longer in the specs

    Wave 2: b
      remove    store-data.volume  no longer in the specs
      remove    store.container  no longer in the specs
      remove    store.network  no longer in the specs

    Plan ID: 5 changes on 1 of 2 hosts, in 2 waves.
    exit 2
    ");
}

#[test]
fn a_stop_ends_who_needs_before_what_it_needs_and_keeps_all() {
    let small = Small::new();
    insta::assert_snapshot!(small.said(&small.applied(), &["stop"]), @"
    Wave 1: a, b
      stop      store.container  asked for

    Wave 2: a, b
      stop      cache.container  asked for

    Plan ID: 4 changes on 2 of 2 hosts, in 2 waves.
    exit 2
    ");
    insta::assert_snapshot!(small.said(&small.applied(), &["stop", "--limit", "store"]), @"
    Wave 1: a, b
      stop      store.container  asked for

    Plan ID: 2 changes on 2 of 2 hosts, in 1 wave.
    exit 2
    ");
}

#[test]
fn the_next_apply_starts_what_was_stopped() {
    let small = Small::new();
    let facts = small.applied();
    let stopped: BTreeMap<String, Facts> = facts
        .iter()
        .map(|(name, facts)| (name.clone(), having(stopped(&facts.generation.as_ref().unwrap().content, None))))
        .collect();
    insta::assert_snapshot!(small.said(&stopped, &["stop"]), @"
    Nothing to do: 2 hosts as wanted.
    exit 0
    ");
    insta::assert_snapshot!(small.said(&stopped, &["plan"]), @"
    Wave 1: a, b
      start     cache.container  was stopped

    Wave 2: a, b
      start     store.container  was stopped

    Plan ID: 4 changes on 2 of 2 hosts, in 2 waves.
    exit 2
    ");
    // What was stopped and is gone from the specs is removed, too.
    let start = super::applied::SPEC.find("service \"store\"").unwrap();
    small.write("specs/small.kdl", &super::applied::SPEC[..start]);
    insta::assert_snapshot!(small.said(&stopped, &["plan", "--allow-remove", "9"]), @"
    What ends:
      kept: volume store-data (12 MiB)  on a, b
      lost: network store  on a, b

    Wave 1: a, b
      start     cache.container  was stopped

    Wave 2: a, b
      remove    store-data.volume  no longer in the specs
      remove    store.container  no longer in the specs
      remove    store.network  no longer in the specs

    Plan ID: 8 changes on 2 of 2 hosts, in 2 waves.
    exit 2
    ");
}

#[test]
fn a_destroy_says_what_stays_and_what_is_lost() {
    let small = Small::new();
    let facts = small.applied();
    insta::assert_snapshot!(small.said(&facts, &["destroy", "--limit", "a"]), @"
    What ends:
      kept: volume store-data (12 MiB)  on a
      lost: container cache  on a
      lost: container store  on a
      lost: network store  on a

    Wave 1: a
      remove    store-data.volume  no longer in the specs
      remove    store.container  no longer in the specs
      remove    store.network  no longer in the specs
      remove    wharf-small.target  no longer in the specs

    Wave 2: a
      remove    cache.container  no longer in the specs

    Plan ID: 5 changes on 1 of 1 host, in 2 waves.
    exit 2
    ");
    insta::assert_snapshot!(small.said(&facts, &["destroy", "--limit", "store", "--with-volumes"]), @"
    What ends:
      lost: container store  on a, b
      lost: network store  on a, b
      lost: volume store-data (12 MiB)  on a, b

    Wave 1: a, b
      remove    store-data.volume  no longer in the specs
      remove    store.container  no longer in the specs
      remove    store.network  no longer in the specs
      destroy   store-data  asked for
      a does not go back by itself: what is done there cannot be undone
      b does not go back by itself: what is done there cannot be undone

    Plan ID: 8 changes on 2 of 2 hosts, in 1 wave.
    exit 2
    ");
}

#[test]
fn volumes_that_are_left_over_are_taken_away_by_name_and_no_others() {
    let small = Small::new();
    let facts = small.applied();
    insta::assert_snapshot!(small.said(&facts, &["destroy", "--volume", "store-data"]), @"
      x the volume store-data is in use on a, b
      help: `wharf status` lists what is left over; what is in use has to go from the specs first

    exit 1
    ");
    insta::assert_snapshot!(small.said(&facts, &["destroy", "--volume", "other"]), @"
      x no host that answered has a volume other of this estate
      help: `wharf status` lists what is left over; what is in use has to go from the specs first

    exit 1
    ");
    let facts = with(facts, "a", |a| {
        let volumes = a.volumes.clone();
        *a = having(destroyed(&a.generation.as_ref().unwrap().content, None));
        a.volumes = volumes;
    });
    insta::assert_snapshot!(small.said(&facts, &["destroy", "--volume", "store-data"]), @"
    What ends:
      lost: volume store-data (12 MiB)  on a

    Wave 1: a
      destroy   store-data  asked for
      a does not go back by itself: what is done there cannot be undone

    Plan ID: 1 change on 1 of 2 hosts, in 1 wave.
    exit 2
    ");
}

#[test]
fn another_estates_host_is_refused_and_one_that_has_nothing_left_is_not() {
    let small = Small::new();
    let theirs = with(small.applied(), "a", |a| {
        let live = a.generation.as_mut().unwrap();
        live.header.estate = wharf::name::EstateName::new("other").unwrap();
        live.header.commit = Some("0123456789abcdef".to_owned());
        a.estate = Some("other".to_owned());
    });
    insta::assert_snapshot!(small.said(&theirs, &["plan"]), @"
    Left out: a: is a host of the estate `other`
    Nothing to do: 1 host as wanted, 1 host left out.
    An apply refuses it: a is a host of the estate `other` (plan 0123456789ab at 0123456789ab, applied by op@desk on 2026-01-01T00:00:00Z). Take it out of `small`, or empty it there first: `leave` in its node and an apply, or `wharf destroy --limit a`.
    exit 0
    ");
    let empty = with(theirs, "a", |a| {
        a.generation.as_mut().unwrap().content = Default::default();
        a.estate = None;
    });
    let said = small.said(&empty, &["plan"]);
    assert!(said.contains("Wave 1: a\n") && !said.contains("other"), "{said}");
}

#[test]
fn a_new_member_that_others_outside_the_limit_would_not_know_is_refused() {
    let small = Small::new();
    let facts = with(small.applied(), "b", |b| *b = having(Default::default()));
    let said = small.said(&facts, &["plan", "--limit", "b"]);
    let refused: Vec<&str> = said.lines().filter(|line| line.contains("refuses")).collect();
    insta::assert_snapshot!(refused.join("\n"), @"
    An apply refuses it: the members of `cache` change on b, and a, outside the limit, would not know of it. Widen --limit, or --allow-skew leaves them behind for now.
    An apply refuses it: the members of `store` change on b, and a, outside the limit, would not know of it. Widen --limit, or --allow-skew leaves them behind for now.
    ");
    assert!(!small.said(&facts, &["plan", "--limit", "b", "--allow-skew"]).contains("refuses"));
    assert!(!small.said(&facts, &["plan"]).contains("refuses"));
}

#[test]
fn a_host_outside_the_limit_that_runs_nothing_is_not_left_behind() {
    let small = Small::new();
    // A first bring-up, one host after the other.
    let bare = with(small.applied(), "b", |b| *b = having(Default::default()));
    let bare = with(bare, "a", |a| *a = having(Default::default()));
    let said = small.said(&bare, &["plan", "--limit", "b"]);
    assert!(said.contains("Wave 1: b\n") && !said.contains("refuses"), "{said}");
    // One that has no generation at all, and one of which nobody knows.
    let never = with(bare.clone(), "a", |a| a.generation = None);
    assert!(!small.said(&never, &["plan", "--limit", "b"]).contains("refuses"));
    let mut unknown = bare;
    unknown.remove("a");
    assert!(small.said(&unknown, &["plan", "--limit", "b"]).contains("and a, outside the limit, would not know of it"));
}

#[test]
fn a_host_that_is_gone_from_the_specs_and_was_not_told_to_leave_is_said() {
    let small = Small::new();
    let since = |plan: &str, when: &str| wharf::host::Remembered { plan: plan.to_owned(), when: when.to_owned() };
    let remembers = |a: &mut Facts, estate: &str| {
        a.estate = Some(estate.to_owned());
        for (name, since) in [("a", since("p1", "2026-01-01T00:00:00Z")), ("c", since("p1", "2026-01-01T00:00:00Z"))] {
            a.hosts.insert(wharf::name::HostName::new(name).unwrap(), since);
        }
    };
    let facts = with(small.applied(), "a", |a| remembers(a, "small"));
    insta::assert_snapshot!(small.said(&facts, &["plan"]), @r#"
    Vanished: c is in no spec any more and was not told to leave: it had something when plan p1 was applied on 2026-01-01T00:00:00Z, and what it runs goes on unseen. Put its node back with `leave` and apply; where the machine is gone, with `maintenance "gone"` too.
    Nothing to do: 2 hosts as wanted.
    exit 0
    "#);
    // Who was told last knows best.
    let both = with(facts.clone(), "b", |b| {
        remembers(b, "small");
        b.hosts.insert(wharf::name::HostName::new("c").unwrap(), since("p2", "2026-02-01T00:00:00Z"));
    });
    let plan: serde_json::Value = serde_json::from_slice(&small.run(&both, &["plan", "--json"]).stdout).unwrap();
    let expected = serde_json::json!([{"host": "c", "plan": "p2", "when": "2026-02-01T00:00:00Z", "by": ["a", "b"]}]);
    assert_eq!(plan["vanished"], expected);
    // What another estate's host remembers is none of ours, and one that is in the specs is there.
    let other = with(small.applied(), "a", |a| remembers(a, "other"));
    assert!(!small.said(&other, &["plan"]).contains("Vanished"));
    small.change(
        "host \"b\" address=\"10.0.0.2\" { role \"box\" }",
        "host \"b\" address=\"10.0.0.2\" { role \"box\" }\n    host \"c\" address=\"10.0.0.3\" { leave }",
    );
    assert!(!small.said(&facts, &["plan"]).contains("Vanished"));
}

#[test]
fn a_host_that_could_not_go_back_is_refused() {
    let small = Small::new();
    let facts = with(small.applied(), "a", |a| a.images.clear());
    // Nothing changes but that the image comes back.
    assert!(!small.said(&facts, &["plan"]).contains("refuses"));
    small.release("2");
    let said = small.said(&facts, &["plan"]);
    let refused: Vec<&str> = said.lines().filter(|line| line.contains("refuses")).collect();
    insta::assert_snapshot!(refused.join("\n"), @"An apply refuses it: a no longer has registry.example/small/box@sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b: it could not go back to what it runs. --no-way-back goes on without.");
    assert!(!small.said(&facts, &["plan", "--no-way-back"]).contains("refuses"));
}

#[test]
fn a_commit_that_the_project_does_not_contain_is_refused() {
    let small = Small::new();
    let git = |words: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.arg("-C").arg(small.path()).args(["-c", "user.name=t", "-c", "user.email=t@t"]).args(words);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "--quiet"]);
    git(&["commit", "--quiet", "--allow-empty", "--message", "one"]);
    let one = git(&["rev-parse", "HEAD"]);
    git(&["commit", "--quiet", "--allow-empty", "--message", "two"]);
    let two = git(&["rev-parse", "HEAD"]);
    let at = |commit: &str| {
        with(small.applied(), "a", |a| a.generation.as_mut().unwrap().header.commit = Some(commit.to_owned()))
    };
    for commit in [&one, &two, &format!("{one}-dirty")] {
        assert!(!small.said(&at(commit), &["plan"]).contains("refuses"), "{commit}");
    }
    git(&["reset", "--quiet", "--soft", &one]);
    let said = small.said(&at(&two), &["plan"]);
    assert!(
        said.contains(&format!("a runs {}, which the project as it is here does not contain", &two[..12])),
        "{said}"
    );
    assert!(said.contains("--allow-older"), "{said}");
    assert!(!small.said(&at(&two), &["plan", "--allow-older"]).contains("refuses"));
    assert!(small.said(&at("ffffffffffffffffffffffffffffffffffffffff"), &["plan"]).contains("refuses"));
}
