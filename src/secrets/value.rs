//! Bytes that are wiped when they are no longer needed, and that nothing prints.

use std::fmt;
use std::io;

use zeroize::{Zeroize, Zeroizing};

/// A secret's value. It cannot be printed, and is overwritten when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes bytes over; they are not copied.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A copy of bytes.
    pub fn copied(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }

    /// The value itself: mind where it goes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The value itself, where it is text.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Adds it in base64 (RFC 4648).
    pub fn encode(&self, out: &mut Buffer) {
        super::safe::base64(out, &self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Bytes that grow and leave no copy behind where they grew.
#[derive(Default)]
pub struct Buffer(Zeroizing<Vec<u8>>);

impl Buffer {
    /// Empty, with room.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let wanted = self.0.len().saturating_add(bytes.len());
        if wanted > self.0.capacity() {
            // `Vec` would free the old place as it is.
            let mut larger = Vec::with_capacity(wanted.saturating_mul(2).max(1024));
            larger.extend_from_slice(&self.0);
            self.0.zeroize();
            self.0 = Zeroizing::new(larger);
        }
        self.0.extend_from_slice(bytes);
    }

    /// Takes the last letter away, where it ends in one.
    pub fn take_letter(&mut self) {
        while let Some(byte) = self.0.pop() {
            // The later bytes of a letter in UTF-8 are 10xxxxxx.
            if byte & 0xc0 != 0x80 {
                break;
            }
        }
    }

    /// What was added.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As a value.
    pub fn into_secret(self) -> Secret {
        Secret(self.0)
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Buffer(…)")
    }
}

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads all of it, through a buffer that is wiped.
pub(super) fn read_all(reader: &mut impl io::Read) -> io::Result<Buffer> {
    let mut buffer = Buffer::with_capacity(64 * 1024);
    copy(reader, &mut buffer)?;
    Ok(buffer)
}

/// Adds all of it to a buffer; what it goes through is wiped.
pub fn copy(reader: &mut impl io::Read, buffer: &mut Buffer) -> io::Result<()> {
    let mut chunk = Zeroizing::new([0u8; 4096]);
    loop {
        match reader.read(chunk.as_mut()) {
            Ok(0) => return Ok(()),
            Ok(count) => buffer.push(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn nothing_prints_a_value() {
        let secret = Secret::copied(b"geheim");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "Secret(…) Some(\n    Secret(…),\n)");
        let mut buffer = Buffer::default();
        buffer.push(b"geheim");
        assert_eq!(format!("{buffer:?}"), "Buffer(…)");
    }

    #[test]
    fn a_buffer_holds_what_was_written_however_it_grew() {
        let mut buffer = Buffer::with_capacity(1);
        let mut whole = Vec::new();
        for size in [0usize, 1, 3, 2000, 1, 5000] {
            let piece = vec![u8::try_from(size % 251).unwrap(); size];
            buffer.write_all(&piece).unwrap();
            whole.extend(piece);
        }
        assert_eq!(buffer.bytes(), whole);
        assert_eq!(read_all(&mut whole.as_slice()).unwrap().bytes(), whole);
        assert_eq!(buffer.into_secret().expose(), whole);
    }
}
