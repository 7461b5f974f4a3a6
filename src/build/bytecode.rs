//! Python bytecode in lock and build: the distro's own interpreter, locked as a tool of this machine's arch, compiles
//! what each package brings. The result is a fragment of its own, kept in the cache, and its digest is in the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use crate::deb::archive::Access;
use crate::deb::script;
use crate::digest::Digest;
use crate::effect::bytecode::{Job, Source, plan};
use crate::estate::{Arch, Bytecode, Distro, Image};
use crate::layer::bytecode::{Compiler, unpack};
use crate::layer::{self, Changes, Directories, Fragment, Fragments, Level};
use crate::lock::{Lock, LockedPackage, Member};
use crate::name::{DistroName, PackageName};
use crate::path::ImagePath;
use crate::progress::Phase;
use crate::tree::{Origin, Tree};

use super::error::BuildError;
use super::workshop::{Workshop, gather};

pub use crate::layer::bytecode::BytecodeError;

/// The tool's name in the lock.
const TOOL: &str = "bytecode";

/// The tools that a distro's images need, and their packages.
pub(super) fn tools(distro: &Distro) -> BTreeMap<String, Vec<PackageName>> {
    distro.bytecode.iter().map(|bytecode| (TOOL.to_owned(), bytecode.packages.clone())).collect()
}

/// Whether the lock lacks the tool for this machine.
pub(super) fn tool_is_missing(lock: &Lock, distro: &Distro, host: Option<&Arch>) -> bool {
    let Some(host) = host.filter(|host| distro.bytecode.is_some() && distro.arches.contains(&host.name)) else {
        return false;
    };
    let target = lock.targets.get(&(distro.name.clone(), host.name.clone()));
    !target.is_some_and(|target| target.members.contains_key(&Member::Tool(TOOL.to_owned())))
}

/// Interpreters of the distros, opened when first needed.
#[derive(Default)]
pub struct Compilers(Mutex<BTreeMap<DistroName, Arc<Opened>>>);

pub(super) struct Opened {
    compiler: Compiler,
    /// Names all that its output follows from, sources apart.
    key: Digest,
}

impl Compilers {
    pub(super) fn get(
        &self,
        lock: &Lock,
        distro: &Distro,
        bytecode: &Bytecode,
        host: Option<&Arch>,
        access: Access<'_>,
        fragments: &Fragments,
    ) -> Result<Arc<Opened>, BuildError> {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = opened.get(&distro.name) {
            return Ok(Arc::clone(known));
        }
        let host = host.filter(|host| distro.arches.contains(&host.name)).ok_or_else(|| BuildError::NoHost {
            distro: distro.name.clone(),
            interpreter: bytecode.interpreter.clone(),
        })?;
        let member = Member::Tool(TOOL.to_owned());
        let packages = lock.packages_of(&distro.name, &host.name, &member);
        let packages =
            packages.ok_or_else(|| BuildError::NoTool { distro: distro.name.clone(), arch: host.name.clone() })?;
        let key = key(bytecode, &packages);
        let made = gather(access, fragments, lock, distro, packages.iter().copied()).map_err(|mut errors| {
            errors.pop().unwrap_or_else(|| BuildError::NoTool { distro: distro.name.clone(), arch: host.name.clone() })
        })?;
        let mut parts: Vec<Arc<Fragment>> =
            packages.iter().filter_map(|package| made.get(&package.sha256).cloned()).collect();
        parts.sort_by(|a, b| name_of(a).cmp(&name_of(b)));
        let levels = [Level { fragments: &parts, diversions: &[] }];
        let merged = layer::merge(&levels)
            .map_err(|conflicts| BuildError::ToolConflict { distro: distro.name.clone(), conflicts })?;
        let (tree, _) = merged.build(fragments)?;
        let root = unpack(fragments.cache(), &key, &tree)?;
        let known = Arc::new(Opened { compiler: Compiler::open(&root, bytecode, host)?, key });
        opened.insert(distro.name.clone(), Arc::clone(&known));
        Ok(known)
    }
}

fn name_of(fragment: &Fragment) -> Option<&PackageName> {
    fragment.package.as_ref().map(|info| &info.name)
}

fn key(bytecode: &Bytecode, packages: &[&LockedPackage]) -> Digest {
    let Bytecode { interpreter, dirs, tag, packages: _, span: _ } = bytecode;
    let mut text = format!("wharf bytecode {}\n{interpreter}\n{tag}\n{}\n", Compiler::revision(), dirs.join("\n"));
    for package in packages {
        text.push_str(&format!("{} {}\n", package.name, package.sha256));
    }
    Digest::of(text.as_bytes())
}

/// What compiling a package's fragment follows from.
fn key_of(opened: &Opened, fragment: &Fragment) -> Digest {
    Digest::of(format!("{} {}", opened.key, fragment.key()).as_bytes())
}

