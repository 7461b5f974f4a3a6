//! Which versions may be chosen, and which are tried first: apt_preferences(5), the lock, and what other images fixed.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use globset::GlobBuilder;

use crate::deb::{AnyOf, Dependency, PackageRecord, SuiteFacts, Version};
use crate::estate::{Pin, Relation};

use super::Request;
use super::pool::{Id, Pool};

/// From here on apt goes back to an older version.
const DOWNGRADES: i32 = 1000;
/// The priority of an ordinary suite: what is below is not taken unless it is all that there is, or asked for.
const ORDINARY: i32 = 500;

/// The order of preference for one request.
#[derive(Debug)]
pub(super) struct Policy<'p, 'a> {
    pub pool: &'p Pool<'a>,
    request: &'p Request<'p>,
    /// Versions that a wanted bound names: allowed whatever their priority, if it is not negative.
    asked: HashMap<&'a str, BTreeSet<Id>>,
    permitted: RefCell<HashMap<&'a str, Rc<[Id]>>>,
}

impl<'p, 'a> Policy<'p, 'a> {
    pub fn new(pool: &'p Pool<'a>, request: &'p Request<'p>) -> Self {
        let mut asked: HashMap<&'a str, BTreeSet<Id>> = HashMap::new();
        for wanted in &request.wanted {
            if let Some((relation, bound)) = &wanted.version {
                for id in pool.named(wanted.name.as_str()).filter(|&id| bound_admits(pool, id, *relation, bound)) {
                    asked.entry(pool.name(id)).or_default().insert(id);
                }
            }
        }
        Self { pool, request, asked, permitted: RefCell::default() }
    }

    /// The priority of a package: the highest over the suites that hold it.
    pub fn priority(&self, id: Id) -> i32 {
        self.pool.records(id).iter().map(|record| self.priority_of(record)).max().unwrap_or(i32::MIN)
    }

    /// The priority of a package as one suite holds it.
    pub fn priority_of(&self, record: &PackageRecord) -> i32 {
        priority(&self.request.pins, record)
    }

    /// The version that the parent image or the lock fixes for a name.
    pub fn fixed(&self, name: &str) -> Option<&str> {
        self.request.base.get(name).or_else(|| self.request.forced.get(name)).map(String::as_str)
    }

    /// The versions of a name that may be chosen, in order of preference; the first is what apt calls the candidate.
    pub fn permitted(&self, name: &str) -> Rc<[Id]> {
        let ids = self.pool.named(name);
        let Some(key) = ids.clone().next().map(|id| self.pool.name(id)) else { return Rc::from([]) };
        if let Some(known) = self.permitted.borrow().get(key) {
            return Rc::clone(known);
        }
        let found: Rc<[Id]> = self.choose(name, ids.collect()).into();
        self.permitted.borrow_mut().insert(key, Rc::clone(&found));
        found
    }

    fn choose(&self, name: &str, mut ids: Vec<Id>) -> Vec<Id> {
        let written = |id: Id| self.pool.record(id).map_or("", |record| record.version.as_str());
        if let Some(fixed) = self.fixed(name) {
            ids.retain(|&id| written(id) == fixed);
            ids.truncate(1);
            return ids;
        }
        ids.retain(|&id| self.priority(id) >= 0);
        // The pool has the newest first, and the sort is stable.
        ids.sort_by_key(|&id| Reverse(self.priority(id)));
        let kept = self.request.preferred.get(name);
        let asked = self.asked.get(name);
        let candidate = ids.first().copied();
        if let Some(at) = kept.and_then(|kept| ids.iter().position(|&id| written(id) == kept)) {
            let id = ids.remove(at);
            if candidate.is_some_and(|candidate| self.moves_on(id, candidate)) {
                ids.insert(at, id);
            } else {
                ids.insert(0, id);
            }
        }
        let first = ids.first().copied();
        ids.retain(|&id| {
            first == Some(id) || self.priority(id) >= ORDINARY || asked.is_some_and(|asked| asked.contains(&id))
        });
        if let Some(asked) = asked {
            ids.sort_by_key(|id| !asked.contains(id));
        }
        ids
    }

    /// Whether apt would leave what is installed for the candidate: by a higher priority, but back only from 1000.
    fn moves_on(&self, installed: Id, candidate: Id) -> bool {
        let (from, to) = (self.priority(installed), self.priority(candidate));
        to > from && (to >= DOWNGRADES || self.pool.version(candidate) > self.pool.version(installed))
    }

