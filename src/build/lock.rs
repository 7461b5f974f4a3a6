//! The lock made, or brought up to date: which packages each image gets.

use std::collections::{BTreeMap, BTreeSet};

use crate::deb::solve::{Chosen, Reason, Request as Wish, SolveError, Solver};
use crate::deb::{PackageRecord, Universe};
use crate::digest::Digest;
use crate::estate::{Distro, Image, ImageKey, Pin, Project};
use crate::lock::{Lock, LockedImage, LockedPackage, Member, Target, group};
use crate::name::{ArchName, DistroName, ImageName, PackageName};
use crate::progress::{Phase, Progress};
use crate::spec::{Mistake, Span};

use super::error::BuildError;
use super::inputs;

/// What may move.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Upgrade {
    /// Only what the specs ask for.
    #[default]
    Nothing,
    /// These packages.
    Packages(BTreeSet<PackageName>),
    /// Everything.
    Everything,
}

impl Upgrade {
    fn moves(&self, package: &PackageName) -> bool {
        match self {
            Self::Nothing => false,
            Self::Packages(names) => names.contains(package),
            Self::Everything => true,
        }
    }
}

/// An image whose lines are not what the specs ask for, and why, in words.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Stale {
    /// The image.
    pub image: ImageName,
    /// Its distro.
    pub distro: DistroName,
    /// Its arch.
    pub arch: ArchName,
    /// Why.
    pub why: &'static str,
}

impl Stale {
    /// It is locked, for other specs.
    pub fn is_outdated(&self) -> bool {
        self.why != NOT_LOCKED
    }
}

const NOT_LOCKED: &str = "it is not locked";

/// Which of `images` have no line in `lock`, or one that follows from other specs. Looks at nothing but the two.
pub fn stale<'a>(project: &Project, lock: &Lock, images: impl IntoIterator<Item = &'a Image>) -> Vec<Stale> {
    let mut stale = Vec::new();
    for image in images {
        let Some(distro) = project.distros.get(&image.distro) else { continue };
        let target = lock.targets.get(&(image.distro.clone(), image.arch.clone()));
        let member = Member::Image(image.name.clone());
        let builder = target.and_then(|target| target.members.get(&Member::Builder(image.name.clone())));
        let why = match target.and_then(|target| target.members.get(&member)) {
            None => NOT_LOCKED,
            Some(_) if builder.and_then(|line| line.inputs) != inputs::builder_digest(image, distro) => {
                "the packages that its steps need changed"
            }
            Some(locked) if locked.inputs != Some(inputs::digest(image, distro)) => {
                "its packages, pins or archives changed"
            }
            Some(locked) if locked.parent.as_ref() != parent(image) => "it has another parent",
            Some(_) => continue,
        };
        stale.push(Stale { image: image.name.clone(), distro: image.distro.clone(), arch: image.arch.clone(), why });
    }
    stale
}

/// The image in `from`.
pub(super) fn parent(image: &Image) -> Option<&ImageName> {
    image.levels.iter().rev().nth(1).map(|level| &level.image)
}

/// `images`, their ancestors and the images that these copy from; ancestors first.
pub fn with_ancestors<'a>(project: &'a Project, images: &[&'a Image]) -> Vec<&'a Image> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    let mut queue: std::collections::VecDeque<&Image> = images.iter().copied().collect();
    while let Some(image) = queue.pop_front() {
        let at = |name: &ImageName| {
            let key = ImageKey { image: name.clone(), distro: image.distro.clone(), arch: image.arch.clone() };
            project.images.get_key_value(&key)
        };
        for (key, ancestor) in image.levels.iter().filter_map(|level| at(&level.image)) {
            if seen.insert(key) {
                all.push(ancestor);
            }
        }
        let sources = image.copies().filter_map(|(name, _)| at(name));
        queue.extend(sources.filter(|(key, _)| !seen.contains(key)).map(|(_, source)| source));
    }
    all
}

/// One distro and arch, while it is locked.
pub(super) struct Solving<'a> {
    pub distro: &'a Distro,
    /// Debian's name of the arch.
    pub arch: &'a str,
    pub universe: &'a Universe,
    /// Universes of the other arches, for messages.
    pub elsewhere: Vec<(&'a str, &'a Universe)>,
    /// What the lock has.
    pub old: &'a Target,
    pub upgrade: &'a Upgrade,
}

