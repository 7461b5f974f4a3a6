//! A fragment: a part of a layer that was packed once and is kept in the cache.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::deb::PackageInfo;
use crate::digest::Digest;
use crate::estate::Compression;
use crate::path::ImagePath;
use crate::tree::{Blob, Content, Kind, Node, Origin};

use super::codec;
use super::entry::{Entry, EntryKind};
use super::pool::Pool;

/// A part of a layer: tar members without the archive's end, packed in blocks.
#[derive(Debug)]
pub struct Fragment {
    /// The package that it is; none for what was made from nodes.
    pub package: Option<PackageInfo>,
    /// Its paths, in order.
    pub entries: Vec<Entry>,
    /// Of the uncompressed bytes.
    pub diff_id: Digest,
    /// Of the packed bytes.
    pub digest: Digest,
    /// Packed bytes.
    pub size: u64,
    /// The newest mtime of the package, filtered paths too; of the files, where it is none.
    pub newest: i64,
    pub(super) blocks: Arc<Blocks>,
}

/// What the cache keeps beside the packed bytes, as JSON.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Record {
    /// Of this form: [`super::REVISION`].
    pub revision: u32,
    pub package: Option<PackageInfo>,
    pub entries: Vec<Entry>,
    pub diff_id: Digest,
    pub digest: Digest,
    pub newest: i64,
    /// Uncompressed bytes.
    pub unpacked: u64,
    /// Packed bytes of each block.
    pub blocks: Vec<u32>,
}

impl Fragment {
    pub(super) fn new(record: Record, key: Digest, path: PathBuf, compression: Compression, pool: Arc<Pool>) -> Self {
        let mut size = 0;
        let packed = record
            .blocks
            .iter()
            .map(|length| {
                let start = size;
                size += u64::from(*length);
                (start, *length)
            })
            .collect();
        let blocks = Blocks { key, path, compression, packed, unpacked: record.unpacked, pool };
        Self {
            package: record.package,
            entries: record.entries,
            diff_id: record.diff_id,
            digest: record.digest,
            size,
            newest: record.newest,
            blocks: Arc::new(blocks),
        }
    }

    /// How it is packed.
    pub fn compression(&self) -> Compression {
        self.blocks.compression
    }

    /// Uncompressed bytes.
    pub fn unpacked(&self) -> u64 {
        self.blocks.unpacked
    }

    /// The key under which the cache holds it.
    pub fn key(&self) -> &Digest {
        &self.blocks.key
    }

    /// The entry at `path`.
    pub fn get(&self, path: &ImagePath) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|entry| entry.path.cmp(path)).ok()?;
        self.entries.get(at)
    }

    /// The entry that holds the content of the file at `path`, which may be a further name of it.
    pub fn file(&self, path: &ImagePath) -> Option<&Entry> {
        match self.get(path)? {
            Entry { kind: EntryKind::Hardlink(first), .. } => self.get(first),
            entry => Some(entry),
        }
    }

    /// An entry as a node of a tree.
    pub fn node(&self, entry: &Entry, origin: Origin) -> Node {
        let kind = match &entry.kind {
            EntryKind::Dir => Kind::Dir,
            EntryKind::File { offset, size } => Kind::File(self.content(*offset, *size)),
            EntryKind::Symlink(text) => Kind::Symlink(text.clone()),
            EntryKind::Hardlink(path) => Kind::Hardlink(path.clone()),
        };
        Node {
            kind,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            capability: entry.capability.clone(),
            origin,
        }
    }

    /// All entries as nodes of a tree.
    pub fn nodes(&self, origin: &Origin) -> impl Iterator<Item = (&ImagePath, Node)> {
        self.entries.iter().map(|entry| (&entry.path, self.node(entry, origin.clone())))
    }

    pub(super) fn content(&self, offset: u64, size: u64) -> Content {
        Content::Blob { blob: self.blocks.clone(), offset, size }
    }
}

/// The packed bytes on disk, read by the block.
#[derive(Debug)]
pub(super) struct Blocks {
    pub key: Digest,
    pub path: PathBuf,
    pub compression: Compression,
    /// Where each packed block begins, and its length.
    pub packed: Vec<(u64, u32)>,
    pub unpacked: u64,
    pub pool: Arc<Pool>,
}

impl Blocks {
    /// Bytes that the block unpacks to.
    pub fn unpacked_size(&self, block: usize) -> usize {
        let size = codec::block_size(self.compression);
        let rest = self.unpacked.saturating_sub(block as u64 * size as u64);
        size.min(usize::try_from(rest).unwrap_or(size))
    }

    /// The packed bytes of a block.
    pub fn read_packed(&self, file: &File, block: usize) -> io::Result<Vec<u8>> {
        let (start, length) = self.packed.get(block).ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut packed = vec![0; usize::try_from(*length).map_err(io::Error::other)?];
        file.read_exact_at(&mut packed, *start).map_err(|error| self.damaged(&error))?;
        Ok(packed)
    }

    pub fn unpack(&self, packed: &[u8], block: usize) -> io::Result<Vec<u8>> {
        codec::unpack(self.compression, packed, self.unpacked_size(block)).map_err(|error| self.damaged(&error))
    }

    pub fn open(&self) -> io::Result<File> {
        File::open(&self.path)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display())))
    }

    fn damaged(&self, error: &io::Error) -> io::Error {
        let why = format!("`{}` in the cache is damaged ({error}): take it away and build again", self.path.display());
        io::Error::new(io::ErrorKind::InvalidData, why)
    }
}

impl Blob for Blocks {
    fn read_at(&self, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let end = offset.checked_add(len).filter(|end| *end <= self.unpacked).ok_or(io::ErrorKind::UnexpectedEof)?;
        let size = codec::block_size(self.compression) as u64;
        let mut bytes = Vec::with_capacity(usize::try_from(len).map_err(io::Error::other)?);
        let mut at = offset;
        while at < end {
            let number = usize::try_from(at / size).map_err(io::Error::other)?;
            let block = self.pool.get((self.key, number), || {
                let packed = self.read_packed(&self.open()?, number)?;
                self.unpack(&packed, number)
            })?;
            let from = usize::try_from(at % size).map_err(io::Error::other)?;
            let to = block.len().min(from.saturating_add(usize::try_from(end - at).unwrap_or(usize::MAX)));
            let part = block.get(from..to).filter(|part| !part.is_empty()).ok_or(io::ErrorKind::UnexpectedEof)?;
            bytes.extend_from_slice(part);
            at += part.len() as u64;
        }
        Ok(bytes)
    }
}

/// Whether the packed bytes of `record` are at `path`, as far as their number says.
pub(super) fn is_whole(path: &Path, record: &Record) -> bool {
    let size: u64 = record.blocks.iter().copied().map(u64::from).sum();
    path.metadata().is_ok_and(|found| found.len() == size)
}
