//! What an apply says while it goes on: a live table on a terminal, lines elsewhere, JSON lines for programs, and a log for
//! each host.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::vault::Opened;
use crate::apply::{Event, Phase};
use crate::name::HostName;
use crate::ui::{Board, Mark, Screen};

/// So many applies' logs are kept for each estate.
const KEPT: usize = 30;

/// The columns of the table.
const PHASES: [Phase; 5] = [Phase::Lease, Phase::Pull, Phase::Stage, Phase::Activate, Phase::Confirm];

/// Who hears what happens.
pub struct Teller<'a> {
    json: bool,
    screen: &'a Screen,
    board: Option<Board>,
    logs: Option<Logs>,
    secrets: &'a Opened,
}

impl<'a> Teller<'a> {
    /// For a plan that changes these hosts.
    pub fn new(hosts: &[&HostName], json: bool, screen: &'a Screen, logs: Option<Logs>, secrets: &'a Opened) -> Self {
        let names: Vec<&str> = hosts.iter().map(|name| name.as_str()).collect();
        let phases = PHASES.map(Phase::as_str);
        let board = if json { None } else { screen.board(&names, &phases) };
        Self { json, screen, board, logs, secrets }
    }

    /// Hears of something. What a host says may hold what its programs print; no value of a secret goes further.
    pub fn hear(&self, event: Event) {
        let event = scrubbed(event, self.secrets);
        if let Some(logs) = &self.logs {
            logs.write(&event);
        }
        if self.json {
            if let Ok(line) = serde_json::to_string(&event) {
                self.screen.out(&format!("{line}\n"));
            }
            return;
        }
        if let Some(board) = &self.board {
            mark(board, &event);
        }
        for line in lines(&event, self.board.is_some()) {
            match &self.board {
                Some(board) => board.line(&line),
                None => self.screen.say(&line),
            }
        }
    }

    /// The end; says where the logs are.
    pub fn finish(self) {
        if let Some(board) = &self.board {
            board.finish();
        }
        if let Some(folder) = self.logs.and_then(Logs::finish) {
            self.screen.say(&format!("what each host said is in {}", folder.display()));
        }
    }
}

/// An event without the values of secrets.
fn scrubbed(event: Event, secrets: &Opened) -> Event {
    let scrub = |text: String| secrets.scrub(text);
    match event {
        Event::Step { host, says } => Event::Step { host, says: scrub(says) },
        Event::Journal { host, unit, lines } => Event::Journal { host, unit, lines: scrub(lines) },
        Event::Failed { host, phase, why } => Event::Failed { host, phase, why: scrub(why) },
        other => other,
    }
}

fn mark(board: &Board, event: &Event) {
    let set = |host: &HostName, phase: &Phase, mark| {
        if PHASES.contains(phase) {
            board.mark(host.as_str(), phase.as_str(), mark);
        } else if mark == Mark::Begun {
            board.says(host.as_str(), phase.as_str());
        }
    };
    match event {
        Event::Begin { host, phase } => set(host, phase, Mark::Begun),
        Event::End { host, phase } => set(host, phase, Mark::Done),
        Event::Failed { host, phase, .. } => set(host, phase, Mark::Failed),
        Event::Step { host, says } if !says.starts_with("end ") => {
            board.says(host.as_str(), says.strip_prefix("begin ").unwrap_or(says));
        }
        Event::Undone { host } => board.says(host.as_str(), "back on what it had"),
        _ => {}
    }
}

/// An event as lines for people. Where a table shows them, steps have none.
fn lines(event: &Event, table: bool) -> Vec<String> {
    match event {
        Event::Wave { wave, of, hosts } => {
            let names: Vec<&str> = hosts.iter().map(|name| name.as_str()).collect();
            vec![format!("Wave {wave} of {of}: {}", names.join(", "))]
        }
        Event::Step { .. } if table => Vec::new(),
        Event::Step { host, says } => {
            let rest = says.strip_prefix("begin ").or((!says.starts_with("end ")).then_some(says));
            rest.map(|rest| format!("  {host}: {rest}")).into_iter().collect()
        }
        Event::Journal { host, unit, lines } => {
            let head = format!("  {host}: the last lines of {unit}:");
            std::iter::once(head).chain(lines.lines().map(|line| format!("    {line}"))).collect()
        }
        Event::Failed { host, phase, why } => vec![format!("  {host}: {} did not end well: {why}", phase.as_str())],
        Event::Undone { host } => vec![format!("  {host}: is back on what it had")],
        Event::Begin { .. } | Event::End { .. } => Vec::new(),
    }
}

