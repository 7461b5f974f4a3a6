//! Fragments behind each other: a layer.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use crate::digest::{Digest, HashWriter};
use crate::estate::Compression;
use crate::fetch::{Area, Cache, CacheError};

use super::codec::{Packer, media_type};
use super::entry::END;
use super::fragment::Fragment;

/// A layer that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerFacts {
    /// Of the packed bytes: the blob's name.
    pub digest: Digest,
    /// Of the uncompressed tar: what an image config names.
    pub diff_id: Digest,
    /// Packed bytes.
    pub size: u64,
    /// What the manifest says of it.
    pub media_type: &'static str,
}

/// Why a layer could not be written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LayerError {
    /// Bytes could not be read or written.
    #[error("a layer cannot be written: {0}")]
    #[diagnostic(
        code(wharf::layer::write),
        help(
            "free space where the store and the cache are; what the message calls damaged may be taken away, and is made again"
        )
    )]
    Io(#[from] io::Error),
    /// The cache is not good.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cache(#[from] CacheError),
    /// Fragments of two kinds.
    #[error("a fragment is packed in another way than the layer that it should be part of")]
    #[diagnostic(code(wharf::layer::compression))]
    Compression,
}

/// What the cache knows of a layer, by its fragments.
#[derive(serde::Serialize, serde::Deserialize)]
struct Known {
    digest: Digest,
    diff_id: Digest,
}

/// Writes `parts` in their order and the archive's end to `out`: the packed bytes as they are in the cache.
/// The diffID needs the unpacked bytes: blocks are unpacked by `threads` threads, a few ahead, unless the cache
/// remembers it for these very parts (and the digest agrees).
pub fn write(
    parts: &[Arc<Fragment>],
    compression: Compression,
    threads: usize,
    cache: &Cache,
    mut out: impl Write + Send,
) -> Result<LayerFacts, LayerError> {
    if parts.iter().any(|part| part.compression() != compression) {
        return Err(LayerError::Compression);
    }
    let end = end(compression)?;
    let key = key(parts, &end);
    let (digest, size, diff_id) = match remembered(&key, cache) {
        Some(Known { digest, diff_id }) => {
            let (found, size) = copy(parts, &end, &mut out)?;
            if found != digest {
                // Bytes of a fragment are other than they were: find out which, and say so.
                unpacked(parts, &end, threads, &mut io::sink())?;
                return Err(io::Error::other(format!("its digest is {found}, and was {digest} before")).into());
            }
            (digest, size, diff_id)
        }
        None => {
            let (digest, size, diff_id) = unpacked(parts, &end, threads, &mut out)?;
            let mut record = cache.scratch(Area::Record)?;
            serde_json::to_writer(record.as_file_mut(), &Known { digest, diff_id }).map_err(io::Error::from)?;
            cache.keep(Area::Record, &key, record)?;
            (digest, size, diff_id)
        }
    };
    Ok(LayerFacts { digest, diff_id, size, media_type: media_type(compression) })
}

/// What [`write`] once found out about a layer of these very parts; none where it did not, or the cache forgot.
pub fn known(
    parts: &[Arc<Fragment>],
    compression: Compression,
    cache: &Cache,
) -> Result<Option<LayerFacts>, LayerError> {
    let end = end(compression)?;
    let size = parts.iter().map(|part| part.size).sum::<u64>() + end.len() as u64;
    let known = remembered(&key(parts, &end), cache);
    Ok(known.map(|Known { digest, diff_id }| LayerFacts { digest, diff_id, size, media_type: media_type(compression) }))
}

/// The archive's end, packed.
fn end(compression: Compression) -> io::Result<Vec<u8>> {
    let mut end = Vec::new();
    Packer::new(compression)?.pack(&END, &mut end)?;
    Ok(end)
}

fn remembered(key: &Digest, cache: &Cache) -> Option<Known> {
    let json = std::fs::read(cache.find(Area::Record, key)?).ok()?;
    serde_json::from_slice(&json).ok()
}

fn key(parts: &[Arc<Fragment>], end: &[u8]) -> Digest {
    let mut text = "wharf layer".to_owned();
    for part in parts {
        text.push('\n');
        text.push_str(&part.digest.hex());
    }
    text.push_str("\nend ");
    text.push_str(&Digest::of(end).hex());
    Digest::of(text.as_bytes())
}

/// Copies; the digest and the number of bytes.
fn copy(parts: &[Arc<Fragment>], end: &[u8], out: &mut impl Write) -> io::Result<(Digest, u64)> {
    let mut out = HashWriter::new(out);
    for part in parts {
        let mut file = part.blocks.open()?;
        io::copy(&mut file, &mut out)?;
    }
    out.write_all(end)?;
    out.flush()?;
    let (_, digest, size) = out.finish();
    Ok((digest, size))
}

/// Copies, and hashes what the bytes unpack to: threads take every n-th block each, and have at most two ready.
fn unpacked(
    parts: &[Arc<Fragment>],
    end: &[u8],
    threads: usize,
    out: &mut (impl Write + Send),
) -> io::Result<(Digest, u64, Digest)> {
    let threads = threads.clamp(1, 64);
    let mut out = HashWriter::new(out);
    let mut plain = HashWriter::new(io::sink());
    let blocks = || parts.iter().flat_map(|part| (0..part.blocks.packed.len()).map(move |block| (part, block)));
    std::thread::scope(|scope| {
        let mut channels = Vec::with_capacity(threads);
        for thread in 0..threads {
            let (send, receive) = sync_channel(1);
            channels.push(receive);
            let mine = blocks().skip(thread).step_by(threads);
            scope.spawn(move || {
                let mut open: Option<(Digest, File)> = None;
                for (part, block) in mine {
                    let result = read(part, block, &mut open);
                    let failed = result.is_err();
                    // The other end is gone once something failed.
                    if send.send(result).is_err() || failed {
                        return;
                    }
                }
            });
        }
        for (channel, _) in channels.iter().cycle().zip(blocks()) {
            let (packed, block) = channel.recv().map_err(io::Error::other)??;
            out.write_all(&packed)?;
            plain.write_all(&block)?;
        }
        Ok::<_, io::Error>(())
    })?;
    out.write_all(end)?;
    plain.write_all(&END)?;
    out.flush()?;
    let (_, digest, size) = out.finish();
    Ok((digest, size, plain.finish().1))
}

/// A block, packed and unpacked.
fn read(part: &Fragment, block: usize, open: &mut Option<(Digest, File)>) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let key = *part.key();
    let file = match open {
        Some((other, file)) if *other == key => file,
        other => {
            let (_, file) = other.insert((key, part.blocks.open()?));
            file
        }
    };
    let packed = part.blocks.read_packed(file, block)?;
    let plain = part.blocks.unpack(&packed, block)?;
    Ok((packed, plain))
}
