//! An image as one tree: its layers laid over each other (image-spec 1.1, layer.md), and their bytes as a stream.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use crate::digest::{Digest, HashWriter};
use crate::path::ImagePath;

use super::document::{Descriptor, Manifest, media};
use super::{OciError, Store, StoreError};

/// What a node of the flattened tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A directory.
    Dir,
    /// A regular file and its bytes.
    File(u64),
    /// A symbolic link and its text.
    Symlink(String),
    /// A character device, major and minor.
    Char(u32, u32),
    /// A block device, major and minor.
    Block(u32, u32),
    /// A named pipe.
    Fifo,
}

/// The header of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Permission bits, `0o0000` to `0o7777`.
    pub mode: u16,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Seconds since 1970.
    pub mtime: u64,
    /// Extended attributes by name.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// A node: one file may have several paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Its header.
    pub meta: Meta,
    /// Its paths, sorted; a hard link's are several.
    pub paths: Vec<ImagePath>,
    /// Of a file's bytes, where the layer was scanned with digests.
    pub digest: Option<Digest>,
}

/// The layer, the lowest being 0, and the entry within it.
type Id = (usize, usize);

/// An image as one tree.
#[derive(Debug)]
pub struct Flat {
    layers: Vec<Descriptor>,
    nodes: BTreeMap<Id, Node>,
    paths: BTreeMap<ImagePath, Id>,
}

/// An entry of a layer.
#[derive(Debug, Clone)]
enum Entry {
    Node(NodeKind, Meta, Option<Digest>),
    Link(ImagePath),
    /// Hides this path of lower layers.
    Whiteout,
    /// Hides all below this path of lower layers.
    Opaque,
}

/// A layer's headers.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    layer: Descriptor,
    /// In the order of the tar; the place in it is the index of the entry.
    entries: Vec<(ImagePath, Entry)>,
}

impl Scan {
    /// Reads a layer once; with `digests` it hashes each file too.
    pub(super) fn of(store: &Store, layer: &Descriptor, digests: bool) -> Result<Self, OciError> {
        let mut entries = Vec::new();
        walk(store, layer, &mut |_, path, mut entry, bytes| {
            if let Entry::Node(NodeKind::File(_), _, digest) = &mut entry
                && digests
            {
                *digest = Some(Digest::of_reader(&mut &mut *bytes).map_err(|error| unreadable(layer, error))?.0);
            }
            entries.push((path, entry));
            Ok(())
        })?;
        Ok(Self { layer: layer.clone(), entries })
    }
}

impl Flat {
    /// Lays the layers of an image over each other. Reads every layer once.
    pub fn of(store: &Store, manifest: &Manifest) -> Result<Self, OciError> {
        let scans = manifest.layers.iter().map(|layer| Scan::of(store, layer, false));
        let scans = scans.collect::<Result<Vec<_>, _>>()?;
        Self::of_scans(scans.iter())
    }

