//! A live table of hosts and phases, on a terminal; elsewhere there is none.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// With more hosts than this only those that are at work have a row.
const ROWS: usize = 16;

/// How far a host is with a phase. Words, not colours, say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Under way.
    Begun,
    /// Ended well.
    Done,
    /// Ended badly.
    Failed,
}

impl Mark {
    fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "...",
            Self::Done => "ok",
            Self::Failed => "failed",
        }
    }
}

/// What is known of a host's row.
#[derive(Debug, Default)]
struct Row {
    marks: BTreeMap<&'static str, Mark>,
    says: String,
    bar: Option<ProgressBar>,
}

/// The table.
#[derive(Debug)]
pub struct Board {
    screen: MultiProgress,
    phases: Vec<&'static str>,
    width: usize,
    all: usize,
    rows: Mutex<BTreeMap<String, Row>>,
    sum: ProgressBar,
}

impl Board {
    /// A table of these hosts, whose columns are phases.
    pub fn new(hosts: &[&str], phases: &[&'static str]) -> Self {
        Self::on(ProgressDrawTarget::stderr_with_hz(10), hosts, phases)
    }

    fn on(target: ProgressDrawTarget, hosts: &[&str], phases: &[&'static str]) -> Self {
        let screen = MultiProgress::with_draw_target(target);
        let width = hosts.iter().map(|host| host.len()).max().unwrap_or(0).max(4);
        let head = phases
            .iter()
            .fold(format!("{:<width$}", "HOST"), |text, phase| format!("{text}  {:<6}", phase.to_uppercase()));
        let sum = screen.add(ProgressBar::no_length());
        sum.set_style(plain());
        sum.set_message(head);
        let board = Self { screen, phases: phases.to_vec(), width, all: hosts.len(), rows: Mutex::default(), sum };
        {
            let mut rows = board.rows.lock().unwrap_or_else(PoisonError::into_inner);
            for host in hosts {
                let mut row = Row::default();
                if hosts.len() <= ROWS {
                    row.bar = Some(board.bar());
                }
                board.draw(host, &row);
                rows.insert((*host).to_owned(), row);
            }
        }
        board
    }

    fn bar(&self) -> ProgressBar {
        let bar = self.screen.add(ProgressBar::no_length());
        bar.set_style(timed());
        bar.enable_steady_tick(Duration::from_secs(1));
        bar
    }

    /// A row as it is printed.
    fn text(&self, host: &str, row: &Row) -> String {
        let width = self.width;
        let start = format!("{host:<width$}");
        let marks = self.phases.iter().fold(start, |text, phase| {
            let mark = row.marks.get(phase).map_or("-", |mark| mark.as_str());
            format!("{text}  {mark:<wide$}", wide = phase.len().max(6))
        });
        format!("{marks}  {}", row.says).trim_end().to_owned()
    }

    fn draw(&self, host: &str, row: &Row) {
        if let Some(bar) = &row.bar {
            bar.set_message(self.text(host, row));
        }
    }

    /// Marks how far a host is with a phase.
    pub fn mark(&self, host: &str, phase: &'static str, mark: Mark) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let row = rows.entry(host.to_owned()).or_default();
        row.marks.insert(phase, mark);
        row.says.clear();
        match mark {
            Mark::Begun if row.bar.is_none() => row.bar = Some(self.bar()),
            Mark::Begun => {}
            Mark::Done | Mark::Failed if self.all > ROWS => {
                if let Some(bar) = row.bar.take() {
                    bar.finish_and_clear();
                    self.screen.remove(&bar);
                }
            }
            Mark::Done | Mark::Failed => {}
        }
        if let Some(bar) = row.bar.as_ref().filter(|_| mark == Mark::Begun) {
            bar.reset_elapsed();
        }
        self.draw(host, row);
    }

    /// Says what a host is at.
    pub fn says(&self, host: &str, text: &str) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let row = rows.entry(host.to_owned()).or_default();
        row.says = text.to_owned();
        self.draw(host, row);
    }

    /// Prints a line above the table.
    pub fn line(&self, text: &str) {
        let _ = self.screen.println(text);
    }

    /// Leaves the table as it is at the end.
    pub fn finish(&self) {
        for row in self.rows.lock().unwrap_or_else(PoisonError::into_inner).values() {
            if let Some(bar) = &row.bar {
                bar.abandon();
            }
        }
        self.sum.abandon();
    }
}

fn plain() -> ProgressStyle {
    ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn timed() -> ProgressStyle {
    ProgressStyle::with_template("{wide_msg} {elapsed}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_in_words_how_far_a_host_is() {
        let board = Board::on(ProgressDrawTarget::hidden(), &["c1a", "c1bb2"], &["lease", "pull", "activate"]);
        board.mark("c1a", "lease", Mark::Done);
        board.mark("c1a", "activate", Mark::Begun);
        board.says("c1a", "restart keystone.service");
        board.mark("c1bb2", "lease", Mark::Failed);
        let rows = board.rows.lock().unwrap();
        let text: Vec<String> = rows.iter().map(|(host, row)| board.text(host, row)).collect();
        assert_eq!(text, ["c1a    ok      -       ...       restart keystone.service", "c1bb2  failed  -       -"]);
        assert_eq!(board.sum.message(), "HOST   LEASE   PULL    ACTIVATE");
    }

    #[test]
    fn of_many_hosts_only_those_at_work_have_a_row() {
        let names: Vec<String> = (0..40).map(|number| format!("h{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let board = Board::on(ProgressDrawTarget::hidden(), &names, &["lease"]);
        let rows = || board.rows.lock().unwrap().values().filter(|row| row.bar.is_some()).count();
        assert_eq!(rows(), 0);
        board.mark("h3", "lease", Mark::Begun);
        assert_eq!(rows(), 1);
        board.mark("h3", "lease", Mark::Done);
        assert_eq!(rows(), 0);
    }
}
