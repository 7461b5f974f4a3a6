//! Compression of layers in blocks that know nothing of each other: the same bytes on any machine and with any number
//! of threads, and each block can be read without those before it.

use std::io;

use libdeflater::{CompressionLvl, Compressor as Deflate, Decompressor as Inflate};

use crate::estate::Compression;

/// Compresses blocks, one call each.
pub struct Packer(Pack);

enum Pack {
    Zstd(zstd::bulk::Compressor<'static>),
    Gzip(Deflate),
}

/// Uncompressed bytes of every block but the last: 4 MiB for zstd, 1 MiB for gzip.
pub fn block_size(compression: Compression) -> usize {
    match compression {
        Compression::Zstd => 4 << 20,
        Compression::Gzip => 1 << 20,
    }
}

/// What the bytes follow from besides their input, for keys: library, version, level, block.
/// zstd runs without its own threads (`nbWorkers` 0), a frame a block, with its checksum.
pub fn identity(compression: Compression) -> String {
    match compression {
        Compression::Zstd => format!("zstd-{}-3-4MiB-checksum", zstd::zstd_safe::version_string()),
        Compression::Gzip => "libdeflate-1.26.1-6-1MiB".to_owned(),
    }
}

/// The media type of a layer (OCI image spec 1.1, "Image Layer Filesystem Changeset").
pub fn media_type(compression: Compression) -> &'static str {
    match compression {
        Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
    }
}

impl Packer {
    /// One for blocks of this kind.
    pub fn new(compression: Compression) -> io::Result<Self> {
        Ok(Self(match compression {
            Compression::Zstd => {
                let mut packer = zstd::bulk::Compressor::new(3)?;
                packer.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true))?;
                Pack::Zstd(packer)
            }
            Compression::Gzip => {
                let level = CompressionLvl::new(6).map_err(|_| io::Error::other("libdeflate knows no level 6"))?;
                Pack::Gzip(Deflate::new(level))
            }
        }))
    }

    /// A frame, or a gzip member, of `block`, into `out`, which is emptied first.
    pub fn pack(&mut self, block: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        match &mut self.0 {
            Pack::Zstd(packer) => {
                out.reserve(zstd::zstd_safe::compress_bound(block.len()));
                packer.compress_to_buffer(block, out)?;
            }
            Pack::Gzip(packer) => {
                out.resize(packer.gzip_compress_bound(block.len()), 0);
                let size = packer.gzip_compress(block, out).map_err(|error| io::Error::other(error.to_string()))?;
                out.truncate(size);
            }
        }
        Ok(())
    }
}

/// The `size` bytes of one packed block.
pub fn unpack(compression: Compression, packed: &[u8], size: usize) -> io::Result<Vec<u8>> {
    let broken = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let block = match compression {
        Compression::Zstd => zstd::bulk::decompress(packed, size)?,
        Compression::Gzip => {
            let mut block = vec![0; size];
            let count =
                Inflate::new().gzip_decompress(packed, &mut block).map_err(|error| broken(error.to_string()))?;
            block.truncate(count);
            block
        }
    };
    match block.len() == size {
        true => Ok(block),
        false => Err(broken(format!("a block of {} bytes where {size} were written", block.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    /// Bytes that compress somewhat, from a fixed rule.
    fn sample(size: usize) -> Vec<u8> {
        let mut state = 1u32;
        (0..size)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                b"the quick brown fox jumps over a lazy dog\n"[(state >> 24) as usize % 42]
            })
            .collect()
    }

    #[test]
    fn a_broken_block_is_refused() {
        for compression in [Compression::Zstd, Compression::Gzip] {
            let mut packed = Vec::new();
            Packer::new(compression).unwrap().pack(&sample(10_000), &mut packed).unwrap();
            assert!(unpack(compression, &packed, 9_999).is_err());
            assert!(unpack(compression, &packed, 10_001).is_err());
            assert!(unpack(compression, &packed[..packed.len() - 9], 10_000).is_err());
            let middle = packed.len() / 2;
            packed[middle] ^= 1;
            assert!(unpack(compression, &packed, 10_000).is_err());
        }
    }

    /// What wharf 0 writes. A library that packs otherwise needs another format number.
    #[test]
    fn packed_bytes_are_those_of_this_format() {
        let digest = |compression| {
            let mut packer = Packer::new(compression).unwrap();
            let mut packed = Vec::new();
            // A used packer gives the same bytes as a new one.
            packer.pack(b"something else", &mut packed).unwrap();
            packer.pack(&sample(300_000), &mut packed).unwrap();
            assert_eq!(unpack(compression, &packed, 300_000).unwrap(), sample(300_000));
            Digest::of(&packed).to_string()
        };
        insta::assert_snapshot!(digest(Compression::Zstd), @"sha256:38dd8aa5bfba897ce36796260863068383b03f8d5842a863ea86f8f8b5430ce8");
        insta::assert_snapshot!(digest(Compression::Gzip), @"sha256:8bd9b9c3f2e9e21b9ffd39eed0d07265181ebb470d0463f8f6065f3fdcb36443");
    }
}
