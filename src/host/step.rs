//! What is done on a host to make a generation the live one, or to take it back: one line of its list each.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::script;

/// One thing that a host does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Ends units.
    Stop {
        /// How long all of them may take, one after the other, before systemd ends them.
        seconds: u64,
        /// As systemd names them.
        units: Vec<String>,
    },
    /// Makes the files those of the generation, and lets systemd read its units anew.
    Switch,
    /// Sets the kernel parameters of a file.
    Sysctl(String),
    /// Loads the kernel modules of a file.
    Modules(String),
    /// Makes the folders of a file.
    Tmpfiles(String),
    /// Takes a volume or a network of podman's away, so that its unit makes it anew.
    Drop {
        /// `volume` or `network`.
        kind: String,
        /// podman's name.
        name: String,
    },
    /// Runs a task's unit once.
    Task {
        /// What its record is called.
        record: String,
        /// What tells this run of it from another.
        identity: String,
        /// How long it is waited for.
        seconds: u64,
        /// Whether it may be run again where nobody knows how it ended.
        idempotent: bool,
        /// Whether one host runs it for all of a group.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        shared: bool,
        /// Its unit.
        unit: String,
    },
    /// From here on starts, reloads, waits for health and checks have so long together.
    Deadline {
        /// In all, in seconds.
        seconds: u64,
        /// How much of that is kept for looking whether it stays well.
        stay: u64,
    },
    /// Starts units that are not up.
    Start {
        /// How long they are waited for.
        seconds: u64,
        /// As systemd names them.
        units: Vec<String>,
    },
    /// Starts units anew.
    Restart {
        /// How long they are waited for.
        seconds: u64,
        /// As systemd names them.
        units: Vec<String>,
    },
    /// Lets units read their files again.
    Reload {
        /// How long they are waited for.
        seconds: u64,
        /// As systemd names them.
        units: Vec<String>,
    },
    /// Runs a program in a container; passed over where the container does not run.
    Exec {
        /// podman's name.
        container: String,
        /// Program and arguments.
        run: Vec<String>,
        /// For how many seconds it is tried again until it ends well; none for once.
        until: Option<u64>,
    },
    /// Waits until containers are healthy, and whether they stay so.
    Gate {
        /// How long they may take.
        seconds: u64,
        /// How long they have to stay healthy.
        stay: u64,
        /// podman's names.
        containers: Vec<String>,
    },
}

impl Step {
    /// The units and podman's objects that it names.
    pub fn objects(&mut self) -> Vec<&mut String> {
        match self {
            Self::Switch | Self::Sysctl(_) | Self::Modules(_) | Self::Tmpfiles(_) | Self::Deadline { .. } => Vec::new(),
            Self::Stop { units, .. }
            | Self::Start { units, .. }
            | Self::Restart { units, .. }
            | Self::Reload { units, .. } => units.iter_mut().collect(),
            Self::Gate { containers, .. } => containers.iter_mut().collect(),
            Self::Drop { name, .. } => vec![name],
            Self::Task { unit, .. } => vec![unit],
            Self::Exec { container, .. } => vec![container],
        }
    }

    /// Whether a deadline before it bounds it.
    fn is_bounded(&self) -> bool {
        match self {
            Self::Start { .. } | Self::Restart { .. } | Self::Reload { .. } | Self::Gate { .. } => true,
            Self::Exec { until, .. } => until.is_some(),
            _ => false,
        }
    }

