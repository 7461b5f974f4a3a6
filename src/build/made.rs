//! What an image is made of: its layers, and the tree that they give.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::deb::PackageInfo;
use crate::estate::{Image, ImageKey};
use crate::layer::{self, Directories, Fragment, LayerError};
use crate::oci::{LayerRecord, Store};
use crate::path::ImagePath;
use crate::tree::{Origin, Tree};

use super::carry::{carry, differing};
use super::direct::{Direct, direct};
use super::error::BuildError;
use super::image::key;
use super::steps;
use super::workshop::Workshop;

/// An image's layers and what they give.
pub struct Made {
    /// All paths.
    pub(super) tree: Tree,
    /// The same as if no step were ever run.
    pub(super) direct: Tree,
    /// Where the two differ.
    pub(super) stepped: BTreeSet<ImagePath>,
    /// The parts of each layer, the lowest first.
    pub(super) below: Vec<Vec<Arc<Fragment>>>,
    /// The layers, the lowest first.
    pub(super) layers: Vec<LayerRecord>,
    /// All packages, sorted by name.
    pub(super) packages: Vec<PackageInfo>,
    /// The newest mtime of the packages, which is when the image says that it was created.
    pub(super) created: i64,
}

/// Layers that are put together.
#[derive(Default)]
pub(super) struct Stack {
    /// The parts of each.
    pub below: Vec<Vec<Arc<Fragment>>>,
    /// Each as the store has it.
    pub layers: Vec<LayerRecord>,
}

impl Stack {
    /// Adds a layer.
    pub fn push(
        &mut self,
        workshop: &Workshop<'_>,
        store: &Store,
        parts: Vec<Arc<Fragment>>,
        says: String,
    ) -> Result<(), BuildError> {
        self.layers.push(workshop.layer(store, &parts, says)?);
        self.below.push(parts);
        Ok(())
    }

    /// Adds a layer of all that `tree` has and the layers do not give, unless that is nothing.
    pub fn rest(
        &mut self,
        workshop: &Workshop<'_>,
        store: &Store,
        tree: &Tree,
        says: String,
    ) -> Result<(), BuildError> {
        let rest = layer::difference(&self.below, tree).map_err(LayerError::Io)?;
        if rest.is_empty() {
            return Ok(());
        }
        let part = workshop.fragments.pack(None, rest.iter(), Directories::Written)?;
        self.push(workshop, store, vec![part], says)
    }
}

/// Images that were made for others, each once.
#[derive(Default)]
pub struct Memory(Mutex<BTreeMap<ImageKey, Arc<Mutex<Kept>>>>);

#[derive(Default)]
enum Kept {
    #[default]
    Unknown,
    Made(Arc<Made>),
    Failed,
}

impl Workshop<'_> {
    /// What an image is made of. One that has steps is made once.
    pub(super) fn made(&self, store: &Store, image: &Image, strict: bool) -> Result<Arc<Made>, BuildError> {
        match image.levels.last() {
            Some(level) if !level.steps.is_empty() => self.ground(store, image, strict, image),
            _ => make(self, store, image, strict).map(Arc::new),
        }
    }

    /// The same for an image that needs it. Why it cannot be made is told once.
    pub(super) fn ground(
        &self,
        store: &Store,
        image: &Image,
        strict: bool,
        who: &Image,
    ) -> Result<Arc<Made>, BuildError> {
        let cell = {
            let mut all = self.memory.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(key(image)).or_default())
        };
        let mut kept = cell.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Kept::Made(made) => return Ok(Arc::clone(made)),
            Kept::Failed => return Err(BuildError::Ground { key: key(who), on: key(image) }),
            Kept::Unknown => {}
        }
        *kept = Kept::Failed;
        let made = Arc::new(make(self, store, image, strict)?);
        *kept = Kept::Made(Arc::clone(&made));
        Ok(made)
    }
}

