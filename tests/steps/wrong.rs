//! What goes wrong with steps, and what is said then.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::{Steps, Who};

fn one(steps: &str) -> String {
    format!("image \"one\" {{\n    from \"base\"\n    {steps}\n}}\nimage \"two\" {{\n    from \"one\"\n}}\n")
}

fn refused(steps: &Steps, body: &str) -> String {
    steps.images(&one(body));
    steps.refused(&["build", "one", "two", "--arch", "x86_64"])
}

#[test]
fn a_failing_step_says_where_and_shows_its_last_words() {
    let Some(steps) = Steps::new(Who::Caller, &one("")) else { return };
    let loud = r#"run "for i in 1 2 3 4 5; do echo line $i >&2; done; exit 42""#;
    insta::assert_snapshot!(refused(&steps, loud), @"wharf::build::step x `one` for trixie on x86_64 at specs/images.kdl:9:5: `for i in 1 2 3 4 5; do echo line $i >&2; done; exit 42` gave exit code 42; its last words: line 1 line 2 line 3 line 4 line 5 wharf::build::ground x `two` for trixie on x86_64 was not built: `one` for trixie on x86_64 was not");
    insta::assert_snapshot!(refused(&steps, r#"run "no-such-program" "--help""#), @r#"wharf::build::step x `one` for trixie on x86_64 at specs/images.kdl:9:5: `no-such-program --help` gave exit code 1; its last words: process failed to start with error: exec: "no-such-program": executable file not found in $PATH wharf::build::ground x `two` for trixie on x86_64 was not built: `one` for trixie on x86_64 was not"#);
    insta::assert_snapshot!(refused(&steps, r#"run "mkfifo /etc/pipe""#), @"wharf::buildah::kind x the steps left a fifo at /etc/pipe, which no image can hold help: let the step remove it at its end wharf::build::ground x `two` for trixie on x86_64 was not built: `one` for trixie on x86_64 was not");
    insta::assert_snapshot!(refused(&steps, r#"run "cat /run/secrets/token" { secret "token" }"#), @"wharf::build::no_secret x `one` for trixie on x86_64 at specs/images.kdl:9:5: the step reads the secret `token`, which was not given help: `wharf build --secret token=FILE` gives it wharf::build::ground x `two` for trixie on x86_64 was not built: `one` for trixie on x86_64 was not");
    insta::assert_snapshot!(refused(&steps, r#"copy "/nothing" "/x" from="base""#), @"wharf::build::copy x `one` for trixie on x86_64 at specs/images.kdl:9:5: there is no /nothing in `base` wharf::build::ground x `two` for trixie on x86_64 was not built: `one` for trixie on x86_64 was not");
    insta::assert_snapshot!(refused(&steps, r#"copy "/usr/bin" "/x" from="base" owner="nobody-known""#), @"wharf::build::copy x `one` for trixie on x86_64 at specs/images.kdl:9:5: what is copied to /x has no owner: there is no user `nobody-known` in this image wharf::build::ground x `two` for trixie on x86_64 was not built: `one` for trixie on x86_64 was not");
}

#[test]
fn mistakes_in_steps_are_found_before_anything_is_built() {
    let Some(steps) = Steps::new(Who::Caller, &one("")) else { return };
    steps.images(&one(r#"copy "/x" "/y" from="bsae"
    copy "/x" "/y" from="two"
    copy "no-such-tree" "/y"
    run script="no/such.sh"
    run "x" { cache "/a"; cache "/a/b"; secret "../x" }
    run "x" { mount "greeter" "/" }
    run"#));
    insta::assert_snapshot!(steps.yard.refused(&["check"]), @r#"x there is no image `bsae` to copy from ,-[specs/images.kdl:9:5] 8 from "base" 9 copy "/x" "/y" from="bsae" : ^^^^^^^^^^^^^|^^^^^^^^^^^^ : `-- no such image 10 copy "/x" "/y" from="two" `---- help: did you mean `base`? x `one` copies from `two`, which is made from `one` ,-[specs/images.kdl:10:5] 9 copy "/x" "/y" from="bsae" 10 copy "/x" "/y" from="two" : ^^^^^^^^^^^^|^^^^^^^^^^^^ : `-- goes round in a circle 11 copy "no-such-tree" "/y" `---- x there is no folder layers/no-such-tree ,-[specs/images.kdl:11:10] 10 copy "/x" "/y" from="two" 11 copy "no-such-tree" "/y" : ^^^^^^^|^^^^^^ : `-- not there 12 run script="no/such.sh" `---- x there is no file layers/no/such.sh ,-[specs/images.kdl:12:16] 11 copy "no-such-tree" "/y" 12 run script="no/such.sh" : ^^^^^^|^^^^^ : `-- not there 13 run "x" { cache "/a"; cache "/a/b"; secret "../x" } `---- help: the path is relative to layers/ of the folder that holds this node x `/a/b` is mounted over `/a` ,-[specs/images.kdl:13:5] 12 run script="no/such.sh" 13 run "x" { cache "/a"; cache "/a/b"; secret "../x" } : ^^^|^^^ : `-- in this step 14 run "x" { mount "greeter" "/" } `---- help: give one another path x `../x` cannot name a secret ,-[specs/images.kdl:13:48] 12 run script="no/such.sh" 13 run "x" { cache "/a"; cache "/a/b"; secret "../x" } : ^^^|^^ : `-- letters, digits, `-`, `_` and `.` 14 run "x" { mount "greeter" "/" } `---- x nothing can be mounted at `/` ,-[specs/images.kdl:14:5] 13 run "x" { cache "/a"; cache "/a/b"; secret "../x" } 14 run "x" { mount "greeter" "/" } : ^^^|^^^ : `-- in this step 15 run `---- x `run` needs a command ,-[specs/images.kdl:15:5] 14 run "x" { mount "greeter" "/" } 15 run : ^|^ : `-- a command expected 16 } `---- x 8 mistakes in 1 file"#);
}

/// A folder of programs in which `buildah` says what the script says; none where the script is empty.
fn programs(steps: &Steps, script: &str) -> std::path::PathBuf {
    let folder = steps.yard.folder.path().join("bin");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    for program in ["sh", "unshare", "setpriv", "mount", "cat"] {
        symlink(format!("/usr/bin/{program}"), folder.join(program)).unwrap();
    }
    if !script.is_empty() {
        fs::write(folder.join("buildah"), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(folder.join("buildah"), fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

#[test]
fn without_a_buildah_that_will_do_it_is_said_what_to_install() {
    let Some(steps) = Steps::new(Who::Caller, &one("run \"id\"")) else { return };
    let with = |script: &str| {
        let mut command = steps.command(&["build", "one", "--arch", "x86_64"]);
        command.env("PATH", programs(&steps, script));
        steps.yard.plain(&crate::build::ended(1, &command.output().unwrap()).1)
    };
    insta::assert_snapshot!(with(""), @"wharf::buildah::missing x `buildah` cannot be started: No such file or directory (os error 2) help: install buildah: `apt-get install buildah` on Debian");
    insta::assert_snapshot!(with("echo buildah version 1.27.4 '(image-spec 1.0.2-dev)'"), @"wharf::buildah::old x buildah is of version 1.27.4; steps need 1.28.0 or later help: Debian 12 and later have one that will do; images without `run` need none");
    insta::assert_snapshot!(with("echo whatever"), @"wharf::buildah::version x `buildah --version` says `whatever`, which holds no version");
}

#[test]
fn a_user_without_a_range_of_ids_is_told_how_to_get_one() {
    let Some(steps) = Steps::new(Who::User, &one("run \"id\"")) else { return };
    let plain = steps.yard.command(&["build", "one", "--arch", "x86_64"]);
    let mut command = crate::support::place::as_user(std::path::Path::new(crate::build::WHARF));
    command.args(plain.get_args()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let said = crate::build::ended(1, &command.output().unwrap()).1;
    insta::assert_snapshot!(steps.yard.plain(&said), @"wharf::buildah::subids x the user with the id 65534 has no range of subordinate ids, so nothing can be run as another account than its own help: as root: `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`, and `apt-get install uidmap`");
}