    /// How long it takes at most by itself, in seconds.
    fn budget(&self) -> u64 {
        match self {
            // It says how it went too.
            Self::Stop { seconds, .. } => seconds.saturating_add(10),
            Self::Switch | Self::Sysctl(_) | Self::Modules(_) | Self::Tmpfiles(_) | Self::Drop { .. } => 10,
            Self::Task { seconds, .. }
            | Self::Start { seconds, .. }
            | Self::Restart { seconds, .. }
            | Self::Reload { seconds, .. }
            | Self::Deadline { seconds, .. } => *seconds,
            Self::Exec { until, .. } => until.unwrap_or(60),
            Self::Gate { seconds, stay, .. } => seconds.saturating_add(*stay),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop { units, .. } => write!(f, "stop {}", units.join(" ")),
            Self::Switch => f.write_str("switch"),
            Self::Sysctl(path) => write!(f, "sysctl {path}"),
            Self::Modules(path) => write!(f, "modules {path}"),
            Self::Tmpfiles(path) => write!(f, "tmpfiles {path}"),
            Self::Drop { kind, name } => write!(f, "drop {kind} {name}"),
            Self::Task { record, identity, seconds, idempotent, unit, .. } => {
                let again = if *idempotent { "idempotent" } else { "once" };
                write!(f, "task {record} {identity} {seconds} {again} {unit}")
            }
            Self::Deadline { seconds, stay } => write!(f, "deadline {seconds} {stay}"),
            Self::Start { seconds, units } => write!(f, "start {seconds} {}", units.join(" ")),
            Self::Restart { seconds, units } => write!(f, "restart {seconds} {}", units.join(" ")),
            Self::Reload { seconds, units } => write!(f, "reload {seconds} {}", units.join(" ")),
            Self::Exec { container, run, until } => {
                let run: Vec<String> = run.iter().map(|text| word(text)).collect();
                match until {
                    Some(seconds) => write!(f, "ready {seconds} {} {}", word(container), run.join(" ")),
                    None => write!(f, "exec {} {}", word(container), run.join(" ")),
                }
            }
            Self::Gate { seconds, stay, containers } => write!(f, "gate {seconds} {stay} {}", containers.join(" ")),
        }
    }
}

/// How long steps take at most, one after the other, in seconds.
pub fn budget<'a>(steps: impl IntoIterator<Item = &'a Step>) -> u64 {
    let mut bounded = false;
    let of = |sum: u64, step: &Step| {
        bounded |= matches!(step, Step::Deadline { .. });
        if bounded && step.is_bounded() { sum } else { sum.saturating_add(step.budget()) }
    };
    steps.into_iter().fold(0, of)
}

/// A text as a word of the line that the host's sh evaluates, which knows `newline`.
fn word(text: &str) -> String {
    script::word(text).replace('\n', "'\"$newline\"'")
}

/// The lines of a list.
pub(super) fn steps(steps: &[Step]) -> String {
    steps.iter().map(|step| format!("{step}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_deadline_bounds_takes_no_longer_than_that() {
        let units = || vec!["a.service".to_owned()];
        let exec = |until| Step::Exec { container: "a".to_owned(), run: vec!["x".to_owned()], until };
        let up = [
            Step::Restart { seconds: 100, units: units() },
            Step::Gate { seconds: 100, stay: 7, containers: vec!["a".to_owned()] },
            exec(Some(100)),
        ];
        assert_eq!(budget(&up), 307);
        let all = [&[Step::Stop { seconds: 5, units: units() }, Step::Deadline { seconds: 100, stay: 7 }], &up[..]];
        let after = [exec(None), Step::Deadline { seconds: 60, stay: 0 }, Step::Start { seconds: 60, units: units() }];
        assert_eq!(budget(all.concat().iter().chain(&after)), 15 + 100 + 60 + 60);
    }

    #[test]
    fn odd_words_of_a_program_are_one_line_and_come_back_as_they_were() {
        let run: Vec<String> = ["a b", "it's", "$HOME `x` \\ \"", "two\nlines", ""].map(str::to_owned).into();
        let step = Step::Exec { container: "box".to_owned(), run: run.clone(), until: None };
        let line = step.to_string();
        assert_eq!(line.lines().count(), 1);
        let words = line.strip_prefix("exec ").unwrap();
        let script = "newline='\n'\neval \"set -- $WORDS\"\nprintf '%s\\0' \"$@\"";
        let mut command = std::process::Command::new("sh");
        let output = command.args(["-c", script]).env("WORDS", words).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let found: Vec<&str> = said.split_terminator('\0').collect();
        assert_eq!(found, [&["box".to_owned()], run.as_slice()].concat());
    }
}
