//! Steps of an image: `run` through buildah, `copy` by wharf itself, each group of them a layer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::buildah::{self, Base, Buildah, Change, Changes, Mount, Session, Times, Words};
use crate::digest::Digest;
use crate::effect;
use crate::estate::{CopySource, FileSource, Image, ImageKey, Level, Program, Run, Step, StepCopy, TreeContent};
use crate::layer::{self, Directories, Fragment, LayerError};
use crate::oci::{Annotations, ImageRecord, Ref, Store};
use crate::path::ImagePath;
use crate::tree::{Content, Kind, Node, Origin, Tree};

use super::carry::{carry, differing, joined, same, text};
use super::direct::{Direct, direct};
use super::error::BuildError;
use super::image::key;
use super::made::{Stack, levels};
use super::workshop::Workshop;

/// The form of what a key stands for: what counts as residue, how layers are read.
const REVISION: u32 = 1;

/// Where what a step brings with it is mounted; nothing of it stays.
const OWN: &str = "/run/wharf-step";

/// Does the steps of an image's own level on `tree`, which the layers of `stack` give, and adds their layers.
pub(super) fn run(
    workshop: &Workshop<'_>,
    store: &Store,
    image: &Image,
    strict: bool,
    own: &Direct,
    tree: &mut Tree,
    stack: &mut Stack,
) -> Result<(), BuildError> {
    let Some(level) = image.levels.last() else { return Ok(()) };
    let works = Works { workshop, store, image, level, strict, own };
    let mut steps = level.steps.iter().peekable();
    while let Some(step) = steps.next() {
        match step {
            Step::Run(run) => {
                let mut runs: Vec<&Run> = vec![run];
                while let Some(Step::Run(run)) = steps.next_if(|step| matches!(step, Step::Run(_))) {
                    runs.push(run);
                }
                works.runs(&runs, tree, stack)?;
            }
            Step::Copy(copy) => {
                works.copy(copy, tree)?;
                if !matches!(steps.peek(), Some(Step::Copy(_))) {
                    own.refresh(workshop, image, tree)?;
                    stack.rest(workshop, store, tree, format!("copies in {}", image.name))?;
                }
            }
        }
    }
    Ok(())
}

struct Works<'w, 'a> {
    workshop: &'w Workshop<'a>,
    store: &'w Store,
    image: &'w Image,
    level: &'w Level,
    strict: bool,
    own: &'w Direct,
}

impl Works<'_, '_> {
    fn key(&self) -> ImageKey {
        key(self.image)
    }

    // --- copy

    fn copy(&self, copy: &StepCopy, tree: &mut Tree) -> Result<(), BuildError> {
        let origin = Origin::Node(self.image.name.clone(), copy.span);
        let wrong = |error| BuildError::Tree { key: self.key(), error };
        let owned = match (&copy.owner, &copy.group) {
            (None, None) => None,
            (owner, group) => Some(effect::ids(tree, owner.as_ref(), group.as_ref()).map_err(|why| {
                let what = format!("what is copied to {} has no owner: {why}", copy.to);
                BuildError::Copy { key: self.key(), at: self.place(copy.span), what }
            })?),
        };
        let nodes = match &copy.source {
            CopySource::Tree(folder) => project_nodes(folder, &copy.to, &origin, self.own.mtime()),
            CopySource::Image { image, path } => {
                let wanted = ImageKey { image: image.clone(), ..self.key() };
                let source = self.workshop.project.images.get(&wanted).ok_or(BuildError::NotLocked(wanted))?;
                let made = self.workshop.ground(self.store, source, self.strict, self.image)?;
                let found = taken(&made.tree, path, &copy.to, &origin, self.own.mtime()).map_err(wrong)?;
                if found.is_empty() {
                    let what = format!("there is no {path} in `{image}`");
                    return Err(BuildError::Copy { key: self.key(), at: self.place(copy.span), what });
                }
                found
            }
        };
        for (path, mut node) in nodes {
            if let Some((uid, gid)) = owned {
                (node.uid, node.gid) = (uid, gid);
            }
            if node.is_dir() && tree.get(&path).is_some_and(Node::is_dir) {
                continue;
            }
            tree.insert(&path, node).map_err(wrong)?;
        }
        Ok(())
    }

    fn place(&self, span: crate::spec::Span) -> String {
        self.workshop.project.sources.place(span).to_string()
    }

    // --- run

