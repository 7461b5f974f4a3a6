//! Entries and their contents to packed bytes, in one pass.

use std::io::{self, Read, Write};

use crate::deb::Spool;
use crate::digest::{Digest, HashWriter};
use crate::estate::Compression;
use crate::tree::Content;

use super::codec::{self, Packer};
use super::entry::{BLOCK, Entry, EntryKind, write_header};

/// How much of a content is read at once.
const PIECE: u64 = 4 << 20;

/// Whether a fragment's directories are among its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directories {
    /// They are: the fragment is a layer of its own.
    Written,
    /// They are only listed: a layer of several fragments begins with all of them ([`super::Fragments::directories`]),
    /// since podman and others refuse a layer that holds a path twice.
    Listed,
}

/// Where the bytes of an entry come from.
pub(super) enum Body<'a> {
    /// There are none.
    None,
    /// From a .deb that was just read.
    Spool { spool: &'a Spool, offset: u64 },
    /// From anywhere.
    Content(Content),
}

/// What came out.
pub(super) struct Assembled {
    pub entries: Vec<Entry>,
    pub diff_id: Digest,
    pub digest: Digest,
    pub unpacked: u64,
    pub blocks: Vec<u32>,
}

/// Writes the tar members of `items`, sorted by path, packed, to `out`. The offset that a file's kind names is replaced.
pub(super) fn assemble<'a>(
    items: impl IntoIterator<Item = (Entry, Body<'a>)>,
    directories: Directories,
    compression: Compression,
    out: impl Write,
) -> io::Result<Assembled> {
    let mut writer = BlockWriter::new(compression, out)?;
    let mut entries = Vec::new();
    let mut header = Vec::new();
    for (mut entry, body) in items {
        if !entry.is_dir() || directories == Directories::Written {
            header.clear();
            write_header(&entry, &mut header)?;
            writer.write_all(&header)?;
        }
        if let EntryKind::File { offset, size } = &mut entry.kind {
            *offset = writer.written;
            match body {
                Body::None => {}
                Body::Spool { spool, offset } => {
                    io::copy(&mut spool.reader(offset, *size), &mut writer)?;
                }
                Body::Content(content) => copy(&content, &mut writer)?,
            }
            if writer.written - *offset != *size {
                let why = format!("`{}` has {} bytes, not {size}", entry.path, writer.written - *offset);
                return Err(io::Error::other(why));
            }
            let padding = usize::try_from(size.next_multiple_of(BLOCK as u64) - *size).unwrap_or(0);
            writer.write_all([0; BLOCK].get(..padding).unwrap_or_default())?;
        }
        entries.push(entry);
    }
    let (diff_id, digest, unpacked, blocks) = writer.finish()?;
    Ok(Assembled { entries, diff_id, digest, unpacked, blocks })
}

fn copy(content: &Content, out: &mut impl Write) -> io::Result<()> {
    match content {
        Content::Bytes(bytes) => out.write_all(bytes),
        Content::Blob { blob, offset, size } => {
            let mut done = 0;
            while done < *size {
                let piece = PIECE.min(size - done);
                out.write_all(&blob.read_at(offset + done, piece)?)?;
                done += piece;
            }
            Ok(())
        }
        Content::Project { source: crate::estate::FileSource::Disk(path), .. } => {
            let mut file = std::fs::File::open(path)?;
            let mut buffer = vec![0; 64 << 10];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(()),
                    count => out.write_all(buffer.get(..count).unwrap_or_default())?,
                }
            }
        }
        Content::Project { .. } => out.write_all(&content.read()?),
    }
}

/// Packs what is written in blocks, and hashes both sides.
struct BlockWriter<W> {
    block: Vec<u8>,
    size: usize,
    packer: Packer,
    packed: Vec<u8>,
    plain: HashWriter<io::Sink>,
    out: HashWriter<W>,
    blocks: Vec<u32>,
    written: u64,
}

impl<W: Write> BlockWriter<W> {
    fn new(compression: Compression, out: W) -> io::Result<Self> {
        Ok(Self {
            block: Vec::new(),
            size: codec::block_size(compression),
            packer: Packer::new(compression)?,
            packed: Vec::new(),
            plain: HashWriter::new(io::sink()),
            out: HashWriter::new(out),
            blocks: Vec::new(),
            written: 0,
        })
    }

    fn pack(&mut self) -> io::Result<()> {
        self.plain.write_all(&self.block)?;
        self.packer.pack(&self.block, &mut self.packed)?;
        self.out.write_all(&self.packed)?;
        self.blocks.push(u32::try_from(self.packed.len()).map_err(io::Error::other)?);
        self.block.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<(Digest, Digest, u64, Vec<u32>)> {
        if !self.block.is_empty() {
            self.pack()?;
        }
        self.out.flush()?;
        Ok((self.plain.finish().1, self.out.finish().1, self.written, self.blocks))
    }
}

impl<W: Write> Write for BlockWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.size - self.block.len();
        let part = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.block.extend_from_slice(part);
        self.written += part.len() as u64;
        if self.block.len() == self.size {
            self.pack()?;
        }
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
