//! Builds that are ended in the middle of a step.

use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{Steps, Who, processes};

fn image(seconds: u32) -> String {
    format!("image \"one\" {{\n    from \"base\"\n    run \"echo on > /on && sleep {seconds}\"\n}}\n")
}

fn until(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{what} took too long");
        thread::sleep(Duration::from_millis(50));
    }
}

/// wharf, while its step sleeps.
fn sleeping(steps: &Steps, seconds: u32) -> Child {
    steps.images(&image(seconds));
    let mut command = steps.command(&["build", "one", "--arch", "x86_64"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the step", || !processes(&format!("sleep {seconds} ")).is_empty());
    child
}

fn ends_with(signal: rustix::process::Signal) {
    for (who, seconds) in [(Who::Caller, 31_415), (Who::User, 27_182)] {
        let seconds = seconds + u32::try_from(signal.as_raw()).unwrap();
        let Some(steps) = Steps::new(who, &image(seconds)) else { continue };
        let mut child = sleeping(&steps, seconds);
        let id = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
        child.wait().unwrap();
        // What ran is gone with it, without anybody's help.
        until("the end of its processes", || processes(&format!("sleep {seconds} ")).is_empty());
        steps.images(&image(0));
        steps.run(0, &["build", "one", "--arch", "x86_64"]);
        steps.nothing_left();
        steps.yard.assert_usable();
    }
}

#[test]
fn a_killed_build_leaves_nothing_after_the_next() {
    ends_with(rustix::process::Signal::KILL);
}

#[test]
fn an_interrupted_build_leaves_nothing_after_the_next() {
    ends_with(rustix::process::Signal::INT);
}