    /// Consecutive steps: one container, one layer.
    fn runs(&self, runs: &[&Run], tree: &mut Tree, stack: &mut Stack) -> Result<(), BuildError> {
        let builder = match self.level.build_packages.is_empty() {
            true => None,
            false => Some(self.builder(tree, stack)?),
        };
        let (seen, below) = builder.as_ref().map_or((&*tree, &*stack), |builder| (&builder.tree, &builder.stack));
        let key = self.key_of(runs, below)?;
        let fragment = match self.workshop.fragments.packed(&key) {
            Some(fragment) => fragment,
            None => {
                let mut after = tree.clone();
                let changes = self.changes(runs, seen, below)?;
                match &builder {
                    Some(builder) => builder.without(changes, tree)?.apply(&mut after),
                    None => changes.apply(&mut after),
                }
                self.own.refresh(self.workshop, self.image, &mut after)?;
                let rest = layer::difference(&stack.below, &after).map_err(LayerError::Io)?;
                self.workshop.fragments.pack(Some(&key), rest.iter(), Directories::Written)?
            }
        };
        if fragment.entries.is_empty() {
            return Ok(());
        }
        of_fragment(&fragment, &Origin::Node(self.image.name.clone(), self.level_span(runs))).apply(tree);
        let says = format!("steps of {}", self.image.name);
        stack.push(self.workshop, self.store, vec![fragment], says)
    }

    fn level_span(&self, runs: &[&Run]) -> crate::spec::Span {
        runs.first().map_or(self.image.span, |run| run.span)
    }

    /// The tree that steps see where packages are there for them alone.
    fn builder(&self, tree: &Tree, stack: &Stack) -> Result<Builder, BuildError> {
        let whole = direct(self.workshop, self.image, self.strict, true)?;
        let mut seen = whole.tree.clone();
        carry(&self.own.tree, tree, &differing(&self.own.tree, tree)?, &mut seen)?;
        let mut below = Stack { below: stack.below.clone(), layers: stack.layers.clone() };
        let first = self.image.levels.len();
        levels(self.workshop, self.store, self.image, &whole, &mut seen, first, &mut below)?;
        below.rest(self.workshop, self.store, &seen, format!("what builds {}", self.image.name))?;
        Ok(Builder { tree: seen, stack: below })
    }

    /// Everything that what comes out follows from.
    fn key_of(&self, runs: &[&Run], below: &Stack) -> Result<Digest, BuildError> {
        let mut text = format!("steps {REVISION}\narch {}\nnewest {}\n", self.image.arch, self.own.mtime());
        for layer in &below.layers {
            let _ = writeln!(text, "layer {}", layer.diff_id);
        }
        let _ = writeln!(text, "env {:?} workdir {:?}", self.image.config.env, self.image.config.workdir);
        for run in runs {
            let Run { program, network, workdir, user, env, secrets, caches, mounts, span: _ } = run;
            let _ = match program {
                Program::Shell(line) => writeln!(text, "shell {line:?}"),
                Program::Words(words) => writeln!(text, "words {words:?}"),
                Program::Script { source, arguments, path: _ } => {
                    let digest = Digest::of(&self.bytes(source, run)?);
                    writeln!(text, "script {digest} {arguments:?}")
                }
            };
            let _ = writeln!(text, "network {network} workdir {workdir:?} user {user:?} env {env:?} caches {caches:?}");
            for secret in secrets {
                let _ = writeln!(text, "secret {:?} {}", secret.id, secret.path);
            }
            for mount in mounts {
                let _ = writeln!(text, "mount {}", mount.path);
                for file in &mount.tree.files {
                    let _ = match &file.content {
                        TreeContent::Dir => writeln!(text, "dir {}", file.path),
                        TreeContent::Symlink(to) => writeln!(text, "link {} {to:?}", file.path),
                        TreeContent::File { executable, digest, .. } => {
                            writeln!(text, "file {} {executable} {digest}", file.path)
                        }
                    };
                }
            }
        }
        Ok(Digest::of(text.as_bytes()))
    }

    fn bytes(&self, source: &FileSource, run: &Run) -> Result<Vec<u8>, BuildError> {
        source.read().map(std::borrow::Cow::into_owned).map_err(|error| self.trouble(run, &error.to_string()))
    }

    fn trouble(&self, run: &Run, why: &str) -> BuildError {
        BuildError::Copy { key: self.key(), at: self.place(run.span), what: why.to_owned() }
    }

