//! The walk itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::fleet::{Fleet, QUICK, each};
use super::lease::LEASE;
use super::{Event, Outcome, Phase, Work};
use crate::host::{self, Bundle, Call, Content, Facts, Frame, Generation, LinkError, Step, bare};
use crate::name::{HostName, ServiceName};
use crate::plan::{Batch, Change, Class, Grant, Reason, Wave, after};

/// How long images may take to come.
const IMAGES: Duration = Duration::from_secs(3600);
/// Between two tries to find it.
const PAUSE: Duration = Duration::from_secs(2);

/// What a host is in the middle of.
#[derive(Debug, Clone, Copy)]
struct At {
    /// The live generation.
    from: u64,
    /// The next one.
    to: u64,
}

/// Who hears what happens.
pub(super) type Hear<'a> = dyn Fn(Event) + Sync + 'a;

/// Why a phase did not end well.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The host says so.
    Said(String),
    /// It was not heard to the end.
    Link(LinkError),
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Said(why) => f.write_str(why),
            Self::Link(error) => f.write_str(&error.line()),
        }
    }
}

/// Applies a plan.
pub fn walk(work: Work<'_>, fleet: &Fleet<'_>, hear: &Hear<'_>) -> Outcome {
    let walk = Walk { work, fleet, hear, outcome: Mutex::default(), at: Mutex::default() };
    let hosts: Vec<HostName> = work.plan.changed().into_iter().cloned().collect();
    if hosts.is_empty() {
        return walk.outcome();
    }
    walk.lease(&hosts);
    if walk.outcome.lock().is_ok_and(|outcome| !outcome.locked.is_empty() || !outcome.failed.is_empty()) {
        walk.release(&hosts);
        return walk.outcome();
    }
    walk.pull(&hosts);
    walk.stage(&hosts);
    walk.waves();
    walk.release(&hosts);
    walk.outcome()
}

pub(super) struct Walk<'a> {
    pub(super) work: Work<'a>,
    pub(super) fleet: &'a Fleet<'a>,
    pub(super) hear: &'a Hear<'a>,
    outcome: Mutex<Outcome>,
    at: Mutex<BTreeMap<HostName, At>>,
}

