//! All packages of one universe, indexed for solving. Relations are parsed when they are first asked for: most never are.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use crate::deb::{
    AllOf, AnyOf, Dependency, Field, MultiArch, PackageRecord, Provided, Qualifier, RelationError, Universe, Version,
};

/// A package in the pool: its place there.
pub(super) type Id = u32;

#[derive(Debug)]
pub(super) struct Pool<'a> {
    /// By name, then the newest first, then in the universe's order.
    packages: Vec<Pooled<'a>>,
    named: HashMap<&'a str, Range<Id>>,
    /// Who provides a virtual package, in the pool's order. Names that only a package itself has are not here.
    providers: HashMap<String, Vec<Id>>,
    /// Debian's name of the arch.
    arch: String,
    /// Records whose version or provides cannot be read, with the reason.
    unreadable: Vec<(&'a str, String)>,
}

#[derive(Debug)]
struct Pooled<'a> {
    version: Version,
    provides: Vec<Provided>,
    /// The same package in each suite that holds it; never empty.
    records: Vec<&'a PackageRecord>,
    needs: OnceLock<Result<Needs, RelationError>>,
}

/// What a package asks of others, for the pool's arch.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// `Pre-Depends`, then `Depends`.
    pub depends: Vec<(Field, AnyOf)>,
    /// `Recommends`
    pub recommends: Vec<AnyOf>,
    /// `Conflicts` and `Breaks`
    pub conflicts: Vec<(Field, Dependency)>,
}

impl<'a> Pool<'a> {
    pub fn new(universe: &'a Universe, arch: &str) -> Self {
        let mut unreadable = Vec::new();
        let mut packages: Vec<Pooled<'a>> = Vec::with_capacity(universe.packages().len());
        for record in universe.packages() {
            let provides = record.relations.get(Field::Provides).map_or(Ok(Vec::new()), Provided::parse);
            match (Version::new(record.version.as_str()), provides) {
                (Ok(version), Ok(provides)) => {
                    packages.push(Pooled { version, provides, records: vec![record], needs: OnceLock::new() });
                }
                (Err(error), _) => unreadable.push((record.name.as_str(), error.to_string())),
                (_, Err(error)) => unreadable.push((record.name.as_str(), error.to_string())),
            }
        }
        packages.sort_by(|a, b| a.name().cmp(b.name()).then_with(|| b.version.cmp(&a.version)));
        packages.dedup_by(|next, first| {
            let same = next.is_same(first);
            if same {
                first.records.append(&mut next.records);
            }
            same
        });
        let mut named: HashMap<&'a str, Range<Id>> = HashMap::new();
        let mut providers: HashMap<String, Vec<Id>> = HashMap::new();
        for (id, package) in (0..).zip(&packages) {
            named.entry(package.name()).or_insert(id..id).end = id + 1;
            for provided in &package.provides {
                let ids = providers.entry(provided.name.to_string()).or_default();
                if ids.last() != Some(&id) {
                    ids.push(id);
                }
            }
        }
        Self { packages, named, providers, arch: arch.to_owned(), unreadable }
    }

