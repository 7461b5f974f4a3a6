//! A walk as apt does it: each package's dependencies in order, the first alternative that can be had.
//!
//! It gives up where a choice made earlier stands in the way, so it decides nothing: it tells the solver what to try
//! first, and which recommendations can be met beside everything that is needed.

use std::collections::{BTreeSet, HashMap};

use super::policy::Policy;
use super::pool::Id;

/// Deeper chains of dependencies are left to the solver.
const DEPTH: usize = 500;

pub(super) struct Walk<'w, 'p, 'a> {
    policy: &'w Policy<'p, 'a>,
    recommends: bool,
    /// Whether recommendations of these are left out: they were there before.
    settled: BTreeSet<Id>,
    chosen: HashMap<&'a str, Id>,
    /// How many of the chosen packages cannot be together with a package.
    blocked: HashMap<Id, u32>,
    trail: Vec<Id>,
    picks: Picks,
}

/// What met each relation when the walk came by.
#[derive(Debug, Default)]
pub(super) struct Picks {
    depends: HashMap<(Id, usize), Id>,
    recommends: HashMap<(Id, usize), Id>,
}

impl Picks {
    /// For a package's dependency, by its place among them.
    pub fn depends(&self, id: Id, at: usize) -> Option<Id> {
        self.depends.get(&(id, at)).copied()
    }

    /// For a package's recommendation, by its place among them.
    pub fn recommends(&self, id: Id, at: usize) -> Option<Id> {
        self.recommends.get(&(id, at)).copied()
    }
}

impl<'w, 'p, 'a> Walk<'w, 'p, 'a> {
    /// Starts from packages that are there already, whatever they need.
    pub fn from(policy: &'w Policy<'p, 'a>, recommends: bool, there: impl IntoIterator<Item = Id>) -> Self {
        let mut walk = Self {
            policy,
            recommends,
            settled: BTreeSet::new(),
            chosen: HashMap::new(),
            blocked: HashMap::new(),
            trail: Vec::new(),
            picks: Picks::default(),
        };
        for id in there {
            walk.settled.insert(id);
            walk.choose(id);
        }
        walk
    }

    /// What was chosen, and what for.
    pub fn end(self) -> (BTreeSet<Id>, Picks) {
        (self.chosen.into_values().collect(), self.picks)
    }

    /// Takes the first of each group's options that can be had, and all that it needs. As apt does, all are taken
    /// before the needs of any are looked at: so that what is wanted by name meets the others' alternatives.
    pub fn roots(&mut self, groups: &[Vec<Id>]) {
        let mut taken = Vec::new();
        for options in groups {
            if let Some(id) = options.iter().copied().find(|&id| self.has(id) || self.can(id)) {
                if !self.has(id) {
                    self.choose(id);
                }
                taken.push(id);
            }
        }
        for id in taken {
            let mark = self.trail.len();
            if !self.follow(id, 0) {
                self.undo(mark);
            }
        }
    }

    /// Takes the recommendations of packages that are there, as far as nothing stands in the way.
    pub fn recommendations(&mut self, of: impl IntoIterator<Item = Id>) {
        for id in of {
            self.recommended(id, 0);
        }
    }

    fn has(&self, id: Id) -> bool {
        self.chosen.get(self.policy.pool.name(id)) == Some(&id)
    }

    fn can(&self, id: Id) -> bool {
        let pool = self.policy.pool;
        !self.chosen.contains_key(pool.name(id))
            && self.blocked.get(&id).is_none_or(|count| *count == 0)
            && !pool.enemies(id).any(|(enemy, _, _)| self.has(enemy))
    }

    fn choose(&mut self, id: Id) {
        let pool = self.policy.pool;
        self.chosen.insert(pool.name(id), id);
        self.trail.push(id);
        for (enemy, _, _) in pool.enemies(id) {
            *self.blocked.entry(enemy).or_default() += 1;
        }
    }

    fn undo(&mut self, mark: usize) {
        let pool = self.policy.pool;
        while self.trail.len() > mark {
            let Some(id) = self.trail.pop() else { return };
            self.chosen.remove(pool.name(id));
            for (enemy, _, _) in pool.enemies(id) {
                if let Some(count) = self.blocked.get_mut(&enemy) {
                    *count = count.saturating_sub(1);
                }
            }
        }
    }

    fn install(&mut self, id: Id, depth: usize) -> bool {
        if self.has(id) {
            return true;
        }
        if depth > DEPTH || !self.can(id) {
            return false;
        }
        let mark = self.trail.len();
        self.choose(id);
        let good = self.follow(id, depth);
        if !good {
            self.undo(mark);
        }
        good
    }

    /// The first of the options that is there already, else the first that can be had.
    fn meet(&mut self, options: &[Id], depth: usize) -> Option<Id> {
        let there = options.iter().copied().find(|&id| self.has(id));
        there.or_else(|| options.iter().copied().find(|&id| self.install(id, depth + 1)))
    }

    /// Takes what a chosen package needs, then what it recommends.
    fn follow(&mut self, id: Id, depth: usize) -> bool {
        let Ok(needs) = self.policy.pool.needs(id) else { return false };
        for (at, (_, any)) in needs.depends.iter().enumerate() {
            match self.meet(&self.policy.options(any), depth) {
                Some(pick) => self.picks.depends.insert((id, at), pick),
                None => return false,
            };
        }
        if self.recommends && !self.settled.contains(&id) {
            self.recommended(id, depth);
        }
        true
    }

    fn recommended(&mut self, id: Id, depth: usize) {
        let Ok(needs) = self.policy.pool.needs(id) else { return };
        for (at, any) in needs.recommends.iter().enumerate() {
            if let Some(pick) = self.meet(&self.policy.options(any), depth) {
                self.picks.recommends.insert((id, at), pick);
            }
        }
    }
}
