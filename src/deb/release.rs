//! Release files (https://wiki.debian.org/DebianRepository/Format): what a suite says of itself, and its indexes' digests.

use std::collections::BTreeMap;

use crate::digest::Digest;

use super::control::{Control, ControlError};
use super::record::SuiteFacts;

/// A Release file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// `Origin`
    pub origin: Option<String>,
    /// `Label`
    pub label: Option<String>,
    /// `Suite`: `stable`.
    pub suite: Option<String>,
    /// `Codename`: `trixie`.
    pub codename: Option<String>,
    /// `Date`, seconds since 1970.
    pub date: i64,
    /// `Valid-Until`, seconds since 1970.
    pub valid_until: Option<i64>,
    /// `Components`
    pub components: Vec<String>,
    /// `Architectures`, with `all` where the field has it.
    pub architectures: Vec<String>,
    /// `Acquire-By-Hash: yes`
    pub by_hash: bool,
    /// `No-Support-for-Architecture-all: Packages`: packages of arch `all` are in each arch's index.
    pub all_in_each: bool,
    /// `NotAutomatic: yes`
    pub not_automatic: bool,
    /// `ButAutomaticUpgrades: yes`
    pub but_automatic_upgrades: bool,
    /// `SHA256`: size and digest by path below the suite's folder.
    pub files: BTreeMap<String, (u64, Digest)>,
}

/// A text that is no Release file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// It is no stanza.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// A field that is needed is not there.
    #[error("it has no `{0}`")]
    Missing(&'static str),
    /// A date cannot be read.
    #[error("its `{field}` is `{text}`: expected a date as `Sat, 15 Nov 2025 09:41:05 UTC`")]
    Date {
        /// `Date` or `Valid-Until`.
        field: &'static str,
        /// What it says.
        text: String,
    },
    /// A line of `SHA256` cannot be read.
    #[error("its `SHA256` has the line `{0}`: expected a digest, a size and a path")]
    File(String),
}

impl Release {
    /// Reads the signed text.
    pub fn parse(text: &str) -> Result<Self, ReleaseError> {
        let control = Control::parse(text)?;
        let text = |name: &str| control.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
        let words = |name: &str| {
            control.get(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        let yes = |name: &str| control.get(name).is_some_and(|value| value.eq_ignore_ascii_case("yes"));
        let date = |field: &'static str| {
            control
                .get(field)
                .map(|text| seconds(text).ok_or_else(|| ReleaseError::Date { field, text: text.to_owned() }))
                .transpose()
        };
        let mut files = BTreeMap::new();
        let listed = control.get("SHA256").ok_or(ReleaseError::Missing("SHA256"))?;
        for line in listed.lines().filter(|line| !line.trim().is_empty()) {
            let mut words = line.split_whitespace();
            let file = (|| {
                let digest = Digest::from_hex(words.next()?).ok()?;
                let size = words.next()?.parse().ok()?;
                let path = words.next()?;
                words.next().is_none().then(|| (path.to_owned(), (size, digest)))
            })();
            files.extend([file.ok_or_else(|| ReleaseError::File(line.trim().to_owned()))?]);
        }
        Ok(Self {
            origin: text("Origin"),
            label: text("Label"),
            suite: text("Suite"),
            codename: text("Codename"),
            date: date("Date")?.ok_or(ReleaseError::Missing("Date"))?,
            valid_until: date("Valid-Until")?,
            components: words("Components"),
            architectures: words("Architectures"),
            by_hash: yes("Acquire-By-Hash"),
            all_in_each: words("No-Support-for-Architecture-all").iter().any(|word| word == "Packages"),
            not_automatic: yes("NotAutomatic"),
            but_automatic_upgrades: yes("ButAutomaticUpgrades"),
            files,
        })
    }

    /// What pins look at; `name` is the suite as the spec calls it.
    pub fn facts(&self, archive: &str, name: &str) -> SuiteFacts {
        SuiteFacts {
            archive: archive.to_owned(),
            name: name.to_owned(),
            suite: self.suite.clone(),
            codename: self.codename.clone(),
            origin: self.origin.clone(),
            label: self.label.clone(),
            not_automatic: self.not_automatic,
            but_automatic_upgrades: self.but_automatic_upgrades,
        }
    }

    /// Whether this is the Release of the suite that was asked for. `bookworm/updates` has the codename `bookworm`;
    /// one that gives itself no name can be any.
    pub fn is_of(&self, suite: &str) -> bool {
        let short = suite.split('/').next().unwrap_or(suite);
        let mut names = [&self.suite, &self.codename].into_iter().flatten().peekable();
        names.peek().is_none() || names.any(|name| name == suite || name == short)
    }

    /// The indexes of a component for an arch and for `all`, each the smallest of its forms that wharf reads.
    pub fn indexes(&self, component: &str, arch: &str) -> Vec<IndexFile> {
        let all = !self.all_in_each && self.architectures.iter().any(|word| word == "all");
        std::iter::once(arch)
            .chain(all.then_some("all"))
            .filter_map(|arch| {
                [Form::Xz, Form::Gz, Form::Plain].into_iter().find_map(|form| {
                    let path = format!("{component}/binary-{arch}/Packages{}", form.suffix());
                    let (size, digest) = *self.files.get(&path)?;
                    Some(IndexFile { path, form, size, digest })
                })
            })
            .collect()
    }
}

/// An index that a Release names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexFile {
    /// Below the suite's folder.
    pub path: String,
    /// How it is compressed.
    pub form: Form,
    /// Bytes.
    pub size: u64,
    /// Of its bytes.
    pub digest: Digest,
}

