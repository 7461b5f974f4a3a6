//! What ldconfig reads of a shared object (elf(5); glibc, elf/readelflib.c): a few ranges of it, never the whole.

use std::io::{self, Read, Seek, SeekFrom};

use object::Endianness;
use object::elf;
use object::read::elf::{Dyn as _, FileHeader, NoteIterator, ProgramHeader as _};
use object::read::{FileKind, ReadCache, ReadRef};

use crate::tree::Content;

/// Programs have no dynamic section beyond this; a file that says so is no library.
const MAX_DYNAMIC: u64 = 1 << 20;

/// A shared object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SharedObject {
    /// `e_machine`
    pub machine: u16,
    /// `ELFCLASS64`
    pub is_64: bool,
    /// `DT_SONAME`
    pub soname: Option<String>,
    /// The highest level that `GNU_PROPERTY_X86_ISA_1_NEEDED` names; 0 without one.
    pub isa_level: u32,
}

impl SharedObject {
    /// Reads `content`; none where it is no shared object, or a broken one.
    pub fn read(content: &Content) -> io::Result<Option<Self>> {
        let mut source = Source { content, at: 0, error: None };
        let found = {
            let cache = ReadCache::new(&mut source);
            match FileKind::parse(&cache) {
                Ok(FileKind::Elf32) => parse::<elf::FileHeader32<Endianness>, _>(&cache),
                Ok(FileKind::Elf64) => parse::<elf::FileHeader64<Endianness>, _>(&cache),
                _ => None,
            }
        };
        match source.error {
            Some(error) => Err(error),
            None => Ok(found),
        }
    }
}

fn parse<'data, Elf, R>(data: R) -> Option<SharedObject>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = Elf::parse(data).ok()?;
    let endian = header.endian().ok()?;
    if header.e_type(endian) != elf::ET_DYN {
        return None;
    }
    let segments = header.program_headers(endian, data).ok()?;
    let mut dynamic = None;
    let mut isa_level = 0;
    for segment in segments {
        if segment.p_type(endian) == elf::PT_DYNAMIC && segment.p_filesz(endian).into() <= MAX_DYNAMIC {
            dynamic = segment.dynamic(endian, data).ok().flatten();
        } else if segment.p_type(endian) == elf::PT_GNU_PROPERTY && segment.p_filesz(endian).into() <= MAX_DYNAMIC {
            isa_level = x86_isa_level::<Elf, R>(segment, endian, data).unwrap_or(0);
        }
    }
    let dynamic: Vec<(_, u64)> = dynamic?
        .iter()
        .map(|entry| (entry.tag(endian), entry.val(endian)))
        .take_while(|(tag, _)| *tag != elf::DT_NULL)
        .collect();
    let value = |wanted| dynamic.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);
    let strings = value(elf::DT_STRTAB)?;
    let offset = segments
        .iter()
        .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
        .find_map(|segment| {
            let into = strings.checked_sub(segment.p_vaddr(endian).into())?;
            (into < segment.p_filesz(endian).into()).then(|| into.checked_add(segment.p_offset(endian).into()))?
        })
        .unwrap_or(strings);
    let soname = match value(elf::DT_SONAME) {
        Some(at) => {
            let start = offset.checked_add(at)?;
            let text = data.read_bytes_at_until(start..data.len().ok()?, 0).ok()?;
            Some(String::from_utf8(text.to_vec()).ok()?)
        }
        None => None,
    };
    Some(SharedObject { machine: header.e_machine(endian).0, is_64: header.is_class_64(), soname, isa_level })
}

fn x86_isa_level<'data, Elf, R>(segment: &Elf::ProgramHeader, endian: Endianness, data: R) -> Option<u32>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let bytes = segment.data(endian, data).ok()?;
    let mut notes = NoteIterator::<Elf>::new(endian, segment.p_align(endian), bytes).ok()?;
    while let Ok(Some(note)) = notes.next() {
        let Some(mut properties) = note.gnu_properties(endian) else { continue };
        while let Ok(Some(property)) = properties.next() {
            if property.pr_type() == elf::GNU_PROPERTY_X86_ISA_1_NEEDED {
                return property.data_u32(endian).ok()?.checked_ilog2();
            }
        }
    }
    None
}

/// A content as a stream. What goes wrong in reading it is kept: the parser only says that it did.
struct Source<'a> {
    content: &'a Content,
    at: u64,
    error: Option<io::Error>,
}

impl Read for &mut Source<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.content.read_at(self.at, into.len() as u64) {
            Ok(bytes) => {
                for (to, from) in into.iter_mut().zip(&bytes) {
                    *to = *from;
                }
                self.at = self.at.saturating_add(bytes.len() as u64);
                Ok(bytes.len())
            }
            Err(error) => {
                self.error = Some(io::Error::new(error.kind(), error.to_string()));
                Err(error)
            }
        }
    }
}

impl Seek for &mut Source<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::End(by) => (self.content.size(), by),
            SeekFrom::Current(by) => (self.at, by),
        };
        self.at = from.saturating_add_signed(by);
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Library, library};
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: Vec<u8>) -> Option<SharedObject> {
        SharedObject::read(&Content::from(bytes)).unwrap()
    }

    #[test]
    fn the_soname_of_a_shared_object_is_found() {
        let object = read(library(&Library { soname: Some("libx.so.1"), ..Library::default() })).unwrap();
        assert_eq!(
            object,
            SharedObject { machine: 62, is_64: true, soname: Some("libx.so.1".to_owned()), isa_level: 0 }
        );
        assert_eq!(read(library(&Library { soname: None, ..Library::default() })).unwrap().soname, None);
    }

    #[test]
    fn the_isa_level_is_the_highest_that_is_needed() {
        assert_eq!(read(library(&Library { isa_needed: Some(0b0110), ..Library::default() })).unwrap().isa_level, 2);
    }

    #[test]
    fn a_cut_file_is_no_library() {
        let whole = library(&Library::default());
        for len in [0, 3, 63, 64, 100, whole.len() - 1] {
            assert_eq!(read(whole[..len].to_vec()), None, "{len}");
        }
        assert_eq!(read(b"/* GNU ld script */".to_vec()), None);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_no_missing_library() {
        struct Broken;
        impl crate::tree::Blob for Broken {
            fn read_at(&self, _: u64, _: u64) -> io::Result<Vec<u8>> {
                Err(io::Error::other("the cache is gone"))
            }
        }
        let content = Content::Blob { blob: std::sync::Arc::new(Broken), offset: 0, size: 4096 };
        assert_eq!(SharedObject::read(&content).unwrap_err().to_string(), "the cache is gone");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(changes in prop::collection::vec((0usize..400, any::<u8>()), 0..12)) {
            let mut bytes = library(&Library { isa_needed: Some(2), ..Library::default() });
            for (at, byte) in changes {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            let _ = read(bytes);
        }
    }
}
