//! One path of a fragment, and its header in tar's form.

use std::io;

use crate::path::ImagePath;

/// One path of a fragment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// Where it is in the image.
    #[serde(rename = "p")]
    pub path: ImagePath,
    /// What it is.
    #[serde(rename = "k")]
    pub kind: EntryKind,
    /// Permission bits.
    #[serde(rename = "m")]
    pub mode: u16,
    /// Owner.
    #[serde(rename = "u", default, skip_serializing_if = "is_zero")]
    pub uid: u32,
    /// Group.
    #[serde(rename = "g", default, skip_serializing_if = "is_zero")]
    pub gid: u32,
    /// Seconds since 1970; 0 for directories.
    #[serde(rename = "t")]
    pub mtime: i64,
    /// `security.capability`, where set.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<Vec<u8>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(id: &u32) -> bool {
    *id == 0
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum EntryKind {
    /// A directory.
    #[serde(rename = "d")]
    Dir,
    /// A file, and where its content is in the uncompressed tar.
    #[serde(rename = "f")]
    File {
        /// Of the first byte.
        #[serde(rename = "o")]
        offset: u64,
        /// Bytes.
        #[serde(rename = "s")]
        size: u64,
    },
    /// A symbolic link and its text.
    #[serde(rename = "l")]
    Symlink(String),
    /// A further name of the file at this path, which stands before it in the same fragment.
    #[serde(rename = "h")]
    Hardlink(ImagePath),
}

impl Entry {
    /// Whether this is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind == EntryKind::Dir
    }

    /// Whether owner and permissions are those of `other`.
    pub fn same_rights(&self, other: &Self) -> bool {
        (self.mode, self.uid, self.gid, &self.capability) == (other.mode, other.uid, other.gid, &other.capability)
    }
}

