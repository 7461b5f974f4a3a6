//! `plan --diff`: what files and units say now beside what they will say.

use serde_json::Value;

use super::applied::Small;

#[test]
fn what_differs_is_shown_once_for_hosts_that_are_alike() {
    let small = Small::new();
    let facts = small.applied();
    small.change("word = one", "word = two");
    insta::assert_snapshot!(small.said(&facts, &["plan", "--diff"]), @"
    /etc/containers/systemd/store.container  on a, b
    --- /etc/containers/systemd/store.container
    +++ /etc/containers/systemd/store.container
    @@ -9,7 +9,7 @@
     StopTimeout=30
     Network=store.network
     Volume=store-data.volume:/var/lib/store
    -Volume=/var/lib/wharf/files/8b7eb07da27b32e4c28591c655ff635bc7e79afd4b791348cdbfebe9d2a95eda:/etc/store/store.conf:ro
    +Volume=/var/lib/wharf/files/ffd3b054d04e0d2eb136654e49e964d13e31db7bd9b371f8811b1502ea4d6cd4:/etc/store/store.conf:ro
     ReadOnly=true
     ReadOnlyTmpfs=true
     DropCapability=all

    store.container:/etc/store/store.conf  on a, b
    the host no longer has its old text, or was not asked

    Wave 1: a
      restart   store.container  config /etc/store/store.conf

    Wave 2: b
      restart   store.container  config /etc/store/store.conf

    Plan e383c6c9949c: 2 changes on 2 of 2 hosts, in 2 waves.
    exit 2
    ");
}

#[test]
fn what_is_new_and_what_is_gone_is_shown_whole() {
    let small = Small::new();
    let facts = small.applied();
    let start = super::applied::SPEC.find("    mount").unwrap();
    small.write("specs/small.kdl", &format!("{}\n}}\n", &super::applied::SPEC[..start]));
    insta::assert_snapshot!(small.said(&facts, &["plan", "--diff", "--limit", "a"]), @"
    /etc/containers/systemd/store-data.volume  on a
    --- /etc/containers/systemd/store-data.volume
    +++ /dev/null
    @@ -1,7 +0,0 @@
    -[Unit]
    -Description=Volume store-data
    -
    -[Volume]
    -VolumeName=store-data
    -Label=io.wharf.estate=small
    -Label=io.wharf.service=store

    /etc/containers/systemd/store.container  on a
    --- /etc/containers/systemd/store.container
    +++ /etc/containers/systemd/store.container
    @@ -7,9 +7,7 @@
     Image=registry.example/small/box@sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b
     Pull=never
     StopTimeout=30
    -Network=store.network
    -Volume=store-data.volume:/var/lib/store
    -Volume=/var/lib/wharf/files/8b7eb07da27b32e4c28591c655ff635bc7e79afd4b791348cdbfebe9d2a95eda:/etc/store/store.conf:ro
    +Network=host
     ReadOnly=true
     ReadOnlyTmpfs=true
     DropCapability=all

    /etc/containers/systemd/store.network  on a
    --- /etc/containers/systemd/store.network
    +++ /dev/null
    @@ -1,3 +0,0 @@
    -[Network]
    -Label=io.wharf.estate=small
    -NetworkName=store

    store.container:/etc/store/store.conf  on a
    the host no longer has its old text, or was not asked

    What ends:
      kept: volume store-data (12 MiB)  on a
      lost: network store  on a

    Wave 1: a
      restart   store.container  config /etc/store/store.conf, config /var/lib/store, networks
      remove    store-data.volume  no longer in the specs
      remove    store.network  no longer in the specs

    Plan c5ff25968e80: 3 changes on 1 of 1 host, in 1 wave.
    An apply refuses it: 2 of 5 units are to be removed (a). --allow-remove 2 does it; what it removes and what it keeps is said above.
    An apply refuses it: the members of `store` change on a, and b, outside the limit, would not know of it. Widen --limit, or --allow-skew leaves them behind for now.
    exit 2
    ");
}

#[test]
fn a_text_that_is_on_no_host_any_more_is_said_and_differences_are_in_the_document() {
    let small = Small::new();
    let facts = small.applied();
    small.forget();
    small.change("word = one", "word = two");
    let output = small.run(&facts, &["--json", "plan", "--diff"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let differences = document["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 2, "{differences:?}");
    for difference in differences {
        assert_eq!(difference["text"], "the host no longer has its old text, or was not asked\n");
        assert_eq!(difference["hosts"], serde_json::json!(["a", "b"]));
    }
    // They are no part of what a plan is.
    let plain: Value = serde_json::from_slice(&small.run(&facts, &["--json", "plan"]).stdout).unwrap();
    assert_eq!(plain["id"], document["id"]);
    assert!(plain.get("differences").is_none());
}