impl Walk<'_> {
    pub(super) fn outcome(&self) -> Outcome {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note(&self, note: impl FnOnce(&mut Outcome)) {
        note(&mut self.outcome.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn facts(&self, host: &HostName) -> Option<&Facts> {
        self.work.known.get(host)?.as_ref().ok()
    }

    pub(super) fn failed(&self, host: &HostName, phase: Phase, why: String) {
        (self.hear)(Event::Failed { host: host.clone(), phase, why: why.clone() });
        self.note(|outcome| {
            let said = format!("{}: {why}", phase.as_str());
            // What went wrong first is why the rest did.
            outcome.failed.entry(host.clone()).and_modify(|all| *all = format!("{all}; {said}")).or_insert(said);
        });
    }

    /// One phase of one host. What it says is told; the frame `failed` makes it an error.
    pub(super) fn phase(
        &self,
        host: &HostName,
        phase: Phase,
        call: &Call,
        payload: &[u8],
        limit: Duration,
    ) -> Result<Vec<Frame>, Wrong> {
        let call = &match call {
            Call::Lease { .. } => call.clone(),
            // Images may take long; each renews it.
            _ => self.held(call.clone(), if phase == Phase::Pull { LEASE } else { LEASE.max(limit.as_secs()) }),
        };
        (self.hear)(Event::Begin { host: host.clone(), phase });
        let mut frames = Vec::new();
        let mut failed = None;
        let fresh = phase == Phase::Confirm;
        let result = self.fleet.stream(host, call, payload, limit, fresh, &mut |frame| match frame.name.as_str() {
            "event" => (self.hear)(Event::Step { host: host.clone(), says: frame.text }),
            "journal" => {
                let (unit, lines) = frame.text.split_once('\n').unwrap_or((frame.text.as_str(), ""));
                let (unit, lines) = (unit.to_owned(), lines.to_owned());
                (self.hear)(Event::Journal { host: host.clone(), unit, lines });
            }
            "failed" => failed = Some(frame.text),
            _ => frames.push(frame),
        });
        match (result, failed) {
            (_, Some(why)) => Err(Wrong::Said(why)),
            (Err(error), None) => Err(Wrong::Link(error)),
            (Ok(()), None) => {
                (self.hear)(Event::End { host: host.clone(), phase });
                Ok(frames)
            }
        }
    }

    fn pull(&self, hosts: &[HostName]) {
        each(hosts, self.work.options.forks, |host| {
            let (Some(facts), Some(wanted)) = (self.facts(host), self.work.wanted.get(host)) else { return };
            let references: Vec<String> =
                wanted.images.keys().filter(|name| !facts.images.contains(*name)).cloned().collect();
            if references.is_empty() {
                return;
            }
            let mut registries = None;
            if let Some(served) = &self.work.options.served {
                let port = match self.fleet.link(host).map(|link| link.forward(served.port)) {
                    Some(Ok(port)) => port,
                    Some(Err(error)) => return self.failed(host, Phase::Pull, forwarding(&error)),
                    None => return,
                };
                let prefix = &served.prefix;
                registries = Some(format!(
                    "unqualified-search-registries = []\n[[registry]]\nprefix = \"{prefix}\"\nlocation = \"{prefix}\"\n\
                     [[registry.mirror]]\nlocation = \"127.0.0.1:{port}\"\ninsecure = true\n"
                ));
            }
            let call = Call::Pull { references, registries };
            if let Err(why) = self.phase(host, Phase::Pull, &call, &[], IMAGES) {
                let mut why = why.to_string();
                if self.work.options.served.is_some() && why.contains("Digest did not match") {
                    why.push_str(" (the store's copy of it is damaged: take the blob of the first digest away and `wharf build` it again)");
                }
                self.failed(host, Phase::Pull, why);
            }
        });
    }

    /// Sends every host all generations that the waves will make live.
    fn stage(&self, hosts: &[HostName]) {
        each(hosts, self.work.options.forks, |host| {
            if self.outcome().failed.contains_key(host) {
                return;
            }
            let made = match self.bundle(host) {
                Ok(made) => made,
                Err(why) => return self.failed(host, Phase::Stage, why),
            };
            if let Err(why) = self.phase(host, Phase::Stage, &Call::Stage, &made, QUICK) {
                self.failed(host, Phase::Stage, why.to_string());
            }
        });
    }

    fn bundle(&self, host: &HostName) -> Result<zeroize::Zeroizing<Vec<u8>>, String> {
        let work = self.work;
        let empty = Content::default();
        let (Some(facts), Some(wanted), Some(desired)) =
            (self.facts(host), work.wanted.get(host), work.desired.hosts.get(host))
        else {
            return Err("it is no host of this plan".to_owned());
        };
        let applied = facts.generation.as_ref().map_or(&empty, |generation| &generation.content);
        let mut bundle = Bundle::new();
        let said = |error: crate::host::BundleError| error.to_string();
        for (path, file) in &desired.files {
            let (Some(record), old) = (wanted.files.get(path), applied.files.get(path)) else { continue };
            let is_there = facts.files.get(path).is_some_and(|seen| seen.sha256 == Some(record.sha256));
            if is_there && old == Some(record) {
                continue;
            }
            bundle.file(path, &file.bytes, (file.uid, file.gid), file.mode).map_err(said)?;
        }
        for (object, source) in &desired.secrets {
            // In the store of each account that has a use for it.
            let lacks = |name: &&String| bare(name) == object && !facts.secrets.contains(*name);
            let lacking: Vec<&String> = wanted.secrets.keys().filter(lacks).collect();
            if !lacking.is_empty() {
                let value = work.values.object(object, source)?;
                for name in lacking {
                    bundle.secret(name, &value).map_err(said)?;
                }
            }
        }
        let changes = work.plan.hosts.get(host).map(|host| host.changes.as_slice()).unwrap_or_default();
        let mut done: BTreeSet<ServiceName> = BTreeSet::new();
        let mut number = facts.current;
        for batch in work.plan.waves.iter().filter_map(|wave| wave.hosts.get(host)) {
            number += 1;
            done.extend(batch.groups.iter().cloned());
            let content = after(applied, wanted, &done, batch.last);
            let mut generation = Generation::new(number, work.header.clone(), content);
            generation.one_way = batch.back.is_none();
            let force: String = changes.iter().filter_map(|change| forced(change, wanted)).collect();
            bundle.generation(&generation, &batch.steps, &batch.undo, &force).map_err(said)?;
        }
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        at.insert(host.clone(), At { from: facts.current, to: facts.current + 1 });
        bundle.finish().map_err(said)
    }

    fn waves(&self) {
        let of = self.work.plan.waves.len();
        for wave in &self.work.plan.waves {
            self.tell(wave, "due");
        }
        let (mut counted, mut lost) = (BTreeSet::new(), BTreeMap::new());
        for (index, wave) in self.work.plan.waves.iter().enumerate() {
            if self.is_over(wave, &mut counted, &mut lost) {
                return;
            }
            let hosts: Vec<HostName> = wave.hosts.keys().cloned().collect();
            if index > 0 {
                self.renew(self.work.plan.waves.get(index..).unwrap_or_default(), wave);
            }
            (self.hear)(Event::Wave { wave: index + 1, of, hosts: hosts.clone() });
            if !wave.grants.iter().all(|grant| self.grant(grant)) {
                return;
            }
            self.tell(wave, "elsewhere");
            each(&hosts, self.work.options.forks, |host| {
                if let Some(batch) = wave.hosts.get(host) {
                    self.activate(host, batch);
                }
            });
            self.tell(wave, "done");
            if self.is_over(wave, &mut counted, &mut lost) {
                return;
            }
        }
    }

    /// Counts the hosts of a wave that are lost since it was asked last; whether they are too many for any group.
    fn is_over<'a>(
        &self,
        wave: &'a Wave,
        counted: &mut BTreeSet<&'a HostName>,
        lost: &mut BTreeMap<&'a ServiceName, usize>,
    ) -> bool {
        let failed = self.outcome().failed;
        let newly = wave.hosts.iter().filter(|(host, _)| failed.contains_key(*host) && counted.insert(host));
        newly.fold(false, |is_over, (_, batch)| is_over | over(batch, wave, lost))
    }

    /// Makes what a need asks of its provider.
    fn grant(&self, grant: &Grant) -> bool {
        let value = match grant.secret.as_ref().map(|name| self.work.values.secret(name)) {
            Some(Err(why)) => {
                self.failed(&grant.host, Phase::Grant, why);
                return false;
            }
            Some(Ok(value)) => value,
            None => zeroize::Zeroizing::default(),
        };
        let call = Call::Grant {
            container: grant.container.clone(),
            run: grant.run.clone(),
            record: grant.record.clone(),
            identity: grant.identity.clone(),
        };
        match self.phase(&grant.host, Phase::Grant, &call, &value, Duration::from_secs(300)) {
            Ok(_) => true,
            Err(why) => {
                let why = format!("{} for `{}`: {why}", grant.run.join(" "), grant.consumer);
                self.failed(&grant.host, Phase::Grant, why);
                false
            }
        }
    }

    fn activate(&self, host: &HostName, batch: &Batch) {
        let at = self.at.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied();
        let Some(At { from, to }) = at else { return };
        if self.outcome().failed.contains_key(host) {
            return;
        }
        let options = self.work.options;
        let call = Call::Activate { to, from, plan: self.work.plan.id.clone(), back: batch.back };
        let limit = Duration::from_secs(host::budget(&batch.steps).saturating_add(120));
        let activated = self.found(host, Phase::Activate, &call, limit);
        match activated {
            Ok(frames) if frames.iter().any(|frame| frame.name == "activated") => {}
            Ok(_) => {
                self.failed(host, Phase::Activate, "it did not say that it is done".to_owned());
                return self.back(host, batch);
            }
            Err(Wrong::Link(error)) if error.is_lost() => {
                let then = match batch.back {
                    Some(seconds) => {
                        format!("it goes back by itself within {seconds} s, unless an apply settles it before")
                    }
                    None => "it is not taken back: the next apply goes on from there".to_owned(),
                };
                return self.failed(host, Phase::Activate, format!("{}; nobody confirms it, so {then}", error.line()));
            }
            Err(Wrong::Link(error)) if error.is_foreign() => return self.failed(host, Phase::Activate, error.line()),
            Err(why) => {
                self.failed(host, Phase::Activate, why.to_string());
                return self.back(host, batch);
            }
        }
        let call = Call::Confirm { number: to, keep: options.keep };
        match self.found(host, Phase::Confirm, &call, QUICK) {
            Ok(frames) if frames.iter().any(|frame| frame.name == "confirmed") => {
                let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
                at.insert(host.clone(), At { from: to, to: to + 1 });
                if batch.last {
                    self.note(|outcome| {
                        outcome.done.insert(host.clone());
                    });
                }
            }
            Ok(_) => {
                self.failed(host, Phase::Confirm, "it had taken the change back already".to_owned());
                self.undone(host);
            }
            Err(why) => self.failed(host, Phase::Confirm, why.to_string()),
        }
    }

    /// A phase that can be asked for again: where the host was lost in the middle, it is looked for.
    fn found(&self, host: &HostName, phase: Phase, call: &Call, limit: Duration) -> Result<Vec<Frame>, Wrong> {
        let patience = self.work.options.patience;
        let mut lost = None;
        loop {
            let begun = Instant::now();
            let result = self.phase(host, phase, call, &[], limit);
            // It was heard for long since.
            lost = lost.filter(|_| begun.elapsed() < patience);
            match result {
                Err(Wrong::Link(error))
                    if error.is_lost() && lost.get_or_insert_with(Instant::now).elapsed() < patience =>
                {
                    let says = format!("is looked for: {error}");
                    (self.hear)(Event::Step { host: host.clone(), says });
                    std::thread::sleep(PAUSE);
                }
                result => return result,
            }
        }
    }

    /// After a failure: back to what was, or left as it is for a person to look at.
    fn back(&self, host: &HostName, batch: &Batch) {
        let call = if batch.rollback && batch.back.is_some() { Call::Undo } else { Call::Hold };
        let limit = Duration::from_secs(host::budget(&batch.undo).saturating_add(120));
        match self.phase(host, Phase::Undo, &call, &[], limit) {
            Ok(frames) => {
                let of = |name: &str| frames.iter().find(|frame| frame.name == name);
                if of("undone").is_some() {
                    self.undone(host);
                }
                if of("held").is_some() {
                    self.note(|outcome| {
                        outcome.held.insert(host.clone());
                    });
                }
                if let Some(trouble) = of("trouble") {
                    self.failed(host, Phase::Undo, format!("it is back, and not all is up: {}", trouble.text));
                }
            }
            Err(why) => self.failed(host, Phase::Undo, why.to_string()),
        }
    }

    fn undone(&self, host: &HostName) {
        (self.hear)(Event::Undone { host: host.clone() });
        self.note(|outcome| {
            outcome.undone.insert(host.clone());
        });
    }

    /// Tells all hosts of a group what becomes of those of its tasks that one of them runs for all.
    fn tell(&self, wave: &Wave, state: &'static str) {
        let mut done: BTreeMap<HostName, Vec<(String, String)>> = BTreeMap::new();
        let outcome = self.outcome();
        for (host, batch) in wave.hosts.iter().filter(|(host, _)| !outcome.failed.contains_key(*host)) {
            for step in &batch.steps {
                let Step::Task { record, identity, shared: true, .. } = step else { continue };
                let group = record.split('.').next().unwrap_or_default();
                let others = self.work.wanted.iter().filter(|(other, _)| self.facts(other).is_some());
                let others = others.filter(|(other, content)| {
                    // The one that runs it has its own record; that it is to do so, it has to know too.
                    (*other != host || state == "due")
                        && content.files.values().any(|file| file.of.iter().any(|of| of.as_str() == group))
                });
                for (other, _) in others {
                    done.entry(other.clone()).or_default().push((record.clone(), identity.clone()));
                }
            }
        }
        let done: Vec<(HostName, Vec<(String, String)>)> = done.into_iter().collect();
        each(&done, self.work.options.forks, |(host, tasks)| {
            // The one that ran it has the record in any case.
            let _ = self.fleet.call(host, &Call::Record { state, tasks: tasks.clone() }, &[], QUICK);
        });
    }
}

/// Counts that the groups of a batch failed on one more host; whether that is one too many for any of them.
fn over<'a>(batch: &'a Batch, wave: &Wave, lost: &mut BTreeMap<&'a ServiceName, usize>) -> bool {
    let mut is_over = batch.groups.is_empty();
    for group in &batch.groups {
        let count = lost.entry(group).or_default();
        *count += 1;
        is_over |= *count > wave.max_failed.get(group).copied().unwrap_or(0);
    }
    is_over
}

/// How long a wave may take, in seconds.
pub(super) fn budget(wave: &Wave) -> u64 {
    let batch = |batch: &Batch| host::budget(&batch.steps).saturating_add(host::budget(&batch.undo));
    wave.hosts.values().map(batch).max().unwrap_or(0).saturating_add(300)
}

/// The path of a file that somebody changed, so that it is written though the lists say that it is the same.
fn forced(change: &Change, wanted: &Content) -> Option<String> {
    if change.class == Class::Remove || !change.reasons.contains(&Reason::Drift) {
        return None;
    }
    if change.object.starts_with('/') {
        return Some(format!("{}\n", change.object));
    }
    let found = wanted.meanings.iter().find(|(_, meaning)| meaning.unit().to_string() == change.object);
    found.map(|(path, _)| format!("{path}\n"))
}

fn forwarding(error: &LinkError) -> String {
    format!(
        "its sshd lets no port through ({error}): AllowTcpForwarding has to be `yes` or `remote`, or name a registry"
    )
}
