//! What an earlier apply began and did not end.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::fleet::{Fleet, each};
use super::walk::Hear;
use super::{Event, Options, Outcome, Phase, lease};
use crate::host::{Call, Header, Intent};
use crate::name::HostName;

/// How long what was begun may take to end.
const LIMIT: Duration = Duration::from_secs(3600);

/// What is attended to.
#[derive(Clone, Copy)]
pub struct Attend<'a> {
    /// Hosts, and what nobody confirmed there.
    pub hosts: &'a BTreeMap<HostName, Intent>,
    /// Who, when, why.
    pub header: &'a Header,
    /// How.
    pub options: &'a Options,
}

/// Waits for what is under way on hosts; confirms what ended well, takes back what did not and may be taken back.
pub fn attend(what: Attend<'_>, fleet: &Fleet<'_>, hear: &Hear<'_>) -> Outcome {
    let outcome = Mutex::new(Outcome::default());
    let note = |note: &dyn Fn(&mut Outcome)| note(&mut outcome.lock().unwrap_or_else(PoisonError::into_inner));
    let hosts: Vec<HostName> = what.hosts.keys().cloned().collect();
    let failed = |host: &HostName, why: String| {
        hear(Event::Failed { host: host.clone(), phase: Phase::Settle, why: why.clone() });
        note(&|outcome| {
            outcome.failed.insert(host.clone(), format!("settle: {why}"));
        });
    };
    each(&hosts, what.options.forks, |host| {
        let plan = what.hosts.get(host).map_or("-", |intent| intent.plan.as_str());
        match lease::take(fleet, host, (what.header, plan), what.options, hear) {
            Ok(None) => {}
            Ok(Some(lease)) => {
                return note(&|outcome| {
                    outcome.locked.insert(host.clone(), lease.clone());
                });
            }
            Err(error) => return failed(host, error.line()),
        }
        hear(Event::Begin { host: host.clone(), phase: Phase::Settle });
        let call = lease::held(what.options, Call::Attend { keep: what.options.keep }, lease::LEASE);
        let mut ends: BTreeMap<String, String> = BTreeMap::new();
        let result = fleet.stream(host, &call, &[], LIMIT, false, &mut |frame| match frame.name.as_str() {
            "event" => hear(Event::Step { host: host.clone(), says: frame.text }),
            "journal" => {
                let (unit, lines) = frame.text.split_once('\n').unwrap_or((frame.text.as_str(), ""));
                hear(Event::Journal { host: host.clone(), unit: unit.to_owned(), lines: lines.to_owned() });
            }
            _ => {
                ends.insert(frame.name, frame.text);
            }
        });
        if let Err(error) = result {
            return failed(host, error.line());
        }
        if let Some(why) = ends.get("failed") {
            hear(Event::Step { host: host.clone(), says: format!("did not end well: {why}") });
        }
        if ends.contains_key("undone") {
            hear(Event::Undone { host: host.clone() });
        }
        note(&|outcome| {
            if ends.contains_key("confirmed") {
                outcome.done.insert(host.clone());
            } else if ends.contains_key("undone") {
                outcome.undone.insert(host.clone());
            } else if ends.contains_key("held") {
                outcome.held.insert(host.clone());
            }
        });
        match ends.get("trouble") {
            Some(trouble) => failed(host, format!("it is back, and not all is up: {trouble}")),
            None => hear(Event::End { host: host.clone(), phase: Phase::Settle }),
        }
    });
    lease::release(fleet, &hosts, what.options);
    outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
}