/// The sources of a package, as its own fragment has them.
fn job(fragment: &Fragment, distro: &Distro, bytecode: &Bytecode) -> Result<Option<Job>, BuildError> {
    let Some(info) = &fragment.package else { return Ok(None) };
    if !fragment.entries.iter().any(|entry| entry.path.file_name().ends_with(".py")) {
        return Ok(None);
    }
    let origin = Origin::Package(info.name.clone());
    let mut tree = Tree::default();
    for (path, node) in fragment.nodes(&origin) {
        tree.place(path.clone(), node);
    }
    let jobs =
        plan(&tree, bytecode, &script::judge([info], distro, &[]).calls).map_err(|error| bad(&info.name, error))?;
    Ok(jobs.into_iter().find(|job| job.package.as_ref() == Some(&info.name)))
}

fn bad(package: &PackageName, error: crate::path::PathError) -> BuildError {
    BuildError::BytecodePath { package: package.clone(), error }
}

/// The bytecode of one package: from the cache, or made now; none where there is nothing to compile.
fn compile(
    opened: &Opened,
    fragments: &Fragments,
    fragment: &Fragment,
    distro: &Distro,
    bytecode: &Bytecode,
) -> Result<Option<Arc<Fragment>>, BuildError> {
    let key = key_of(opened, fragment);
    if let Some(known) = fragments.packed(&key) {
        return Ok(Some(known));
    }
    let Some(job) = job(fragment, distro, bytecode)? else { return Ok(None) };
    let compiled = opened.compiler.compile(&job)?;
    if compiled.outputs.is_empty() {
        return Ok(None);
    }
    Ok(Some(fragments.pack(Some(&key), job.nodes(&compiled.outputs).iter(), Directories::Listed)?))
}

/// Python sources that do not compile, and so get no bytecode: left-overs of other pythons, templates.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Uncompiled {
    /// Of this distro.
    pub distro: DistroName,
    /// Whose sources.
    pub package: PackageName,
    /// Where they are, sorted.
    pub files: Vec<ImagePath>,
}

/// What [`digests`] gives: the digest of the bytecode by .deb, and what has none.
pub(super) type Digests = (BTreeMap<Digest, Digest>, Vec<Uncompiled>);

/// The digest of the bytecode of each of `made`, by .deb.
pub(super) fn digests(
    lock: &Lock,
    distro: &Distro,
    host: Option<&Arch>,
    access: Access<'_>,
    fragments: &Fragments,
    made: &BTreeMap<Digest, Arc<Fragment>>,
) -> Result<Digests, Vec<BuildError>> {
    let Some(bytecode) = &distro.bytecode else { return Ok(Digests::default()) };
    let python = |fragment: &Fragment| fragment.entries.iter().any(|entry| entry.path.file_name().ends_with(".py"));
    let sources: Vec<(&Digest, &Arc<Fragment>)> = made.iter().filter(|(_, fragment)| python(fragment)).collect();
    if sources.is_empty() {
        return Ok(Digests::default());
    }
    let opened =
        Compilers::default().get(lock, distro, bytecode, host, access, fragments).map_err(|error| vec![error])?;
    let results = all(&opened, access, fragments, distro, bytecode, &sources);
    let mut digests = BTreeMap::new();
    let mut uncompiled = Vec::new();
    let mut wrong = Vec::new();
    for (sha256, result) in results {
        let found = result.and_then(|compiled| {
            let left = made.get(&sha256).map(|fragment| left_out(fragment, compiled.as_deref(), distro, bytecode));
            Ok((compiled, left.transpose()?.flatten()))
        });
        match found {
            Ok((compiled, left)) => {
                digests.extend(compiled.map(|compiled| (sha256, compiled.diff_id)));
                uncompiled.extend(left);
            }
            Err(error) => wrong.push(error),
        }
    }
    uncompiled.sort_by(|a: &Uncompiled, b| a.package.cmp(&b.package));
    if wrong.is_empty() { Ok((digests, uncompiled)) } else { Err(wrong) }
}

/// The sources of a package that `compiled` has no bytecode of. The cache keeps bytecode, not why there is none.
fn left_out(
    fragment: &Fragment,
    compiled: Option<&Fragment>,
    distro: &Distro,
    bytecode: &Bytecode,
) -> Result<Option<Uncompiled>, BuildError> {
    let Some(job) = job(fragment, distro, bytecode)? else { return Ok(None) };
    let is_missing = |source: &&Source| compiled.is_none_or(|compiled| compiled.get(&source.output).is_none());
    let files: Vec<ImagePath> = job.sources.iter().filter(is_missing).map(|source| source.path.clone()).collect();
    let package = job.package.filter(|_| !files.is_empty());
    Ok(package.map(|package| Uncompiled { distro: distro.name.clone(), package, files }))
}

type Results = Vec<(Digest, Result<Option<Arc<Fragment>>, BuildError>)>;