    /// Runs the steps on `below`, which gives `seen`, and gives what they changed.
    fn changes(&self, runs: &[&Run], seen: &Tree, below: &Stack) -> Result<Changes, BuildError> {
        let arch = self.workshop.place(self.image)?.1;
        if let Some(error) = buildah::lacks(arch, self.workshop.host) {
            return Err(error.into());
        }
        let buildah = self.workshop.buildah()?;
        let session = Session::new(buildah, &self.workshop.steps)?;
        self.layout(session.folder(), below)?;
        session.begin(Base { layout: "parent", arch: &arch.oci })?;
        let mut mounted = vec![own_folder()];
        for (number, run) in runs.iter().enumerate() {
            let (words, _locks) = self.words(buildah, session.folder(), number, run)?;
            mounted.extend(words.mounts.iter().map(|mount| mount.path.clone()));
            let secrets =
                words.mounts.iter().filter(|mount| run.secrets.iter().any(|secret| secret.path == mount.path));
            let secrets: Vec<PathBuf> = secrets.map(|mount| mount.source.clone()).collect();
            if let Err(failed) = session.step(&words)? {
                return Err(BuildError::Step {
                    key: self.key(),
                    at: self.place(run.span),
                    step: title(&run.program),
                    code: failed.code,
                    output: without_secrets(failed.output, &secrets),
                });
            }
        }
        let origin = Origin::Node(self.image.name.clone(), self.level_span(runs));
        let mut changes = buildah::read(&session.layer()?, &origin)?;
        buildah::clean(&mut changes, seen, &mounted, Times { newest: self.own.mtime() });
        Ok(changes)
    }

    /// A layout of one image of the layers so far, in the session's folder.
    fn layout(&self, folder: &Path, below: &Stack) -> Result<(), BuildError> {
        let layout = Store::open(&folder.join("parent"))?;
        for layer in &below.layers {
            let (from, to) = (self.store.path(&layer.digest), layout.path(&layer.digest));
            let from = from.canonicalize().map_err(|error| folder_error(&from, error))?;
            match symlink(&from, &to) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(folder_error(&to, error)),
                _ => {}
            }
        }
        let arch = self.workshop.place(self.image)?.1;
        let config = crate::estate::ImageConfig { env: self.image.config.env.clone(), ..Default::default() };
        let record = ImageRecord {
            config: &config,
            arch: &self.image.arch,
            oci_arch: &arch.oci,
            layers: below.layers.clone(),
            created: self.own.mtime(),
            annotations: Annotations::default(),
        };
        let manifest = record.write(&layout)?;
        layout.tag(&[(Ref::manifest(&self.image.name, &self.image.distro, &self.image.arch), manifest)])?;
        Ok(())
    }

    /// A step in buildah's words; what is locked stays so as long as it runs.
    fn words(
        &self,
        buildah: &Buildah,
        folder: &Path,
        number: usize,
        run: &Run,
    ) -> Result<(Words, Vec<fs::File>), BuildError> {
        let here = folder.join(format!("step{number}"));
        fs::create_dir(&here).map_err(|error| folder_error(&here, error))?;
        let mut mounts = Vec::new();
        let mut locks = Vec::new();
        let words = match &run.program {
            Program::Shell(line) => ["/bin/sh", "-e", "-c", line].map(str::to_owned).into(),
            Program::Words(words) => words.clone(),
            Program::Script { source, arguments, .. } => {
                let bytes = self.bytes(source, run)?;
                let has_program = bytes.starts_with(b"#!");
                write(&here.join("script"), &bytes, 0o755)?;
                let path = own_folder().join("script").map_err(|error| self.trouble(run, &error.to_string()))?;
                mounts.push(Mount { source: here.join("script"), path: path.clone(), writable: false });
                let shell: &[&str] = if has_program { &[] } else { &["/bin/sh", "-e"] };
                let shell = shell.iter().map(|word| (*word).to_owned());
                shell.chain([path.to_string()]).chain(arguments.iter().cloned()).collect()
            }
        };
        for secret in &run.secrets {
            let Some(file) = self.workshop.secrets.get(&secret.id) else {
                return Err(BuildError::NoSecret { key: self.key(), at: self.place(run.span), id: secret.id.clone() });
            };
            let source = file.canonicalize().map_err(|error| folder_error(file, error))?;
            mounts.push(Mount { source, path: secret.path.clone(), writable: false });
        }
        for (count, mount) in run.mounts.iter().enumerate() {
            let source = here.join(format!("mount{count}"));
            fill(&source, &mount.tree, self.own.mtime())?;
            mounts.push(Mount { source, path: mount.path.clone(), writable: false });
        }
        for path in &run.caches {
            let (source, lock) = self.cache(buildah, path)?;
            mounts.push(Mount { source, path: path.clone(), writable: true });
            locks.push(lock);
        }
        if let Some(mount) = mounts.iter().find(|mount| mount.source.as_os_str().as_encoded_bytes().contains(&b':')) {
            let why = format!("{} cannot be mounted: its path holds a `:`", mount.source.display());
            return Err(self.trouble(run, &why));
        }
        let mut env = run.env.clone();
        // What programs of their own accord write for "now" (reproducible-builds.org/specs/source-date-epoch).
        env.entry("SOURCE_DATE_EPOCH".to_owned()).or_insert_with(|| self.own.mtime().to_string());
        let workdir = run.workdir.clone().or_else(|| self.image.config.workdir.clone());
        let (user, network) = (run.user.clone(), run.network);
        Ok((Words { words, workdir, user, env, network, mounts }, locks))
    }

    /// A folder that lasts, for this path of this image; one build at a time has it.
    fn cache(&self, buildah: &Buildah, path: &ImagePath) -> Result<(PathBuf, fs::File), BuildError> {
        let ImageKey { image, distro, arch } = self.key();
        let name = Digest::of(format!("{image} {distro} {arch} {path} {}", buildah.rootless).as_bytes());
        let folder = self.workshop.steps.join("caches").join(name.hex());
        fs::create_dir_all(folder.join("files")).map_err(|error| folder_error(&folder, error))?;
        let lock = fs::File::create(folder.join("lock")).map_err(|error| folder_error(&folder, error))?;
        lock.lock().map_err(|error| folder_error(&folder, error))?;
        Ok((folder.join("files"), lock))
    }
}

