//! Tar members with fixed headers, and a whole root as one tar.

use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::oci::{Flat, Meta, Node, NodeKind, OciError, Store};

/// Writes tar members (POSIX.1-2017 pax, "ustar Interchange Format" and "pax Header Block").
pub(super) struct TarWriter<'a, W> {
    out: &'a mut W,
}

fn wrong(source: io::Error) -> OciError {
    OciError::Write { path: "the archive".into(), source }
}

fn header(meta: &Meta, kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(u32::from(meta.mode));
    header.set_uid(meta.uid);
    header.set_gid(meta.gid);
    header.set_mtime(meta.mtime);
    header.set_size(size);
    header
}

/// A regular file of the archive itself: 0644 root:root, 1970.
fn plain() -> Meta {
    Meta { mode: 0o644, uid: 0, gid: 0, mtime: 0, xattrs: Default::default() }
}

/// One record of a pax header: its length counts itself.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

impl<'a, W: Write + Seek> TarWriter<'a, W> {
    pub(super) fn new(out: &'a mut W) -> Self {
        Self { out }
    }

    /// Writes a header; what does not fit a ustar header goes into a pax header before it.
    fn head(&mut self, name: &str, link: &str, meta: &Meta, mut header: tar::Header) -> io::Result<()> {
        let mut extension = Vec::new();
        if name.len() > 100 {
            extension.extend(record("path", name.as_bytes()));
        }
        put(&mut header.as_old_mut().name, name);
        if link.len() > 100 {
            extension.extend(record("linkpath", link.as_bytes()));
        }
        put(&mut header.as_old_mut().linkname, link);
        for (key, value) in &meta.xattrs {
            extension.extend(record(&format!("SCHILY.xattr.{key}"), value));
        }
        if !extension.is_empty() {
            let mut before = self::header(&plain(), tar::EntryType::XHeader, extension.len() as u64);
            put(&mut before.as_old_mut().name, "PaxHeader");
            before.set_cksum();
            self.out.write_all(before.as_bytes())?;
            self.out.write_all(&extension)?;
            self.pad(extension.len() as u64)?;
        }
        header.set_cksum();
        self.out.write_all(header.as_bytes())
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let zeros = [0; 512];
        let missing = (512 - size % 512) % 512;
        self.out.write_all(zeros.get(..missing as usize).unwrap_or_default())
    }

    /// A file of the archive itself.
    pub(super) fn file(&mut self, name: &str, size: u64, bytes: &mut dyn Read) -> Result<(), OciError> {
        self.member(name, &plain(), size, bytes)
    }

    fn member(&mut self, name: &str, meta: &Meta, size: u64, bytes: &mut dyn Read) -> Result<(), OciError> {
        self.head(name, "", meta, header(meta, tar::EntryType::Regular, size)).map_err(wrong)?;
        let written = io::copy(&mut bytes.take(size), self.out).map_err(wrong)?;
        if written != size {
            return Err(wrong(io::Error::new(io::ErrorKind::UnexpectedEof, format!("`{name}` ends too early"))));
        }
        self.pad(size).map_err(wrong)
    }

    /// A file of the archive itself whose size shows when it is written.
    pub(super) fn file_of_unknown_size(&mut self, name: &str, bytes: &mut dyn Read) -> Result<(), OciError> {
        let before = self.out.stream_position().map_err(wrong)?;
        self.head(name, "", &plain(), header(&plain(), tar::EntryType::Regular, 0)).map_err(wrong)?;
        let size = io::copy(bytes, self.out).map_err(wrong)?;
        self.pad(size).map_err(wrong)?;
        self.out.seek(SeekFrom::Start(before)).map_err(wrong)?;
        self.head(name, "", &plain(), header(&plain(), tar::EntryType::Regular, size)).map_err(wrong)?;
        self.out.seek(SeekFrom::End(0)).map_err(wrong)?;
        Ok(())
    }

    /// Two blocks of zeros, padded to 10 KiB as tar(1) does.
    pub(super) fn finish(self) -> Result<(), OciError> {
        let end = self.out.stream_position().map_err(wrong)? + 1024;
        let blocks = 2 + (10240 - end % 10240) % 10240 / 512;
        (0..blocks).try_for_each(|_| self.out.write_all(&[0; 512])).map_err(wrong)
    }
}