fn all(
    opened: &Opened,
    access: Access<'_>,
    fragments: &Fragments,
    distro: &Distro,
    bytecode: &Bytecode,
    sources: &[(&Digest, &Arc<Fragment>)],
) -> Results {
    access.progress.expect(Phase::Bytecode, sources.len() as u64);
    let results = sources
        .par_iter()
        .map(|(sha256, fragment)| {
            let result = compile(opened, fragments, fragment, distro, bytecode);
            let name = name_of(fragment).map_or("", PackageName::as_str);
            access.progress.advance(Phase::Bytecode, 1, name);
            (**sha256, result)
        })
        .collect();
    access.progress.finish(Phase::Bytecode);
    results
}

/// Compiles what the cache does not have of `packages`, many at once.
pub(super) fn prepare<'p>(
    workshop: &Workshop<'_>,
    distro: &Distro,
    packages: impl IntoIterator<Item = &'p LockedPackage>,
) -> Result<(), Vec<BuildError>> {
    let Some(bytecode) = &distro.bytecode else { return Ok(()) };
    let packages = packages.into_iter().filter(|package| package.bytecode.is_some());
    let python: Vec<(&Digest, Arc<Fragment>)> = packages
        .filter_map(|package| Some((&package.sha256, workshop.fragments.find(&package.sha256, &distro.filters)?)))
        .collect();
    if python.is_empty() {
        return Ok(());
    }
    let opened = workshop.compiler(distro, bytecode).map_err(|error| vec![error])?;
    let missing: Vec<(&Digest, &Arc<Fragment>)> = python
        .iter()
        .filter(|(_, fragment)| workshop.fragments.packed(&key_of(&opened, fragment)).is_none())
        .map(|(sha256, fragment)| (*sha256, fragment))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let results = all(&opened, workshop.access, workshop.fragments, distro, bytecode, &missing);
    let wrong: Vec<BuildError> = results.into_iter().filter_map(|(_, result)| result.err()).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// The bytecode of an image's packages, without that of sources which the image leaves out or replaces. Sources that
/// the image brings itself are compiled into `tree`.
pub(super) fn fragments(
    workshop: &Workshop<'_>,
    image: &Image,
    distro: &Distro,
    tree: &mut Tree,
    calls: &[crate::deb::Call],
    locked: &[Vec<&LockedPackage>],
    fragments: &[Vec<Arc<Fragment>>],
) -> Result<BTreeMap<PackageName, Arc<Fragment>>, BuildError> {
    let Some(bytecode) = &distro.bytecode else { return Ok(BTreeMap::new()) };
    let jobs =
        plan(tree, bytecode, calls).map_err(|error| BuildError::ImageBytecodePath { key: super::key(image), error })?;
    if jobs.is_empty() {
        return Ok(BTreeMap::new());
    }
    let opened = workshop.compiler(distro, bytecode)?;
    let mut wanted: BTreeMap<&PackageName, BTreeSet<&ImagePath>> = BTreeMap::new();
    for job in &jobs {
        match &job.package {
            Some(package) => {
                wanted.entry(package).or_default().extend(job.sources.iter().map(|source| &source.output));
            }
            None => {
                let compiled = opened.compiler.compile(job)?;
                for (path, why) in &compiled.skipped {
                    let key = super::key(image);
                    workshop.access.progress.note(&format!(
                        "{} for {} on {}: {path} does not compile and gets no bytecode: {why}",
                        key.image, key.distro, key.arch
                    ));
                }
                for (path, node) in job.nodes(&compiled.outputs) {
                    if tree.get(&path).is_none_or(|known| !known.is_dir()) {
                        tree.insert(&path, node).map_err(|error| BuildError::Tree { key: super::key(image), error })?;
                    }
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    for (package, fragment) in locked.iter().flatten().zip(fragments.iter().flatten()) {
        let Some(expected) = package.bytecode else { continue };
        let Some(outputs) = wanted.get(&package.name) else { continue };
        let compiled = compile(&opened, workshop.fragments, fragment, distro, bytecode)?;
        let compiled = compiled
            .filter(|compiled| compiled.diff_id == expected)
            .ok_or_else(|| BuildError::Bytecode { package: package.name.clone() })?;
        let without: BTreeSet<ImagePath> = compiled
            .entries
            .iter()
            .filter(|entry| !entry.is_dir() && !outputs.contains(&entry.path))
            .map(|entry| entry.path.clone())
            .collect();
        let kept = workshop.fragments.variant(&compiled, &Changes { without, ..Changes::default() })?;
        for (path, node) in kept.nodes(&Origin::Package(package.name.clone())) {
            if !node.is_dir() || tree.get(path).is_none() {
                tree.place(path.clone(), node);
            }
        }
        found.insert(package.name.clone(), kept);
    }
    Ok(found)
}
