//! What hosts remember of each other: told after an apply, and compared with the specs before the next.

use std::collections::BTreeSet;

use super::Failure;
use super::course::Planned;
use super::deploy::Deploy;
use crate::apply::Fleet;
use crate::host::{Header, Remembered};
use crate::name::HostName;
use crate::plan::{self, Known, Memory, Vanished};

impl Deploy {
    /// Hosts that the specs no longer have, and that nobody told to leave.
    pub fn vanished(&self, known: &Known) -> Result<Vec<Vanished>, Failure> {
        Ok(plan::vanished(self.estate()?, known))
    }

    /// Tells hosts what an apply left behind, where it is news to them; `done` have all of the plan.
    pub fn remember(
        &self,
        fleet: &Fleet<'_>,
        planned: &Planned,
        done: &BTreeSet<HostName>,
        header: &Header,
    ) -> Result<(), Failure> {
        let (estate, known) = (self.estate()?, &planned.known);
        let memory = Memory::of(estate, &planned.wanted, known, (&planned.plan.changed(), done));
        let since = Remembered { plan: header.plan.clone(), when: header.when.clone() };
        let answered = known.iter().filter_map(|(name, facts)| Some((name, facts.as_ref().ok()?)));
        let news = answered.filter(|(name, facts)| {
            let is_ours = facts.estate.as_deref() == Some(estate.name.as_str());
            (is_ours || done.contains(*name)) && memory.is_news(&facts.hosts)
        });
        let news: Vec<&HostName> = news.map(|(name, _)| name).collect();
        if !news.is_empty() {
            fleet.remember(&news, &memory, &since);
        }
        // When the node of a host that left goes, nobody can say any more that it did.
        let leaves = estate.hosts.values().any(|host| host.leave && memory.gone.contains(&host.name));
        let outside = if leaves { self.outside()? } else { BTreeSet::new() };
        if !outside.is_empty() {
            let fleet = self.fleet_to(&outside)?;
            fleet.remember(&outside.iter().collect::<Vec<_>>(), &memory, &since);
            fleet.close();
        }
        Ok(())
    }
}

/// It for a person.
pub fn line(vanished: &Vanished) -> String {
    let Vanished { host, since, .. } = vanished;
    format!(
        "{host} is in no spec any more and was not told to leave: it had something when plan {} was applied on {}, and what it \
         runs goes on unseen. Put its node back with `leave` and apply; where the machine is gone, with `maintenance \"gone\"` too",
        since.plan, since.when
    )
}