    /// Lays layers over each other, the lowest first.
    pub(super) fn of_scans<'a>(scans: impl Iterator<Item = &'a Scan>) -> Result<Self, OciError> {
        let mut flat = Self { layers: Vec::new(), nodes: BTreeMap::new(), paths: BTreeMap::new() };
        for (number, scan) in scans.enumerate() {
            flat.layers.push(scan.layer.clone());
            // Whiteouts hide what lower layers hold, wherever in the layer they stand.
            for (path, entry) in &scan.entries {
                match entry {
                    Entry::Whiteout => flat.remove(path, true),
                    Entry::Opaque => flat.remove(path, false),
                    _ => {}
                }
            }
            for (index, (path, entry)) in scan.entries.iter().enumerate() {
                match entry {
                    Entry::Whiteout | Entry::Opaque => {}
                    Entry::Node(kind, meta, digest) => {
                        flat.place(path, (number, index), *kind == NodeKind::Dir);
                        let (kind, meta) = (kind.clone(), meta.clone());
                        let node = Node { kind, meta, paths: Vec::new(), digest: *digest };
                        flat.nodes.insert((number, index), node);
                    }
                    Entry::Link(target) => {
                        let found = flat.paths.get(target).copied();
                        match found.filter(|id| flat.nodes.get(id).is_some_and(|node| node.kind != NodeKind::Dir)) {
                            Some(id) => flat.place(path, id, false),
                            None => {
                                let why = format!("`{path}` is a hard link to `{target}`, which is no file");
                                return Err(OciError::Layer { layer: scan.layer.digest, why });
                            }
                        }
                    }
                }
            }
        }
        for (path, id) in &flat.paths {
            if let Some(node) = flat.nodes.get_mut(id) {
                node.paths.push(path.clone());
            }
        }
        flat.nodes.retain(|_, node| !node.paths.is_empty());
        Ok(flat)
    }

    fn remove(&mut self, path: &ImagePath, itself: bool) {
        let below: Vec<ImagePath> = self
            .paths
            .range(path..)
            .map(|(below, _)| below)
            .take_while(|below| below.is_within(path))
            .filter(|below| itself || *below != path)
            .cloned()
            .collect();
        for path in below {
            self.paths.remove(&path);
        }
    }

    fn place(&mut self, path: &ImagePath, id: Id, dir: bool) {
        let was_dir = self.paths.get(path).and_then(|id| self.nodes.get(id)).is_some_and(|n| n.kind == NodeKind::Dir);
        // The root may be listed by a later layer than what it holds.
        if !(dir && (was_dir || path.is_root())) {
            self.remove(path, true);
        }
        // A directory that no layer lists, or that takes the place of something else, as overlayfs has it.
        let mut parent = path.parent();
        while let Some(above) = parent.filter(|above| !above.is_root()) {
            match self.paths.get(&above).and_then(|id| self.nodes.get(id)) {
                Some(node) if node.kind == NodeKind::Dir => break,
                Some(_) => self.remove(&above, true),
                None => {}
            }
            // Above every number that an entry of the layer can have.
            let implied = (id.0, usize::MAX - self.nodes.len());
            let meta = Meta { mode: 0o755, uid: 0, gid: 0, mtime: 0, xattrs: BTreeMap::new() };
            self.nodes.insert(implied, Node { kind: NodeKind::Dir, meta, paths: Vec::new(), digest: None });
            parent = above.parent();
            self.paths.insert(above, implied);
        }
        self.paths.insert(path.clone(), id);
    }

    /// Every path and its node, a directory before what it holds.
    pub fn iter(&self) -> impl Iterator<Item = (&ImagePath, &Node)> {
        self.paths.iter().filter_map(|(path, id)| Some((path, self.nodes.get(id)?)))
    }

    /// What stands at a path.
    pub fn get(&self, path: &ImagePath) -> Option<&Node> {
        self.nodes.get(self.paths.get(path)?)
    }

    /// Gives each regular file once, with its bytes, in the order of the layers and of the entries in them. Layers
    /// without a file of the tree are not read.
    pub fn files(
        &self,
        store: &Store,
        visit: &mut dyn FnMut(&Node, &mut dyn Read) -> Result<(), OciError>,
    ) -> Result<(), OciError> {
        let wanted: BTreeSet<usize> = self
            .nodes
            .iter()
            .filter(|(_, node)| matches!(node.kind, NodeKind::File(_)))
            .map(|((layer, _), _)| *layer)
            .collect();
        for (number, layer) in self.layers.iter().enumerate().filter(|(number, _)| wanted.contains(number)) {
            walk(store, layer, &mut |index, _, entry, bytes| match (entry, self.nodes.get(&(number, index))) {
                (Entry::Node(NodeKind::File(_), ..), Some(node)) => visit(node, bytes),
                _ => Ok(()),
            })?;
        }
        Ok(())
    }

    /// The bytes of a file of at most `limit` bytes; none where there is no such file.
    pub fn read(&self, store: &Store, path: &ImagePath, limit: u64) -> Result<Option<Vec<u8>>, OciError> {
        let Some((number, index)) = self.paths.get(path).copied() else { return Ok(None) };
        let Some(Node { kind: NodeKind::File(size), .. }) = self.get(path) else { return Ok(None) };
        let Some(layer) = self.layers.get(number).filter(|_| *size <= limit) else { return Ok(None) };
        let mut found = None;
        walk(store, layer, &mut |entry, _, _, bytes| {
            if entry == index {
                let mut content = Vec::new();
                bytes.read_to_end(&mut content).map_err(|error| unreadable(layer, error))?;
                found = Some(content);
            }
            Ok(())
        })?;
        Ok(found)
    }
}

fn unreadable(layer: &Descriptor, error: impl ToString) -> OciError {
    OciError::Layer { layer: layer.digest, why: error.to_string() }
}

