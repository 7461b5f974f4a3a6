//! How a container, or any service, lives under systemd.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::unit::file::UnitFile;
use crate::unit::head::line;
use crate::unit::name::UnitName;
use crate::unit::period::Period;
use crate::unit::quote;
use crate::unit::say::Unsayable;

/// When a service counts as started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notify {
    /// When its process runs.
    #[default]
    Conmon,
    /// When its process says so (sd_notify(3)).
    Container,
    /// When its health check first passes.
    Healthy,
}

/// What ends its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Run {
    /// It runs until it is stopped.
    Service(Notify),
    /// It does its work and ends.
    Oneshot {
        /// Whether the unit counts as active after that.
        remain: bool,
    },
}

impl Default for Run {
    fn default() -> Self {
        Self::Service(Notify::default())
    }
}

/// When systemd starts it again (systemd.service(5), `Restart=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Restart {
    No,
    OnSuccess,
    OnFailure,
    OnAbnormal,
    OnAbort,
    OnWatchdog,
    Always,
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "no",
            Self::OnSuccess => "on-success",
            Self::OnFailure => "on-failure",
            Self::OnAbnormal => "on-abnormal",
            Self::OnAbort => "on-abort",
            Self::OnWatchdog => "on-watchdog",
            Self::Always => "always",
        })
    }
}

/// How long a start or a stop may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timeout {
    /// This long.
    After(Period),
    /// As long as it takes.
    Never,
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(period) => period.fmt(f),
            Self::Never => f.write_str("infinity"),
        }
    }
}

/// How it is told that its configuration changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reload {
    /// By a program run in it.
    Command(Vec<String>),
    /// By a signal to its first process.
    Signal(String),
}

/// Starts, stops, and what follows an end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Life {
    /// When it is started again.
    pub restart: Option<Restart>,
    /// How long after.
    pub restart_sec: Option<Period>,
    /// How long a start may take. Where none is given it is the health check's budget for what counts as started when it is
    /// healthy, else systemd's own 90 s.
    pub start: Option<Timeout>,
    /// How long a stop may take; the time its process has, and 30 s, where only that is given.
    pub stop: Option<Timeout>,
    /// How it reloads.
    pub reload: Option<Reload>,
    /// Its place among the control groups.
    pub slice: Option<UnitName>,
    /// More lines of `[Service]`, as they stand in the file.
    pub lines: Vec<(String, String)>,
}

/// What podman's generator or wharf writes itself, or does not support.
const TAKEN: [&str; 17] = [
    "DynamicUser",
    "ExecReload",
    "ExecStart",
    "ExecStop",
    "ExecStopPost",
    "Group",
    "KillMode",
    "NotifyAccess",
    "PIDFile",
    "RemainAfterExit",
    "Restart",
    "RestartSec",
    "Slice",
    "TimeoutStartSec",
    "TimeoutStopSec",
    "Type",
    "User",
];

impl Life {
    /// The first of the extra lines whose key is not free; `ExecStopPost` is, for containers, where wharf adds none.
    pub(crate) fn taken(&self) -> Option<&str> {
        self.lines.iter().map(|(key, _)| key.as_str()).find(|key| TAKEN.contains(key))
    }

    /// Writes the lines of `[Service]` that say how long and how often; `budget` is the time it has to be healthy, `grace`
    /// the one its process has to end.
    pub(in crate::unit) fn write(
        &self,
        file: &mut UnitFile,
        budget: Option<Period>,
        grace: Option<Period>,
    ) -> Result<(), Unsayable> {
        const SERVICE: &str = "Service";
        if let Some(restart) = self.restart {
            line(file, SERVICE, "Restart", restart.to_string())?;
        }
        if let Some(period) = self.restart_sec {
            line(file, SERVICE, "RestartSec", period.to_string())?;
        }
        if let Some(timeout) = self.start.or(budget.map(Timeout::After)) {
            line(file, SERVICE, "TimeoutStartSec", timeout.to_string())?;
        }
        if let Some(timeout) = self.stop_within(grace) {
            line(file, SERVICE, "TimeoutStopSec", timeout.to_string())?;
        }
        if let Some(slice) = &self.slice {
            line(file, SERVICE, "Slice", slice.to_string())?;
        }
        for (key, value) in &self.lines {
            line(file, SERVICE, key, value)?;
        }
        Ok(())
    }

    /// How long a stop may take where its process is given `grace` to end; none where systemd's own default says it.
    pub(in crate::unit) fn stop_within(&self, grace: Option<Period>) -> Option<Timeout> {
        self.stop.or(grace.map(|grace| Timeout::After(grace.plus(Period::from_secs(30)))))
    }

    /// The command behind `ExecReload=` of a container, for podman's generators that have no key for it and for plain units.
    pub(in crate::unit) fn exec_reload(&self, container: &str) -> Option<String> {
        let words = match self.reload.as_ref()? {
            Reload::Command(words) => {
                let mut line: Vec<&str> = vec!["/usr/bin/podman", "exec", container];
                line.extend(words.iter().map(String::as_str));
                quote::command(&line)
            }
            Reload::Signal(signal) => quote::command(&["/usr/bin/podman", "kill", "--signal", signal, container]),
        };
        Some(words)
    }
}
