//! Fragments and layers: deterministic tar, compression, the fragment cache.
//!
//! A package becomes a [`Fragment`] once ([`Fragments::make`]); [`merge`] finds out what each package of an image
//! keeps, and [`write`] puts fragments behind each other to a layer, byte for byte.

mod assemble;
pub mod bytecode;
mod codec;
mod difference;
mod entry;
mod filter;
mod fragment;
mod merge;
mod nodes;
mod plan;
mod pool;
mod replaces;
mod usrmerge;
mod variant;
mod write;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::deb::{DebError, Fault, PackageInfo, Spool, file};
use crate::digest::Digest;
use crate::estate::{Compression, Filters};
use crate::fetch::{Area, Cache, CacheError};
use crate::lock::FORMAT;
use crate::name::PackageName;
use crate::path::ImagePath;
use crate::tree::{Node, Origin};

pub use assemble::Directories;
pub use codec::media_type;
pub use difference::difference;
pub use entry::{Entry, EntryKind};
pub use fragment::Fragment;
pub use merge::{Built, Conflict, ConflictKind, Conflicts, Level, Merged, merge};
pub use nodes::{NodesError, whiteout, with_parents};
pub use variant::{Changes, Rights};
pub use write::{LayerError, LayerFacts, known, write};

use assemble::{Assembled, Body, assemble};
use fragment::Record;
use pool::Pool;

/// Of the records beside fragments and of how a package is planned; counts up when either changes within one format.
const REVISION: u32 = 4;

/// Unpacked blocks that are kept for reading contents.
const POOL: usize = 32 << 20;

/// Why a fragment could not be made.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum FragmentError {
    /// The package is not good.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Deb(#[from] DebError),
    /// The cache is not.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cache(#[from] CacheError),
    /// Nodes that no layer can hold.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Nodes(#[from] NodesError),
    /// Bytes could not be read or kept.
    #[error("the fragment of {what} cannot be written: {why}")]
    #[diagnostic(
        code(wharf::layer::fragment),
        help(
            "free space in the cache's folder, or name another with `--cache DIR`; a damaged file in it may be taken away"
        )
    )]
    Write {
        /// Of what.
        what: String,
        /// The system's word.
        why: io::Error,
    },
}

impl FragmentError {
    /// With the name of the package, where the file did not come to say it.
    pub fn of(mut self, package: &PackageName) -> Self {
        if let Self::Deb(error) = &mut self {
            error.package.get_or_insert_with(|| package.clone());
        }
        self
    }
}

/// Makes fragments of one compression, and finds them in a cache. Shared by all threads of a build.
///
/// While a fragment is made, its key is locked for other threads and processes; the thread that makes it takes up
/// no other work before it is done.
#[derive(Debug)]
pub struct Fragments {
    cache: Arc<Cache>,
    compression: Compression,
    pool: Arc<Pool>,
    known: Mutex<BTreeMap<Digest, Weak<Fragment>>>,
}

impl Fragments {
    /// Fragments in `cache`, packed so.
    pub fn new(cache: Arc<Cache>, compression: Compression) -> Self {
        Self { cache, compression, pool: Arc::new(Pool::new(POOL)), known: Mutex::new(BTreeMap::new()) }
    }

    /// The cache below.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// How all its fragments are packed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The fragment of the package whose .deb has the digest `sha256`; none where it was not made yet.
    pub fn find(&self, sha256: &Digest, filters: &Filters) -> Option<Arc<Fragment>> {
        self.load(self.package_key(sha256, filters))
    }