/// What was chosen for one distro and arch.
#[derive(Default)]
pub(super) struct Solved {
    /// Lines of images and tools, without groups.
    pub members: BTreeMap<Member, LockedImage>,
    /// What each of them holds.
    pub holdings: group::Holdings,
    /// Packages, without what only their .debs tell.
    pub packages: BTreeMap<PackageName, LockedPackage>,
    /// Those of images with versions of their own.
    pub own: BTreeMap<ImageName, BTreeMap<PackageName, LockedPackage>>,
}

impl Solved {
    /// Takes over what `old` has for `member`.
    fn keep(&mut self, member: &Member, old: &Target) {
        let Some(line) = old.members.get(member) else { return };
        let packages: Vec<&LockedPackage> = old.packages_of(member).collect();
        self.holdings.insert(member.clone(), packages.iter().map(|package| package.name.clone()).collect());
        match member {
            Member::Image(name) if old.own.contains_key(name) => {
                let own = packages.into_iter().map(|package| (package.name.clone(), package.clone())).collect();
                self.own.insert(name.clone(), own);
            }
            _ => {
                for package in packages {
                    self.packages.entry(package.name.clone()).or_insert_with(|| package.clone());
                }
            }
        }
        self.members.insert(member.clone(), LockedImage { groups: BTreeSet::new(), ..line.clone() });
    }

    fn versions(&self) -> BTreeMap<PackageName, String> {
        self.packages.iter().map(|(name, package)| (name.clone(), package.version.clone())).collect()
    }

    fn versions_of(&self, member: &Member) -> BTreeMap<PackageName, String> {
        let own = match member {
            Member::Image(name) => self.own.get(name),
            Member::Builder(_) | Member::Tool(_) => None,
        };
        let packages = own.unwrap_or(&self.packages);
        let held = self.holdings.get(member).into_iter().flatten();
        held.filter_map(|name| packages.get(name))
            .map(|package| (package.name.clone(), package.version.clone()))
            .collect()
    }

    /// The finished target: groups numbered, packages that nothing holds left out.
    pub fn target(mut self, old: &Target) -> Target {
        let shared: group::Holdings = self
            .holdings
            .iter()
            .filter(|(member, _)| !matches!(member, Member::Image(name) if self.own.contains_key(name)))
            .map(|(member, packages)| (member.clone(), packages.clone()))
            .collect();
        let numbers = group::number(&shared, Some(old));
        for (member, packages) in &shared {
            if let Some(line) = self.members.get_mut(member) {
                line.groups = packages.iter().filter_map(|name| numbers.get(name)).copied().collect();
            }
        }
        let packages = self
            .packages
            .into_iter()
            .filter_map(|(name, mut package)| {
                package.group = *numbers.get(&name)?;
                Some((name, package))
            })
            .collect();
        Target { packages, members: self.members, own: self.own }
    }
}

