//! The solver beside apt, and the order of versions beside dpkg.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use wharf::deb::solve::{Request, Solver};
use wharf::deb::{
    AllOf, AnyOf, Control, Dependency, Field, MultiArch, PackageRecord, Priority, Provided, Relations, SuiteFacts,
    Universe, Version,
};
use wharf::digest::Digest;
use wharf::estate::Package;
use wharf::name::PackageName;
use wharf::spec::{Origin, Sources, Span};

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

/// A private apt for trixie: nothing of the host's state is read but the address of its Debian archive.
struct Apt {
    config: PathBuf,
    folder: PathBuf,
}

impl Apt {
    /// Made once for all tests of a run.
    fn set_up() -> Result<&'static Self, String> {
        static APT: OnceLock<Result<Apt, String>> = OnceLock::new();
        APT.get_or_init(Self::make).as_ref().map_err(Clone::clone)
    }

    fn make() -> Result<Self, String> {
        let address = crate::oracle::debian_address().ok_or("no apt source for a Debian archive in /etc/apt")?;
        let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
        if !Path::new(keyring).exists() {
            return Err(format!("{keyring} (package debian-archive-keyring)"));
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("apt-trixie");
        for name in ["lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        std::fs::write(folder.join("status"), "").unwrap();
        let source = |suite: &str| format!("deb [signed-by={keyring}] {address} {suite} main\n");
        std::fs::write(folder.join("etc/sources.list"), source("trixie") + &source("trixie-updates")).unwrap();
        let at = folder.display();
        let config = folder.join("etc/apt.conf");
        std::fs::write(
            &config,
            format!(
                "Dir::Etc \"{at}/etc\";\nDir::Etc::sourcelist \"{at}/etc/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n\
                 Dir::State \"{at}\";\nDir::State::lists \"{at}/lists\";\nDir::State::status \"{at}/status\";\n\
                 Dir::Cache \"{at}/cache\";\nAPT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; }};\n\
                 APT::Sandbox::User \"\";\nAcquire::Languages \"none\";\nAcquire::GzipIndexes \"false\";\nDebug::NoLocking \"true\";\n"
            ),
        )
        .unwrap();
        let apt = Self { config, folder };
        let update = apt.command("apt-get").arg("update").output().map_err(|_| "apt-get".to_owned())?;
        if apt.lists().is_empty() {
            return Err(format!("an index of trixie: {}", String::from_utf8_lossy(&update.stderr)));
        }
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.config).env("LC_ALL", "C").stdin(Stdio::null());
        command
    }

    fn lists(&self) -> Vec<PathBuf> {
        let mut lists: Vec<PathBuf> = std::fs::read_dir(self.folder.join("lists"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_str().unwrap().ends_with("_Packages"))
            .collect();
        lists.sort();
        lists
    }

    /// What apt would install: name and version; none where it says that it cannot.
    fn install(&self, names: &[&str], recommends: bool) -> Option<BTreeMap<String, String>> {
        let recommends = format!("APT::Install-Recommends={recommends}");
        // Not `-s`: that also simulates dpkg, which takes ten times as long.
        let arguments = ["-qq", "-y", "--print-uris", "-o", &recommends, "install"];
        let output = self.command("apt-get").args(arguments).args(names).output().unwrap();
        if !output.status.success() {
            return None;
        }
        let text = String::from_utf8(output.stdout).unwrap();
        let file = |line: &str| {
            let mut parts = line.split(' ').nth(1)?.split('_');
            Some((parts.next()?.to_owned(), parts.next()?.replace("%3a", ":")))
        };
        Some(text.lines().filter_map(file).collect())
    }

    /// Whether apt finds a system of these packages whole.
    fn check(&self, name: &str, stanzas: &str) -> Result<(), String> {
        let status = self.folder.join(format!("status-{name}"));
        std::fs::write(&status, stanzas).unwrap();
        let option = format!("Dir::State::status={}", status.display());
        // A cache of its own: this status is asked about once.
        let cache = ["Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache="];
        let output = self
            .command("apt-get")
            .args([
                "-qq",
                "-o",
                &option,
                "-o",
                cache[0],
                "-o",
                cache[1],
                "-o",
                "Dir::Etc::sourcelist=/dev/null",
                "check",
            ])
            .output()
            .unwrap();
        let _ = std::fs::remove_file(&status);
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }
}

struct World {
    universe: Universe,
    stanzas: BTreeMap<(String, String), Control>,
}

fn world(apt: &Apt) -> World {
    let (mut records, mut stanzas) = (Vec::new(), BTreeMap::new());
    for list in apt.lists() {
        let text = std::fs::read_to_string(&list).unwrap();
        let suite = if list.to_str().unwrap().contains("trixie-updates") { "trixie-updates" } else { "trixie" };
        let suite = Arc::new(SuiteFacts { archive: "debian".into(), name: suite.into(), ..SuiteFacts::default() });
        for (_, stanza) in Control::parse_all(&text).unwrap() {
            records.push(record(&stanza, &suite));
            stanzas
                .insert((stanza.get("Package").unwrap().to_owned(), stanza.get("Version").unwrap().to_owned()), stanza);
        }
    }
    World { universe: Universe::new(records, Vec::new()), stanzas }
}

fn record(stanza: &Control, suite: &Arc<SuiteFacts>) -> PackageRecord {
    let name = PackageName::new(stanza.get("Package").unwrap()).unwrap();
    PackageRecord {
        version: stanza.get("Version").unwrap().to_owned(),
        arch: stanza.get("Architecture").unwrap().to_owned(),
        source: (name.clone(), String::new()),
        name,
        relations: Relations::new(|field| stanza.get(field.as_str())),
        essential: stanza.get("Essential") == Some("yes"),
        multi_arch: stanza.get("Multi-Arch").map(MultiArch::parse).unwrap_or_default(),
        priority: Priority::parse(stanza.get("Priority").unwrap_or_default()),
        path: stanza.get("Filename").unwrap().to_owned(),
        size: 0,
        installed_size: 0,
        sha256: Digest::of(stanza.get("SHA256").unwrap().as_bytes()),
        suite: Arc::clone(suite),
    }
}

fn wanted(name: &str) -> Package {
    Package { name: PackageName::new(name).unwrap(), version: None, span: nowhere() }
}

/// Who has a name, by which version, and whether `:any` reaches it.
type Holder<'a> = (&'a str, Option<String>, bool);

