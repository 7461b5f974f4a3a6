//! The order of configuration: what a package needs comes before it (Debian Policy 7.2).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::deb::{Field, MultiArch, PackageInfo, PackageRecord, Priority, Relations, SuiteFacts, Universe};
use crate::digest::Digest;
use crate::name::PackageName;

use super::pool::{Id, Pool};

/// The order in which packages of one image are configured. Needs come first; where they go round in a circle, a
/// `Depends` gives way before a `Pre-Depends`, and what stands first by name goes first. `arch` is Debian's name.
pub fn order(packages: &[PackageInfo], arch: &str) -> Vec<PackageName> {
    let universe = Universe::new(packages.iter().map(record).collect(), Vec::new());
    let pool = Pool::new(&universe, arch);
    let mut edges: BTreeMap<Id, Vec<(Id, bool)>> = BTreeMap::new();
    for id in pool.ids() {
        let needed = edges.entry(id).or_default();
        for (field, any) in pool.needs(id).map_or(&[][..], |needs| needs.depends.as_slice()) {
            // All that could meet it: which of them dpkg would count is not for the order to say.
            let met = any.any.iter().flat_map(|dependency| pool.real(dependency).chain(pool.providing(dependency)));
            needed.extend(met.filter(|&other| other != id).map(|other| (other, *field == Field::PreDepends)));
        }
        needed.sort_unstable();
        needed.dedup();
    }
    let mut out = Vec::new();
    for part in components(&edges) {
        within(&part, &edges, &mut out);
    }
    out.into_iter().filter_map(|id| pool.record(id)).map(|record| record.name.clone()).collect()
}

/// What the pool needs to know of a package whose .deb is here.
fn record(info: &PackageInfo) -> PackageRecord {
    PackageRecord {
        name: info.name.clone(),
        version: info.version.clone(),
        arch: info.arch.clone(),
        source: (info.name.clone(), info.version.clone()),
        relations: Relations::new(|field| info.control.get(field.as_str())),
        essential: false,
        multi_arch: info.control.get("Multi-Arch").map(MultiArch::parse).unwrap_or_default(),
        priority: Priority::default(),
        path: String::new(),
        size: 0,
        installed_size: 0,
        sha256: Digest::of(b""),
        suite: Arc::new(SuiteFacts::default()),
    }
}

/// Orders a circle: by its `Pre-Depends` alone where those go round in none, taking as the next what waits for the
/// fewest others.
fn within(part: &BTreeSet<Id>, edges: &BTreeMap<Id, Vec<(Id, bool)>>, out: &mut Vec<Id>) {
    let mut left = part.clone();
    while !left.is_empty() {
        let waits = |id: &Id| {
            let needed = edges.get(id).map_or(&[][..], Vec::as_slice).iter().filter(|(other, _)| left.contains(other));
            let (before, all) =
                needed.fold((0_usize, 0_usize), |(before, all), (_, pre)| (before + usize::from(*pre), all + 1));
            (before, all, *id)
        };
        let Some(next) = left.iter().copied().min_by_key(waits) else { return };
        left.remove(&next);
        out.push(next);
    }
}

/// The strongly connected components, what is needed before what needs it (Tarjan's, without recursion).
fn components(edges: &BTreeMap<Id, Vec<(Id, bool)>>) -> Vec<BTreeSet<Id>> {
    let mut seen: BTreeMap<Id, Seen> = BTreeMap::new();
    let (mut open, mut out) = (Vec::new(), Vec::new());
    for &start in edges.keys() {
        if seen.contains_key(&start) {
            continue;
        }
        // A package, and how many of its needs were looked at.
        let mut path = vec![(start, 0_usize)];
        while let Some((id, at)) = path.pop() {
            if at == 0 {
                let index = seen.len();
                seen.insert(id, Seen { index, low: index, open: true });
                open.push(id);
            }
            let needed = edges.get(&id).map_or(&[][..], Vec::as_slice);
            if let Some(&(other, _)) = needed.get(at) {
                path.push((id, at + 1));
                match seen.get(&other).copied() {
                    None => path.push((other, 0)),
                    Some(met) if met.open => lower(&mut seen, id, met.index),
                    Some(_) => {}
                }
                continue;
            }
            let Some(&done) = seen.get(&id) else { continue };
            if let Some(&(parent, _)) = path.last() {
                lower(&mut seen, parent, done.low);
            }
            if done.low == done.index {
                let mut part = BTreeSet::new();
                while let Some(member) = open.pop() {
                    if let Some(member) = seen.get_mut(&member) {
                        member.open = false;
                    }
                    part.insert(member);
                    if member == id {
                        break;
                    }
                }
                out.push(part);
            }
        }
    }
    out
}

#[derive(Clone, Copy)]
struct Seen {
    index: usize,
    low: usize,
    open: bool,
}

fn lower(seen: &mut BTreeMap<Id, Seen>, id: Id, to: usize) {
    if let Some(seen) = seen.get_mut(&id) {
        seen.low = seen.low.min(to);
    }
}
