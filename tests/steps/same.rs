//! The same bytes every time, whoever builds.

use std::fs;

use super::{Steps, Who, bytes_of};
use crate::build::ended;

const IMAGES: &str = r##"
image "source" {
    from "base"
    run "mkdir -p /out/sub && echo from-source > /out/sub/file && ln -s sub/file /out/link && ln /out/sub/file /out/hard"
}
image "all" {
    from "base"
    packages "maker" build=#true
    env GREETING="hello there"
    workdir "/work"
    dir "/work"
    run #"""
        mkdir -p /opt && echo "$GREETING, $ONE" > words
        pwd >> words
        date > /tmp/now; touch /run/now
        make-it words /opt/made
        ls /sys/class/net > /opt/networks
        cat /plugins/text > /opt/plugin
        echo more >> /usr/lib/maker/plugins/one
        echo seen >> /var/cache/kept/count
        """# {
        env ONE="1"
        mount "plugins" "/plugins"
        cache "/var/cache/kept"
    }
    run script="scripts/setup" "a b" "c"
    copy "/out" "/copied" from="source"
    copy "plugins" "/opt/plugins" owner=7 group=8
    run "id" "-u"
    run "cat /copied/link > /opt/after && rm /copied/hard"
}
image "child" {
    from "all"
    file "/opt/made" "the child's"
    run "rm -r /copied && echo child >> /work/words"
}
"##;

fn steps(who: Who) -> Option<Steps> {
    let steps = Steps::new(who, IMAGES)?;
    steps.yard.put("layers/plugins/text", "a plugin\n");
    steps
        .yard
        .put("layers/scripts/setup", "mkdir -p /opt/set && echo \"$1|$2|$#\" > /opt/set/up && id -u >> /opt/set/up\n");
    steps.images(IMAGES);
    Some(steps)
}

/// Builds from nothing; lines of image and digest.
fn digests(steps: &Steps, cache: &str) -> String {
    let cache = steps.yard.folder.path().join(cache);
    let _ = fs::remove_dir_all(steps.yard.project().join(".wharf"));
    let arguments = ["build", "source", "all", "child", "--arch", "x86_64"];
    let (out, _) = ended(0, &steps.command_in(&steps.yard.project(), &cache, &arguments).output().unwrap());
    out
}

#[test]
fn steps_do_what_they_say_and_what_only_they_need_is_gone() {
    let Some(steps) = steps(Who::Caller) else { return };
    digests(&steps, "cache");
    steps.nothing_left();
    let file = |path: &str| steps.file("all:trixie-x86_64", path);
    assert_eq!(file("/work/words"), "hello there, 1\n/work\n");
    assert_eq!(file("/opt/made"), "made of words\n");
    assert_eq!(file("/opt/networks"), "lo\n");
    assert_eq!(file("/opt/plugin"), "a plugin\n");
    assert_eq!(file("/opt/set/up"), "a b|c|2\n0\n");
    assert_eq!(file("/opt/plugins/text"), "a plugin\n");
    assert_eq!(file("/opt/after"), "from-source\n");
    assert_eq!(file("/copied/sub/file"), "from-source\n");
    for gone in [
        "/usr/bin/make-it",
        "/usr/lib/maker/plugins/one",
        "/tmp/now",
        "/run/now",
        "/plugins",
        "/copied/hard",
        "/var/cache/kept/count",
    ] {
        assert!(file(gone).contains("No such file"), "{gone}: {}", file(gone));
    }
    let child = |path: &str| steps.file("child:trixie-x86_64", path);
    assert_eq!(child("/work/words"), "hello there, 1\n/work\nchild\n");
    assert_eq!(child("/opt/made"), "the child's");
    assert!(child("/copied/link").contains("No such file"));
}

#[test]
fn whoever_builds_from_nothing_gets_the_same_digests() {
    let Some(steps) = steps(Who::Caller) else { return };
    let first = digests(&steps, "one");
    assert_eq!(first.lines().count(), 6, "{first}");
    assert_eq!(digests(&steps, "two"), first);
    // What ran once does not run again.
    assert_eq!(digests(&steps, "two"), first);
    if let Some(user) = self::steps(Who::User) {
        assert_eq!(digests(&user, "cache"), first);
        user.nothing_left();
    }
}

#[test]
fn ten_images_are_built_at_once() {
    let images: String = (0..10)
        .map(|n| format!("image \"i{n}\" {{\n    from \"base\"\n    run \"echo {n} > /n && sleep 1\"\n}}\n"))
        .collect();
    for who in [Who::Caller, Who::User] {
        let Some(steps) = Steps::new(who, &images) else { continue };
        let names: Vec<String> = (0..10).map(|n| format!("i{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let arguments = [&["build", "--arch", "x86_64", "--jobs", "10"], names.as_slice()].concat();
        let built = steps.run(0, &arguments).0;
        assert_eq!(built.lines().filter(|line| line.contains(" x86_64 ")).count(), 10);
        assert_eq!(steps.file("i7:trixie-x86_64", "/n"), "7\n");
        steps.nothing_left();
    }
}

#[test]
fn a_secret_is_read_and_is_nowhere() {
    const SECRET: &str = "xK9-very-secret-value";
    let image = "image \"one\" {\n    from \"base\"\n    run \"cat /run/secrets/token | tr a-z A-Z | cat > /dev/null; cat /other\" {\n        \
                 secret \"token\"\n        secret \"token\" path=\"/other\"\n    }\n    run \"cat /other > /seen\"\n}\n";
    for who in [Who::Caller, Who::User] {
        let Some(steps) = Steps::new(who, image) else { continue };
        let file = steps.yard.folder.path().join("token-file");
        fs::write(&file, format!("{SECRET}\n")).unwrap();
        steps.images(image);
        let given = format!("token={}", file.display());
        let (out, said) = steps.run(0, &["build", "one", "--secret", &given, "--arch", "x86_64"]);
        assert!(!format!("{out}{said}").contains(SECRET));
        // It is there for the step that names it, and its place is in no image.
        assert_eq!(steps.file("one:trixie-x86_64", "/seen"), "");
        for path in ["/other", "/run/secrets", "/run/secrets/token"] {
            assert!(steps.file("one:trixie-x86_64", path).contains("No such file"), "{path}");
        }
        for place in [steps.yard.project().join(".wharf"), steps.yard.cache()] {
            let found = bytes_of(&place).windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
            assert!(!found, "in {}", place.display());
        }
        // A step that shows it and ends badly.
        steps.images(
            "image \"one\" {\n    from \"base\"\n    run \"cat /run/secrets/token; exit 7\" { secret \"token\" }\n}\n",
        );
        let said = steps.refused(&["build", "one", "--secret", &given, "--arch", "x86_64"]);
        assert!(said.contains("***") && !said.contains(SECRET), "{said}");
    }
}