struct Builder {
    tree: Tree,
    stack: Stack,
}

impl Builder {
    /// What of `changes` is not of the packages that only steps need. `tree` is the image without them.
    fn without(&self, changes: Changes, tree: &Tree) -> Result<Changes, BuildError> {
        let mut kept = Changes::default();
        for path in changes.opaque {
            for (child, _) in tree.children(&path) {
                kept.paths.insert(child.clone(), Change::Gone);
            }
        }
        for (path, change) in changes.paths {
            let (here, there) = (tree.get(&path), self.tree.get(&path));
            let alike = same((tree, here), (&self.tree, there)).map_err(LayerError::Io)?;
            match (here, there, change) {
                (_, None, change) => {
                    self.folders(&path, tree, &mut kept);
                    kept.paths.insert(path, change);
                }
                (Some(_), Some(_), change) if alike => {
                    kept.paths.insert(path, change);
                }
                // Accounts that the packages made are there beside those that the steps made.
                (Some(here), Some(there), Change::Put(node)) if ACCOUNTS.contains(&path.as_str()) => {
                    let read = |node| text(node).map_err(LayerError::Io);
                    let lines = joined(&read(there)?, &read(&node)?, &read(here)?);
                    kept.paths.insert(path, Change::Put(Node { kind: Kind::File(lines.into()), ..here.clone() }));
                }
                _ => {}
            }
        }
        Ok(kept)
    }

    /// The folders above a path that only those packages brought.
    fn folders(&self, path: &ImagePath, tree: &Tree, kept: &mut Changes) {
        let mut next = path.parent();
        while let Some(parent) = next.filter(|parent| tree.get(parent).is_none() && !kept.paths.contains_key(parent)) {
            next = parent.parent();
            if let Some(node) = self.tree.get(&parent) {
                kept.paths.insert(parent, Change::Put(node.clone()));
            }
        }
    }
}

/// Files to which steps and packages add lines.
const ACCOUNTS: [&str; 4] = ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"];

/// The changes that a fragment holds.
fn of_fragment(fragment: &Arc<Fragment>, origin: &Origin) -> Changes {
    let mut changes = Changes::default();
    for (path, node) in fragment.nodes(origin) {
        let gone = path.file_name().strip_prefix(".wh.").and_then(|name| path.parent()?.join(name).ok());
        match gone {
            Some(gone) => changes.paths.insert(gone, Change::Gone),
            None => changes.paths.insert(path.clone(), Change::Put(node)),
        };
    }
    changes
}

fn own_folder() -> ImagePath {
    ImagePath::new(OWN).unwrap_or_else(|_| ImagePath::root())
}

fn folder_error(path: &Path, error: io::Error) -> BuildError {
    BuildError::Buildah(buildah::BuildahError::Folder { path: path.to_owned(), error })
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), BuildError> {
    let wrong = |error| folder_error(path, error);
    fs::write(path, bytes).map_err(wrong)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(wrong)
}