/// A file for each host, below a folder of one apply.
pub struct Logs {
    folder: PathBuf,
    files: Mutex<BTreeMap<HostName, Option<File>>>,
}

impl Logs {
    /// For an apply of a plan that begins at a time, in a project; older ones go.
    pub fn new(project: &Path, estate: &str, when: &str, plan: &str) -> Self {
        let all = project.join(".wharf/log").join(estate);
        prune(&all);
        let when: String = when.chars().filter(|c| !matches!(c, '-' | ':')).collect();
        Self { folder: all.join(format!("{when}-{plan}")), files: Mutex::default() }
    }

    /// Writes what happens to whose it is. A log that cannot be written stops nothing.
    fn write(&self, event: &Event) {
        let (hosts, text) = match event {
            Event::Wave { wave, of, hosts } => (hosts.clone(), format!("wave {wave} of {of}")),
            Event::Begin { host, phase } => (vec![host.clone()], format!("{}: begins", phase.as_str())),
            Event::End { host, phase } => (vec![host.clone()], format!("{}: done", phase.as_str())),
            Event::Step { host, says } => (vec![host.clone()], format!("  {says}")),
            Event::Journal { host, unit, lines } => {
                (vec![host.clone()], format!("the last lines of {unit}:\n{lines}").replace('\n', "\n    "))
            }
            Event::Failed { host, phase, why } => (vec![host.clone()], format!("{}: failed: {why}", phase.as_str())),
            Event::Undone { host } => (vec![host.clone()], "is back on what it had".to_owned()),
        };
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        for host in hosts {
            let file = files.entry(host.clone()).or_insert_with(|| self.open(&host));
            if let Some(file) = file {
                let _ = writeln!(file, "{now} {text}");
            }
        }
    }

    fn open(&self, host: &HostName) -> Option<File> {
        fs::create_dir_all(&self.folder).ok()?;
        let path = self.folder.join(format!("{host}.log"));
        OpenOptions::new().create(true).append(true).mode(0o600).open(path).ok()
    }

    /// The folder, where anything was written.
    fn finish(self) -> Option<PathBuf> {
        let files = self.files.into_inner().unwrap_or_else(PoisonError::into_inner);
        files.values().any(Option::is_some).then_some(self.folder)
    }
}

/// Takes the oldest logs away, so that there is room for one more.
fn prune(all: &Path) {
    let Ok(entries) = fs::read_dir(all) else { return };
    let mut folders: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    // Their names begin with the time.
    folders.sort();
    let over = (folders.len() + 1).saturating_sub(KEPT);
    for folder in folders.into_iter().take(over) {
        // Another run may be at it too.
        let _ = fs::remove_dir_all(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> HostName {
        HostName::new(name).unwrap()
    }

    #[test]
    fn each_host_has_a_log_of_its_own_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let all = folder.path().join(".wharf/log/e");
        for number in 0..KEPT + 3 {
            fs::create_dir_all(all.join(format!("20250101T0000{number:02}Z-p"))).unwrap();
        }
        let logs = Logs::new(folder.path(), "e", "2026-01-02T03:04:05Z", "abc");
        logs.write(&Event::Wave { wave: 1, of: 2, hosts: vec![host("a"), host("b")] });
        logs.write(&Event::Step { host: host("a"), says: "begin start x.service".to_owned() });
        logs.write(&Event::Journal { host: host("a"), unit: "x".to_owned(), lines: "one\ntwo".to_owned() });
        let at = logs.finish().unwrap();
        assert_eq!(at, all.join("20260102T030405Z-abc"));
        let text = |name: &str| -> Vec<String> {
            let text = fs::read_to_string(at.join(name)).unwrap();
            text.lines().map(|line| line.split_once("Z ").map_or(line, |(_, rest)| rest).to_owned()).collect()
        };
        let all_of_a =
            ["wave 1 of 2", "  begin start x.service", "the last lines of x:", "    one", "    two"].map(str::to_owned);
        assert_eq!(text("a.log"), all_of_a);
        assert_eq!(text("b.log"), ["wave 1 of 2"]);
        assert_eq!(fs::read_dir(&all).unwrap().count(), KEPT);
        assert!(!all.join("20250101T000000Z-p").exists());
    }

    #[test]
    fn an_apply_that_says_nothing_leaves_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Logs::new(folder.path(), "e", "2026-01-02T03:04:05Z", "abc").finish(), None);
        assert!(!folder.path().join(".wharf").exists());
    }
}
