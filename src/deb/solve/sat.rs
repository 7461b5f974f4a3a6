//! The universe as the SAT solver sees it. Every relation is a set of packages that was worked out beforehand, so
//! the solver compares no versions.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;

use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider,
    HintDependenciesAvailable, Interner, KnownDependencies, NameId, Problem, Requirement, SolvableId, Solver,
    SolverCache, StringId, UnsolvableOrCancelled, VersionSetId, VersionSetUnionId,
};

use super::policy::Policy;
use super::pool::Id;
use super::walk::Picks;

/// What the solver works on.
pub(super) struct Sat<'s, 'p, 'a> {
    policy: &'s Policy<'p, 'a>,
    /// Tried first.
    hints: &'s BTreeSet<Id>,
    /// What alone may meet the relations that it speaks of.
    picks: Option<&'s Picks>,
    /// Whether recommendations, as far as the hints meet them, are needs.
    recommends: bool,
    /// Whose recommendations are not looked at: a parent image's were decided with it.
    settled: &'s BTreeSet<Id>,
    interned: RefCell<Interned>,
}

#[derive(Default)]
struct Interned {
    names: Vec<String>,
    name_ids: HashMap<String, u32>,
    sets: Vec<(NameId, Vec<Id>)>,
    unions: Vec<Vec<VersionSetId>>,
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl Interned {
    fn name(&mut self, name: &str) -> NameId {
        let next = number(self.names.len());
        let id = *self.name_ids.entry(name.to_owned()).or_insert(next);
        if id == next {
            self.names.push(name.to_owned());
        }
        NameId::from_raw(id)
    }

    fn set(&mut self, name: &str, ids: Vec<Id>) -> VersionSetId {
        let name = self.name(name);
        self.sets.push((name, ids));
        VersionSetId(number(self.sets.len() - 1))
    }
}

impl<'s, 'p, 'a> Sat<'s, 'p, 'a> {
    /// Solves for one of each group's options; the answer is sorted by the pool's order.
    pub fn solve(
        policy: &'s Policy<'p, 'a>,
        groups: &[Vec<Id>],
        hints: &'s BTreeSet<Id>,
        picks: Option<&'s Picks>,
        settled: &'s BTreeSet<Id>,
        recommends: bool,
    ) -> Option<BTreeSet<Id>> {
        let sat = Self { policy, hints, picks, recommends, settled, interned: RefCell::default() };
        let requirements = groups.iter().map(|options| sat.one_of(options.clone())).collect();
        let mut solver = Solver::new(sat);
        match solver.solve(Problem::new().requirements(requirements)) {
            Ok(ids) => Some(ids.into_iter().map(SolvableId::into_raw).collect()),
            Err(UnsolvableOrCancelled::Unsolvable(_) | UnsolvableOrCancelled::Cancelled(_)) => None,
        }
    }

    /// A requirement for one of these, tried in their order after those that are hinted at.
    fn one_of(&self, mut options: Vec<Id>) -> ConditionalRequirement {
        options.sort_by_key(|id| !self.hints.contains(id));
        let mut interned = self.interned.borrow_mut();
        let mut sets = Vec::new();
        for run in options.chunk_by(|&a, &b| self.policy.pool.name(a) == self.policy.pool.name(b)) {
            let name = run.first().map_or("", |&id| self.policy.pool.name(id));
            sets.push(interned.set(name, run.to_vec()));
        }
        let requirement = match sets.as_slice() {
            [] => Requirement::Single(interned.set("", Vec::new())),
            [only] => Requirement::Single(*only),
            _ => {
                interned.unions.push(sets);
                Requirement::Union(VersionSetUnionId(number(interned.unions.len() - 1)))
            }
        };
        ConditionalRequirement { condition: None, requirement }
    }

    fn with_set<T>(&self, set: VersionSetId, read: impl FnOnce(&(NameId, Vec<Id>)) -> T) -> Option<T> {
        self.interned.borrow().sets.get(set.0 as usize).map(read)
    }

