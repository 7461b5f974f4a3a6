//! Health: a command that podman runs in the container, whole or not at all.
//!
//! `podman run --health-cmd` takes the image's other values back to podman's own; so a unit always says them all.

use serde::{Deserialize, Serialize};

use super::period::Period;
use super::say::{Sayings, Unsayable};

/// What is run to see whether a container is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthTest {
    /// A line for the image's /bin/sh.
    Shell(String),
    /// A program and its arguments.
    Words(Vec<String>),
}

/// What podman does when the check has failed `retries` times. Under systemd `kill` leaves the restart to systemd.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum OnFailure {
    #[default]
    None,
    Kill,
    Restart,
    Stop,
}

impl OnFailure {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Stop => "stop",
        }
    }
}

/// A health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "HealthParts", into = "HealthParts")]
pub struct Health(HealthParts);

/// What a health check is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthParts {
    /// What is run.
    pub test: HealthTest,
    /// From one run to the next.
    pub interval: Period,
    /// How long a run may take.
    pub timeout: Period,
    /// So many failures in a row make a container unhealthy.
    pub retries: u32,
    /// Failures in this time from the start do not count.
    pub start_period: Period,
    /// What podman does then.
    pub on_failure: OnFailure,
}

/// A health check that podman would refuse or misread.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HealthError {
    /// Nothing to run.
    #[error("a health check needs a command")]
    Empty,
    /// A first word that podman reads as a keyword.
    #[error("podman reads `{0}` at the beginning of a health check as a keyword; run it by its path")]
    Keyword(String),
    /// A time or a number that must not be zero.
    #[error("a health check's {0} cannot be 0")]
    Zero(&'static str),
}

impl Health {
    /// Checks the parts.
    pub fn new(parts: HealthParts) -> Result<Self, HealthError> {
        let first = match &parts.test {
            HealthTest::Shell(line) => line.trim(),
            HealthTest::Words(words) => words.first().map_or("", String::as_str),
        };
        if first.is_empty() {
            return Err(HealthError::Empty);
        }
        let keyword = ["CMD", "CMD-SHELL", "NONE"].iter().any(|word| first.eq_ignore_ascii_case(word));
        if keyword && matches!(parts.test, HealthTest::Words(_)) {
            return Err(HealthError::Keyword(first.to_owned()));
        }
        if parts.interval == Period::default() {
            return Err(HealthError::Zero("interval"));
        }
        if parts.timeout == Period::default() {
            return Err(HealthError::Zero("timeout"));
        }
        if parts.retries == 0 {
            return Err(HealthError::Zero("retries"));
        }
        Ok(Self(parts))
    }

    /// What it is made of.
    pub fn parts(&self) -> &HealthParts {
        &self.0
    }

    /// How long from the start until podman has called a container that is not well unhealthy, at the latest.
    pub fn budget(&self) -> Period {
        let run = self.0.interval.plus(self.0.timeout);
        self.0.start_period.plus(run.times(self.0.retries.saturating_add(1)))
    }

    /// The command as `--health-cmd` reads it. podman takes a JSON array of two or more words as they are, one word alone
    /// as a line for the shell, and a text after `CMD ` cut at white space (`MakeHealthCheckFromCli`, 4.3 to 5.8).
    fn command(&self) -> String {
        let array = |words: &[&str]| serde_json::Value::from(words.to_vec()).to_string();
        match &self.0.test {
            HealthTest::Shell(line) => array(&["CMD-SHELL", line]),
            HealthTest::Words(words) => match words.as_slice() {
                [one] if !one.contains(char::is_whitespace) => format!("CMD {one}"),
                [one] => array(&["CMD-SHELL", &format!("'{}'", one.replace('\'', r"'\''"))]),
                words => array(&words.iter().map(String::as_str).collect::<Vec<_>>()),
            },
        }
    }

    pub(super) fn say(&self, say: &mut Sayings) -> Result<(), Unsayable> {
        say.text("HealthCmd", self.command())?;
        say.text("HealthInterval", self.0.interval)?;
        say.text("HealthTimeout", self.0.timeout)?;
        say.text("HealthRetries", self.0.retries)?;
        say.text("HealthStartPeriod", self.0.start_period)?;
        say.text("HealthOnFailure", self.0.on_failure.as_str())
    }
}

impl TryFrom<HealthParts> for Health {
    type Error = HealthError;

    fn try_from(parts: HealthParts) -> Result<Self, HealthError> {
        Self::new(parts)
    }
}

impl From<Health> for HealthParts {
    fn from(health: Health) -> Self {
        health.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn parts(test: HealthTest) -> HealthParts {
        HealthParts {
            test,
            interval: Period::from_secs(30),
            timeout: Period::from_secs(10),
            retries: 3,
            start_period: Period::from_secs(60),
            on_failure: OnFailure::None,
        }
    }

    fn words(words: &[&str]) -> HealthTest {
        HealthTest::Words(words.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_check_that_podman_would_refuse_or_misread_is_refused() {
        let new = |test| Health::new(parts(test));
        assert_eq!(new(words(&[])), Err(HealthError::Empty));
        assert_eq!(new(HealthTest::Shell(" ".to_owned())), Err(HealthError::Empty));
        assert_eq!(new(words(&["cmd", "x"])), Err(HealthError::Keyword("cmd".to_owned())));
        let zero = |change: fn(&mut HealthParts)| {
            let mut parts = parts(words(&["x"]));
            change(&mut parts);
            Health::new(parts).unwrap_err().to_string()
        };
        assert_eq!(zero(|parts| parts.retries = 0), "a health check's retries cannot be 0");
        assert_eq!(zero(|parts| parts.interval = Period::default()), "a health check's interval cannot be 0");
        assert_eq!(zero(|parts| parts.timeout = Period::default()), "a health check's timeout cannot be 0");
    }

    #[test]
    fn the_command_is_in_the_form_that_podman_leaves_alone() {
        let command = |test| Health::new(parts(test)).unwrap().command();
        assert_eq!(command(HealthTest::Shell("a \"b\" | c".to_owned())), r#"["CMD-SHELL","a \"b\" | c"]"#);
        assert_eq!(command(words(&["curl", "-f", "x y"])), r#"["curl","-f","x y"]"#);
        assert_eq!(command(words(&["/bin/check"])), "CMD /bin/check");
        assert_eq!(command(words(&["/a b"])), r#"["CMD-SHELL","'/a b'"]"#);
    }

    #[test]
    fn the_budget_covers_the_last_retry() {
        let health = Health::new(parts(words(&["x"]))).unwrap();
        assert_eq!(health.budget(), Period::from_secs(60 + 4 * 40));
    }
}