    fn get(&self, id: Id) -> Option<&Pooled<'a>> {
        self.packages.get(id as usize)
    }

    /// The versions of a name, the newest first.
    pub fn named(&self, name: &str) -> Range<Id> {
        self.named.get(name).cloned().unwrap_or(0..0)
    }

    pub fn ids(&self) -> Range<Id> {
        0..Id::try_from(self.packages.len()).unwrap_or(Id::MAX)
    }

    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        let mut names: Vec<&'a str> = self.named.keys().copied().collect();
        names.sort_unstable();
        names.into_iter()
    }

    /// Every name that something provides, sorted.
    pub fn virtual_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.providers.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    pub fn unreadable(&self, name: &str) -> Option<&str> {
        self.unreadable.iter().find(|(unreadable, _)| *unreadable == name).map(|(_, why)| why.as_str())
    }

    /// The same package in each suite that holds it.
    pub fn records(&self, id: Id) -> &[&'a PackageRecord] {
        self.get(id).map_or(&[], |package| &package.records)
    }

    pub fn record(&self, id: Id) -> Option<&'a PackageRecord> {
        self.records(id).first().copied()
    }

    pub fn name(&self, id: Id) -> &'a str {
        self.record(id).map_or("", |record| record.name.as_str())
    }

    pub fn version(&self, id: Id) -> Option<&Version> {
        self.get(id).map(|package| &package.version)
    }

    /// `keystone 2:27.0.0-3`, for people.
    pub fn label(&self, id: Id) -> String {
        self.record(id).map_or_else(String::new, |record| format!("{} {}", record.name, record.version))
    }

    /// What the package asks of others.
    pub fn needs(&self, id: Id) -> Result<&Needs, &RelationError> {
        static NONE: Needs = Needs { depends: Vec::new(), recommends: Vec::new(), conflicts: Vec::new() };
        match self.get(id) {
            None => Ok(&NONE),
            Some(package) => package.needs.get_or_init(|| package.read(&self.arch)).as_ref(),
        }
    }

    /// Packages of that name that meet a dependency, the newest first.
    pub fn real(&self, dependency: &Dependency) -> impl Iterator<Item = Id> {
        self.named(dependency.name.as_str()).filter(move |&id| {
            self.get(id).is_some_and(|package| self.reaches(dependency, package) && dependency.admits(&package.version))
        })
    }

    /// Packages of other names that provide what a dependency asks for, in the pool's order.
    pub fn providing(&self, dependency: &Dependency) -> impl Iterator<Item = Id> {
        let ids = self.providers.get(dependency.name.as_str()).map_or(&[][..], Vec::as_slice);
        ids.iter().copied().filter(move |&id| {
            self.get(id).is_some_and(|package| {
                package.name() != dependency.name.as_str()
                    && dependency.qualifier.as_ref().is_none_or(|qualifier| self.is_native(qualifier))
                    && package.provides.iter().any(|provided| provided.meets(dependency))
            })
        })
    }

    fn is_native(&self, qualifier: &Qualifier) -> bool {
        match qualifier {
            Qualifier::Any => false,
            Qualifier::Native => true,
            Qualifier::Arch(arch) => *arch == self.arch,
        }
    }

    /// `:any` reaches what is `Multi-Arch: allowed`; everything here is of the one arch or of `all`.
    fn reaches(&self, dependency: &Dependency, package: &Pooled<'_>) -> bool {
        match &dependency.qualifier {
            None => true,
            Some(Qualifier::Any) => package.records.first().is_some_and(|it| it.multi_arch == MultiArch::Allowed),
            Some(qualifier) => self.is_native(qualifier),
        }
    }

    /// The packages that cannot be there together with this one because it says so, and by which relation.
    /// A package never conflicts with itself, whatever it provides (Policy 7.4).
    pub fn enemies(&self, id: Id) -> impl Iterator<Item = (Id, Field, &Dependency)> {
        let name = self.name(id);
        let conflicts = self.needs(id).map_or(&[][..], |needs| needs.conflicts.as_slice());
        conflicts.iter().flat_map(move |(field, conflict)| {
            let here = !matches!(&conflict.qualifier, Some(Qualifier::Arch(arch)) if *arch != self.arch);
            let real = self
                .named(conflict.name.as_str())
                .filter(move |&other| here && self.version(other).is_some_and(|version| conflict.admits(version)));
            let unqualified = conflict.qualifier.is_none();
            let others = self.providing(conflict).filter(move |_| unqualified);
            real.chain(others)
                .filter(move |&other| self.name(other) != name)
                .map(move |other| (other, *field, conflict))
        })
    }
}

impl<'a> Pooled<'a> {
    fn name(&self) -> &'a str {
        self.records.first().map_or("", |record| record.name.as_str())
    }

    /// Whether it is the same .deb, in another suite.
    fn is_same(&self, other: &Self) -> bool {
        match (self.records.first(), other.records.first()) {
            (Some(a), Some(b)) => (&a.name, &a.version, &a.arch, a.sha256) == (&b.name, &b.version, &b.arch, b.sha256),
            _ => false,
        }
    }

    fn read(&self, arch: &str) -> Result<Needs, RelationError> {
        let Some(record) = self.records.first() else { return Ok(Needs::default()) };
        let parse = |field| record.relations.get(field).map_or(Ok(AllOf::default()), AllOf::parse);
        let mut needs = Needs::default();
        let here = |mut any: AnyOf| {
            any.any.retain(|dependency| dependency.applies(arch) && dependency.profiles.is_empty());
            Some(any).filter(|any| !any.any.is_empty())
        };
        for field in [Field::PreDepends, Field::Depends] {
            needs.depends.extend(parse(field)?.all.into_iter().filter_map(here).map(|any| (field, any)));
        }
        needs.recommends.extend(parse(Field::Recommends)?.all.into_iter().filter_map(here));
        for field in [Field::Conflicts, Field::Breaks] {
            let all = parse(field)?.all.into_iter().filter_map(here).flat_map(|any| any.any);
            needs.conflicts.extend(all.map(|dependency| (field, dependency)));
        }
        Ok(needs)
    }
}
