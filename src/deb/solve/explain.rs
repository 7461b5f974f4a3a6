//! A contradiction as a short chain of facts.
//!
//! First the wanted packages are thinned out to a set of which each is needed for the contradiction. Then what has to
//! be there follows from them step by step, each step with its cause; where there is a choice the first option is
//! taken and said. The chain is what led to the step that cannot be.

use std::collections::{BTreeMap, BTreeSet};

use crate::deb::{AnyOf, Field};

use super::error::SolveError;
use super::policy::Policy;
use super::pool::Id;
use super::sat::Sat;
use super::{Reason, Root};

pub(super) fn explain(policy: &Policy<'_, '_>, roots: &[Root], base: &BTreeSet<Id>) -> SolveError {
    let roots = thin(policy, roots, base);
    let mut chain = Chain { policy, roots: &roots, here: BTreeMap::new(), out: BTreeMap::new(), open: Vec::new() };
    for (at, root) in roots.iter().enumerate() {
        chain.open.push(Group { by: By::Root(at), options: root.options.clone() });
    }
    let lines = chain.run();
    let spans = roots.iter().filter_map(|root| root.span).collect();
    let fixed = roots.iter().any(|root| root.reason == Reason::Base);
    let help = if fixed {
        "the parent image's packages stay as they are: take one of the packages out, or move it to the image in `from`"
    } else {
        "take one of the packages out, or let another version in by a `pin`"
    };
    SolveError::Unsatisfiable { chain: lines, help: help.to_owned(), spans }
}