/// Puts a text at the start of a header's field, cut where it does not fit; a pax header has it whole.
fn put(field: &mut [u8], text: &str) {
    field.fill(0);
    for (to, from) in field.iter_mut().zip(text.bytes()) {
        *to = from;
    }
}

/// The whole tree: directories, files in the order of the layers with their further names behind them, then all else.
pub(super) fn flattened(store: &Store, flat: &Flat, out: &mut (impl Write + Seek)) -> Result<(), OciError> {
    let mut tar = TarWriter::new(out);
    for (path, node) in flat.iter().filter(|(_, node)| node.kind == NodeKind::Dir) {
        let name = format!("./{}{}", path.relative(), if path.is_root() { "" } else { "/" });
        tar.head(&name, "", &node.meta, header(&node.meta, tar::EntryType::Directory, 0)).map_err(wrong)?;
    }
    flat.files(store, &mut |node, bytes| {
        let (Some(path), NodeKind::File(size)) = (node.paths.first(), &node.kind) else { return Ok(()) };
        tar.member(&format!("./{}", path.relative()), &node.meta, *size, bytes)?;
        further_names(&mut tar, node)
    })?;
    for (path, node) in flat.iter().filter(|(path, node)| node.paths.first() == Some(path)) {
        let (kind, link, device) = match &node.kind {
            NodeKind::Dir | NodeKind::File(_) => continue,
            NodeKind::Symlink(target) => (tar::EntryType::Symlink, target.as_str(), None),
            NodeKind::Char(major, minor) => (tar::EntryType::Char, "", Some((*major, *minor))),
            NodeKind::Block(major, minor) => (tar::EntryType::Block, "", Some((*major, *minor))),
            NodeKind::Fifo => (tar::EntryType::Fifo, "", None),
        };
        let mut header = header(&node.meta, kind, 0);
        if let Some((major, minor)) = device {
            header.set_device_major(major).and_then(|()| header.set_device_minor(minor)).map_err(wrong)?;
        }
        tar.head(&format!("./{}", path.relative()), link, &node.meta, header).map_err(wrong)?;
        further_names(&mut tar, node)?;
    }
    tar.finish()
}

fn further_names<W: Write + Seek>(tar: &mut TarWriter<'_, W>, node: &Node) -> Result<(), OciError> {
    let Some((first, others)) = node.paths.split_first() else { return Ok(()) };
    let target = format!("./{}", first.relative());
    // Extended attributes belong to the file and are set with its first name.
    let meta = Meta { xattrs: Default::default(), ..node.meta.clone() };
    others.iter().try_for_each(|path| {
        let header = header(&meta, tar::EntryType::Link, 0);
        tar.head(&format!("./{}", path.relative()), &target, &meta, header).map_err(wrong)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_record_counts_itself() {
        assert_eq!(record("path", b"x"), b"9 path=x\n");
        assert_eq!(record("a", &[b'b'; 93]).len(), 99);
        assert_eq!(record("a", &[b'b'; 94]).len(), 101);
        for length in 0..300 {
            let record = record("key", &vec![b'v'; length]);
            let told = String::from_utf8_lossy(&record).split(' ').next().unwrap().parse::<usize>().unwrap();
            assert_eq!(told, record.len());
        }
    }

    #[test]
    fn names_of_every_length_are_read_back() {
        let mut out = io::Cursor::new(Vec::new());
        let mut tar = TarWriter::new(&mut out);
        let names: Vec<String> = [1, 99, 100, 101, 155, 156, 255, 256, 300, 1000].map(|n| "n".repeat(n)).into();
        for name in &names {
            tar.file(name, 3, &mut &b"abc"[..]).unwrap();
        }
        tar.file_of_unknown_size("late", &mut &[b'x'; 1000][..]).unwrap();
        tar.finish().unwrap();
        assert_eq!(out.get_ref().len() % 10240, 0);
        out.set_position(0);
        let mut archive = tar::Archive::new(out);
        let read: Vec<(String, u64)> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (String::from_utf8(entry.path_bytes().into_owned()).unwrap(), entry.size()))
            .collect();
        let expected: Vec<(String, u64)> =
            names.into_iter().map(|name| (name, 3)).chain([("late".to_owned(), 1000)]).collect();
        assert_eq!(read, expected);
    }
}
