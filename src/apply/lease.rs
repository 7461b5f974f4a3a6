//! Leases: who may change a host.

use super::fleet::{Fleet, QUICK, each};
use super::walk::{Hear, Walk, budget};
use super::{Event, Options, Phase};
use crate::host::{Call, Header, Lease, LinkError};
use crate::name::HostName;
use crate::plan::Wave;

/// For how many seconds a lease lasts that nobody renews. Every phase renews it.
pub(super) const LEASE: u64 = 300;

/// What a lease says of who has it.
fn says(header: &Header, plan: &str, options: &Options) -> String {
    let why = header.why.as_deref().unwrap_or("-").replace('\n', " ");
    format!("who {}\nwhen {}\nplan {plan}\nwhy {why}\nprocess {}\n", header.who, header.when, options.process)
}

/// Takes the lease of a host. What is given back is somebody else's, who has it; that of a process of this machine that is
/// gone is taken over.
pub(super) fn take(
    fleet: &Fleet<'_>,
    host: &HostName,
    (header, plan): (&Header, &str),
    options: &Options,
    hear: &Hear<'_>,
) -> Result<Option<Lease>, LinkError> {
    let mut over = None;
    loop {
        let call = Call::Lease {
            token: options.token.clone(),
            seconds: LEASE,
            says: says(header, plan, options),
            over: over.clone(),
        };
        let frames = fleet.call(host, &call, &[], QUICK)?;
        let Some(frame) = frames.iter().find(|frame| frame.name == "leased") else { return Ok(None) };
        let lease = Lease::read(&frame.text);
        if over.is_some() || !(options.gone)(&lease.process) {
            return Ok(Some(lease));
        }
        let says = format!(
            "takes over the lease of {} since {}, plan {}: its apply is gone",
            lease.who, lease.when, lease.plan
        );
        hear(Event::Step { host: host.clone(), says });
        over = Some(lease.token);
    }
}

/// A call under our lease, which lasts for so many seconds more.
pub(super) fn held(options: &Options, call: Call, seconds: u64) -> Call {
    Call::Held { token: options.token.clone(), seconds, call: Box::new(call) }
}

/// Gives our leases back.
pub(super) fn release(fleet: &Fleet<'_>, hosts: &[HostName], options: &Options) {
    let call = Call::Release { token: Some(options.token.clone()) };
    each(hosts, options.forks, |host| {
        // It ends by itself.
        let _ = fleet.call(host, &call, &[], QUICK);
    });
}

impl Walk<'_> {
    pub(super) fn held(&self, call: Call, seconds: u64) -> Call {
        held(self.work.options, call, seconds)
    }

    /// Takes all leases, or none: whoever has one is named.
    pub(super) fn lease(&self, hosts: &[HostName]) {
        let (options, plan) = (self.work.options, self.work.plan.id.as_str());
        each(hosts, options.forks, |host| {
            (self.hear)(Event::Begin { host: host.clone(), phase: Phase::Lease });
            match take(self.fleet, host, (self.work.header, plan), options, self.hear) {
                Ok(None) => (self.hear)(Event::End { host: host.clone(), phase: Phase::Lease }),
                Ok(Some(lease)) => self.note(|outcome| {
                    outcome.locked.insert(host.clone(), lease);
                }),
                Err(error) => self.failed(host, Phase::Lease, error.line()),
            }
        });
    }

    /// Keeps the leases of hosts whose turn is still to come. One that is lost ends the host's part.
    pub(super) fn renew(&self, waves: &[Wave], now: &Wave) {
        let failed = self.outcome().failed;
        let hosts: std::collections::BTreeSet<&HostName> =
            waves.iter().flat_map(|wave| wave.hosts.keys()).filter(|host| !failed.contains_key(*host)).collect();
        let hosts: Vec<&HostName> = hosts.into_iter().collect();
        let call = self.held(Call::Nothing, LEASE.saturating_add(budget(now)));
        each(&hosts, self.work.options.forks, |host| {
            if let Err(error) = self.fleet.call(host, &call, &[], QUICK) {
                self.failed(host, Phase::Lease, error.line());
            }
        });
    }

    pub(super) fn release(&self, hosts: &[HostName]) {
        release(self.fleet, hosts, self.work.options);
    }
}
