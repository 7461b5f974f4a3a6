//! Progress: bars on a terminal, a line per finished phase elsewhere.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::progress::{Phase, Progress};

/// What people read for a phase, and whether its unit is bytes.
fn words(phase: Phase) -> (&'static str, &'static str, bool) {
    match phase {
        Phase::Index => ("reading indexes", "read indexes", true),
        Phase::Solve => ("choosing packages", "chose packages", false),
        Phase::Fetch => ("downloading", "downloaded", true),
        Phase::Unpack => ("reading packages", "read packages", false),
        Phase::Bytecode => ("compiling python", "compiled python", false),
        Phase::Build => ("building", "built", false),
    }
}

/// `1.5 GiB`, `12 KiB`: for people.
pub fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = units.iter();
    let mut name = unit.next().unwrap_or(&"KiB");
    while value >= 1024.0
        && let Some(next) = unit.next()
    {
        value /= 1024.0;
        name = next;
    }
    if value < 10.0 { format!("{value:.1} {name}") } else { format!("{value:.0} {name}") }
}

#[derive(Debug, Default)]
struct Count {
    done: u64,
    total: u64,
    /// Things that are whole and were made now.
    made: u64,
    /// Things that the cache had.
    cached: u64,
    /// Their units.
    cached_units: u64,
    bar: Option<ProgressBar>,
}

/// What is said of a phase that is done.
fn past(phase: Phase, count: &Count) -> String {
    let (_, past, bytes) = words(phase);
    let units = count.done.saturating_sub(count.cached_units);
    let amount = if bytes { size(units) } else { units.to_string() };
    match (count.made, count.cached) {
        (0, 0) => format!("{past}: {amount}"),
        (0, cached) => format!("{past}: nothing, {cached} from the cache"),
        (made, 0) => format!("{past}: {made} ({amount})"),
        (made, cached) => format!("{past}: {made} ({amount}), {cached} from the cache"),
    }
}

/// Shows progress on standard error.
#[derive(Debug)]
pub struct Bars {
    screen: Option<MultiProgress>,
    quiet: bool,
    phases: Mutex<BTreeMap<Phase, Count>>,
}

impl Bars {
    /// Bars on a terminal, lines elsewhere, nothing when quiet.
    pub fn new(terminal: bool, quiet: bool) -> Self {
        let screen =
            (terminal && !quiet).then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        Self { screen, quiet, phases: Mutex::default() }
    }

    fn line(&self, text: &str) {
        match &self.screen {
            Some(screen) => {
                let _ = screen.println(text);
            }
            None => {
                let _ = writeln!(std::io::stderr().lock(), "{text}");
            }
        }
    }

    fn bar(&self, phase: Phase) -> Option<ProgressBar> {
        let (name, _, bytes) = words(phase);
        let count = if bytes { "{bytes}/{total_bytes}" } else { "{pos}/{len}" };
        let style = ProgressStyle::with_template(&format!("{{prefix:>18}} {{bar:30}} {count:<20} {{wide_msg}}"));
        let bar = self.screen.as_ref()?.add(ProgressBar::new(0));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        bar.set_prefix(name);
        Some(bar)
    }
}

impl Progress for Bars {
    fn expect(&self, phase: Phase, total: u64) {
        if self.quiet || total == 0 {
            return;
        }
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        let count = phases.entry(phase).or_insert_with(|| Count { bar: self.bar(phase), ..Count::default() });
        count.total += total;
        if let Some(bar) = &count.bar {
            bar.set_length(count.total);
        }
    }

    fn advance(&self, phase: Phase, units: u64, what: &str) {
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = phases.get_mut(&phase) else { return };
        count.done += units;
        if let Some(bar) = &count.bar {
            bar.set_position(count.done);
            bar.set_message(what.to_owned());
        }
    }

    fn whole(&self, phase: Phase, cached: Option<u64>) {
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = phases.get_mut(&phase) else { return };
        match cached {
            Some(units) => {
                count.cached += 1;
                count.cached_units += units;
            }
            None => count.made += 1,
        }
    }

    fn finish(&self, phase: Phase) {
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = phases.remove(&phase) else { return };
        if let Some(bar) = &count.bar {
            bar.finish_and_clear();
        }
        if count.done > 0 {
            self.line(&past(phase, &count));
        }
    }

    fn note(&self, line: &str) {
        if !self.quiet {
            self.line(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_cache_had_is_not_counted_as_downloaded() {
        let bars = Bars::new(false, false);
        let count = || {
            let phases = bars.phases.lock().unwrap();
            past(Phase::Fetch, &phases[&Phase::Fetch])
        };
        bars.expect(Phase::Fetch, 7168);
        bars.advance(Phase::Fetch, 1024, "a");
        bars.whole(Phase::Fetch, Some(1024));
        assert_eq!(count(), "downloaded: nothing, 1 from the cache");
        bars.advance(Phase::Fetch, 4096, "b");
        bars.advance(Phase::Fetch, 2048, "c");
        bars.whole(Phase::Fetch, None);
        bars.whole(Phase::Fetch, None);
        assert_eq!(count(), "downloaded: 2 (6.0 KiB), 1 from the cache");
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(92 * 1024 * 1024), "92 MiB");
        assert_eq!(size(u64::MAX), "16777216 TiB");
    }
}