/// A folder of the project as files, none newer than `newest`.
fn fill(place: &Path, tree: &crate::estate::Tree, newest: i64) -> Result<(), BuildError> {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(newest).unwrap_or(0));
    fs::create_dir(place).map_err(|error| folder_error(place, error))?;
    let mut folders = vec![place.to_owned()];
    for file in &tree.files {
        let path = place.join(file.path.relative());
        let wrong = |error| folder_error(&path, error);
        match &file.content {
            TreeContent::Dir => {
                fs::create_dir_all(&path).map_err(wrong)?;
                folders.push(path);
            }
            TreeContent::Symlink(to) => symlink(to, &path).map_err(wrong)?,
            TreeContent::File { source, executable, .. } => {
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent).map_err(wrong)?;
                }
                write(&path, &source.read().map_err(wrong)?, if *executable { 0o755 } else { 0o644 })?;
                let opened = fs::File::open(&path).map_err(wrong)?;
                opened.set_modified(time).map_err(wrong)?;
            }
        }
    }
    for path in folders.iter().rev() {
        let opened = fs::File::open(path).and_then(|folder| folder.set_modified(time));
        opened.map_err(|error| folder_error(path, error))?;
    }
    Ok(())
}

/// The nodes of a folder of the project, at `to`.
fn project_nodes(tree: &crate::estate::Tree, to: &ImagePath, origin: &Origin, mtime: i64) -> Vec<(ImagePath, Node)> {
    let mut nodes = vec![(to.clone(), Node::dir(origin.clone(), mtime))];
    for file in &tree.files {
        let Ok(path) = to.join(file.path.relative()) else { continue };
        let node = match &file.content {
            TreeContent::Dir => Node::dir(origin.clone(), mtime),
            TreeContent::Symlink(text) => Node::symlink(text.clone(), origin.clone(), mtime),
            TreeContent::File { source, executable, size, .. } => {
                let content = Content::Project { source: source.clone(), size: *size };
                Node::file(content, origin.clone(), mtime).with_mode(if *executable { 0o755 } else { 0o644 })
            }
        };
        nodes.push((path, node));
    }
    nodes
}

/// What lies at `path` of another image, at `to`. Of a file that lies elsewhere there a further name becomes the file.
fn taken(
    tree: &Tree,
    path: &ImagePath,
    to: &ImagePath,
    origin: &Origin,
    newest: i64,
) -> Result<Vec<(ImagePath, Node)>, crate::tree::TreeError> {
    let from = tree.resolve_parent(path)?;
    let moved = |path: &ImagePath| -> Option<ImagePath> {
        let rest = path.as_str().strip_prefix(from.as_str())?.trim_start_matches('/');
        if rest.is_empty() { Some(to.clone()) } else { to.join(rest).ok() }
    };
    let own = tree.get(&from).map(|node| (&from, node));
    let mut nodes = Vec::new();
    for (path, node) in own.into_iter().chain(tree.below(&from)) {
        let Some(path) = moved(path) else { continue };
        let mut node = node.clone();
        if let Kind::Hardlink(first) = &node.kind {
            node = match (first.is_within(&from), tree.get(first)) {
                (true, _) => match moved(first) {
                    Some(first) => Node { kind: Kind::Hardlink(first), ..node },
                    None => continue,
                },
                (false, Some(file)) => file.clone(),
                (false, None) => continue,
            };
        }
        node.mtime = node.mtime.min(newest);
        node.origin = origin.clone();
        nodes.push((path, node));
    }
    Ok(nodes)
}

/// A step for a message: its first line.
fn title(program: &Program) -> String {
    let text = match program {
        Program::Shell(text) => text.clone(),
        Program::Words(words) => words.join(" "),
        Program::Script { path, arguments, .. } => {
            std::iter::once(path.as_str()).chain(arguments.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
        }
    };
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().trim().to_owned();
    if lines.next().is_some() { format!("{first} …") } else { first }
}

/// The output without what secrets hold, whole or a line of it.
fn without_secrets(mut output: String, files: &[PathBuf]) -> String {
    let mut values: Vec<String> = files
        .iter()
        .filter_map(|path| fs::read(path).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .flat_map(|text| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>())
        .filter(|line| !line.is_empty())
        .collect();
    // The longest first: one may be a part of another.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    for value in values {
        output = output.replace(&value, "***");
    }
    output
}

/// All secrets' files by their names, for messages and keys.
pub type Secrets = BTreeMap<String, PathBuf>;