/// tar's blocks.
pub const BLOCK: usize = 512;
/// Two blocks of zeros: the end of an archive.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Appends the header of `entry`: POSIX ustar without user and group names, behind a PAX header only where ustar has
/// no room (POSIX.1-2017, pax, "ustar Interchange Format").
pub fn write_header(entry: &Entry, out: &mut Vec<u8>) -> io::Result<()> {
    let mut name = match entry.path.is_root() {
        true => "./".to_owned(),
        false => entry.path.relative().to_owned(),
    };
    if entry.is_dir() && !name.ends_with('/') {
        name.push('/');
    }
    let (flag, size, link) = match &entry.kind {
        EntryKind::Dir => (b'5', 0, ""),
        EntryKind::File { size, .. } => (b'0', *size, ""),
        EntryKind::Symlink(text) => (b'2', 0, text.as_str()),
        EntryKind::Hardlink(path) => (b'1', 0, path.relative()),
    };
    let mut pax = Vec::new();
    let (prefix, short) = split(&name).unwrap_or_else(|| {
        record(&mut pax, "path", name.as_bytes());
        ("", head(&name))
    });
    if link.len() > 100 {
        record(&mut pax, "linkpath", link.as_bytes());
    }
    let mut number = |key: &str, value: u64, digits: u32| {
        if value < 1 << (3 * digits) {
            return value;
        }
        record(&mut pax, key, value.to_string().as_bytes());
        0
    };
    let uid = number("uid", entry.uid.into(), 7);
    let gid = number("gid", entry.gid.into(), 7);
    let size = number("size", size, 11);
    let mtime = u64::try_from(entry.mtime).ok().filter(|mtime| *mtime < 1 << 33);
    if mtime.is_none() {
        record(&mut pax, "mtime", entry.mtime.to_string().as_bytes());
    }
    if let Some(capability) = &entry.capability {
        record(&mut pax, "SCHILY.xattr.security.capability", capability);
    }
    if !pax.is_empty() {
        let length = pax.len() as u64;
        out.extend_from_slice(&block("", "././@PaxHeader", "", b'x', 0o644, [0, 0, length, 0])?);
        out.extend_from_slice(&pax);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    let numbers = [uid, gid, size, mtime.unwrap_or(0)];
    out.extend_from_slice(&block(prefix, short, head(link), flag, entry.mode, numbers)?);
    Ok(())
}

/// At most the first 100 bytes, cut between characters.
fn head(text: &str) -> &str {
    let mut end = text.len().min(100);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// `name` as ustar's prefix and name; none where it does not fit.
fn split(name: &str) -> Option<(&str, &str)> {
    if name.len() <= 100 {
        return Some(("", name));
    }
    // The name must not be empty, so the slash at a directory's end does not count.
    name.match_indices('/')
        .filter_map(|(at, _)| Some((name.get(..at)?, name.get(at + 1..)?)))
        .find(|(prefix, rest)| prefix.len() <= 155 && !prefix.is_empty() && !rest.is_empty() && rest.len() <= 100)
}

/// One PAX record: its length in decimal, which counts itself, a space, `key=value` and a newline.
fn record(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} {key}=").as_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn block(
    prefix: &str,
    name: &str,
    link: &str,
    flag: u8,
    mode: u16,
    [uid, gid, size, mtime]: [u64; 4],
) -> io::Result<[u8; BLOCK]> {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, room: usize, bytes: &[u8]| {
        let field = block.get_mut(at..at + room).and_then(|field| field.get_mut(..bytes.len()));
        field.map(|field| field.copy_from_slice(bytes)).ok_or_else(|| io::Error::other("a tar field is too short"))
    };
    put(0, 100, name.as_bytes())?;
    put(100, 8, format!("{mode:07o}").as_bytes())?;
    put(108, 8, format!("{uid:07o}").as_bytes())?;
    put(116, 8, format!("{gid:07o}").as_bytes())?;
    put(124, 12, format!("{size:011o}").as_bytes())?;
    put(136, 12, format!("{mtime:011o}").as_bytes())?;
    put(148, 8, b"        ")?;
    put(156, 1, &[flag])?;
    put(157, 100, link.as_bytes())?;
    put(257, 8, b"ustar\x0000")?;
    put(329, 16, b"0000000\x000000000\0")?;
    put(345, 155, prefix.as_bytes())?;
    let sum: u32 = block.iter().copied().map(u32::from).sum();
    if let Some(field) = block.get_mut(148..156) {
        field.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read as _;

    fn entry(path: &str, kind: EntryKind) -> Entry {
        Entry {
            path: ImagePath::new(path).unwrap(),
            kind,
            mode: 0o4755,
            uid: 0,
            gid: 42,
            mtime: 1_700_000_000,
            capability: None,
        }
    }

    fn read_back(entry: &Entry) -> (String, Option<String>, u64, u64, u64, Option<Vec<u8>>) {
        let mut bytes = Vec::new();
        write_header(entry, &mut bytes).unwrap();
        bytes.extend_from_slice(&END);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut read = archive.entries().unwrap().next().unwrap().unwrap();
        let capability = read.pax_extensions().unwrap().into_iter().flatten().find_map(|extension| {
            let extension = extension.unwrap();
            extension.key().unwrap().ends_with("capability").then(|| extension.value_bytes().to_vec())
        });
        let mut none = Vec::new();
        read.read_to_end(&mut none).unwrap();
        let header = read.header();
        (
            String::from_utf8(read.path_bytes().into_owned()).unwrap(),
            read.link_name_bytes().map(|link| String::from_utf8(link.into_owned()).unwrap()),
            header.uid().unwrap(),
            header.gid().unwrap(),
            header.mtime().unwrap(),
            capability,
        )
    }

    #[test]
    fn a_short_entry_is_one_plain_block() {
        let mut bytes = Vec::new();
        write_header(&entry("/usr/bin/passwd", EntryKind::File { offset: 0, size: 8 }), &mut bytes).unwrap();
        assert_eq!(bytes.len(), BLOCK);
        let shown: String = bytes.escape_ascii().to_string().replace("\\x00", ".");
        let shown = shown.trim_end_matches('.').to_owned();
        insta::assert_snapshot!(shown.split('.').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "), @"usr/bin/passwd 0004755 0000000 0000052 00000000010 14524770400 012061  0 ustar 00 0000000 0000000");
    }

    #[test]
    fn a_big_id_and_a_capability_are_kept() {
        let mut big = entry("/x", EntryKind::Dir);
        big.uid = 3_000_000_000;
        big.capability = Some(vec![0, 1, 2, 255]);
        let (name, _, uid, gid, _, capability) = read_back(&big);
        assert_eq!((name.as_str(), uid, gid, capability), ("x/", 3_000_000_000, 42, big.capability.clone()));
    }

    proptest! {
        #[test]
        fn names_and_links_of_any_length_are_read_back(
            parts in prop::collection::vec("[a-zä]{1,120}", 1..6), link in "[a-zä/]{1,300}", dir in any::<bool>(),
        ) {
            let path = format!("/{}", parts.join("/"));
            prop_assume!(parts.iter().all(|part| part.len() <= 255));
            let kind = if dir { EntryKind::Dir } else { EntryKind::Symlink(link.clone()) };
            let (name, read_link, ..) = read_back(&entry(&path, kind));
            prop_assert_eq!(name.trim_end_matches('/'), path.trim_start_matches('/'));
            if !dir {
                prop_assert_eq!(read_link, Some(link));
            }
        }
    }
}
