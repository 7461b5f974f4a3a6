//! Members of a tar archive inside a .deb, one after the other (tar(5)): ustar and GNU's form with long names, and
//! PAX headers. What has no place in a package is refused here.

use std::io::{self, Read};

use tar::EntryType;

use super::fault::Fault;

/// Texts of long names, long links and PAX headers are not longer.
const TEXT: u64 = 64 << 10;

/// A member's kind, its paths still text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawKind {
    /// A directory.
    Dir,
    /// A regular file.
    File,
    /// A symbolic link and its text.
    Symlink(String),
    /// A hard link and the name of a member.
    Hardlink(String),
}

/// A member's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawMember {
    /// Its name as it stands there: `./usr/bin/x`.
    pub name: String,
    /// What it is.
    pub kind: RawKind,
    /// Bytes of content; 0 but for files.
    pub size: u64,
    /// Permission bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
}

/// Calls `each` for every member of the archive `source`, which is called `label` in messages.
/// After the archive's end the rest of `source` is read too, so that its checksums are.
pub fn walk<R: Read>(
    source: R,
    label: &str,
    limit: u64,
    mut each: impl FnMut(RawMember, &mut dyn Read) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let wrong = |why: String| Fault::TarHeader { member: label.to_owned(), why };
    let mut archive = tar::Archive::new(source);
    let mut count = 0;
    let mut long = Long::default();
    for entry in archive.entries().map_err(|error| wrong(error.to_string()))?.raw(true) {
        let mut entry = entry.map_err(|error| wrong(innermost(&error)))?;
        count += 1;
        if count > limit {
            return Err(Fault::TooMany { member: label.to_owned(), limit });
        }
        let kind = entry.header().entry_type();
        let size = entry.header().entry_size().map_err(|error| wrong(innermost(&error)))?;
        if matches!(
            kind,
            EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader | EntryType::XGlobalHeader
        ) {
            if size > TEXT {
                return Err(wrong(format!("a name or an extension of {size} bytes")));
            }
            let mut text = Vec::new();
            entry.read_to_end(&mut text).map_err(|error| wrong(innermost(&error)))?;
            if text.len() as u64 != size {
                return Err(Fault::Truncated(format!("`{label}`")));
            }
            long.add(kind, &text).map_err(wrong)?;
            continue;
        }
        let member = long.member(entry.header(), size).map_err(|bad| match bad {
            Bad::Header(why) => wrong(why),
            Bad::Fault(fault) => fault,
        })?;
        let mut content = Exact { inner: &mut entry, left: member.size };
        let name = member.name.clone();
        each(member, &mut content).map_err(|fault| match fault {
            Fault::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                wrong(format!("`{}` ends before its size", name.escape_default()))
            }
            fault => fault,
        })?;
        if content.left > 0 {
            io::copy(&mut content, &mut io::sink()).map_err(|error| wrong(innermost(&error)))?;
        }
    }
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(|error| wrong(innermost(&error)))?;
    Ok(())
}

/// The message of the error at the bottom: the tar crate wraps the readers' own.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

/// Exactly as many bytes as the header says: an early end is an error, not an end.
struct Exact<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

enum Bad {
    Header(String),
    Fault(Fault),
}

impl From<String> for Bad {
    fn from(why: String) -> Self {
        Self::Header(why)
    }
}

/// What members before the real one say of it.
#[derive(Default)]
struct Long {
    name: Option<String>,
    link: Option<String>,
    mtime: Option<i64>,
    uid: Option<u64>,
    gid: Option<u64>,
}

impl Long {
    fn add(&mut self, kind: EntryType, text: &[u8]) -> Result<(), String> {
        let nul = |bytes: &[u8]| bytes.split(|byte| *byte == 0).next().map(<[u8]>::to_vec).unwrap_or_default();
        match kind {
            EntryType::GNULongName => self.name = Some(utf8(nul(text))?),
            EntryType::GNULongLink => self.link = Some(utf8(nul(text))?),
            _ => {
                for extension in tar::PaxExtensions::new(text) {
                    let extension = extension.map_err(|error| error.to_string())?;
                    let key = extension.key().map_err(|_| "a PAX key that is no text".to_owned())?;
                    let value = || utf8(extension.value_bytes().to_vec());
                    let number = || value()?.parse().map_err(|_| format!("the PAX value of `{key}` is no number"));
                    match key {
                        "path" => self.name = Some(value()?),
                        "linkpath" => self.link = Some(value()?),
                        "uid" => self.uid = Some(number()?),
                        "gid" => self.gid = Some(number()?),
                        "mtime" => {
                            let text = value()?;
                            let whole = text.split('.').next().unwrap_or_default();
                            self.mtime = Some(whole.parse().map_err(|_| format!("the PAX mtime is `{text}`"))?);
                        }
                        // A file of 8 GiB and more, or one with holes: no package has either.
                        "size" => return Err("a size in a PAX header".to_owned()),
                        key if key.starts_with("GNU.sparse.") => return Err("a sparse file".to_owned()),
                        // dpkg keeps neither extended attributes nor comments, charsets and other times.
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }

    fn member(&mut self, header: &tar::Header, size: u64) -> Result<RawMember, Bad> {
        let long = std::mem::take(self);
        let name = match long.name {
            Some(name) => name,
            None => utf8(header.path_bytes().into_owned())?,
        };
        let link = |long: Option<String>| match (long, header.link_name_bytes()) {
            (Some(link), _) => Ok(link),
            (None, Some(bytes)) => utf8(bytes.into_owned()),
            (None, None) => Ok(String::new()),
        };
        let odd = |what| Err(Bad::Fault(Fault::Kind { path: name.escape_default().to_string(), what }));
        let kind = match header.entry_type() {
            // Before POSIX a directory was a file whose name ends so.
            EntryType::Regular if name.ends_with('/') => RawKind::Dir,
            EntryType::Regular | EntryType::Continuous => RawKind::File,
            EntryType::Directory => RawKind::Dir,
            EntryType::Symlink => RawKind::Symlink(link(long.link)?),
            EntryType::Link => RawKind::Hardlink(link(long.link)?),
            EntryType::Char | EntryType::Block => return odd("a device node"),
            EntryType::Fifo => return odd("a named pipe"),
            EntryType::GNUSparse => return odd("a sparse file"),
            _ => return odd("of a kind that wharf does not know"),
        };
        if kind != RawKind::File && size > 0 {
            return Err(format!("`{}` is no file and has {size} bytes", name.escape_default()).into());
        }
        let number = |field: io::Result<u64>| field.map_err(|error| innermost(&error));
        let id = |long: Option<u64>, field: io::Result<u64>| {
            let id = long.map_or_else(|| number(field), Ok)?;
            u32::try_from(id).map_err(|_| format!("an owner's id of {id}"))
        };
        let mode = header.mode().map_err(|error| innermost(&error))?;
        let mtime = match long.mtime {
            Some(mtime) => mtime,
            None => {
                let mtime = number(header.mtime())?;
                i64::try_from(mtime).map_err(|_| format!("an mtime of {mtime}"))?
            }
        };
        // Eleven octal digits: what ustar holds, the year 2242.
        if !(0..1 << 33).contains(&mtime) {
            return Err(format!("an mtime of {mtime}").into());
        }
        Ok(RawMember {
            kind,
            size,
            mode: u16::try_from(mode & 0o7777).unwrap_or(0),
            uid: id(long.uid, header.uid())?,
            gid: id(long.gid, header.gid())?,
            mtime,
            name,
        })
    }
}

fn utf8(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| format!("`{}` is not UTF-8", error.as_bytes().escape_ascii()))
}