impl Solving<'_> {
    /// Chooses the packages of `images` (ancestors first) and `tools`; every other line of the lock in `keep` stays.
    /// Gives every mistake.
    pub fn run(
        &self,
        images: &[&Image],
        tools: &BTreeMap<String, Vec<PackageName>>,
        keep: impl Fn(&Member) -> bool,
        progress: &dyn Progress,
    ) -> Result<Solved, Vec<BuildError>> {
        let mut solved = Solved::default();
        let mut again = Vec::new();
        let mut moved: BTreeSet<&ImageName> = BTreeSet::new();
        for image in images {
            let member = Member::Image(image.name.clone());
            if self.stays(image, &member) && !parent(image).is_some_and(|parent| moved.contains(parent)) {
                solved.keep(&member, self.old);
            } else {
                moved.insert(&image.name);
                again.push(*image);
            }
        }
        let asked: BTreeSet<Member> = images
            .iter()
            .flat_map(|image| [Member::Image(image.name.clone()), Member::Builder(image.name.clone())])
            .collect();
        for member in self.old.members.keys().filter(|member| !asked.contains(member) && keep(member)) {
            solved.keep(member, self.old);
        }
        let mut wrong = Vec::new();
        let solver = Solver::new(self.universe, self.arch);
        progress.expect(Phase::Solve, again.len() as u64);
        for image in again {
            if let Err(errors) = self.image(&solver, &mut solved, image) {
                wrong.extend(errors);
            }
            progress.advance(Phase::Solve, 1, image.name.as_str());
        }
        for image in images.iter().filter(|image| !image.build_packages().is_empty()) {
            if let Err(errors) = self.builder(&solver, &mut solved, image) {
                wrong.extend(errors);
            }
        }
        for (tool, packages) in tools {
            if let Err(errors) = self.tool(&solver, &mut solved, tool, packages) {
                wrong.extend(errors);
            }
        }
        if wrong.is_empty() { Ok(solved) } else { Err(wrong) }
    }

    /// Whether the line of `member` holds as it is.
    fn stays(&self, image: &Image, member: &Member) -> bool {
        let Some(line) = self.old.members.get(member) else { return false };
        line.inputs == Some(inputs::digest(image, self.distro))
            && line.parent.as_ref() == parent(image)
            && !self.old.packages_of(member).any(|package| self.upgrade.moves(&package.name))
    }

    fn image(&self, solver: &Solver<'_>, solved: &mut Solved, image: &Image) -> Result<(), Vec<BuildError>> {
        let member = Member::Image(image.name.clone());
        let base = match parent(image) {
            Some(parent) => {
                let parent = Member::Image(parent.clone());
                // Without the parent's packages every message would be about them: the parent's own says it.
                if !solved.members.contains_key(&parent) {
                    return Ok(());
                }
                solved.versions_of(&parent)
            }
            None => BTreeMap::new(),
        };
        let Some(level) = image.levels.last() else { return Ok(()) };
        let wish = Wish {
            wanted: level.packages.clone(),
            base,
            essential: level.essential.is_some(),
            recommends: level.recommends,
            pins: self.pins(image),
            preferred: self.preferred(&member),
            forced: if image.own_versions { BTreeMap::new() } else { solved.versions() },
            elsewhere: self.elsewhere.clone(),
        };
        let chosen = solver
            .solve(&wish)
            .map_err(|errors| errors.into_iter().map(|error| blame(image.span, &error)).collect::<Vec<_>>())?;
        let line = LockedImage {
            parent: parent(image).cloned(),
            inputs: Some(inputs::digest(image, self.distro)),
            roots: roots(&chosen),
            groups: BTreeSet::new(),
        };
        solved.members.insert(member.clone(), line);
        solved.holdings.insert(member, chosen.iter().map(|chosen| chosen.record.name.clone()).collect());
        let packages = chosen.iter().map(|chosen| (chosen.record.name.clone(), self.line(chosen.record)));
        if image.own_versions {
            solved.own.insert(image.name.clone(), packages.collect());
        } else {
            for (name, package) in packages {
                solved.packages.entry(name).or_insert(package);
            }
        }
        Ok(())
    }

    /// The packages that only the steps of an image need, on top of its own.
    fn builder(&self, solver: &Solver<'_>, solved: &mut Solved, image: &Image) -> Result<(), Vec<BuildError>> {
        let of_image = Member::Image(image.name.clone());
        // Without the image's packages every message would be about them: its own says it.
        if !solved.members.contains_key(&of_image) {
            return Ok(());
        }
        if image.own_versions {
            let what = "packages of `build=#true` cannot be had beside `versions \"own\"`";
            let help = "build what needs them in an image of its own, and `copy … from=` it";
            let span = image.build_packages().first().map_or(image.span, |package| package.span);
            let mistake = Mistake::new("not-together", span, what).label("in this image").help(help);
            return Err(vec![BuildError::Spec(Box::new(mistake))]);
        }
        let member = Member::Builder(image.name.clone());
        let digest = inputs::builder_digest(image, self.distro);
        let base = solved.versions_of(&of_image);
        let stays = self.old.members.get(&member).is_some_and(|line| line.inputs == digest)
            && self.stays(image, &of_image)
            && !self.old.packages_of(&member).any(|package| {
                let other = solved.packages.get(&package.name);
                self.upgrade.moves(&package.name) || other.is_some_and(|other| other.version != package.version)
            });
        if stays {
            solved.keep(&member, self.old);
            return Ok(());
        }
        let wish = Wish {
            wanted: image.build_packages().to_vec(),
            base,
            pins: self.pins(image),
            preferred: self.preferred(&member),
            forced: solved.versions(),
            elsewhere: self.elsewhere.clone(),
            ..Wish::default()
        };
        let chosen = solver
            .solve(&wish)
            .map_err(|errors| errors.into_iter().map(|error| blame(image.span, &error)).collect::<Vec<_>>())?;
        self.hold(solved, member, Some(image.name.clone()), digest, &chosen);
        Ok(())
    }

    fn tool(
        &self,
        solver: &Solver<'_>,
        solved: &mut Solved,
        tool: &str,
        packages: &[PackageName],
    ) -> Result<(), Vec<BuildError>> {
        let member = Member::Tool(tool.to_owned());
        let digest = inputs::tool_digest(packages, self.distro);
        let stays = self.old.members.get(&member).is_some_and(|line| line.inputs == Some(digest))
            && !self.old.packages_of(&member).any(|package| self.upgrade.moves(&package.name));
        if stays {
            let clash = self.old.packages_of(&member).any(|package| {
                solved.packages.get(&package.name).is_some_and(|other| other.version != package.version)
            });
            if !clash {
                solved.keep(&member, self.old);
                return Ok(());
            }
        }
        let wanted = packages.iter().map(|name| crate::estate::Package {
            name: name.clone(),
            version: None,
            span: self.distro.span,
        });
        let wish = Wish {
            wanted: wanted.collect(),
            pins: self.distro.pins.clone(),
            preferred: self.preferred(&member),
            forced: solved.versions(),
            elsewhere: self.elsewhere.clone(),
            ..Wish::default()
        };
        let chosen = solver
            .solve(&wish)
            .map_err(|errors| errors.into_iter().map(|error| blame(self.distro.span, &error)).collect::<Vec<_>>())?;
        self.hold(solved, member, None, Some(digest), &chosen);
        Ok(())
    }

    /// Takes up what was chosen for a member that shares its packages with all others.
    fn hold(
        &self,
        solved: &mut Solved,
        member: Member,
        parent: Option<ImageName>,
        inputs: Option<Digest>,
        chosen: &[Chosen<'_>],
    ) {
        let line = LockedImage { parent, inputs, roots: roots(chosen), groups: BTreeSet::new() };
        solved.members.insert(member.clone(), line);
        solved.holdings.insert(member, chosen.iter().map(|chosen| chosen.record.name.clone()).collect());
        for chosen in chosen {
            solved.packages.entry(chosen.record.name.clone()).or_insert_with(|| self.line(chosen.record));
        }
    }

    /// What bounds an image's versions: its own pins, the nearest first, then the distro's.
    fn pins(&self, image: &Image) -> Vec<Pin> {
        image.levels.iter().rev().flat_map(|level| &level.pins).chain(&self.distro.pins).cloned().collect()
    }

    /// Versions that the lock has for `member` and that nobody asked to move.
    fn preferred(&self, member: &Member) -> BTreeMap<PackageName, String> {
        let own = self.old.packages_of(member).chain(self.old.packages.values());
        let mut preferred = BTreeMap::new();
        for package in own.filter(|package| !self.upgrade.moves(&package.name)) {
            preferred.entry(package.name.clone()).or_insert_with(|| package.version.clone());
        }
        preferred
    }

    /// The line of a record: the lock's own, where it is of the same .deb.
    fn line(&self, record: &PackageRecord) -> LockedPackage {
        match self.old.packages.get(&record.name) {
            Some(old) if old.sha256 == record.sha256 => old.clone(),
            _ => record.to_locked(),
        }
    }
}