    /// What can meet a dependency, in two parts as [`Self::options`] joins them.
    fn targets(&self, dependency: &Dependency) -> (Vec<Id>, Vec<Id>) {
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        let mut add = |name: &str, able: &[Id]| {
            for (at, id) in self.permitted(name).iter().enumerate() {
                if able.contains(id) {
                    if at == 0 { first.push(*id) } else { rest.push(*id) }
                }
            }
        };
        let real: Vec<Id> = self.pool.real(dependency).collect();
        add(dependency.name.as_str(), &real);
        let providing: Vec<Id> = self.pool.providing(dependency).collect();
        let mut names: Vec<_> = providing.iter().filter_map(|&id| self.pool.record(id)).collect();
        // As apt compares providers: essential ones, then by priority, then what its cache met last. That is hardly
        // ever another order than that of names backwards (measured: tests/solver/).
        names.sort_by_key(|record| (!record.essential, record.priority, Reverse(&record.name)));
        names.dedup_by_key(|record| &record.name);
        for record in names {
            add(record.name.as_str(), &providing);
        }
        (first, rest)
    }

    /// What can meet one of the alternatives, in order of preference: the candidates of each, then other versions.
    pub fn options(&self, any: &AnyOf) -> Vec<Id> {
        let (mut options, mut others) = (Vec::new(), Vec::new());
        for dependency in &any.any {
            let (first, rest) = self.targets(dependency);
            options.extend(first);
            others.extend(rest);
        }
        options.append(&mut others);
        let mut seen = BTreeSet::new();
        options.retain(|id| seen.insert(*id));
        options
    }
}

/// Whether a version is as a wanted bound says. `=` takes a glob, as apt's `nova-api=2:31.*` does.
pub(super) fn bound_admits(pool: &Pool<'_>, id: Id, relation: Relation, bound: &str) -> bool {
    let Some(version) = pool.version(id) else { return false };
    match Version::new(bound) {
        Ok(bound) => crate::deb::meets(version, relation, &bound),
        Err(_) => relation == Relation::Equal && glob(bound, version.as_str()),
    }
}

/// The priority of a package as one suite holds it (apt_preferences(5)): the first pin by name that matches, else the
/// first for `*`, else what the suite says of itself.
fn priority(pins: &[Pin], record: &PackageRecord) -> i32 {
    let general = |pin: &&Pin| pin.packages.iter().all(|name| name == "*");
    let matching = |pin: &&Pin| pin_matches(pin, record);
    let pinned = pins.iter().filter(|pin| !general(pin)).find(matching);
    match pinned.or_else(|| pins.iter().filter(general).find(matching)) {
        Some(pin) => pin.priority,
        None => default_priority(&record.suite),
    }
}

fn default_priority(suite: &SuiteFacts) -> i32 {
    match (suite.not_automatic, suite.but_automatic_upgrades) {
        (false, _) => ORDINARY,
        (true, true) => 100,
        (true, false) => 1,
    }
}

fn pin_matches(pin: &Pin, record: &PackageRecord) -> bool {
    let suite = &record.suite;
    let is = |wanted: &Option<String>, facts: &[Option<&str>]| {
        wanted.as_ref().is_none_or(|wanted| facts.iter().flatten().any(|fact| glob(wanted, fact)))
    };
    let named = pin.packages.iter().any(|name| match name.strip_prefix("src:") {
        Some(source) => glob(source, record.source.0.as_str()),
        None => glob(name, record.name.as_str()),
    });
    named
        && is(&pin.version, &[Some(&record.version)])
        && is(&pin.suite, &[Some(&suite.name), suite.suite.as_deref(), suite.codename.as_deref()])
        && is(&pin.origin, &[suite.origin.as_deref()])
        && is(&pin.label, &[suite.label.as_deref()])
        && is(&pin.archive, &[Some(&suite.archive)])
}

/// fnmatch(3), as apt matches names and versions; a pattern that is no glob matches itself.
fn glob(pattern: &str, text: &str) -> bool {
    if pattern == "*" || pattern == text {
        return true;
    }
    pattern.contains(['*', '?', '['])
        && GlobBuilder::new(pattern).build().is_ok_and(|glob| glob.compile_matcher().is_match(text))
}