/// Takes away what is not needed for the contradiction.
fn thin(policy: &Policy<'_, '_>, roots: &[Root], base: &BTreeSet<Id>) -> Vec<Root> {
    let (hints, mut kept) = (BTreeSet::new(), roots.to_vec());
    let solvable = |roots: &[Root]| {
        let groups: Vec<Vec<Id>> = roots.iter().map(|root| root.options.clone()).collect();
        Sat::solve(policy, &groups, &hints, None, base, false).is_some()
    };
    // Halves first, single ones then: a parent image may have hundreds.
    let mut size = kept.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < kept.len() {
            let without: Vec<Root> = kept
                .iter()
                .enumerate()
                .filter(|(i, _)| *i < at || *i >= at + size)
                .map(|(_, root)| root.clone())
                .collect();
            if without.len() < kept.len() && !solvable(&without) {
                kept = without;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    kept
}

#[derive(Debug, Clone)]
enum By {
    /// Place in the roots.
    Root(usize),
    /// A package's field.
    Package(Id, Field, AnyOf),
    /// A package's relations cannot be read.
    Unreadable(Id, String),
}

#[derive(Debug, Clone)]
struct Group {
    by: By,
    options: Vec<Id>,
}

/// Why a package cannot be there.
#[derive(Debug, Clone)]
enum Out {
    /// This one is there instead, of the same name.
    Other(Id),
    /// This one is there, and one of the two says so: `postfix 3.10 conflicts with mail-transport-agent`.
    Enemy(Id, String),
}

struct Chain<'c, 'p, 'a> {
    policy: &'c Policy<'p, 'a>,
    roots: &'c [Root],
    /// What has to be there, why, and whether there was another choice.
    here: BTreeMap<Id, (By, bool)>,
    out: BTreeMap<Id, Out>,
    open: Vec<Group>,
}

impl Chain<'_, '_, '_> {
    fn run(&mut self) -> Vec<String> {
        loop {
            let here = &self.here;
            self.open.retain(|group| !group.options.iter().any(|id| here.contains_key(id)));
            let left = |group: &Group| group.options.iter().filter(|id| !self.out.contains_key(id)).count();
            if let Some(group) = self.open.iter().find(|group| left(group) == 0).cloned() {
                return self.tell(&group);
            }
            let forced = self.open.iter().position(|group| left(group) == 1);
            // Another version of one name is hardly ever the way out: the preferred one stands for all.
            let Some(at) = forced.or_else(|| (!self.open.is_empty()).then_some(0)) else {
                return vec![
                    "(no single chain shows it: every choice of alternatives ends in a contradiction)".to_owned(),
                ];
            };
            let group = self.open.remove(at);
            let options: Vec<Id> = group.options.iter().copied().filter(|id| !self.out.contains_key(id)).collect();
            let Some(&id) = options.first() else { continue };
            let name = self.policy.pool.name(id);
            let chosen = options.iter().any(|&other| self.policy.pool.name(other) != name);
            self.take(id, group.by, chosen);
        }
    }

    fn take(&mut self, id: Id, by: By, chosen: bool) {
        let pool = self.policy.pool;
        self.here.insert(id, (by, chosen));
        for other in pool.named(pool.name(id)).filter(|&other| other != id) {
            self.out.entry(other).or_insert(Out::Other(id));
        }
        for (enemy, field, relation) in pool.enemies(id) {
            self.out.entry(enemy).or_insert_with(|| Out::Enemy(id, says(field, pool.label(id), &relation.to_string())));
        }
        // Those who do not want this one: only what could come in later needs to be looked at, and is, when it does.
        let needs = match pool.needs(id) {
            Ok(needs) => needs,
            Err(error) => {
                self.open.insert(0, Group { by: By::Unreadable(id, error.to_string()), options: Vec::new() });
                return;
            }
        };
        for (field, any) in &needs.depends {
            let options = self.policy.options(any);
            for &option in &options {
                let enemy = pool.enemies(option).find(|(enemy, _, _)| self.here.contains_key(enemy));
                if let Some((enemy, field, relation)) = enemy {
                    let says = says(field, pool.label(option), &relation.to_string());
                    self.out.entry(option).or_insert(Out::Enemy(enemy, says));
                }
            }
            self.open.push(Group { by: By::Package(id, *field, any.clone()), options });
        }
        // What waits already may not want this one either.
        let waiting: BTreeSet<Id> = self.open.iter().flat_map(|group| &group.options).copied().collect();
        for option in waiting {
            if let Some((_, field, relation)) = pool.enemies(option).find(|(enemy, _, _)| *enemy == id) {
                let says = says(field, pool.label(option), &relation.to_string());
                self.out.entry(option).or_insert(Out::Enemy(id, says));
            }
        }
    }

    fn tell(&self, group: &Group) -> Vec<String> {
        let mut lines = Vec::new();
        match &group.by {
            By::Root(_) => {}
            By::Package(id, ..) | By::Unreadable(id, _) => self.path(*id, &mut lines),
        }
        push(&mut lines, self.fact(&group.by));
        for option in &group.options {
            match self.out.get(option) {
                Some(Out::Other(id)) => {
                    self.path(*id, &mut lines);
                    let line =
                        format!("only one version of a package can be there, so not {} as well", self.label(*option));
                    push(&mut lines, line);
                }
                Some(Out::Enemy(id, says)) => {
                    self.path(*id, &mut lines);
                    push(&mut lines, self.with_provides(*option, *id, says));
                }
                None => {}
            }
        }
        if group.options.is_empty() {
            self.nothing(&group.by, &mut lines);
        }
        lines
    }

    /// How a package came to be needed, the wanted one first.
    fn path(&self, id: Id, lines: &mut Vec<String>) {
        let mut way = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next {
            let Some((by, chosen)) = self.here.get(&id) else { break };
            let mut line = self.fact(by);
            if *chosen {
                line += &format!(", say {}", self.label(id));
            }
            way.push(line);
            next = match by {
                By::Root(_) => None,
                By::Package(by, ..) | By::Unreadable(by, _) => Some(*by),
            };
        }
        for line in way.into_iter().rev() {
            push(lines, line);
        }
    }

    fn fact(&self, by: &By) -> String {
        match by {
            By::Root(at) => match self.roots.get(*at) {
                Some(root) => match root.reason {
                    Reason::Base => format!(
                        "the parent image has {}",
                        root.options.first().map_or_else(String::new, |id| self.label(*id))
                    ),
                    Reason::Essential => format!("`{}` is essential", root.text),
                    Reason::Wanted | Reason::Needed => format!("`{}` is wanted", root.text),
                },
                None => String::new(),
            },
            By::Package(id, field, any) => says(*field, self.label(*id), &any.to_string()),
            By::Unreadable(id, problem) => format!("what {} needs cannot be read: {problem}", self.label(*id)),
        }
    }

    /// Says which of the two has the name that a relation speaks of, where that is not plain.
    fn with_provides(&self, option: Id, id: Id, says: &str) -> String {
        let pool = self.policy.pool;
        let Some((speaker, named)) = says.split_once(" with `").or_else(|| says.split_once(" breaks `")) else {
            return says.to_owned();
        };
        let target = if speaker.starts_with(&pool.label(id)) { option } else { id };
        let name = named.split([' ', ':', '`']).next().unwrap_or_default();
        if name == pool.name(target) {
            format!("{says}, and that is {}", self.label(target))
        } else {
            format!("{says}, which {} provides", self.label(target))
        }
    }

    /// Says why a relation has no option at all.
    fn nothing(&self, by: &By, lines: &mut Vec<String>) {
        let By::Package(_, _, any) = by else { return };
        let pool = self.policy.pool;
        for dependency in &any.any {
            let all: Vec<Id> = pool.named(dependency.name.as_str()).collect();
            let meets: Vec<Id> = pool.real(dependency).collect();
            let name = &dependency.name;
            let permitted = self.policy.permitted(name.as_str());
            push(
                lines,
                if all.is_empty() && pool.providing(dependency).next().is_none() {
                    format!("there is no `{name}`, and nothing provides `{dependency}`")
                } else if let Some(&id) = meets.first() {
                    match self.policy.fixed(name.as_str()) {
                        Some(version) => {
                            format!("`{name}` is fixed at {version} by the parent image or other images of this lock")
                        }
                        None => format!("the pins exclude {} (priority {})", self.label(id), self.policy.priority(id)),
                    }
                } else {
                    let have: Vec<String> = permitted.iter().chain(&all).map(|&id| self.label(id)).collect();
                    match have.first() {
                        Some(have) => format!("there is {have}, which is not `{dependency}`"),
                        None => format!("nothing provides `{dependency}`"),
                    }
                },
            );
        }
    }

    fn label(&self, id: Id) -> String {
        self.policy.pool.label(id)
    }
}

fn says(field: Field, who: String, what: &str) -> String {
    match field {
        Field::PreDepends => format!("{who} needs `{what}` before it is unpacked"),
        Field::Conflicts => format!("{who} conflicts with `{what}`"),
        Field::Breaks => format!("{who} breaks `{what}`"),
        _ => format!("{who} needs `{what}`"),
    }
}

fn push(lines: &mut Vec<String>, line: String) {
    if !lines.contains(&line) {
        lines.push(line);
    }
}