fn roots(chosen: &[Chosen<'_>]) -> BTreeSet<PackageName> {
    let wanted = chosen.iter().filter(|chosen| matches!(chosen.reason, Reason::Wanted | Reason::Essential));
    wanted.map(|chosen| chosen.record.name.clone()).collect()
}

/// The solver's error at the place in the specs that it is about; at `span` where it names none.
fn blame(span: Span, error: &SolveError) -> BuildError {
    let mut mistake = error.mistake();
    mistake.span.get_or_insert(span);
    BuildError::Spec(Box::new(mistake))
}

/// Source packages whose version is not the same for every arch: source, then arch and version.
pub(super) fn lagging(lock: &Lock, distro: &DistroName) -> BTreeMap<PackageName, BTreeMap<ArchName, String>> {
    let mut sources: BTreeMap<PackageName, BTreeMap<ArchName, String>> = BTreeMap::new();
    for ((name, arch), target) in &lock.targets {
        if name != distro {
            continue;
        }
        for package in target.packages.values() {
            sources.entry(package.source.0.clone()).or_default().insert(arch.clone(), package.source.1.clone());
        }
    }
    sources.retain(|_, versions| versions.values().collect::<BTreeSet<_>>().len() > 1);
    sources
}

/// Makes a line one whose .deb is still to be read.
pub(super) fn forget(package: &mut LockedPackage) {
    package.fragment = Digest::of(b"");
    package.bytecode = None;
}

/// A digest of nothing: what a line carries until its .deb was read.
pub(super) fn unread(package: &LockedPackage) -> bool {
    package.fragment == Digest::of(b"")
}
