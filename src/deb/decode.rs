//! Unpacking members of a .deb with bounds on memory and size.

use std::cell::Cell;
use std::io::{self, BufReader, Read};

use super::fault::Fault;

/// What one decoder may take: `xz -9` needs 65 MiB, `zstd --ultra -22` 128 MiB.
const MEMORY: u64 = 192 << 20;

/// The compression of a member, by the suffix of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// None.
    Plain,
    /// `.gz`
    Gzip,
    /// `.xz`
    Xz,
    /// `.zst`
    Zstd,
}

impl Packing {
    /// That of `control.tar.xz` where `stem` is `control.tar`; none where the name is another's.
    pub fn of(name: &str, stem: &str) -> Option<Result<Self, Fault>> {
        Some(match name.strip_prefix(stem)? {
            "" => Ok(Self::Plain),
            ".gz" => Ok(Self::Gzip),
            ".xz" => Ok(Self::Xz),
            ".zst" => Ok(Self::Zstd),
            suffix if suffix.starts_with('.') => Err(Fault::Codec(name.to_owned())),
            _ => return None,
        })
    }

    /// Unpacks what `packed` gives, to its very end.
    pub fn unpack<'a>(self, packed: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
        let packed = BufReader::with_capacity(64 << 10, packed);
        Ok(match self {
            Self::Plain => Box::new(packed),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Self::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(MEMORY, liblzma::stream::CONCATENATED)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(packed, stream))
            }
            Self::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(packed)?),
        })
    }
}

/// Passes bytes on until there are more than there may be.
pub struct Bounded<'a, R> {
    inner: R,
    left: u64,
    tripped: &'a Cell<bool>,
}

impl<'a, R: Read> Bounded<'a, R> {
    /// At most `limit` bytes of `inner`; `tripped` is set where there are more.
    pub fn new(inner: R, limit: u64, tripped: &'a Cell<bool>) -> Self {
        Self { inner, left: limit, tripped }
    }
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => {
                self.left = left;
                Ok(count)
            }
            None => {
                self.tripped.set(true);
                Err(io::Error::other("more bytes than there may be"))
            }
        }
    }
}