    /// The fragment of the package in the file `deb`, whose digest must be `sha256`: from the cache, or made now.
    /// The .deb is read once, from front to back; nothing is kept of one that turns out bad.
    pub fn make(&self, deb: &Path, sha256: &Digest, filters: &Filters) -> Result<Arc<Fragment>, FragmentError> {
        let key = self.package_key(sha256, filters);
        self.once(key, || {
            let wrong = |fault| DebError { file: deb.to_owned(), package: None, fault };
            let source = File::open(deb).map_err(|error| wrong(Fault::Io(error)))?;
            let size = source.metadata().map_err(|error| wrong(Fault::Io(error)))?.len();
            let mut spool = Spool::new(&self.folder());
            let read = file::read(deb, source, size, Some(sha256), &mut spool)?;
            let name = read.info.name.clone();
            let wrong = |fault| DebError { file: deb.to_owned(), package: Some(name.clone()), fault };
            let planned = plan::plan(&read, filters).map_err(wrong)?;
            let items = planned.into_iter().map(|(entry, bytes)| {
                let body = match (&entry.kind, bytes) {
                    (_, Some(bytes)) => Body::Content(bytes.into()),
                    (EntryKind::File { offset, .. }, None) => Body::Spool { spool: &spool, offset: *offset },
                    _ => Body::None,
                };
                (entry, body)
            });
            let mut info = read.info;
            info.conffiles.retain(|conffile| {
                // What the package does not ship, no filter leaves out.
                conffile.md5.is_none()
                    || ImagePath::new(&conffile.path).is_ok_and(|path| {
                        let moved = usrmerge::merged(&path);
                        !filter::is_excluded(filters, path.as_str(), moved.as_str(), false)
                    })
            });
            self.keep(key, &format!("package `{name}`"), Some(info), read.newest, items)
        })
    }

    /// The fragment `base` with `changes`: from the cache, or made now from the fragment itself.
    pub fn variant(&self, base: &Arc<Fragment>, changes: &Changes) -> Result<Arc<Fragment>, FragmentError> {
        if changes.is_empty() {
            return Ok(base.clone());
        }
        let key = self.key("variant", &[&base.key().hex(), &changes.identity()]);
        self.once(key, || {
            let items = variant::rebuild(base, changes).into_iter().map(|(entry, content)| {
                let body = content.map_or(Body::None, Body::Content);
                (entry, body)
            });
            let what =
                base.package.as_ref().map_or_else(|| "nodes".to_owned(), |info| format!("package `{}`", info.name));
            self.keep(key, &what, base.package.clone(), base.newest, items)
        })
    }

