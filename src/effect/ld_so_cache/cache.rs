//! The bytes of `/etc/ld.so.cache` (glibc, sysdeps/generic/dl-cache.h, format `glibc-ld.so.cache1.1`).
//! All numbers are little-endian: so are all arches that wharf knows.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;
const LITTLE_ENDIAN: u8 = 2;
const EXTENSION_MAGIC: u32 = (-358_342_284_i32).cast_unsigned();
const TAG_GENERATOR: u32 = 0;
const TAG_HWCAPS: u32 = 1;
/// `DL_CACHE_HWCAP_EXTENSION`: the low word is an index into the list of names.
const HWCAP_EXTENSION: u64 = 1 << 62;

/// A library below `glibc-hwcaps/NAME/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hwcaps {
    /// `x86-64-v3`
    pub name: String,
    /// The ISA level that the object itself asks for; 0 where it does not.
    pub isa_level: u32,
}

/// One library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// What programs ask for: `libc.so.6`.
    pub soname: String,
    /// Where it is: `/lib/x86_64-linux-gnu/libc.so.6`.
    pub path: String,
    /// Its kind: `0x0303` for x86_64.
    pub flags: u32,
    /// Set where it is a better one for some processors.
    pub hwcaps: Option<Hwcaps>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Byte(u8),
    Number(i32),
}

/// A name in the order of the loader's binary search (`_dl_cache_libcmp`): digits count as numbers, and
/// stand above all else.
pub(super) fn by_version(a: &str, b: &str) -> Ordering {
    fn tokens(text: &str) -> impl Iterator<Item = Token> {
        let mut bytes = text.bytes().peekable();
        std::iter::from_fn(move || {
            let first = bytes.next()?;
            if !first.is_ascii_digit() {
                return Some(Token::Byte(first));
            }
            let mut number = i32::from(first - b'0');
            while let Some(digit) = bytes.next_if(u8::is_ascii_digit) {
                number = number.wrapping_mul(10).wrapping_add(i32::from(digit - b'0'));
            }
            Some(Token::Number(number))
        })
    }
    tokens(a).cmp(tokens(b))
}

/// The order of entries in the file: the highest name first; of one name the hwcaps variants first.
fn in_file(a: &Entry, b: &Entry) -> Ordering {
    let variant = |entry: &Entry| (entry.hwcaps.is_none(), entry.hwcaps.as_ref().map(|hwcaps| hwcaps.name.clone()));
    by_version(&b.soname, &a.soname).then_with(|| b.flags.cmp(&a.flags)).then_with(|| variant(a).cmp(&variant(b)))
}

/// Strings ended by NUL; one that ends another lies inside it.
struct Strings<'a> {
    offsets: BTreeMap<&'a str, u32>,
    bytes: Vec<u8>,
}

impl<'a> Strings<'a> {
    fn new(strings: BTreeSet<&'a str>) -> Self {
        let mut sorted: Vec<&str> = strings.into_iter().collect();
        sorted.sort_by_cached_key(|text| Reverse(text.bytes().rev().collect::<Vec<u8>>()));
        let mut table = Self { offsets: BTreeMap::new(), bytes: Vec::new() };
        let mut previous = "";
        for text in sorted {
            if table.bytes.is_empty() || !previous.ends_with(text) {
                table.bytes.extend_from_slice(text.as_bytes());
                table.bytes.push(0);
            }
            table.offsets.insert(text, word(table.bytes.len() - text.len() - 1));
            previous = text;
        }
        table
    }

    fn offset(&self, text: &str) -> u32 {
        self.offsets.get(text).copied().unwrap_or_default()
    }
}

