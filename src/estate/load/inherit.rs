//! Images take what their ancestors have.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;

use crate::name::{DistroName, ImageName};
use crate::spec::{Log, Mistake, Origin, Spanned, did_you_mean, has_reference};

use super::super::{Account, Distro, Image, ImageConfig, ImageKey, ImageSpec, Layering, Support, Tier};
use super::decode::{self, Own};
use super::gather::Gathered;
use super::merge::{Part, merge};
use super::plan::{Plan, Target};
use super::scope::{BUILT_IN, Scope};
use super::shape::Holder;
use super::top::Top;

/// What images became.
#[derive(Debug, Default)]
pub(super) struct Images {
    pub images: BTreeMap<ImageKey, Image>,
    pub unbuildable: BTreeMap<ImageKey, String>,
    pub specs: BTreeMap<ImageName, ImageSpec>,
}

type Plans<'a> = BTreeMap<ImageName, Plan<'a>>;

/// Resolves every image on every target.
pub(super) fn images(
    plans: &Plans<'_>,
    targets: &[Target],
    distros: &BTreeMap<DistroName, Distro>,
    top: &Top<'_>,
    gathered: &Gathered,
    log: &mut Log,
) -> Images {
    let order = order(plans, log);
    let decoded: Vec<(&ImageName, Vec<Arc<Own>>, Log)> = plans
        .par_iter()
        .map(|(name, plan)| {
            let mut log = Log::new();
            let own = decode_everywhere(plan, targets, top, gathered, &mut log);
            (name, own, log)
        })
        .collect();
    let mut owns = BTreeMap::new();
    for (name, own, mistakes) in decoded {
        log.extend(mistakes);
        owns.insert(name, own);
    }
    let mut found = Images::default();
    let mut declared: BTreeMap<&ImageName, Declared> = BTreeMap::new();
    for plan in &order {
        let here = declare(plan, targets, &declared, log);
        for at in &here.built {
            let (Some(target), Some(own)) = (targets.get(*at), owns.get(&plan.name).and_then(|owns| owns.get(*at)))
            else {
                continue;
            };
            let key = |image: &ImageName| ImageKey {
                image: image.clone(),
                distro: target.distro.clone(),
                arch: target.arch.clone(),
            };
            let parent = plan.head.from.as_ref().map(|from| key(from));
            if let Some(reason) = unbuildable(plan, target, parent.as_ref(), &found.unbuildable) {
                found.unbuildable.insert(key(&plan.name), reason);
                continue;
            }
            let parent = match &parent {
                None => None,
                Some(parent) => match found.images.get(parent) {
                    Some(parent) => Some(parent),
                    // Its parent is a mistake of its own.
                    None => continue,
                },
            };
            let image = assemble(plan, own, parent, target, top.layering);
            let image = with_accounts(image, distros, log);
            found.images.insert(key(&plan.name), image);
        }
        declared.insert(&plan.name, here);
        let summary = owns.get(&plan.name).and_then(|owns| owns.first()).and_then(|own| own.summary.clone());
        found.specs.insert(plan.name.clone(), spec(plan, summary, gathered));
    }
    found
}

fn spec(plan: &Plan<'_>, summary: Option<String>, gathered: &Gathered) -> ImageSpec {
    ImageSpec {
        name: plan.name.clone(),
        from: plan.head.from.as_ref().map(|from| from.value.clone()),
        summary,
        tier: plan.head.tier.unwrap_or(Tier::BestEffort),
        deprecated_since: plan.head.deprecated_since.clone(),
        removed_in: plan.head.removed_in.clone(),
        origin: if plan.folder == 0 { Origin::Project } else { gathered.sources.origin(plan.span.source).clone() },
        span: plan.span,
    }
}

/// Parents before children. Unknown parents and circles are reported, and what hangs on them is left out.
fn order<'p, 'a>(plans: &'p Plans<'a>, log: &mut Log) -> Vec<&'p Plan<'a>> {
    let mut state: BTreeMap<&ImageName, bool> = BTreeMap::new();
    let mut order = Vec::new();
    for plan in plans.values() {
        let mut chain: Vec<&Plan<'_>> = Vec::new();
        let mut next = Some(plan);
        let mut sound = true;
        while let Some(plan) = next {
            if let Some(known) = state.get(&plan.name) {
                sound = *known;
                break;
            }
            if let Some(at) = chain.iter().position(|other| other.name == plan.name) {
                circle(chain.get(at..).unwrap_or_default(), log);
                sound = false;
                break;
            }
            chain.push(plan);
            next = match &plan.head.from {
                None => None,
                Some(from) => match plans.get(&from.value) {
                    Some(parent) => Some(parent),
                    None => {
                        let message = format!("`{}` is built from `{}`, which does not exist", plan.name, from.value);
                        let help = did_you_mean(from.as_str(), plans.keys().map(ImageName::as_str));
                        log.push(Mistake::new("unknown-name", from.span, message).label("no such image").help_if(help));
                        sound = false;
                        None
                    }
                },
            };
        }
        for plan in chain.into_iter().rev() {
            state.insert(&plan.name, sound);
            if sound {
                order.push(plan);
            }
        }
    }
    order
}

