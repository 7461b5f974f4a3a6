//! Trials of images: their `test` nodes run under podman, and the report of it.

mod junit;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::estate::{Arch, Image, Test};
use crate::name::{ArchName, DistroName, ImageName};
use crate::podman::{Container, Output, Podman, PodmanError};

pub use junit::junit;

/// How one `test` node went.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Case {
    /// The image.
    pub image: ImageName,
    /// Its distro.
    pub distro: DistroName,
    /// Its arch.
    pub arch: ArchName,
    /// The test's name.
    pub name: String,
    /// The outcome.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took.
    pub seconds: f64,
}

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// All of it was as expected.
    Passed,
    /// Something was not.
    Failed {
        /// What was not as expected, in one line.
        why: String,
        /// What was printed.
        output: String,
    },
}

/// Runs all tests of one image, which the store has under `reference`.
pub fn run(
    podman: &Podman,
    store: &Path,
    reference: &str,
    image: &Image,
    arch: &Arch,
    mut done: impl FnMut(Case),
) -> Result<(), PodmanError> {
    if image.tests.is_empty() {
        return Ok(());
    }
    let id = podman.pull(store, reference, &arch.oci)?;
    for test in &image.tests {
        let start = Instant::now();
        let outcome = if test.service {
            let container = podman.start(&id, &arch.oci)?;
            service(&container, image, test, start)?
        } else {
            programs(test, |program, timeout| podman.try_run(&id, &arch.oci, program, timeout))?
        };
        done(Case {
            image: image.name.clone(),
            distro: image.distro.clone(),
            arch: image.arch.clone(),
            name: test.name.clone(),
            outcome,
            seconds: start.elapsed().as_secs_f64(),
        });
    }
    Ok(())
}

/// Waits until the image's own command is healthy, then runs the programs inside.
fn service(container: &Container<'_>, image: &Image, test: &Test, start: Instant) -> Result<Outcome, PodmanError> {
    let limit = Duration::from_millis(test.timeout_ms);
    let check = image.config.health.as_ref().map(|health| health.command.clone());
    loop {
        if !container.running() {
            let why = "the image's command ended before the test".to_owned();
            return Ok(Outcome::Failed { why, output: container.logs() });
        }
        let Some(check) = &check else { break };
        let program = match check.as_slice() {
            [script] => vec!["sh".to_owned(), "-c".to_owned(), script.clone()],
            program => program.to_vec(),
        };
        let answer = container.exec(&program, limit)?;
        if answer.code == Some(0) {
            break;
        }
        if start.elapsed() > limit {
            let why = format!("it was not healthy after {} s: {}", limit.as_secs(), answer.text.trim());
            return Ok(Outcome::Failed { why, output: container.logs() });
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    let outcome = programs(test, |program, timeout| container.exec(program, timeout))?;
    Ok(match outcome {
        Outcome::Failed { why, output } => {
            Outcome::Failed { why, output: format!("{output}\nthe container's own output:\n{}", container.logs()) }
        }
        passed => passed,
    })
}

/// Runs the programs of a test and looks for what it expects.
fn programs(
    test: &Test,
    mut run: impl FnMut(&[String], Duration) -> Result<Output, PodmanError>,
) -> Result<Outcome, PodmanError> {
    let mut text = String::new();
    for program in &test.run {
        let program = match program.as_slice() {
            [script] if script.contains(char::is_whitespace) => vec!["sh".to_owned(), "-c".to_owned(), script.clone()],
            program => program.to_vec(),
        };
        let output = run(&program, Duration::from_millis(test.timeout_ms))?;
        text.push_str(&output.text);
        let why = if output.timed_out {
            Some(format!("`{}` did not end within {} s", program.join(" "), test.timeout_ms / 1000))
        } else {
            match output.code {
                Some(0) => None,
                Some(code) => Some(format!("`{}` gave exit code {code}", program.join(" "))),
                None => Some(format!("`{}` was ended by a signal", program.join(" "))),
            }
        };
        if let Some(why) = why {
            return Ok(Outcome::Failed { why, output: text });
        }
    }
    match test.expect.iter().find(|expected| !text.contains(expected.as_str())) {
        Some(expected) => Ok(Outcome::Failed { why: format!("`{expected}` is not in what was printed"), output: text }),
        None => Ok(Outcome::Passed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Origin, Sources, Span};

    fn test(run: &[&[&str]], expect: &[&str]) -> Test {
        let mut sources = Sources::default();
        let source = sources.add("x.kdl".to_owned(), String::new(), Origin::Project);
        Test {
            name: "starts".to_owned(),
            run: run.iter().map(|program| program.iter().map(|word| (*word).to_owned()).collect()).collect(),
            expect: expect.iter().map(|text| (*text).to_owned()).collect(),
            service: false,
            timeout_ms: 2000,
            span: Span { source, start: 0, len: 0 },
        }
    }

    fn answer(code: Option<i32>, text: &str, timed_out: bool) -> Result<Output, PodmanError> {
        Ok(Output { code, text: text.to_owned(), timed_out })
    }

    fn why(outcome: Outcome) -> String {
        match outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Failed { why, .. } => why,
        }
    }

    #[test]
    fn a_test_fails_by_exit_code_timeout_signal_or_missing_text() {
        let one = test(&[&["memcached", "--version"]], &["memcached 1."]);
        let run =
            |code, text: &'static str, timed_out| why(programs(&one, |_, _| answer(code, text, timed_out)).unwrap());
        assert_eq!(run(Some(0), "memcached 1.6.38\n", false), "passed");
        assert_eq!(run(Some(0), "memcached 2\n", false), "`memcached 1.` is not in what was printed");
        assert_eq!(run(Some(127), "", false), "`memcached --version` gave exit code 127");
        assert_eq!(run(None, "", false), "`memcached --version` was ended by a signal");
        assert_eq!(run(None, "", true), "`memcached --version` did not end within 2 s");
    }

    #[test]
    fn one_argument_with_spaces_is_a_shells() {
        let mut seen = Vec::new();
        let shell = test(&[&["a | b"], &["plain"]], &[]);
        let _ = programs(&shell, |program, _| {
            seen.push(program.join(","));
            answer(Some(0), "", false)
        });
        assert_eq!(seen, ["sh,-c,a | b", "plain"]);
    }
}