/// dpkg's rules over the texts of the fields, written a second time and differently: what is broken in a set of packages.
fn broken(set: &BTreeMap<String, String>, world: &World) -> Vec<String> {
    let stanza = |name: &str| &world.stanzas[&(name.to_owned(), set[name].clone())];
    // (who, what, version): what each package is, and what it provides.
    let mut there: BTreeMap<&str, Vec<Holder<'_>>> = BTreeMap::new();
    for (name, version) in set {
        let allowed = stanza(name).get("Multi-Arch") == Some("allowed");
        there.entry(name).or_default().push((name, Some(version.clone()), allowed));
        for part in
            stanza(name).get("Provides").unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty())
        {
            let (what, version) = part
                .split_once(" (= ")
                .map_or((part, None), |(what, rest)| (what, Some(rest.trim_end_matches(')').to_owned())));
            there.entry(what.trim()).or_default().push((name, version, false));
        }
    }
    let holds = |who: &str, relation: &str, negative: bool| {
        let (what, bound) = relation
            .split_once('(')
            .map_or((relation, None), |(what, bound)| (what, Some(bound.trim_end_matches(')').trim())));
        let (what, any) =
            what.trim().split_once(':').map_or((what.trim(), false), |(what, arch)| (what, arch == "any"));
        there.get(what).into_iter().flatten().any(|(holder, version, allowed)| {
            let meets = match bound {
                None => true,
                Some(bound) => version.as_ref().is_some_and(|version| {
                    let (sign, bound) = bound.split_once(' ').unwrap();
                    let (version, bound) =
                        (Version::new(version.as_str()).unwrap(), Version::new(bound.trim()).unwrap());
                    match sign {
                        "<<" => version < bound,
                        "<=" => version <= bound,
                        "=" => version == bound,
                        ">=" => version >= bound,
                        ">>" => version > bound,
                        _ => panic!("{sign}"),
                    }
                }),
            };
            meets && (!any || negative || *allowed) && !(negative && *holder == who)
        })
    };
    let mut broken = Vec::new();
    for name in set.keys() {
        for field in ["Pre-Depends", "Depends"] {
            for any in
                stanza(name).get(field).unwrap_or_default().split(',').map(str::trim).filter(|any| !any.is_empty())
            {
                if !any.split('|').any(|relation| holds(name, relation.trim(), false)) {
                    broken.push(format!("{name} {field}: {any}"));
                }
            }
        }
        for field in ["Conflicts", "Breaks"] {
            for relation in
                stanza(name).get(field).unwrap_or_default().split(',').map(str::trim).filter(|any| !any.is_empty())
            {
                if holds(name, relation, true) {
                    broken.push(format!("{name} {field}: {relation}"));
                }
            }
        }
    }
    broken
}

