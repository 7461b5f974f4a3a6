//! Groups: packages that are in exactly the same images. Numbers are kept from the lock before, so that a
//! change of one image moves as few lines as can be.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::PackageName;

use super::{Member, Target};

/// For each member the packages that it holds.
pub type Holdings = BTreeMap<Member, BTreeSet<PackageName>>;

/// Numbers the groups of `holdings` from 1. A group takes the number that most of its packages had in
/// `previous`; the larger group chooses first.
pub fn number(holdings: &Holdings, previous: Option<&Target>) -> BTreeMap<PackageName, u32> {
    let mut holders: BTreeMap<&PackageName, BTreeSet<&Member>> = BTreeMap::new();
    for (member, packages) in holdings {
        for package in packages {
            holders.entry(package).or_default().insert(member);
        }
    }
    let mut groups: BTreeMap<BTreeSet<&Member>, Vec<&PackageName>> = BTreeMap::new();
    for (package, members) in holders {
        groups.entry(members).or_default().push(package);
    }
    let mut groups: Vec<Vec<&PackageName>> = groups.into_values().collect();
    groups.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));

    let mut taken = BTreeSet::new();
    let mut numbers = BTreeMap::new();
    let mut later = Vec::new();
    for group in groups {
        let mut votes: BTreeMap<u32, usize> = BTreeMap::new();
        for old in group.iter().filter_map(|name| previous?.packages.get(*name)) {
            *votes.entry(old.group).or_default() += 1;
        }
        let favourite = votes
            .into_iter()
            .filter(|(number, _)| *number > 0 && !taken.contains(number))
            .max_by_key(|(number, votes)| (*votes, std::cmp::Reverse(*number)));
        match favourite {
            Some((number, _)) => {
                taken.insert(number);
                numbers.extend(group.into_iter().map(|name| (name.clone(), number)));
            }
            None => later.push(group),
        }
    }
    let mut free = (1..).filter(|number| !taken.contains(number));
    for group in later {
        if let Some(number) = free.next() {
            numbers.extend(group.into_iter().map(|name| (name.clone(), number)));
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holdings(members: &[(&str, &[&str])]) -> Holdings {
        members
            .iter()
            .map(|(member, packages)| {
                let packages = packages.iter().map(|name| PackageName::new(*name).unwrap()).collect();
                (Member::Image(member.parse().unwrap()), packages)
            })
            .collect()
    }

    fn shown(numbers: &BTreeMap<PackageName, u32>) -> String {
        numbers.iter().map(|(name, number)| format!("{name}={number}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn packages_of_the_same_images_share_a_number() {
        let numbers = number(&holdings(&[("a", &["p1", "p2", "q1"]), ("b", &["p1", "p2", "r1"])]), None);
        assert_eq!(shown(&numbers), "p1=1 p2=1 q1=2 r1=3");
    }

    #[test]
    fn a_new_image_leaves_the_numbers_of_most_packages_alone() {
        let before = number(&holdings(&[("a", &["p1", "p2", "p3"]), ("b", &["p1", "p2", "p3", "q1"])]), None);
        assert_eq!(shown(&before), "p1=1 p2=1 p3=1 q1=2");
        let mut target = Target::default();
        for (name, group) in before {
            target.packages.insert(name.clone(), super::super::text::tests::locked(name.as_str(), group));
        }
        let after = number(
            &holdings(&[("a", &["p1", "p2", "p3"]), ("b", &["p1", "p2", "p3", "q1"]), ("c", &["p3", "q1"])]),
            Some(&target),
        );
        assert_eq!(shown(&after), "p1=1 p2=1 p3=3 q1=2");
    }
}
