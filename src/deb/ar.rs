//! Reading the ar archive that a .deb is (deb(5), ar(5)), as a stream.

use std::io::{self, Read};

use super::fault::Fault;

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER: usize = 60;

/// The header of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArMember {
    /// Its name; a trailing `/`, as some tools write it, is taken away.
    pub name: String,
    /// Bytes of its content.
    pub size: u64,
}

/// An ar archive that is read from front to back.
pub struct Ar<R> {
    inner: R,
    /// Name of the member that is being read, for messages.
    name: String,
    left: u64,
    padding: u64,
    cut: bool,
}

impl<R: Read> Ar<R> {
    /// Reads the magic.
    pub fn new(mut inner: R) -> Result<Self, Fault> {
        let mut magic = [0; MAGIC.len()];
        let count = fill(&mut inner, &mut magic)?;
        match count {
            0 => Err(Fault::Empty),
            _ if &magic == MAGIC => Ok(Self { inner, name: String::new(), left: 0, padding: 0, cut: false }),
            _ => Err(Fault::NotAr),
        }
    }

    /// Skips what is left of this member and reads the header of the next; none at the end.
    pub fn next_member(&mut self) -> Result<Option<ArMember>, Fault> {
        io::copy(self, &mut io::sink()).map_err(|error| self.fault(error))?;
        if self.padding > 0 {
            // The last member's padding may be missing: dpkg takes such files too.
            let _ = fill(&mut self.inner, &mut [0])?;
            self.padding = 0;
        }
        let mut header = [0; HEADER];
        match fill(&mut self.inner, &mut header)? {
            0 => return Ok(None),
            HEADER => {}
            _ => return Err(Fault::Truncated("an ar header".to_owned())),
        }
        let (text, end) = header.split_at(58);
        if end != b"`\n" || !text.is_ascii() {
            return Err(Fault::ArHeader);
        }
        let text = String::from_utf8_lossy(text);
        let field = |from: usize, to: usize| text.get(from..to).unwrap_or_default().trim_end_matches(' ');
        let name = field(0, 16);
        let name = name.strip_suffix('/').unwrap_or(name);
        let digits = field(48, 58);
        if name.is_empty() || name.contains(|c: char| c.is_control() || c == '/') {
            return Err(Fault::ArHeader);
        }
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(Fault::ArHeader);
        }
        let size = digits.parse().map_err(|_| Fault::ArHeader)?;
        name.clone_into(&mut self.name);
        self.left = size;
        self.padding = size % 2;
        Ok(Some(ArMember { name: self.name.clone(), size }))
    }

    /// What a read error of the current member means.
    pub fn fault(&self, error: io::Error) -> Fault {
        if self.cut { Fault::Truncated(format!("`{}`", self.name)) } else { Fault::Io(error) }
    }

    /// Whether the archive ended within a member.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// The reader below.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read> Read for Ar<R> {
    /// Reads from the current member; its end is the end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(0);
        }
        let count = self.inner.read(buffer.get_mut(..room).unwrap_or_default())?;
        if count == 0 {
            self.cut = true;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// Reads until `buffer` is full or the end is there; how many bytes came.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Fault> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..)
        && !rest.is_empty()
    {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Fault::Io(error)),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, size: &str) -> Vec<u8> {
        format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644).into_bytes()
    }

    fn names(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Fault> {
        let mut ar = Ar::new(bytes)?;
        let mut found = Vec::new();
        while let Some(member) = ar.next_member()? {
            let mut content = Vec::new();
            ar.read_to_end(&mut content).map_err(|error| ar.fault(error))?;
            found.push((member.name, content));
        }
        Ok(found)
    }

    #[test]
    fn broken_archives_are_refused() {
        assert!(matches!(names(b""), Err(Fault::Empty)));
        assert!(matches!(names(b"!<arch>"), Err(Fault::NotAr)));
        assert!(matches!(names(b"PK\x03\x04........"), Err(Fault::NotAr)));
        let whole = [MAGIC.as_slice(), &header("a", "3"), b"xyz\n"].concat();
        for cut in [10, 67, 69] {
            assert!(matches!(names(&whole[..cut]), Err(Fault::Truncated(_))), "{cut}");
        }
        for size in ["-1", "3x", "", "0x10", "+3"] {
            let bytes = [MAGIC.as_slice(), &header("a", size), b"xyz\n"].concat();
            assert!(matches!(names(&bytes), Err(Fault::ArHeader)), "{size}");
        }
    }

    #[test]
    fn odd_members_are_padded_and_slashes_are_taken_away() {
        let bytes = [MAGIC.as_slice(), &header("a/", "3"), b"xyz\n", &header("b", "2"), b"uv"].concat();
        assert_eq!(names(&bytes).unwrap(), [("a".to_owned(), b"xyz".to_vec()), ("b".to_owned(), b"uv".to_vec())]);
    }

    #[test]
    fn a_member_that_is_not_read_is_skipped() {
        let bytes = [MAGIC.as_slice(), &header("a", "3"), b"xyz\n", &header("b", "2"), b"uv"].concat();
        let mut ar = Ar::new(bytes.as_slice()).unwrap();
        assert_eq!(ar.next_member().unwrap().unwrap().name, "a");
        assert_eq!(ar.next_member().unwrap().unwrap().name, "b");
        assert_eq!(ar.next_member().unwrap(), None);
    }
}
