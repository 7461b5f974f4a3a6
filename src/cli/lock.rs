//! `wharf lock`: chooses packages and writes `wharf.lock`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use super::sources::{Images, Sources, Tools, failure, host_arch, read_lock, write_lock};
use super::{Exit, Failure, Global, each, load_project};
use crate::build::{self, ScriptChange, Stale, Uncompiled, Upgrade, Wish};
use crate::deb::script::ChangedScript;
use crate::digest::Digest;
use crate::estate::{Image, Project};
use crate::lock::{Lock, LockDiff, Target};
use crate::name::{DistroName, PackageName};
use crate::spec::{self, Mistake, Mistakes, did_you_mean};
use crate::ui::Screen;

/// Arguments of `wharf lock`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  wharf lock\n  wharf lock keystone --arch x86_64\n  wharf lock --upgrade openssl libssl3t64\n  wharf lock --check\n\n\
                        Exit codes: 0 up to date or written, 1 error, 2 stale (--check).")]
pub struct Arguments {
    #[command(flatten)]
    images: Images,
    #[command(flatten)]
    sources: Sources,
    /// Move these packages to the newest versions that the pins allow; all of them where none is named
    #[arg(long, value_name = "PACKAGE", num_args = 0.., value_delimiter = ',')]
    upgrade: Option<Vec<PackageName>>,
    /// Take the changed scripts of these packages as judged: somebody looked at them
    #[arg(long, value_name = "PACKAGE", value_delimiter = ',')]
    accept: Vec<PackageName>,
    /// Only say whether the lock is up to date; needs no network
    #[arg(long, conflicts_with_all = ["upgrade", "accept"])]
    check: bool,
    /// Write the lock for the byte format of this wharf, whatever format it has now
    #[arg(long)]
    format: bool,
}

/// What `wharf --json lock` prints (docs/json.md).
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u32,
    written: bool,
    stale: &'a [Stale],
    drift: &'a [String],
    changes: &'a LockDiff,
    changed_scripts: Vec<Script<'a>>,
    unused: Vec<Unused<'a>>,
    uncompiled: &'a [Uncompiled],
}

/// A `script` node that decides nothing.
#[derive(Debug, Serialize)]
struct Unused<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    message: &'a str,
    help: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Script<'a> {
    distro: &'a DistroName,
    package: &'a PackageName,
    script: &'static str,
    version: &'a str,
    accepted: bool,
    judged: Digest,
    rest: Digest,
    text: &'a str,
    diff: Option<String>,
}

/// Makes the lock, or checks it.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let project = load_project(global)?;
    let request = arguments.images.request();
    let old = match read_lock(&project) {
        Err(_) if arguments.format => None,
        old => old?,
    };
    if arguments.check {
        return check(&project, old.as_ref(), &request, global, screen);
    }
    let images = build::select(&project, &request).map_err(each)?;
    if let (Some(packages), Some(lock)) = (&arguments.upgrade, &old) {
        refuse_unlocked(packages, lock)?;
    }
    let wish = Wish {
        upgrade: match arguments.upgrade {
            None => Upgrade::Nothing,
            Some(packages) if packages.is_empty() => Upgrade::Everything,
            Some(packages) => Upgrade::Packages(packages.into_iter().collect()),
        },
        accept: arguments.accept.into_iter().collect(),
        all: request.images.is_empty() && request.distros.is_empty() && request.arches.is_empty(),
    };
    let tools = arguments.sources.open()?;
    let drift: Vec<String> =
        old.iter().flat_map(|lock| build::drift(&project, lock)).map(|drift| drift.to_string()).collect();
    let locked = match bring_up(&project, old.as_ref(), &images, &wish, &tools, screen) {
        Ok(locked) => locked,
        Err(errors) => return Err(failure(project, errors)),
    };
    let written = write_lock(&project, &locked.lock)?;
    let nothing = Lock::new(project.compression);
    let changes = crate::lock::diff(old.as_ref().unwrap_or(&nothing), &locked.lock);
    if global.json {
        let changed_scripts = locked
            .changed
            .iter()
            .map(|change| Script {
                distro: &change.distro,
                package: &change.script.package,
                script: change.script.kind.as_str(),
                version: &change.script.version,
                accepted: change.accepted,
                judged: change.was,
                rest: change.script.rest.digest,
                text: &change.script.rest.text,
                diff: change.diff(),
            })
            .collect();
        let unused = locked.unused.iter().filter_map(|mistake| unused(&project.sources, mistake)).collect();
        let document = Document {
            version: 1,
            written,
            stale: &locked.stale,
            drift: &drift,
            changes: &changes,
            changed_scripts,
            unused,
            uncompiled: &locked.uncompiled,
        };
        screen.document(&document);
    }
    tell(&project, &locked, screen);
    for line in &drift {
        screen.say(&format!("taken up: {line}"));
    }
    screen.say(&summary(&locked.lock, written, &changes));
    Ok(Exit::Done)
}

fn unused<'a>(sources: &'a spec::Sources, mistake: &'a Mistake) -> Option<Unused<'a>> {
    let span = mistake.span?;
    let (line, column) = sources.line_column(span);
    let (message, help) = (mistake.message.as_str(), mistake.help.as_deref());
    Some(Unused { file: sources.name(span.source), line, column, message, help })
}