/// Hashes what it reads.
struct Hashed<R> {
    inner: R,
    hash: HashWriter<io::Sink>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        io::Write::write_all(&mut self.hash, buffer.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}

/// Gives `use_it` a layer's uncompressed bytes; all of them are read, and the blob verified on the way.
pub(super) fn uncompressed<T>(
    store: &Store,
    layer: &Descriptor,
    use_it: impl FnOnce(&mut dyn Read) -> Result<T, OciError>,
) -> Result<T, OciError> {
    let mut blob = Hashed { inner: store.open_blob(&layer.digest)?, hash: HashWriter::new(io::sink()) };
    let buffered = io::BufReader::with_capacity(1 << 17, &mut blob);
    let mut reader: Box<dyn Read + '_> = match layer.media_type.as_str() {
        media::LAYER => Box::new(buffered),
        media::LAYER_GZIP | media::DOCKER_LAYER_GZIP => Box::new(flate2::bufread::MultiGzDecoder::new(buffered)),
        media::LAYER_ZSTD => Box::new(zstd::Decoder::with_buffer(buffered).map_err(|error| unreadable(layer, error))?),
        other => return Err(OciError::MediaType { layer: layer.digest, media_type: other.to_owned() }),
    };
    let used = use_it(&mut reader);
    let drained = io::copy(&mut reader, &mut io::sink());
    drop(reader);
    // A wrong blob is the reason for whatever went wrong in it.
    io::copy(&mut blob, &mut io::sink()).map_err(StoreError::at(&store.path(&layer.digest)))?;
    let (_, found, _) = blob.hash.finish();
    if found != layer.digest {
        let store = store.root().to_owned();
        return Err(StoreError::Corrupt { store, digest: layer.digest, found }.into());
    }
    let used = used?;
    drained.map_err(|error| unreadable(layer, error))?;
    Ok(used)
}

type Visit<'a> = dyn FnMut(usize, ImagePath, Entry, &mut dyn Read) -> Result<(), OciError> + 'a;

/// Reads a layer entry by entry.
fn walk(store: &Store, layer: &Descriptor, visit: &mut Visit<'_>) -> Result<(), OciError> {
    let wrong = |error: io::Error| unreadable(layer, error);
    uncompressed(store, layer, |reader| {
        let mut archive = tar::Archive::new(reader);
        for (index, entry) in archive.entries().map_err(wrong)?.enumerate() {
            let mut entry = entry.map_err(wrong)?;
            let (path, what) = read_entry(&mut entry).map_err(|why| unreadable(layer, why))?;
            visit(index, path, what, &mut entry)?;
        }
        Ok(())
    })
}

fn read_entry<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<(ImagePath, Entry), String> {
    let member = String::from_utf8(entry.path_bytes().into_owned()).map_err(|_| "a path is not UTF-8".to_owned())?;
    let path = ImagePath::from_member(&member).map_err(|error| error.to_string())?;
    let wrong = |error: io::Error| format!("`{path}`: {error}");
    if let Some(hidden) = path.file_name().strip_prefix(".wh.") {
        let parent = path.parent().unwrap_or_else(ImagePath::root);
        return match hidden {
            ".wh..opq" => Ok((parent, Entry::Opaque)),
            name => Ok((parent.join(name).map_err(|error| error.to_string())?, Entry::Whiteout)),
        };
    }
    let target = || -> Result<String, String> {
        let bytes = entry.link_name_bytes().ok_or_else(|| format!("`{path}` is a link to nothing"))?;
        String::from_utf8(bytes.into_owned()).map_err(|_| format!("the target of `{path}` is not UTF-8"))
    };
    let device = || -> Result<(u32, u32), String> {
        let (major, minor) = (entry.header().device_major(), entry.header().device_minor());
        Ok((major.map_err(wrong)?.unwrap_or(0), minor.map_err(wrong)?.unwrap_or(0)))
    };
    let kind = match entry.header().entry_type() {
        tar::EntryType::Directory => NodeKind::Dir,
        tar::EntryType::Regular | tar::EntryType::Continuous => NodeKind::File(entry.size()),
        tar::EntryType::Symlink => NodeKind::Symlink(target()?),
        tar::EntryType::Char => device().map(|(major, minor)| NodeKind::Char(major, minor))?,
        tar::EntryType::Block => device().map(|(major, minor)| NodeKind::Block(major, minor))?,
        tar::EntryType::Fifo => NodeKind::Fifo,
        tar::EntryType::Link => {
            let target = ImagePath::from_member(&target()?).map_err(|error| error.to_string())?;
            return Ok((path, Entry::Link(target)));
        }
        other => return Err(format!("`{path}` is of the kind {other:?}, which an image cannot hold")),
    };
    if path.is_root() && kind != NodeKind::Dir {
        return Err("its root is no directory".to_owned());
    }
    let header = entry.header();
    let mut meta = Meta {
        mode: (header.mode().map_err(wrong)? & 0o7777) as u16,
        uid: header.uid().map_err(wrong)?,
        gid: header.gid().map_err(wrong)?,
        mtime: header.mtime().map_err(wrong)?,
        xattrs: BTreeMap::new(),
    };
    if let Some(extensions) = entry.pax_extensions().map_err(wrong)? {
        for extension in extensions {
            let extension = extension.map_err(wrong)?;
            if let Some(name) = extension.key().ok().and_then(|key| key.strip_prefix("SCHILY.xattr.")) {
                meta.xattrs.insert(name.to_owned(), extension.value_bytes().to_vec());
            }
        }
    }
    Ok((path, Entry::Node(kind, meta, None)))
}
