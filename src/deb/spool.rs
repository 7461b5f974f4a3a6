//! Bytes of one package on their way from the .deb to the fragment: in memory, or in a file without a name
//! where there are many.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Up to this many bytes stay in memory.
const MEMORY: usize = 48 << 20;

/// Grows at its end, is read anywhere.
#[derive(Debug)]
pub struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
    /// Bytes that are in the file.
    spilled: u64,
    limit: usize,
    folder: PathBuf,
}

impl Spool {
    /// An empty one, which spills into `folder`.
    pub fn new(folder: &Path) -> Self {
        Self::with_limit(folder, MEMORY)
    }

    /// As [`Spool::new`], with another bound on memory.
    pub fn with_limit(folder: &Path, limit: usize) -> Self {
        Self { memory: Vec::new(), file: None, spilled: 0, limit, folder: folder.to_owned() }
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.spilled + self.memory.len() as u64
    }

    /// Fills `buffer` with the bytes at `offset`.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let in_file = self.spilled.saturating_sub(offset).min(buffer.len() as u64);
        let (first, rest) = buffer.split_at_mut(usize::try_from(in_file).map_err(|_| end())?);
        if let (Some(file), false) = (&self.file, first.is_empty()) {
            file.read_exact_at(first, offset)?;
        }
        let from = usize::try_from((offset + in_file).saturating_sub(self.spilled)).map_err(|_| end())?;
        let bytes = self.memory.get(from..).and_then(|bytes| bytes.get(..rest.len())).ok_or_else(end)?;
        rest.copy_from_slice(bytes);
        Ok(())
    }

    /// The bytes from `offset`, `size` of them, as a stream.
    pub fn reader(&self, offset: u64, size: u64) -> SpoolReader<'_> {
        SpoolReader { spool: self, offset, left: size }
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.memory.len() + bytes.len() > self.limit {
            let file = match &mut self.file {
                Some(file) => file,
                none => none.insert(tempfile::tempfile_in(&self.folder)?),
            };
            file.write_all_at(&self.memory, self.spilled)?;
            self.spilled += self.memory.len() as u64;
            self.memory.clear();
            // What follows goes there in pieces of a size that is worth a system call.
            self.limit = self.limit.min(4 << 20);
            self.memory.shrink_to(self.limit);
        }
        self.memory.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a part of a [`Spool`].
pub struct SpoolReader<'a> {
    spool: &'a Spool,
    offset: u64,
    left: u64,
}

impl io::Read for SpoolReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let part = buffer.get_mut(..count).unwrap_or_default();
        self.spool.read_at(self.offset, part)?;
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read as _;

    proptest! {
        #[test]
        fn what_goes_in_comes_out_wherever_it_lay(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
            limit in 1usize..200, from in 0usize..100, size in 0usize..300,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut spool = Spool::with_limit(folder.path(), limit);
            for part in &parts {
                spool.write_all(part).unwrap();
            }
            let whole = parts.concat();
            prop_assert_eq!(spool.size(), whole.len() as u64);
            let mut read = Vec::new();
            let result = spool.reader(from as u64, size as u64).read_to_end(&mut read);
            match whole.get(from..from + size) {
                Some(part) => prop_assert_eq!(read.as_slice(), part),
                None => prop_assert!(result.is_err()),
            }
        }
    }
}
