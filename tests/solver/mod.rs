//! The solver beside apt, and the order of versions beside dpkg.

mod apt;
mod rules;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use wharf::deb::solve::{Request, Solver};
use wharf::deb::{AllOf, Field, Provided, Version};
use wharf::estate::Package;
use wharf::name::PackageName;
use wharf::spec::{Origin, Sources, Span};

use apt::Apt;
use rules::{Index, broken};
use world::world;

use crate::support::skip;

/// A small generator (xorshift64*): the same draws on every machine.
struct Draw(u64);

impl Draw {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below as u64).unwrap()
    }
}

#[test]
fn versions_compare_as_dpkg_says_on_ten_thousand_pairs() {
    if Command::new("dpkg").arg("--version").output().is_err() {
        return skip("dpkg is not here");
    }
    let mut draw = Draw(0x5eed);
    // Short texts of few characters are often nearly equal, and those are the hard ones.
    let mut text = |length: usize, of: &[u8]| -> String {
        (0..draw.next(length)).map(|_| char::from(of[draw.next(of.len())])).collect()
    };
    let mut version = || {
        let epoch = ["", "", "0:", "1:"][text(4, b"x").len()];
        let revision = text(4, b"01aA~+.");
        let dash = if revision.is_empty() { "" } else { "-" };
        format!("{epoch}{}{}{dash}{revision}", ["0", "1", "00", "10"][text(4, b"x").len()], text(6, b"019aZ~+.-"))
    };
    let mut pairs = Vec::new();
    while pairs.len() < 10_000 {
        if let (Ok(a), Ok(b)) = (Version::new(version()), Version::new(version())) {
            let sign = match a.cmp(&b) {
                std::cmp::Ordering::Less => "lt",
                std::cmp::Ordering::Equal => "eq",
                std::cmp::Ordering::Greater => "gt",
            };
            pairs.push(format!("{a} {sign} {b}\n"));
        }
    }
    let ask = |pairs: &[String]| {
        let script =
            r#"while read -r a op b; do dpkg --compare-versions "$a" "$op" "$b" || echo "not $a $op $b"; done"#;
        let mut shell =
            Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut input, text) = (shell.stdin.take().unwrap(), pairs.concat());
        let writer = std::thread::spawn(move || input.write_all(text.as_bytes()).unwrap());
        let said = String::from_utf8(shell.wait_with_output().unwrap().stdout).unwrap();
        writer.join().unwrap();
        said
    };
    let (left, right) = pairs.split_at(5_000);
    let said = std::thread::scope(|scope| {
        let left = scope.spawn(|| ask(left));
        ask(right) + &left.join().unwrap()
    });
    assert_eq!(said, "", "dpkg thinks otherwise");
}

fn wanted(name: &str) -> Package {
    Package { name: PackageName::new(name).unwrap(), version: None, span: nowhere() }
}

fn nowhere() -> Span {
    Span { source: Sources::default().add(String::new(), String::new(), Origin::Project), start: 0, len: 0 }
}

/// How one set ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    Equal,
    BothRefuse,
    OnlyWeSolve,
    /// Both solve, apt left a choice.
    OtherChoice,
}

#[test]
fn every_relation_of_trixie_is_read_and_written_back() {
    let apt = match Apt::set_up() {
        Ok(apt) => apt,
        Err(missing) => return skip(&format!("trixie's relations need {missing}")),
    };
    let world = world(apt);
    assert!(world.universe.packages().len() > 50_000);
    for record in world.universe.packages() {
        Version::new(record.version.as_str()).unwrap();
        for field in Field::ALL {
            let Some(text) = record.relations.get(field) else { continue };
            let read = AllOf::parse(text).unwrap_or_else(|error| panic!("{}: {error}", record.name));
            assert_eq!(AllOf::parse(&read.to_string()).unwrap(), read, "{}", record.name);
            if field == Field::Provides {
                Provided::parse(text).unwrap_or_else(|error| panic!("{}: {error}", record.name));
            }
        }
    }
}

