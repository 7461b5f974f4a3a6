//! Which packages an image gets: a SAT solver over the full relations (Debian Policy 7), with apt's preferences.
//!
//! apt's own answer is one walk through the dependencies. The same walk is done here first; what it chose is what the
//! solver tries first. Where the walk ends well the solver agrees with it, and so with apt; where it runs into a
//! contradiction that another choice avoids, the solver finds that choice.

mod error;
mod explain;
mod order;
mod policy;
mod pool;
mod sat;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use crate::estate::{Package, Pin};
use crate::name::PackageName;
use crate::spec::Span;

use super::{PackageRecord, Universe};

pub use error::SolveError;
pub use order::order;

use policy::Policy;
use pool::{Id, Pool};
use sat::Sat;
use walk::Walk;

/// What one image (or tool) asks for.
#[derive(Debug, Clone, Default)]
pub struct Request<'r> {
    /// Wanted by name; a name may be virtual.
    pub wanted: Vec<Package>,
    /// The parent image's packages and their versions: they are there and stay as they are.
    pub base: BTreeMap<PackageName, String>,
    /// Whether every `Essential: yes` package, with what it needs, is wanted too.
    pub essential: bool,
    /// Whether recommendations are followed, those of new packages.
    pub recommends: bool,
    /// The most specific first: the image's own, its ancestors', the distro's. Of equal ones the first counts.
    pub pins: Vec<Pin>,
    /// Versions in the lock that are to stay: left only where they no longer solve, or where apt would leave an
    /// installed one (a pin with a higher priority; an older version from 1000 on).
    pub preferred: BTreeMap<PackageName, String>,
    /// Versions that other images of this lock have: one version per package per lock.
    pub forced: BTreeMap<PackageName, String>,
    /// Other arches of the distro, by Debian's name, to say of an unknown package where it exists.
    pub elsewhere: Vec<(&'r str, &'r Universe)>,
}

/// Why a package is there; apt's `extended_states` calls the last kind automatic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The parent image has it.
    Base,
    /// The image names it, or it provides what the image names.
    Wanted,
    /// It is part of the essential set.
    Essential,
    /// Another package needs or recommends it.
    Needed,
}

/// A package that was chosen.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'a> {
    /// What the archive says of it: of the suite with the highest priority that holds it.
    pub record: &'a PackageRecord,
    /// Why it is there.
    pub reason: Reason,
}

/// A solver for one universe, so for one distro and arch. Cheap to ask again.
#[derive(Debug)]
pub struct Solver<'a> {
    pool: Pool<'a>,
}

impl<'a> Solver<'a> {
    /// Indexes a universe. `arch` is Debian's name of its arch.
    pub fn new(universe: &'a Universe, arch: &str) -> Self {
        Self { pool: Pool::new(universe, arch) }
    }

    /// Chooses packages: sorted by name, the same for the same input. All that is wrong with single names is
    /// reported at once.
    pub fn solve(&self, request: &Request<'_>) -> Result<Vec<Chosen<'a>>, Vec<SolveError>> {
        let policy = Policy::new(&self.pool, request);
        let roots = roots(&policy, request)?;
        let groups: Vec<Vec<Id>> = roots.iter().map(|root| root.options.clone()).collect();
        let base: BTreeSet<Id> =
            roots.iter().filter(|root| root.reason == Reason::Base).flat_map(|root| &root.options).copied().collect();

        let mut walk = Walk::from(&policy, request.recommends, base.iter().copied());
        walk.roots(&groups);
        let (hints, picks) = walk.end();
        let recommends = request.recommends;
        let solution = match Sat::solve(&policy, &groups, &hints, Some(&picks), &base, recommends) {
            Some(solution) => solution,
            None => {
                // Some choice of the walk's stands in the way: first what is needed, then what can be added to it.
                let needed = Sat::solve(&policy, &groups, &hints, None, &base, false)
                    .ok_or_else(|| vec![explain::explain(&policy, &roots, &base)])?;
                if recommends { self.add_recommended(&policy, &groups, &base, needed) } else { needed }
            }
        };
        Ok(self.chosen(&policy, &solution, &roots))
    }

    fn add_recommended(
        &self,
        policy: &Policy<'_, 'a>,
        groups: &[Vec<Id>],
        base: &BTreeSet<Id>,
        needed: BTreeSet<Id>,
    ) -> BTreeSet<Id> {
        let mut walk = Walk::from(policy, true, needed.iter().copied());
        walk.recommendations(needed.iter().copied().filter(|id| !base.contains(id)));
        let (hints, _) = walk.end();
        Sat::solve(policy, groups, &hints, None, base, true).unwrap_or(needed)
    }

    fn chosen(&self, policy: &Policy<'_, 'a>, solution: &BTreeSet<Id>, roots: &[Root]) -> Vec<Chosen<'a>> {
        let mut reasons: BTreeMap<Id, Reason> = BTreeMap::new();
        for root in roots {
            let present: Vec<Id> = root.options.iter().copied().filter(|id| solution.contains(id)).collect();
            if let Some(&id) = present.first() {
                let reason = reasons.entry(id).or_insert(root.reason);
                *reason = (*reason).min(root.reason);
            }
        }
        let record = |id: Id| {
            let best = self.pool.records(id).iter().enumerate();
            best.min_by_key(|(at, record)| (std::cmp::Reverse(policy.priority_of(record)), *at))
                .map(|(_, record)| *record)
        };
        // The pool is sorted by name.
        solution
            .iter()
            .filter_map(|&id| {
                Some(Chosen { record: record(id)?, reason: reasons.get(&id).copied().unwrap_or(Reason::Needed) })
            })
            .collect()
    }
}

/// Something that has to be there.
#[derive(Debug, Clone)]
struct Root {
    /// As a person wrote it: `nova-api (= 2:31.*)`.
    text: String,
    reason: Reason,
    /// What meets it, in order of preference; never empty.
    options: Vec<Id>,
    span: Option<Span>,
}

fn roots(policy: &Policy<'_, '_>, request: &Request<'_>) -> Result<Vec<Root>, Vec<SolveError>> {
    let pool = policy.pool;
    let (mut roots, mut errors) = (Vec::new(), Vec::new());
    for (name, version) in &request.base {
        match policy.permitted(name.as_str()).first() {
            Some(&id) => {
                roots.push(Root { text: name.to_string(), reason: Reason::Base, options: vec![id], span: None })
            }
            None => errors.push(SolveError::gone(name, version)),
        }
    }
    if request.essential {
        for name in pool.names() {
            if let Some(&id) = policy.permitted(name).first()
                && pool.record(id).is_some_and(|record| record.essential)
            {
                roots.push(Root { text: name.to_owned(), reason: Reason::Essential, options: vec![id], span: None });
            }
        }
    }
    let mut wanted: Vec<&Package> = request.wanted.iter().collect();
    wanted.sort_by(|a, b| a.name.cmp(&b.name));
    for package in wanted {
        let options = error::wanted_options(policy, package);
        match options {
            Ok(options) if options.is_empty() => errors.push(error::missing(policy, request, package)),
            Ok(options) => roots.push(Root {
                text: error::written(package),
                reason: Reason::Wanted,
                options,
                span: Some(package.span),
            }),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(roots) } else { Err(errors) }
}