fn nowhere() -> Span {
    Span { source: Sources::default().add(String::new(), String::new(), Origin::Project), start: 0, len: 0 }
}

/// Who could meet a relation, by its text, over the whole archive.
struct Index {
    holders: BTreeMap<String, Vec<(String, Option<Version>)>>,
}

impl Index {
    fn new(world: &World) -> Self {
        let mut holders: BTreeMap<String, Vec<(String, Option<Version>)>> = BTreeMap::new();
        for ((name, version), stanza) in &world.stanzas {
            let version = Version::new(version.as_str()).unwrap();
            holders.entry(name.clone()).or_default().push((name.clone(), Some(version)));
            for provided in Provided::parse(stanza.get("Provides").unwrap_or_default()).unwrap() {
                holders.entry(provided.name.to_string()).or_default().push((name.clone(), provided.version));
            }
        }
        Self { holders }
    }

    fn options(&self, any: &AnyOf) -> BTreeSet<&str> {
        let meets = |dependency: &Dependency, version: &Option<Version>| match version {
            Some(version) => dependency.admits(version),
            None => dependency.version.is_none(),
        };
        any.any
            .iter()
            .flat_map(|dependency| {
                let holders = self.holders.get(dependency.name.as_str()).into_iter().flatten();
                holders.filter(move |(_, version)| meets(dependency, version)).map(|(name, _)| name.as_str())
            })
            .collect()
    }

    /// The one smallest answer, where nothing leaves a choice; none where something does.
    fn only_answer(&self, world: &World, roots: &[&str], recommends: bool) -> Option<BTreeSet<String>> {
        let mut here: BTreeSet<String> = roots.iter().map(|name| (*name).to_owned()).collect();
        loop {
            let before = here.len();
            let mut choice = false;
            for name in here.clone() {
                let stanza = world.newest(&name);
                for field in ["Pre-Depends", "Depends", "Recommends"] {
                    if field == "Recommends" && !recommends {
                        continue;
                    }
                    for any in AllOf::parse(stanza.get(field).unwrap_or_default()).unwrap().all {
                        let options = self.options(&any);
                        if options.iter().any(|option| here.contains(*option))
                            || (options.is_empty() && field == "Recommends")
                        {
                            continue;
                        }
                        if options.len() == 1 {
                            here.extend(options.into_iter().map(str::to_owned));
                        } else {
                            choice = true;
                        }
                    }
                }
            }
            if here.len() == before {
                return (!choice).then_some(here);
            }
        }
    }
}

impl World {
    fn newest(&self, name: &str) -> &Control {
        let versions =
            self.stanzas.range((name.to_owned(), String::new())..).take_while(|((other, _), _)| other == name);
        versions.max_by_key(|((_, version), _)| Version::new(version.as_str()).unwrap()).unwrap().1
    }

    /// A dpkg status in which all of these are installed.
    fn status(&self, set: &BTreeMap<String, String>) -> String {
        let mut status = String::new();
        for (name, version) in set {
            status += "Status: install ok installed\n";
            for (field, value) in self.stanzas[&(name.clone(), version.clone())].iter() {
                status += &format!("{field}: {value}\n");
            }
            status.push('\n');
        }
        status
    }
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
