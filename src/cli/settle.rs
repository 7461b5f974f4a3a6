//! What stands between an apply and its plan: what an earlier one began, and others who are at it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::thread;
use std::time::{Duration, Instant};

use super::deploy::Deploy;
use super::events::Teller;
use super::{Failure, Global};
use crate::apply::{Attend, Fleet, Options, Outcome, attend};
use crate::host::{Intent, Lease};
use crate::name::HostName;
use crate::plan::Known;
use crate::ui::Screen;

/// Between two looks at others' leases.
const PAUSE: Duration = Duration::from_secs(2);
/// How far a host's clock may be off, in seconds.
const OFF: i64 = 60;

/// How an earlier apply is ended.
#[derive(Clone, Copy)]
pub struct Settle<'a> {
    pub deploy: &'a Deploy,
    pub fleet: &'a Fleet<'a>,
    pub options: &'a Options,
    pub why: &'a Option<String>,
    /// Without a question.
    pub yes: bool,
}

/// What nobody confirmed on hosts that answered.
fn begun(known: &Known) -> BTreeMap<HostName, Intent> {
    let intent = |(name, facts): (&HostName, &Result<crate::host::Facts, String>)| {
        Some((name.clone(), facts.as_ref().ok()?.intent.clone()?))
    };
    known.iter().filter_map(intent).collect()
}

/// Ends what an earlier apply began; none where there is nothing of that kind, or where nobody wants it ended.
pub fn settle(what: Settle<'_>, known: &Known, global: &Global, screen: &Screen) -> Result<Option<Outcome>, Failure> {
    // Another estate's hosts are none of ours.
    let estate = what.deploy.estate()?.name.as_str().to_owned();
    let mut hosts = begun(known);
    hosts.retain(|name, _| {
        let facts = known.get(name).and_then(|facts| facts.as_ref().ok());
        let of = facts.and_then(|facts| facts.generation.as_ref()).map(|generation| generation.header.estate.as_str());
        of.is_none_or(|of| of == estate)
    });
    if hosts.is_empty() {
        return Ok(None);
    }
    for (name, intent) in &hosts {
        screen.say(&format!(
            "{name}: generation {} of plan {} was begun and is not confirmed: that is settled first",
            intent.to, intent.plan
        ));
    }
    if !what.yes && std::io::stdin().is_terminal() {
        screen.ask("Wait for it, keep it where it ended well, else take it back? [y/N] ");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map_err(|error| Failure::plain(error.to_string()))?;
        if !matches!(line.trim(), "y" | "Y" | "yes") {
            return Ok(None);
        }
    } else if !what.yes {
        return Ok(None);
    }
    let header = what.deploy.header("-", what.why.clone());
    let attend_to = Attend { hosts: &hosts, header: &header, options: what.options };
    let names: Vec<&HostName> = hosts.keys().collect();
    let teller = Teller::new(&names, global.json, screen, None, &what.deploy.vault);
    let outcome = attend(attend_to, what.fleet, &|event| teller.hear(event));
    teller.finish();
    Ok(Some(outcome))
}

/// Waits until nobody else holds a lease of the hosts, not for ever; what is known of them then.
pub fn wait(
    seconds: u64,
    gone: fn(&str) -> bool,
    mut known: Known,
    probe: impl Fn() -> Known,
    screen: &Screen,
) -> Known {
    let begun = Instant::now();
    let mut said = BTreeSet::new();
    loop {
        let held = known.iter().filter_map(|(name, facts)| {
            let facts = facts.as_ref().ok()?;
            let lease = facts.lease.as_ref().filter(|lease| lease.until > facts.uptime && !gone(&lease.process))?;
            Some((name, lease))
        });
        let held: Vec<(&HostName, &Lease)> = held.collect();
        if held.is_empty() || begun.elapsed() >= Duration::from_secs(seconds) {
            return known;
        }
        for (name, lease) in held {
            if said.insert((name.clone(), lease.token.clone())) {
                screen.say(&format!("waits for {}", holder(name, lease)));
            }
        }
        thread::sleep(PAUSE);
        known = probe();
    }
}

/// Who has a lease, for a person.
pub fn holder(host: &HostName, lease: &Lease) -> String {
    let why = if matches!(lease.why.as_str(), "" | "-") { "no reason given" } else { lease.why.as_str() };
    format!("{host}: {} since {}, plan {} ({why})", lease.who, lease.when, lease.plan)
}

/// Hosts whose clocks are far from this machine's, for a person.
pub fn clocks(known: &Known) -> Vec<String> {
    let now = jiff::Timestamp::now().as_second();
    let off = |(name, facts): (&HostName, &Result<crate::host::Facts, String>)| {
        let clock = i64::try_from(facts.as_ref().ok()?.clock).ok().filter(|clock| *clock > 0)?;
        let (by, way) = if clock > now { (clock - now, "ahead of") } else { (now - clock, "behind") };
        (by > OFF).then(|| {
            format!(
                "{name}: its clock is {by} s {way} this machine's: tokens and certificates are judged by it; see what sets \
                 the time there (chronyc tracking, timedatectl)"
            )
        })
    };
    known.iter().filter_map(off).collect()
}

/// This process as its machine knows it: the boot, the namespace of its id, its id, when it began.
pub fn process() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .ok()
        .and_then(|boot| {
            let space = std::fs::read_link("/proc/self/ns/pid").ok()?;
            let id = std::process::id();
            Some(format!("{} {} {id} {}", boot.trim(), space.display(), began(id)?))
        })
        .unwrap_or_default()
}

/// When a process began, in ticks since the boot (proc_pid_stat(5), field 22).
fn began(id: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // What stands before may hold blanks.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(19).map(str::to_owned)
}

/// Whether a process is one of this machine and boot, and runs no more. Of others nobody here can say.
pub fn gone(process: &str) -> bool {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (theirs, ours) = (words(process), words(&self::process()));
    match (theirs.as_slice(), ours.as_slice()) {
        ([boot, space, id, when], [our_boot, our_space, ..]) if boot == our_boot && space == our_space => {
            id.parse().ok().and_then(began).as_ref() != Some(when)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_gone_when_it_ended_and_only_then() {
        let own = process();
        assert!(!gone(&own), "{own}");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let mut words: Vec<String> = own.split(' ').map(str::to_owned).collect();
        words[2] = child.id().to_string();
        assert!(gone(&words.join(" ")));
        // The same id of a process that began at another time.
        let mut words: Vec<String> = own.split(' ').map(str::to_owned).collect();
        words[3] = "1".to_owned();
        assert!(gone(&words.join(" ")));
        for foreign in ["", "another-boot pid:[1] 1 1", "x"] {
            assert!(!gone(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_clock_that_is_far_off_is_said() {
        let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap();
        let host =
            |name: &str, clock| (HostName::new(name).unwrap(), Ok(crate::host::Facts { clock, ..Default::default() }));
        let known: Known = [host("a", now), host("b", now - 7200), host("c", now + 7200), host("d", 0)].into();
        let said = clocks(&known);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("b: its clock is 720") && said[0].contains("behind"), "{said:?}");
        assert!(said[1].starts_with("c: its clock is 7") && said[1].contains("ahead of"), "{said:?}");
    }
}
