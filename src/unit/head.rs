//! What every unit has: its description, its order and needs among the units of its own host, and what starts it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::file::{FileError, UnitFile};
use super::name::UnitName;
use super::period::Period;
use super::quote;
use super::say::Unsayable;

/// What a unit waits for to be so before it starts; where it is not, the unit is passed over (`Condition…=`) or fails
/// (`Assert…=`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Condition {
    /// Whether the unit fails where it does not hold.
    pub assert: bool,
    /// Whether it must not hold.
    pub negate: bool,
    /// What is looked at: `PathExists`, `FileNotEmpty`, `Host` … (systemd.unit(5), "Conditions and asserts").
    pub what: String,
    /// What it is compared with.
    pub value: String,
}

/// How often a unit may start before systemd leaves it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartLimit {
    /// So many starts …
    pub burst: u32,
    /// … in this time.
    pub interval: Period,
}

/// The `[Unit]` and `[Install]` sections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Head {
    /// One line for people.
    pub description: String,
    /// Units that must have started before this one does. By the names of their files; podman's are translated.
    pub after: BTreeSet<UnitName>,
    /// Units that start after this one.
    pub before: BTreeSet<UnitName>,
    /// Units that are started too.
    pub wants: BTreeSet<UnitName>,
    /// Units without which this one cannot start, and that stop it when they are stopped.
    pub requires: BTreeSet<UnitName>,
    /// As `requires`, and it stops also when they end by themselves.
    pub binds_to: BTreeSet<UnitName>,
    /// Units whose stop and restart reach this one.
    pub part_of: BTreeSet<UnitName>,
    /// Units that start this one.
    pub wanted_by: BTreeSet<UnitName>,
    /// What must hold.
    pub conditions: Vec<Condition>,
    /// How often it may start.
    pub start_limit: Option<StartLimit>,
    /// Paths whose file systems must be mounted.
    pub mounts_for: BTreeSet<String>,
    /// Lines of an `[X-Wharf]` section, which systemd and podman pass over: the hashes that make a unit change when what it
    /// uses does.
    pub marks: BTreeMap<String, String>,
}

/// A line that a file refuses, as the error of the unit's.
pub(super) fn line(file: &mut UnitFile, section: &str, key: &str, value: impl AsRef<str>) -> Result<(), Unsayable> {
    file.add(section, key, value.as_ref()).map_err(|error| {
        let unit = file.name().to_string();
        match error {
            FileError::Value { key, value, why } => Unsayable::Text { unit, key, text: value, why: why.to_owned() },
            error => Unsayable::Line { unit, error },
        }
    })
}

/// Names of services, blanks between them; nothing where there are none.
pub(super) fn names(names: &BTreeSet<UnitName>) -> Option<String> {
    let mut names: Vec<String> = names.iter().map(|name| name.service().to_string()).collect();
    names.sort_unstable();
    names.dedup();
    (!names.is_empty()).then(|| names.join(" "))
}

impl Head {
    /// Adds a unit without which this one cannot start, and that starts first.
    pub(super) fn needs(&mut self, unit: UnitName) {
        self.after.insert(unit.clone());
        self.requires.insert(unit);
    }

    /// Writes `[Unit]`.
    pub(super) fn write_unit(&self, file: &mut UnitFile) -> Result<(), Unsayable> {
        const UNIT: &str = "Unit";
        if !self.description.is_empty() {
            line(file, UNIT, "Description", quote::percent(&self.description))?;
        }
        let lists = [
            ("Wants", &self.wants),
            ("Requires", &self.requires),
            ("BindsTo", &self.binds_to),
            ("PartOf", &self.part_of),
            ("Before", &self.before),
            ("After", &self.after),
        ];
        for (key, list) in lists {
            if let Some(list) = names(list) {
                line(file, UNIT, key, list)?;
            }
        }
        if !self.mounts_for.is_empty() {
            line(file, UNIT, "RequiresMountsFor", quote::list(&self.mounts_for))?;
        }
        for condition in &self.conditions {
            let key = format!("{}{}", if condition.assert { "Assert" } else { "Condition" }, condition.what);
            let sign = if condition.negate { "!" } else { "" };
            line(file, UNIT, &key, format!("{sign}{}", quote::percent(&condition.value)))?;
        }
        if let Some(limit) = &self.start_limit {
            line(file, UNIT, "StartLimitIntervalSec", limit.interval.to_string())?;
            line(file, UNIT, "StartLimitBurst", limit.burst.to_string())?;
        }
        Ok(())
    }

    /// Writes `[Install]` and `[X-Wharf]`.
    pub(super) fn write_end(&self, file: &mut UnitFile) -> Result<(), Unsayable> {
        for (key, value) in &self.marks {
            line(file, "X-Wharf", key, value)?;
        }
        match names(&self.wanted_by) {
            Some(list) => line(file, "Install", "WantedBy", list),
            None => Ok(()),
        }
    }
}