fn make(workshop: &Workshop<'_>, store: &Store, image: &Image, strict: bool) -> Result<Made, BuildError> {
    // Layers up to the last ancestor that has steps are as they are there.
    let above = image.levels.len().saturating_sub(1);
    let prefix = image.levels.iter().take(above).rposition(|level| !level.steps.is_empty());
    let ground = match prefix.and_then(|number| image.levels.get(number)) {
        Some(level) => {
            let wanted = ImageKey { image: level.image.clone(), ..key(image) };
            let ancestor = workshop.project.images.get(&wanted).ok_or(BuildError::NotLocked(wanted))?;
            Some(workshop.ground(store, ancestor, strict, image)?)
        }
        None => None,
    };
    let own = direct(workshop, image, strict, false)?;
    let mut tree = own.tree.clone();
    let mut stack = Stack::default();
    if let Some(ground) = &ground {
        carry(&ground.direct, &ground.tree, &ground.stepped, &mut tree)?;
        stack.below.clone_from(&ground.below);
        stack.layers.clone_from(&ground.layers);
        if !ground.stepped.is_empty() {
            own.refresh(workshop, image, &mut tree)?;
        }
    }
    let first = prefix.map_or(0, |number| number + 1);
    levels(workshop, store, image, &own, &mut tree, first, &mut stack)?;
    stack.rest(workshop, store, &tree, format!("effects in {}", image.name))?;
    if image.levels.last().is_some_and(|level| !level.steps.is_empty()) {
        steps::run(workshop, store, image, strict, &own, &mut tree, &mut stack)?;
    }
    let stepped = if ground.is_some() || image.levels.iter().any(|level| !level.steps.is_empty()) {
        differing(&own.tree, &tree)?
    } else {
        BTreeSet::new()
    };
    let created = own.mtime();
    let Direct { tree: direct, packages, .. } = own;
    let Stack { below, layers } = stack;
    Ok(Made { tree, direct, stepped, below, layers, packages, created })
}

/// The layers of levels from `first` on, from the lowest: of each its packages and its files.
pub(super) fn levels(
    workshop: &Workshop<'_>,
    store: &Store,
    image: &Image,
    own: &Direct,
    tree: &mut Tree,
    first: usize,
    stack: &mut Stack,
) -> Result<(), BuildError> {
    let mut files = split(tree, image);
    for (number, packages) in own.built.iter().enumerate().skip(first) {
        // Packages that only steps need are the level after the last.
        let name = image
            .levels
            .get(number)
            .map_or_else(|| format!("what builds {}", image.name), |level| level.image.to_string());
        if !packages.is_empty() {
            let mut parts = Vec::with_capacity(packages.len());
            for fragment in packages {
                let compiled = fragment.package.as_ref().and_then(|info| own.compiled.get(&info.name)).cloned();
                parts.push(Arc::clone(fragment));
                parts.extend(compiled);
            }
            let directories = workshop.fragments.directories(&parts)?;
            for (path, node) in directories.nodes(&Origin::Effect("directories")) {
                if tree.get(path).is_none() {
                    tree.place(path.clone(), node);
                }
            }
            parts.insert(0, Arc::clone(&directories));
            stack.push(workshop, store, parts, format!("packages of {name}"))?;
            if let Some(parts) = stack.below.last_mut() {
                // The other parts only list theirs: what is written is the first part's word.
                parts.push(directories);
            }
        }
        if let Some(paths) = files.remove(&number) {
            // All descendants of an image share this layer: its files carry the newest time of the packages so far.
            let mtime = own.newest.get(number).copied().unwrap_or(0);
            for path in &paths {
                if let Some(node) = tree.get_mut(path) {
                    node.mtime = mtime;
                }
            }
            let nodes = layer::with_parents(tree, paths.iter());
            let part =
                workshop.fragments.pack(None, nodes.iter().map(|(path, node)| (path, *node)), Directories::Written)?;
            stack.push(workshop, store, vec![part], format!("files of {name}"))?;
        }
    }
    Ok(())
}

/// Paths by the number of the level whose spec put them there.
fn split(tree: &Tree, image: &Image) -> BTreeMap<usize, BTreeSet<ImagePath>> {
    let mut files: BTreeMap<usize, BTreeSet<ImagePath>> = BTreeMap::new();
    for (path, node) in tree.touched() {
        if let Origin::Tree(name, _) | Origin::Node(name, _) = &node.origin
            && let Some(number) = image.levels.iter().position(|level| level.image == *name)
        {
            files.entry(number).or_default().insert(path.clone());
        }
    }
    files
}