    /// The fragment of `nodes`, in any order: a files layer, a top layer. Directories get the mtime 0; a hard link's
    /// file must be among them. Without `key` it is made anew each time and kept under what came out; with one, which
    /// must name all that the nodes follow from, see [`Fragments::packed`].
    pub fn pack<'a>(
        &self,
        key: Option<&Digest>,
        nodes: impl IntoIterator<Item = (&'a ImagePath, &'a Node)>,
        directories: Directories,
    ) -> Result<Arc<Fragment>, FragmentError> {
        let items = nodes::items(nodes)?;
        let newest = items.iter().map(|(entry, _)| entry.mtime).max().unwrap_or(0);
        let key = key.map(|key| self.key("nodes", &[&key.hex()]));
        self.write(key, "nodes", None, newest, directories, items.into_iter())
    }

    /// The directories of all `parts` and those above them, with which a layer of these parts has to begin. Where two
    /// parts describe one, the first that says anything but 0755 root:root counts.
    pub fn directories(&self, parts: &[Arc<Fragment>]) -> Result<Arc<Fragment>, FragmentError> {
        let mut all: BTreeMap<ImagePath, Node> = BTreeMap::new();
        for part in parts {
            for entry in part.entries.iter().filter(|entry| entry.is_dir()) {
                let node = part.node(entry, Origin::Effect("directories"));
                let known = all.entry(entry.path.clone()).or_insert_with(|| node.clone());
                if (known.mode, known.uid, known.gid) == (0o755, 0, 0) {
                    *known = node;
                }
            }
        }
        let missing: Vec<ImagePath> = parts
            .iter()
            .flat_map(|part| &part.entries)
            .filter_map(|entry| entry.path.parent())
            .filter(|path| !all.contains_key(path))
            .collect();
        for path in missing {
            let mut next = Some(path);
            while let Some(path) = next.filter(|path| !all.contains_key(path)) {
                next = path.parent();
                all.insert(path, Node::dir(Origin::Effect("directories"), 0));
            }
        }
        self.pack(None, all.iter(), Directories::Written)
    }

    /// What [`Fragments::pack`] made under `key`; none where it did not yet.
    pub fn packed(&self, key: &Digest) -> Option<Arc<Fragment>> {
        self.load(self.key("nodes", &[&key.hex()]))
    }

    fn folder(&self) -> PathBuf {
        let some = self.cache.path(Area::Fragment, &Digest::of(b""));
        some.parent().map(Path::to_owned).unwrap_or_default()
    }

    fn package_key(&self, sha256: &Digest, filters: &Filters) -> Digest {
        let mut rules = String::new();
        for (include, glob) in &filters.rules {
            rules.push_str(&format!("{}{}:{glob}", if *include { '+' } else { '-' }, glob.len()));
        }
        self.key("deb", &[&sha256.hex(), &rules])
    }

    fn key(&self, kind: &str, parts: &[&str]) -> Digest {
        let mut text = format!("wharf fragment {FORMAT}.{REVISION} {} {kind}", codec::identity(self.compression));
        for part in parts {
            text.push_str(&format!("\n{}:{part}", part.len()));
        }
        Digest::of(text.as_bytes())
    }

    fn load(&self, key: Digest) -> Option<Arc<Fragment>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fragment) = known.get(&key).and_then(Weak::upgrade) {
            return Some(fragment);
        }
        drop(known);
        let record = std::fs::read(self.cache.find(Area::Record, &key)?).ok()?;
        // A record that cannot be read is one that is not there: the fragment is made again.
        let record: Record = serde_json::from_slice(&record).ok()?;
        let path = self.cache.find(Area::Fragment, &key)?;
        if record.revision != REVISION || !fragment::is_whole(&path, &record) {
            return None;
        }
        let fragment = Arc::new(Fragment::new(record, key, path, self.compression, self.pool.clone()));
        known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key, Arc::downgrade(&fragment));
        Some(fragment)
    }

    /// Loads `key`, or makes it while nobody else does.
    fn once(
        &self,
        key: Digest,
        make: impl FnOnce() -> Result<Arc<Fragment>, FragmentError>,
    ) -> Result<Arc<Fragment>, FragmentError> {
        if let Some(fragment) = self.load(key) {
            return Ok(fragment);
        }
        let _guard = self.cache.work_on(Area::Fragment, &key)?;
        match self.load(key) {
            Some(fragment) => Ok(fragment),
            None => make(),
        }
    }

    fn keep<'a>(
        &self,
        key: Digest,
        what: &str,
        package: Option<PackageInfo>,
        newest: i64,
        items: impl Iterator<Item = (Entry, Body<'a>)>,
    ) -> Result<Arc<Fragment>, FragmentError> {
        self.write(Some(key), what, package, newest, Directories::Listed, items)
    }

    /// Writes fragment and record beside, then gives them their names, the record last.
    fn write<'a>(
        &self,
        key: Option<Digest>,
        what: &str,
        package: Option<PackageInfo>,
        newest: i64,
        directories: Directories,
        items: impl Iterator<Item = (Entry, Body<'a>)>,
    ) -> Result<Arc<Fragment>, FragmentError> {
        let wrong = |why| FragmentError::Write { what: what.to_owned(), why };
        let mut scratch = self.cache.scratch(Area::Fragment)?;
        let mut out = BufWriter::with_capacity(256 << 10, scratch.as_file_mut());
        let Assembled { entries, diff_id, digest, unpacked, blocks } =
            assemble(items, directories, self.compression, &mut out).map_err(wrong)?;
        out.flush().map_err(wrong)?;
        drop(out);
        let key = key.unwrap_or_else(|| self.key("bytes", &[&diff_id.hex()]));
        let record = Record { revision: REVISION, package, entries, diff_id, digest, newest, unpacked, blocks };
        let mut beside = self.cache.scratch(Area::Record)?;
        let json = serde_json::to_vec(&record).map_err(|error| wrong(error.into()))?;
        beside.write_all(&json).map_err(wrong)?;
        let path = self.cache.keep(Area::Fragment, &key, scratch)?;
        self.cache.keep(Area::Record, &key, beside)?;
        let fragment = Arc::new(Fragment::new(record, key, path, self.compression, self.pool.clone()));
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::downgrade(&fragment));
        Ok(fragment)
    }
}