/// A tree of files whose names fill 4 GiB would not fit an image either.
fn word(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The whole file. `hwcaps` names every sub-directory that was looked at, used or not; of two entries of
/// one name the one that comes first in `entries` is found first.
pub(super) fn encode(mut entries: Vec<Entry>, hwcaps: &BTreeSet<String>, generator: &str) -> Vec<u8> {
    entries.sort_by(in_file);
    let used: BTreeSet<&str> = entries.iter().filter_map(|entry| Some(entry.hwcaps.as_ref()?.name.as_str())).collect();
    let strings = Strings::new(
        entries
            .iter()
            .flat_map(|entry| [entry.soname.as_str(), entry.path.as_str()])
            .chain(hwcaps.iter().map(String::as_str))
            .chain(used.iter().copied())
            .collect(),
    );
    let strings_at = HEADER + ENTRY * entries.len();
    let extension_at = (strings_at + strings.bytes.len()).next_multiple_of(4);

    let mut file = MAGIC.to_vec();
    let push = |file: &mut Vec<u8>, words: &[u32]| file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    push(&mut file, &[word(entries.len()), word(strings.bytes.len())]);
    file.extend([LITTLE_ENDIAN, 0, 0, 0]);
    push(&mut file, &[word(extension_at), 0, 0, 0]);
    let at = |text: &str| word(strings_at).saturating_add(strings.offset(text));
    for entry in &entries {
        push(&mut file, &[entry.flags, at(&entry.soname), at(&entry.path), 0]);
        let hwcap = entry.hwcaps.as_ref().map_or(0, |hwcaps| {
            let index = used.iter().position(|name| *name == hwcaps.name).unwrap_or_default();
            HWCAP_EXTENSION | (u64::from(hwcaps.isa_level) << 32) | index as u64
        });
        file.extend(hwcap.to_le_bytes());
    }
    file.extend_from_slice(&strings.bytes);
    file.resize(extension_at, 0);

    let sections = if used.is_empty() { 1 } else { 2 };
    let hwcaps_at = extension_at + 8 + 16 * sections;
    let hwcaps_size = 4 * used.len();
    push(&mut file, &[EXTENSION_MAGIC, word(sections)]);
    push(&mut file, &[TAG_GENERATOR, 0, word(hwcaps_at + hwcaps_size), word(generator.len())]);
    if !used.is_empty() {
        push(&mut file, &[TAG_HWCAPS, 0, word(hwcaps_at), word(hwcaps_size)]);
    }
    for name in &used {
        push(&mut file, &[at(name)]);
    }
    file.extend_from_slice(generator.as_bytes());
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(soname: &str, hwcaps: Option<&str>) -> Entry {
        let dir = hwcaps.map(|name| format!("/glibc-hwcaps/{name}")).unwrap_or_default();
        Entry {
            soname: soname.to_owned(),
            path: format!("/lib{dir}/{soname}"),
            flags: 0x0303,
            hwcaps: hwcaps.map(|name| Hwcaps { name: name.to_owned(), isa_level: 2 }),
        }
    }

    #[test]
    fn digits_compare_as_numbers_and_stand_above_all_else() {
        assert_eq!(by_version("libx.so.9", "libx.so.10"), Ordering::Less);
        assert_eq!(by_version("libx.so.01", "libx.so.1"), Ordering::Equal);
        assert_eq!(by_version("lib1", "liba"), Ordering::Greater);
        assert_eq!(by_version("libx.so", "libx.so.1"), Ordering::Less);
        assert_eq!(by_version("99999999999999999999", "1"), by_version("99999999999999999999", "1"));
    }

    #[test]
    fn an_empty_cache_still_says_who_made_it() {
        let file = encode(Vec::new(), &BTreeSet::new(), "maker");
        assert_eq!(file.len(), 48 + 8 + 16 + 5);
        assert!(file.starts_with(b"glibc-ld.so.cache1.1\0\0\0\0\0\0\0\0\x02\0\0\0\x30\0\0\0"));
        assert!(file.ends_with(b"maker"));
    }

    #[test]
    fn a_string_that_ends_another_lies_inside_it() {
        let strings = Strings::new(["/lib/libx.so.1", "libx.so.1", "liby.so.1"].into());
        assert_eq!(strings.bytes, b"liby.so.1\0/lib/libx.so.1\0");
        assert_eq!(strings.offset("libx.so.1"), 15);
    }

    #[test]
    fn variants_stand_before_what_they_replace() {
        let names = ["x86-64-v2".to_owned(), "x86-64-v3".to_owned()].into();
        let entries = vec![entry("liba.so.1", None), entry("liba.so.1", Some("x86-64-v3")), entry("libb.so.1", None)];
        let file = encode(entries, &names, "maker");
        let hwcap = |index: usize| u64::from_le_bytes(file[48 + 24 * index + 16..][..8].try_into().unwrap());
        assert_eq!([hwcap(0), hwcap(1), hwcap(2)], [0, (1 << 62) | (2 << 32), 0]);
    }

    proptest! {
        #[test]
        fn the_order_is_total(texts in prop::collection::vec("[a-c0-9.]{0,6}|[0-9]{8,20}", 0..20)) {
            let mut texts = texts;
            texts.sort_by(|a, b| by_version(a, b));
            for pair in texts.windows(2) {
                prop_assert_ne!(by_version(&pair[0], &pair[1]), Ordering::Greater);
            }
        }
    }
}