impl IndexFile {
    /// The path that holds these bytes even while the mirror is being updated.
    pub fn by_hash(&self) -> String {
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/by-hash/SHA256/{}", self.digest.hex())
    }
}

/// How an index is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// xz(1)
    Xz,
    /// gzip(1)
    Gz,
    /// Not at all.
    Plain,
}

impl Form {
    fn suffix(self) -> &'static str {
        match self {
            Self::Xz => ".xz",
            Self::Gz => ".gz",
            Self::Plain => "",
        }
    }
}

/// A date as Release files have it, in UTC: `Sat, 15 Nov 2025 09:41:05 UTC` (RFC 5322 with the zone's name).
fn seconds(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_whitespace().peekable();
    words.next_if(|word| word.ends_with(','));
    let day: i8 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = i8::try_from(MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? + 1).ok()?;
    let year: i16 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<i8>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let utc = matches!(words.next()?, "UTC" | "GMT" | "UT" | "Z" | "+0000" | "-0000");
    if !utc || words.next().is_some() || clock.next().is_some() {
        return None;
    }
    let date = jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    Some(jiff::tz::TimeZone::UTC.to_timestamp(date).ok()?.as_second())
}

/// A date as the snapshot archive's addresses have it: `20251115T094105Z`.
pub(crate) fn snapshot_date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|time| time.strftime("%Y%m%dT%H%M%SZ").to_string()).unwrap_or_default()
}

/// A date for people: `2025-11-15 09:41:05 UTC`.
pub(crate) fn shown_date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map(|time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
        .unwrap_or_else(|_| format!("{seconds} s after 1970"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn message(text: &str) -> String {
        Release::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_missing_or_unreadable_is_named() {
        insta::assert_snapshot!(message("Suite: x\n"), @"it has no `SHA256`");
        insta::assert_snapshot!(message("SHA256:\n"), @"it has no `Date`");
        insta::assert_snapshot!(message("Date: today\nSHA256:\n"), @"its `Date` is `today`: expected a date as `Sat, 15 Nov 2025 09:41:05 UTC`");
        insta::assert_snapshot!(message("Date: x\nSHA256:\n 00 1 a\n"), @"its `SHA256` has the line `00 1 a`: expected a digest, a size and a path");
        insta::assert_snapshot!(message("<html>\n"), @"line 1: expected `Field: value`: `<html>`");
    }

    #[test]
    fn dates_are_utc() {
        assert_eq!(seconds("Sat, 15 Nov 2025 12:00:00 UTC"), Some(1_763_208_000));
        assert_eq!(seconds("15 Nov 2025 12:00:00 +0000"), Some(1_763_208_000));
        for bad in ["Sat, 15 Nov 2025 12:00:00 CET", "Sat, 31 Feb 2025 12:00:00 UTC", "Sat, 15 Nov 2025 12:00 UTC", ""]
        {
            assert_eq!(seconds(bad), None, "{bad}");
        }
        assert_eq!(snapshot_date(1_763_208_000), "20251115T120000Z");
    }

    #[test]
    fn the_smallest_index_is_taken_and_that_of_all_where_it_counts() {
        let text = |extra: &str| {
            let files: String =
                ["main/binary-amd64/Packages", "main/binary-amd64/Packages.gz", "main/binary-all/Packages.xz"]
                    .iter()
                    .map(|path| format!(" {HEX} 0 {path}\n"))
                    .collect();
            format!("Date: 1 Jan 2025 0:0:0 UTC\nArchitectures: all amd64\n{extra}SHA256:\n{files}")
        };
        let paths = |extra: &str, arch: &str| {
            let release = Release::parse(&text(extra)).unwrap();
            release.indexes("main", arch).into_iter().map(|file| file.path).collect::<Vec<_>>()
        };
        assert_eq!(paths("", "amd64"), ["main/binary-amd64/Packages.gz", "main/binary-all/Packages.xz"]);
        assert_eq!(paths("No-Support-for-Architecture-all: Packages\n", "amd64"), ["main/binary-amd64/Packages.gz"]);
        assert_eq!(paths("No-Support-for-Architecture-all: Packages\n", "arm64"), [] as [&str; 0]);
    }

    #[test]
    fn a_release_of_another_suite_is_told_apart() {
        let of = |names: &str| Release::parse(&format!("{names}Date: 1 Jan 2025 0:0:0 UTC\nSHA256:\n")).unwrap();
        let release = of("Suite: stable\nCodename: trixie\n");
        assert!(release.is_of("trixie") && release.is_of("stable"));
        assert!(!release.is_of("bookworm"));
        assert!(of("Codename: buster\n").is_of("buster/updates"));
        assert!(of("").is_of("anything"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*", date in "\\PC*") {
            let _ = Release::parse(&text);
            let _ = seconds(&date);
        }
    }
}