fn circle(chain: &[&Plan<'_>], log: &mut Log) {
    let Some(first) = chain.first() else { return };
    let Some(from) = &first.head.from else { return };
    let names: Vec<&str> = chain.iter().chain([first]).map(|plan| plan.name.as_str()).collect();
    let mut mistake =
        Mistake::new("cycle", from.span, format!("images are built from each other: {}", names.join(" → ")))
            .label("this closes the circle");
    for plan in chain.iter().skip(1) {
        if let Some(from) = &plan.head.from {
            mistake = mistake.also(from.span, "and this");
        }
    }
    log.push(mistake);
}

/// Targets of an image, by number.
#[derive(Debug)]
struct Declared {
    /// Those that its node names.
    meant: BTreeSet<usize>,
    /// Those of them that all its ancestors have too.
    built: BTreeSet<usize>,
}

/// The targets that an image is meant for, which must be among its parent's.
fn declare(plan: &Plan<'_>, targets: &[Target], declared: &BTreeMap<&ImageName, Declared>, log: &mut Log) -> Declared {
    let rules = &plan.head.build_for;
    let meant = |target: &Target| rules.is_empty() || rules.iter().any(|rule| rule.holds(target));
    let numbered = targets.iter().enumerate();
    let here: BTreeSet<usize> = numbered.filter(|(_, target)| meant(target)).map(|(at, _)| at).collect();
    let Some((from, parent)) = plan.head.from.as_ref().and_then(|from| Some((from, declared.get(&from.value)?))) else {
        return Declared { built: here.clone(), meant: here };
    };
    // Where it says that it cannot be built it need not be either.
    let lost = |at: &usize| {
        let target = targets.get(*at);
        target.is_some_and(|target| !plan.head.unbuildable.iter().any(|(of, _)| of.holds(target)))
    };
    let missing: Vec<usize> = here.difference(&parent.meant).copied().filter(lost).collect();
    if !missing.is_empty() {
        let names: Vec<String> = missing
            .iter()
            .filter_map(|at| targets.get(*at))
            .map(|target| format!("{}-{}", target.distro, target.arch))
            .collect();
        let message =
            format!("`{}` is built from `{}`, which is not built for {}", plan.name, from.value, names.join(", "));
        let help = "restrict this image too, as `build-for arch=\"…\"`, or say `unbuildable arch=\"…\" reason=\"…\"`";
        log.push(Mistake::new("not-built-for", from.span, message).label("not built there").help(help));
    }
    Declared { built: here.intersection(&parent.built).copied().collect(), meant: here }
}

fn unbuildable(
    plan: &Plan<'_>,
    target: &Target,
    parent: Option<&ImageKey>,
    known: &BTreeMap<ImageKey, String>,
) -> Option<String> {
    let own = plan.head.unbuildable.iter().find(|(of, _)| of.holds(target)).map(|(_, reason)| reason.clone());
    own.or_else(|| {
        let parent = parent?;
        known.get(parent).map(|reason| match reason.contains(": ") {
            true => reason.clone(),
            false => format!("{}: {reason}", parent.image),
        })
    })
}

/// What an image's own node says on every target, in the order of `targets`; once where there are none.
fn decode_everywhere(
    plan: &Plan<'_>,
    targets: &[Target],
    top: &Top<'_>,
    gathered: &Gathered,
    log: &mut Log,
) -> Vec<Arc<Own>> {
    let nowhere = Target::nowhere();
    let everywhere: Vec<&Target> = if targets.is_empty() { nowhere.iter().collect() } else { targets.iter().collect() };
    let mut known: BTreeMap<Vec<bool>, Arc<Own>> = BTreeMap::new();
    let mut owns = Vec::new();
    let mut used = vec![false; plan.conditions.len()];
    for target in &everywhere {
        let holds: Vec<bool> = plan.conditions.iter().map(|condition| condition.holds(target)).collect();
        for (used, holds) in used.iter_mut().zip(&holds) {
            *used |= holds;
        }
        let own = match known.get(&holds) {
            Some(own) => Arc::clone(own),
            None => {
                let active = |conditions: &[usize]| conditions.iter().all(|at| holds.get(*at) == Some(&true));
                let (own, fixed) = decode_one(plan, target, active, top, gathered, log);
                let own = Arc::new(own);
                if fixed {
                    known.insert(holds, Arc::clone(&own));
                }
                own
            }
        };
        owns.push(own);
    }
    // Blocks that hold nowhere are read for their mistakes.
    if let (Some(target), true) = (everywhere.first(), used.contains(&false)) {
        for (at, _) in used.iter().enumerate().filter(|(_, used)| !**used) {
            let chain = plan.parts.iter().map(|part| &part.conditions).find(|conditions| conditions.contains(&at));
            let active = |conditions: &[usize]| {
                conditions.iter().all(|condition| chain.is_some_and(|chain| chain.contains(condition)))
            };
            decode_one(plan, target, active, top, gathered, log);
        }
    }
    owns
}

/// Reads an image's active nodes for a target. Also says whether another target with the same active nodes would read the same.
fn decode_one(
    plan: &Plan<'_>,
    target: &Target,
    active: impl Fn(&[usize]) -> bool,
    top: &Top<'_>,
    gathered: &Gathered,
    log: &mut Log,
) -> (Own, bool) {
    let parts: Vec<Part<'_>> = plan
        .parts
        .iter()
        .filter(|conditional| active(&conditional.conditions))
        .map(|conditional| Part { node: Cow::Borrowed(&*conditional.part.node), rank: conditional.part.rank })
        .collect();
    let nodes = merge(Holder::Image, &plan.title, parts, log);
    let fixed = !nodes.iter().any(|node| node.any_text(&has_reference));
    let mut own = BTreeMap::new();
    for property in nodes.iter().filter(|node| *node.name == *"let").flat_map(|node| &node.properties) {
        if BUILT_IN.contains(&property.name.as_str()) {
            let message = format!("`{}` is a built-in name", *property.name);
            log.push(Mistake::new("duplicate", property.name.span, message).label("choose another"));
        }
        own.insert(property.name.as_str(), &property.value);
    }
    let mut built_in = target.built_in.clone();
    built_in.insert("image", plan.name.to_string());
    let owner = |span| gathered.owner(span);
    let scope = Scope { own, top: &top.lets, built_in, owner: &owner };
    let lets = |node: &&Cow<'_, crate::spec::Node>| *node.name != *"let";
    let expanded: Vec<_> =
        nodes.iter().filter(lets).filter_map(|node| scope.expand(Cow::Borrowed(&**node), log)).collect();
    (decode::own(&plan.name, &expanded, gathered, log), fixed)
}

fn assemble(plan: &Plan<'_>, own: &Own, parent: Option<&Image>, target: &Target, layering: Layering) -> Image {
    let mut levels = parent.map(|parent| parent.levels.clone()).unwrap_or_default();
    levels.push(own.level.clone());
    let mut accounts = parent.map(|parent| parent.accounts.clone()).unwrap_or_default();
    for (name, account) in &own.accounts {
        let merged = match accounts.remove(name) {
            Some(inherited) => merge_account(inherited, account),
            None => account.clone(),
        };
        accounts.insert(name.clone(), merged);
    }
    Image {
        name: plan.name.clone(),
        distro: target.distro.clone(),
        arch: target.arch.clone(),
        summary: own.summary.clone(),
        support: support(plan, target),
        levels,
        accounts,
        config: config(parent.map(|parent| parent.config.clone()).unwrap_or_default(), own),
        version_from: own.version_from.clone(),
        own_versions: own.own_versions,
        layering: own.layering.unwrap_or(layering),
        tests: own.tests.clone(),
        span: plan.span,
    }
}

/// What a child says of an inherited account replaces; groups add.
fn merge_account(inherited: Account, child: &Account) -> Account {
    let mut groups = inherited.groups;
    groups.extend(child.groups.iter().filter(|group| !groups.contains(group)).cloned().collect::<Vec<_>>());
    Account {
        name: inherited.name,
        uid: child.uid.or(inherited.uid),
        gid: child.gid.or(inherited.gid),
        groups,
        home: child.home.clone().or(inherited.home),
        shell: child.shell.clone().or(inherited.shell),
        gecos: child.gecos.clone().or(inherited.gecos),
        group_only: child.group_only,
        span: child.span,
    }
}

/// Gives accounts the ids that the project fixes for them; one without is a mistake.
fn with_accounts(mut image: Image, distros: &BTreeMap<DistroName, Distro>, log: &mut Log) -> Image {
    let table = distros.get(&image.distro).map(|distro| &distro.accounts);
    for account in image.accounts.values_mut() {
        let fixed = table.and_then(|table| table.get(&account.name));
        account.uid = account.uid.or(fixed.and_then(|fixed| fixed.uid).filter(|_| !account.group_only));
        account.gid = account.gid.or(fixed.and_then(|fixed| fixed.gid)).or(account.uid);
        let lacks = if account.group_only {
            account.gid.is_none().then_some("gid")
        } else {
            account.uid.is_none().then_some("uid")
        };
        if let Some(lacks) = lacks {
            let message = format!("account `{}` has no {lacks}", account.name);
            let help = format!("a name has one {lacks} in the whole project: give it here, as {lacks}=42400");
            log.push(Mistake::new("missing", account.span, message).label(format!("`{lacks}` is missing")).help(help));
        }
    }
    image
}

fn support(plan: &Plan<'_>, target: &Target) -> Support {
    let rules = plan.head.support.iter().filter(|(of, _)| of.holds(target));
    let own = rules.max_by_key(|(of, tier)| (of.precision(), *tier)).map(|(_, tier)| *tier).or(plan.head.tier);
    Support {
        tier: own.unwrap_or(Tier::BestEffort).max(target.tier.unwrap_or(Tier::Maintained)),
        deprecated_since: plan.head.deprecated_since.clone(),
        removed_in: plan.head.removed_in.clone(),
        unbuildable: None,
    }
}

fn config(mut config: ImageConfig, own: &Own) -> ImageConfig {
    fn map(inherited: &mut BTreeMap<String, String>, own: &BTreeMap<String, Option<String>>) {
        for (key, value) in own {
            match value {
                Some(value) => inherited.insert(key.clone(), value.clone()),
                None => inherited.remove(key),
            };
        }
    }
    fn set<T: Clone>(inherited: &mut Option<T>, own: &Option<Option<T>>) {
        if let Some(own) = own {
            inherited.clone_from(own);
        }
    }
    map(&mut config.env, &own.env);
    map(&mut config.labels, &own.labels);
    for port in &own.expose {
        if !config.expose.contains(port) {
            config.expose.push(port.clone());
        }
    }
    for volume in &own.volumes {
        if !config.volumes.contains(volume) {
            config.volumes.push(volume.clone());
        }
    }
    set(&mut config.user, &own.user);
    set(&mut config.workdir, &own.workdir);
    set(&mut config.stop_signal, &own.stop_signal);
    set(&mut config.health, &own.health);
    if let Some(entrypoint) = &own.entrypoint {
        config.entrypoint = entrypoint.clone().unwrap_or_default();
    }
    if let Some(command) = &own.command {
        config.command = command.clone().unwrap_or_default();
    }
    config
}

/// The project's own images, those that services name, those of `want`, and their ancestors.
pub(super) fn wanted(
    plans: &Plans<'_>,
    top: &Top<'_>,
    named: &BTreeSet<ImageName>,
    log: &mut Log,
) -> BTreeSet<ImageName> {
    let own = plans.values().filter(|plan| plan.folder == 0 || named.contains(&plan.name));
    let mut wanted: BTreeSet<ImageName> = own.map(|plan| plan.name.clone()).collect();
    for value in &top.wants {
        let name = value.as_text().unwrap_or_default();
        match plans.keys().find(|known| known.as_str() == name) {
            Some(name) => {
                wanted.insert(name.clone());
            }
            None => {
                let mistake = Mistake::new("unknown-name", value.span, format!("there is no image `{name}` to want"));
                let help = did_you_mean(name, plans.keys().map(ImageName::as_str));
                log.push(mistake.label("no such image").help_if(help));
            }
        }
    }
    let mut queue: Vec<ImageName> = wanted.iter().cloned().collect();
    while let Some(name) = queue.pop() {
        let from: Option<&Spanned<ImageName>> = plans.get(&name).and_then(|plan| plan.head.from.as_ref());
        if let Some(from) = from.filter(|from| plans.contains_key(&from.value))
            && wanted.insert(from.value.clone())
        {
            queue.push(from.value.clone());
        }
    }
    wanted
}