#[test]
fn two_hundred_sets_are_solved_as_apt_does() {
    let apt = match Apt::set_up() {
        Ok(apt) => apt,
        Err(missing) => return skip(&format!("apt's answers need {missing}")),
    };
    let world = world(apt);
    let index = Index::new(&world);
    let solver = Solver::new(&world.universe, "amd64");
    let mut names: Vec<&str> = world.universe.packages().iter().map(|record| record.name.as_str()).collect();
    names.dedup();
    let mut draw = Draw(0x7e57);
    let sets: Vec<(Vec<&str>, bool)> = (0..200)
        .map(|at| {
            let mut roots: Vec<&str> = (0..=draw.next(5)).map(|_| names[draw.next(names.len())]).collect();
            // Which alternative is met first depends on the order; ours is by name, apt's is that of its arguments.
            roots.sort_unstable();
            (roots, at % 2 == 1)
        })
        .collect();

    let judge = |(at, (roots, recommends)): (usize, &(Vec<&str>, bool))| -> (Ending, Vec<String>) {
        let request = Request {
            wanted: roots.iter().map(|name| wanted(name)).collect(),
            recommends: *recommends,
            ..Request::default()
        };
        let ours: Option<BTreeMap<String, String>> = solver.solve(&request).ok().map(|chosen| {
            chosen.iter().map(|chosen| (chosen.record.name.to_string(), chosen.record.version.clone())).collect()
        });
        let theirs = apt.install(roots, *recommends);
        let mut wrong = Vec::new();
        if let Some(ours) = &ours {
            wrong.extend(broken(ours, &world).into_iter().map(|fault| format!("{roots:?} broken: {fault}")));
            wrong.extend(
                roots.iter().filter(|root| !ours.contains_key(**root)).map(|root| format!("{roots:?}: no {root}")),
            );
            if (at % 40 == 0 || theirs.as_ref() != Some(ours))
                && let Err(said) = apt.check(&at.to_string(), &world.status(ours))
            {
                wrong.push(format!("{roots:?}: apt-get check: {said}"));
            }
        }
        let ending = match (&ours, &theirs) {
            (Some(ours), Some(theirs)) if ours == theirs => Ending::Equal,
            (Some(ours), Some(theirs)) => {
                let only = index.only_answer(&world, roots, *recommends);
                let theirs_names: BTreeSet<String> = theirs.keys().cloned().collect();
                if only.as_ref() == Some(&theirs_names) {
                    wrong.push(format!("{roots:?}: apt's answer is the only one, ours is another"));
                }
                let less: Vec<_> = theirs.iter().filter(|(name, version)| ours.get(*name) != Some(*version)).collect();
                let more: Vec<_> = ours.iter().filter(|(name, version)| theirs.get(*name) != Some(*version)).collect();
                let short = |list: &[(&String, &String)]| {
                    list.iter().take(6).map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")
                };
                eprintln!(
                    "{} (recommends={recommends}): {} only in apt's: {}; {} only in ours: {}",
                    roots.join(" "),
                    less.len(),
                    short(&less),
                    more.len(),
                    short(&more)
                );
                Ending::OtherChoice
            }
            (Some(_), None) => {
                eprintln!("{roots:?} recommends={recommends}: apt refuses");
                Ending::OnlyWeSolve
            }
            (None, Some(theirs)) => {
                // apt solved it: then it is solvable, unless what it did is no system.
                if broken(theirs, &world).is_empty() {
                    wrong.push(format!("{roots:?}: apt has an answer, we have none"));
                }
                Ending::BothRefuse
            }
            (None, None) => Ending::BothRefuse,
        };
        (ending, wrong)
    };
    let all: Vec<(usize, &(Vec<&str>, bool))> = sets.iter().enumerate().collect();
    let (left, right) = all.split_at(100);
    let results: Vec<(Ending, Vec<String>)> = std::thread::scope(|scope| {
        let half = scope.spawn(|| left.iter().copied().map(judge).collect::<Vec<_>>());
        let mut right: Vec<_> = right.iter().copied().map(judge).collect();
        right.splice(0..0, half.join().unwrap());
        right
    });
    let mut endings: BTreeMap<Ending, usize> = BTreeMap::new();
    for (ending, _) in &results {
        *endings.entry(ending.clone()).or_default() += 1;
    }
    eprintln!("{endings:?}");
    let wrong: Vec<String> = results.into_iter().flat_map(|(_, wrong)| wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        endings.get(&Ending::Equal).is_some_and(|equal| *equal >= 190),
        "fewer equal answers than there were: {endings:?}"
    );
}
