//! Maintainer scripts while the lock is made: judged, and those that changed beside what was judged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use similar::TextDiff;

use crate::deb::script::{ChangedScript, Script, Unjudged, UnjudgedScripts};
use crate::digest::Digest;
use crate::estate::{Distro, Image, Project};
use crate::fetch::Area;
use crate::layer::{Fragment, Fragments};
use crate::lock::{Changed, Lock, LockedPackage, Member, ScriptKey};
use crate::name::DistroName;
use crate::spec::Mistake;

use super::decided::Decided;
use super::direct;
use super::error::BuildError;
use super::locking::Wish;

/// A script that is not as it was judged, beside what was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptChange {
    /// Of this distro.
    pub distro: DistroName,
    /// What it is now.
    pub script: ChangedScript,
    /// A person accepted it as it is now.
    pub accepted: bool,
    /// What a person looked at last: the judged text, or one that was accepted since.
    pub was: Digest,
    /// That text; none where neither the cache nor the package of the old lock has it.
    pub text: Option<String>,
}

impl ScriptChange {
    /// A unified diff from what a person looked at last; none where that is not known.
    pub fn diff(&self) -> Option<String> {
        let ChangedScript { package, version, kind, rest, .. } = &self.script;
        let lines = |text: &str| if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
        let (old, new) = (lines(self.text.as_ref()?), lines(&rest.text));
        let diff = TextDiff::from_lines(&old, &new);
        let mut diff = diff.unified_diff();
        diff.header(&format!("judged {}", self.was), &format!("{package} {version} {}", kind.as_str()));
        Some(diff.to_string())
    }
}

/// Judges the scripts of all images whose packages are at hand, and writes down which changed.
pub(super) fn judge(
    project: &Project,
    before: Option<&Lock>,
    lock: &mut Lock,
    images: &[&Image],
    wish: &Wish,
    fragments: &Fragments,
) -> Result<(Vec<ScriptChange>, Vec<Mistake>), Vec<BuildError>> {
    let mut unjudged: Vec<Unjudged> = Vec::new();
    let mut changed: BTreeMap<ScriptKey, ChangedScript> = BTreeMap::new();
    let mut rests: BTreeMap<Digest, String> = BTreeMap::new();
    let mut judged = BTreeSet::new();
    let mut decided = Decided::default();
    for image in images {
        let Some(distro) = project.distros.get(&image.distro) else { continue };
        // Those that only its steps need are judged with it.
        let member = match image.build_packages().is_empty() {
            true => Member::Image(image.name.clone()),
            false => Member::Builder(image.name.clone()),
        };
        let packages = lock.packages_of(&image.distro, &image.arch, &member).unwrap_or_default();
        let found: Option<Vec<Arc<Fragment>>> =
            packages.iter().map(|package| fragments.find(&package.sha256, &distro.filters)).collect();
        let Some(found) = found else { continue };
        judged.insert(image.distro.clone());
        let Some(arch) = project.arches.get(&image.arch) else { continue };
        let judgement =
            direct::judge(image, distro, arch, found.iter().filter_map(|fragment| fragment.package.as_ref()));
        decided.image(image, &judgement.unused, &found);
        for part in judgement.unjudged {
            if !unjudged.contains(&part) {
                unjudged.push(part);
            }
        }
        for script in judgement.changed {
            let key = ScriptKey { distro: image.distro.clone(), package: script.package.clone(), kind: script.kind };
            changed.entry(key).or_insert(script);
        }
        rests.extend(judgement.rests.into_iter().map(|rest| (rest.digest, rest.text)));
    }
    if let Some(unjudged) = UnjudgedScripts::new(unjudged) {
        return Err(vec![BuildError::Unjudged(unjudged)]);
    }
    for text in rests.values() {
        fragments.cache().put(Area::Script, text.as_bytes()).map_err(|error| vec![error.into()])?;
    }
    let old = std::mem::take(&mut lock.scripts);
    lock.scripts = old
        .iter()
        .filter(|(key, _)| !judged.contains(&key.distro))
        .map(|(key, changed)| (key.clone(), *changed))
        .collect();
    let mut changes = Vec::with_capacity(changed.len());
    for (key, script) in changed {
        let known = old.get(&key).filter(|known| known.accepted);
        let accepted =
            known.is_some_and(|known| known.rest == script.rest.digest) || wish.accept.contains(&key.package);
        lock.scripts.insert(key.clone(), Changed { rest: script.rest.digest, accepted });
        let was = known.map(|known| known.rest).filter(|rest| *rest != script.rest.digest).unwrap_or(script.was);
        let distro = project.distros.get(&key.distro);
        let text = distro.and_then(|distro| looked_at(&key, &was, before, distro, fragments));
        changes.push(ScriptChange { distro: key.distro, script, accepted, was, text });
    }
    Ok((changes, decided.mistakes(project)))
}

/// The text with the digest `was`: kept when it was judged here, or that of the package in the old lock.
fn looked_at(
    key: &ScriptKey,
    was: &Digest,
    before: Option<&Lock>,
    distro: &Distro,
    fragments: &Fragments,
) -> Option<String> {
    if let Some(bytes) = fragments.cache().get(Area::Script, was) {
        return String::from_utf8(bytes).ok();
    }
    let targets = before?.targets.iter().filter(|((name, _), _)| *name == key.distro).map(|(_, target)| target);
    let packages = targets.flat_map(|target| {
        target.packages.get(&key.package).into_iter().chain(target.own.values().filter_map(|own| own.get(&key.package)))
    });
    let rest = |package: &LockedPackage| {
        let fragment = fragments.find(&package.sha256, &distro.filters)?;
        let rest = Script::split(key.kind, fragment.package.as_ref()?.script(key.kind)?).rest?;
        (rest.digest == *was).then_some(rest.text)
    };
    packages.into_iter().find_map(rest)
}