    fn name_text(&self, name: NameId) -> String {
        self.interned.borrow().names.get(name.into_raw() as usize).cloned().unwrap_or_default()
    }
}

impl Interner for Sat<'_, '_, '_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        self.policy.pool.label(solvable.into_raw())
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        self.name_text(name)
    }

    fn display_version_set(&self, set: VersionSetId) -> impl Display + '_ {
        let label = |id: &Id| self.policy.pool.label(*id);
        self.with_set(set, |(_, ids)| ids.iter().map(label).collect::<Vec<_>>().join(", ")).unwrap_or_default()
    }

    fn display_string(&self, _: StringId) -> impl Display + '_ {
        ""
    }

    fn version_set_name(&self, set: VersionSetId) -> NameId {
        self.with_set(set, |(name, _)| *name).unwrap_or_else(|| NameId::from_raw(u32::MAX))
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        self.interned.borrow_mut().name(self.policy.pool.name(solvable.into_raw()))
    }

    fn version_sets_in_union(&self, union: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        self.interned.borrow().unions.get(union.0 as usize).cloned().unwrap_or_default().into_iter()
    }

    fn resolve_condition(&self, condition: ConditionId) -> Condition {
        // No requirement here has a condition.
        Condition::Requirement(VersionSetId(condition.as_u32()))
    }
}

impl DependencyProvider for Sat<'_, '_, '_> {
    async fn filter_candidates(&self, candidates: &[SolvableId], set: VersionSetId, inverse: bool) -> Vec<SolvableId> {
        let keep = |ids: &[Id], id: &SolvableId| ids.contains(&id.into_raw()) != inverse;
        self.with_set(set, |(_, ids)| candidates.iter().copied().filter(|id| keep(ids, id)).collect())
            .unwrap_or_default()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        let ids = self.policy.permitted(&self.name_text(name));
        Some(Candidates {
            candidates: ids.iter().copied().map(SolvableId::from_raw).collect(),
            hint_dependencies_available: HintDependenciesAvailable::None,
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        let Some(first) = solvables.first() else { return };
        let order = self.policy.permitted(self.policy.pool.name(first.into_raw()));
        let rank = |id: Id| (!self.hints.contains(&id), order.iter().position(|&other| other == id), id);
        solvables.sort_by_key(|solvable| rank(solvable.into_raw()));
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let (id, pool) = (solvable.into_raw(), self.policy.pool);
        let Ok(needs) = pool.needs(id) else {
            // What cannot be read cannot be met.
            return Dependencies::Known(KnownDependencies {
                requirements: vec![self.one_of(Vec::new())],
                constrains: Vec::new(),
            });
        };
        let mut requirements = Vec::new();
        for (at, (_, any)) in needs.depends.iter().enumerate() {
            let pick = self.picks.and_then(|picks| picks.depends(id, at));
            requirements.push(self.one_of(pick.map_or_else(|| self.policy.options(any), |pick| vec![pick])));
        }
        let recommends = if self.recommends && !self.settled.contains(&id) { needs.recommends.as_slice() } else { &[] };
        for (at, any) in recommends.iter().enumerate() {
            let met: Vec<Id> = match self.picks {
                Some(picks) => picks.recommends(id, at).into_iter().collect(),
                None => self.policy.options(any).into_iter().filter(|id| self.hints.contains(id)).collect(),
            };
            if !met.is_empty() {
                requirements.push(self.one_of(met));
            }
        }
        // A constraint names what may stay: the versions of a name that are no enemies.
        let mut enemies: Vec<Id> = pool.enemies(id).map(|(enemy, _, _)| enemy).collect();
        enemies.sort_unstable();
        enemies.dedup();
        let mut constrains = Vec::new();
        for run in enemies.chunk_by(|&a, &b| pool.name(a) == pool.name(b)) {
            let name = run.first().map_or("", |&id| pool.name(id));
            let friends: Vec<Id> = pool.named(name).filter(|id| !run.contains(id)).collect();
            constrains.push(self.interned.borrow_mut().set(name, friends));
        }
        Dependencies::Known(KnownDependencies { requirements, constrains })
    }
}