/// Refuses to upgrade what the lock does not have: nothing would move, and nobody would know.
fn refuse_unlocked(packages: &[PackageName], lock: &Lock) -> Result<(), Failure> {
    let own = |target: &Target| target.own.values().flat_map(BTreeMap::keys).cloned().collect::<Vec<_>>();
    let known: BTreeSet<PackageName> =
        lock.targets.values().flat_map(|target| target.packages.keys().cloned().chain(own(target))).collect();
    let Some(unknown) = packages.iter().find(|package| !known.contains(*package)) else { return Ok(()) };
    let near = did_you_mean(unknown.as_str(), known.iter().map(PackageName::as_str));
    let help = near.unwrap_or_else(|| {
        "packages stand behind `--upgrade`, images before it: `wharf lock IMAGE --upgrade PACKAGE`".to_owned()
    });
    Err(Failure::with_help(format!("no image in wharf.lock holds a package `{unknown}` that could be upgraded"), help))
}

/// Locks with progress on the screen.
pub(super) fn bring_up(
    project: &Project,
    old: Option<&Lock>,
    images: &[&Image],
    wish: &Wish,
    tools: &Tools,
    screen: &Screen,
) -> Result<build::Locked, Vec<build::BuildError>> {
    for problem in tools.problems() {
        screen.say(&format!("this machine's apt sources: {problem}"));
    }
    let progress = screen.progress();
    let fragments = tools.fragments(project.compression);
    build::lock(project, old, images, wish, tools.access(&progress), &fragments, host_arch(project))
}

fn check(
    project: &Project,
    lock: Option<&Lock>,
    request: &build::Request,
    global: &Global,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let images = build::select(project, request).map_err(each)?;
    let nothing = Lock::new(project.compression);
    let lock = lock.unwrap_or(&nothing);
    let mut stale = build::stale(project, lock, build::with_ancestors(project, &images));
    stale.sort_by(|a, b| (&a.image, &a.distro, &a.arch).cmp(&(&b.image, &b.distro, &b.arch)));
    let drift: Vec<String> = build::drift(project, lock).iter().map(ToString::to_string).collect();
    if global.json {
        let changes = LockDiff::default();
        let document = Document {
            version: 1,
            written: false,
            stale: &stale,
            drift: &drift,
            changes: &changes,
            changed_scripts: Vec::new(),
            unused: Vec::new(),
            uncompiled: &[],
        };
        screen.document(&document);
    }
    for Stale { image, distro, arch, why } in &stale {
        screen.say(&format!("`{image}` for {distro} on {arch}: {why}"));
    }
    for line in &drift {
        screen.say(line);
    }
    if stale.is_empty() && drift.is_empty() {
        screen.say("wharf.lock is up to date");
        return Ok(Exit::Done);
    }
    screen.say("wharf.lock is stale: `wharf lock` brings it up to date");
    Ok(Exit::Pending)
}

/// Says what a person should know of a new lock: nodes that decide nothing, python that does not compile, scripts that
/// changed, as a diff.
pub(super) fn tell(project: &Project, locked: &build::Locked, screen: &Screen) {
    if !locked.unused.is_empty() {
        for warning in Mistakes::new(project.sources.clone(), locked.unused.clone()).warnings() {
            screen.report(&warning);
        }
    }
    for Uncompiled { distro, package, files } in &locked.uncompiled {
        let shown = files.iter().take(3).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let more = if files.len() > 3 { format!(" and {} more", files.len() - 3) } else { String::new() };
        let (files, get) = match files.len() {
            1 => ("1 python file".to_owned(), "does not compile and gets"),
            count => (format!("{count} python files"), "do not compile and get"),
        };
        screen.say(&format!("{distro}: {files} of `{package}` {get} no bytecode: {shown}{more}"));
    }
    for change in locked.changed.iter().filter(|change| !change.accepted) {
        screen.say(&changed(change));
    }
}

fn changed(change: &ScriptChange) -> String {
    let ChangedScript { package, version, kind, rest, .. } = &change.script;
    let (distro, kind) = (&change.distro, kind.as_str());
    let mut text = format!(
        "{distro}: the {kind} of `{package}` {version} is not the one that was judged; the old judgement holds. "
    );
    let shown = match change.diff() {
        Some(diff) => {
            text.push_str("What changed:");
            diff
        }
        None => {
            let _ = write!(text, "What was judged ({}) is not in the cache; this is what it says now:", change.was);
            rest.text.clone()
        }
    };
    for line in shown.lines() {
        // What a package says must not move a terminal's cursor.
        let line: String = line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect();
        let _ = write!(text, "\n  | {line}");
    }
    let _ = write!(text, "\n  judge it anew with rest=\"{}\", or: wharf lock --accept {package}", rest.digest);
    text
}

fn summary(lock: &Lock, written: bool, changes: &LockDiff) -> String {
    if !written {
        return "wharf.lock is up to date".to_owned();
    }
    let packages: BTreeSet<_> = lock
        .targets
        .values()
        .flat_map(|target| target.packages.values().chain(target.own.values().flat_map(|own| own.values())))
        .map(|package| package.sha256)
        .collect();
    let moved: usize = changes.targets.iter().map(|target| target.packages.len()).sum();
    let plural = if packages.len() == 1 { "" } else { "s" };
    let moved = if moved == 0 { "none moved".to_owned() } else { format!("{moved} new or moved") };
    format!("wrote wharf.lock: {} package{plural}, {moved}", packages.len())
}
