//! A .deb, read once from front to back: its control archive, and every member of its file system archive with
//! the content in a [`Spool`].

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write as _};
use std::path::Path;

use md5::{Digest as _, Md5};

use crate::digest::{Digest, HashWriter};
use crate::name::PackageName;
use crate::path::ImagePath;

use super::ar::Ar;
use super::decode::{Bounded, Packing};
use super::fault::{DebError, Fault};
use super::script::JUDGED;
use super::spool::Spool;
use super::tarball::{RawKind, RawMember, walk};
use super::{Conffile, Control, PackageInfo};

/// What control.tar may unpack to; Debian's largest has some MiB of md5sums.
const CONTROL_BYTES: u64 = 64 << 20;
/// Members of control.tar; dpkg knows some twenty.
const CONTROL_MEMBERS: u64 = 1_000;
/// data.tar may unpack to 200 times its size and 64 MiB, and never to more than 20 GiB.
const DATA_RATIO: u64 = 200;
const DATA_GRACE: u64 = 64 << 20;
const DATA_BYTES: u64 = 20 << 30;
/// Members of data.tar.
const DATA_MEMBERS: u64 = 1_000_000;

/// A .deb that was read.
#[derive(Debug)]
pub struct DebFile {
    /// What it says of itself.
    pub info: PackageInfo,
    /// Every member of control.tar but `control`, as it is.
    pub control: BTreeMap<String, Vec<u8>>,
    /// Every member of data.tar, in its order.
    pub members: Vec<Member>,
    /// The newest mtime of all, seconds since 1970.
    pub newest: i64,
    /// Where control.tar has no `md5sums`: of each file, as dpkg finds it out at unpacking.
    pub md5sums: Option<Vec<(ImagePath, String)>>,
}

/// A member of data.tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where the package puts it, before usr-merge and filters.
    pub path: ImagePath,
    /// What it is.
    pub kind: MemberKind,
    /// Permission bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
}

/// What a member of data.tar is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberKind {
    /// A directory.
    Dir,
    /// A file, with the place of its bytes in the spool.
    File {
        /// Of the first byte.
        offset: u64,
        /// Bytes.
        size: u64,
    },
    /// A symbolic link and its text, which does not climb above the root.
    Symlink(String),
    /// A further name of an earlier file.
    Hardlink(ImagePath),
}

/// Reads a .deb from `source`, which is called `file` in messages and has `size` bytes. Contents go to `spool`.
/// Where `expected` is given, all bytes are hashed on the way and must have that digest.
pub fn read(
    file: &Path,
    source: impl Read,
    size: u64,
    expected: Option<&Digest>,
    spool: &mut Spool,
) -> Result<DebFile, DebError> {
    let mut package = None;
    parts(source, size, expected, spool, &mut package).map_err(|fault| DebError {
        file: file.to_owned(),
        package,
        fault,
    })
}

/// What the .deb in `source` says of itself: its control archive alone, without `conffiles`, which need the data.
pub fn read_info(source: impl Read) -> Result<PackageInfo, Fault> {
    let mut ar = Ar::new(source)?;
    format(&mut ar)?;
    let (label, packing) = next(&mut ar, "control.tar", "`control.tar`")?;
    let (mut control, _) = control_archive(&mut ar, &label, packing)?;
    package_info(&mut control)
}

fn parts(
    source: impl Read,
    size: u64,
    expected: Option<&Digest>,
    spool: &mut Spool,
    package: &mut Option<PackageName>,
) -> Result<DebFile, Fault> {
    let mut ar = Ar::new(Hashed { inner: source, hash: expected.map(|_| HashWriter::new(io::sink())) })?;
    format(&mut ar)?;

    let (label, packing) = next(&mut ar, "control.tar", "`control.tar`")?;
    let (mut control, control_newest) = control_archive(&mut ar, &label, packing)?;
    let mut info = package_info(&mut control)?;
    *package = Some(info.name.clone());

    let (label, packing) = next(&mut ar, "data.tar", "`data.tar`")?;
    let limit = size.saturating_mul(DATA_RATIO).saturating_add(DATA_GRACE).min(DATA_BYTES);
    let mut data = Data { spool, seen: BTreeMap::new(), members: Vec::new(), newest: None };
    unpack(&mut ar, &label, packing, limit, |reader| {
        walk(reader, &label, DATA_MEMBERS, |member, content| data.add(member, content))
    })?;
    let Data { members, newest, seen, .. } = data;
    check_parents(&members, &seen)?;
    while let Some(extra) = ar.next_member()? {
        // Signatures stand here; other names are kept for formats to come (deb(5)).
        if !extra.name.starts_with('_') {
            return Err(Fault::MemberOrder { found: extra.name, wanted: "the end" });
        }
    }
    if let (Some(expected), Some(hash)) = (expected, ar.into_inner().hash) {
        let (_, found, _) = hash.finish();
        if found != *expected {
            return Err(Fault::OtherDigest { expected: *expected, found });
        }
    }

    info.conffiles = conffiles(control.get("conffiles").map_or(&[][..], Vec::as_slice), &members, &seen, spool)?;
    let md5sums = match control.contains_key("md5sums") {
        true => None,
        false => Some(md5sums(&members, &seen, spool)?),
    };
    Ok(DebFile { info, control, members, newest: newest.unwrap_or(control_newest), md5sums })
}

/// Hashes all that passes.
struct Hashed<R> {
    inner: R,
    hash: Option<HashWriter<io::Sink>>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(hash) = &mut self.hash {
            hash.write_all(buffer.get(..count).unwrap_or_default())?;
        }
        Ok(count)
    }
}

/// `debian-binary`: `2.0`, or a later minor version with further lines.
fn format(ar: &mut Ar<impl Read>) -> Result<(), Fault> {
    match ar.next_member()? {
        Some(member) if member.name == "debian-binary" && member.size <= 1 << 10 => {}
        Some(member) => return Err(Fault::MemberOrder { found: member.name, wanted: "`debian-binary`" }),
        None => return Err(Fault::MemberMissing("`debian-binary`")),
    }
    let mut text = String::new();
    if let Err(error) = ar.read_to_string(&mut text) {
        return Err(ar.fault(error));
    }
    let version = text.lines().next().unwrap_or_default();
    if version.strip_prefix("2.").is_none_or(|minor| minor.is_empty() || minor.bytes().any(|b| !b.is_ascii_digit())) {
        return Err(Fault::Format(version.chars().take(40).collect()));
    }
    Ok(())
}

/// The next member, which must be `stem` with some compression.
fn next(ar: &mut Ar<impl Read>, stem: &str, wanted: &'static str) -> Result<(String, Packing), Fault> {
    loop {
        let Some(member) = ar.next_member()? else { return Err(Fault::MemberMissing(wanted)) };
        match Packing::of(&member.name, stem) {
            Some(packing) => return Ok((member.name, packing?)),
            None if member.name.starts_with('_') => {}
            None => return Err(Fault::MemberOrder { found: member.name, wanted }),
        }
    }
}

/// Runs `work` over the unpacked bytes of the current member and tells a cut, a bomb and broken data apart.
fn unpack<T>(
    ar: &mut Ar<impl Read>,
    label: &str,
    packing: Packing,
    limit: u64,
    work: impl FnOnce(&mut dyn Read) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let bomb = Cell::new(false);
    let failed = std::cell::RefCell::new(None);
    let result = match packing.unpack(&mut *ar) {
        Ok(reader) => {
            let mut reader = Noted { inner: Bounded::new(reader, limit, &bomb), failed: &failed };
            work(&mut reader)
        }
        Err(error) => Err(Fault::Unpack { member: label.to_owned(), why: error.to_string() }),
    };
    match (result, failed.take()) {
        (Ok(done), _) => Ok(done),
        (Err(_), _) if bomb.get() => Err(Fault::Bomb { member: label.to_owned(), limit }),
        (Err(_), _) if ar.is_cut() => Err(Fault::Truncated(format!("`{label}`"))),
        (Err(Fault::TarHeader { .. } | Fault::Io(_)), Some(why)) => {
            Err(Fault::Unpack { member: label.to_owned(), why })
        }
        (Err(fault), _) => Err(fault),
    }
}

/// Remembers that reading failed, whatever is made of it further up.
struct Noted<'a, R> {
    inner: R,
    failed: &'a std::cell::RefCell<Option<String>>,
}

impl<R: Read> Read for Noted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                *self.failed.borrow_mut() = Some(error.to_string());
            }
        })
    }
}

type Members = BTreeMap<String, Vec<u8>>;

fn control_archive(ar: &mut Ar<impl Read>, label: &str, packing: Packing) -> Result<(Members, i64), Fault> {
    let mut found = Members::new();
    let mut newest = 0;
    unpack(ar, label, packing, CONTROL_BYTES, |reader| {
        walk(reader, label, CONTROL_MEMBERS, |member, content| {
            let path = ImagePath::from_member(&member.name).map_err(|error| Fault::Path(error.to_string()))?;
            if path.is_root() && member.kind == RawKind::Dir {
                return Ok(());
            }
            let name = path.relative().to_owned();
            let refuse = |why: &str| Err(Fault::Control { name: name.clone(), why: why.to_owned() });
            if member.kind != RawKind::File {
                return refuse("is no file");
            }
            // dpkg makes `list` itself, and names files in its database after these.
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
            if name == "list" || name.starts_with('.') || !name.chars().all(plain) {
                return refuse("has a name that no control member has");
            }
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(Fault::Io)?;
            newest = newest.max(member.mtime);
            match found.insert(name.clone(), bytes) {
                None => Ok(()),
                Some(_) => refuse("is there twice"),
            }
        })
    })?;
    Ok((found, newest))
}

/// Takes `control` out of `members` and reads it.
fn package_info(members: &mut Members) -> Result<PackageInfo, Fault> {
    let wrong = |why: String| Fault::Control { name: "control".to_owned(), why };
    let bytes = members.remove("control").ok_or_else(|| wrong("is not there".to_owned()))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8".to_owned()))?;
    let control = Control::parse(&text).map_err(|error| wrong(format!("is no stanza: {error}")))?;
    let field = |name: &str| {
        control.get(name).filter(|value| !value.is_empty()).ok_or_else(|| wrong(format!("has no field `{name}`")))
    };
    let of = |name: &str, value: &str, good: fn(char) -> bool| match value.chars().all(good) {
        true => Ok(value.to_owned()),
        false => Err(wrong(format!("has a field `{name}` that is `{}`", value.escape_default()))),
    };
    let name = PackageName::new(field("Package")?).map_err(|error| wrong(format!("says: {error}")))?;
    let version = of("Version", field("Version")?, |c| c.is_ascii_alphanumeric() || ".+-~:".contains(c))?;
    let arch =
        of("Architecture", field("Architecture")?, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')?;
    let texts = members
        .iter()
        .filter(|(name, _)| *name != "md5sums")
        .filter_map(|(name, bytes)| Some((name.clone(), as_text(name, bytes)?)))
        .collect();
    Ok(PackageInfo { name, version, arch, control, members: texts, conffiles: Vec::new() })
}

/// A member as text. A script is always one, were it a program: each byte that is not UTF-8 as the character of its
/// number, so that nothing that dpkg would run goes unjudged.
fn as_text(name: &str, bytes: &[u8]) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.to_owned()),
        Err(_) if JUDGED.iter().any(|kind| kind.as_str() == name) => {
            Some(bytes.iter().map(|byte| char::from(*byte)).collect())
        }
        Err(_) => None,
    }
}

/// Gathers the members of data.tar.
struct Data<'a> {
    spool: &'a mut Spool,
    /// Every path and whether it is a directory, a file (with the index of its member), or something else.
    seen: BTreeMap<ImagePath, usize>,
    members: Vec<Member>,
    newest: Option<i64>,
}

impl Data<'_> {
    fn add(&mut self, raw: RawMember, content: &mut dyn Read) -> Result<(), Fault> {
        let path = ImagePath::from_member(&raw.name).map_err(|error| Fault::Path(error.to_string()))?;
        let kind = match raw.kind {
            RawKind::Dir => MemberKind::Dir,
            RawKind::File => {
                let offset = self.spool.size();
                copy(content, self.spool)?;
                MemberKind::File { offset, size: raw.size }
            }
            RawKind::Symlink(target) => {
                check_link(&path, &target)?;
                MemberKind::Symlink(target)
            }
            RawKind::Hardlink(target) => self.hardlink(&path, &target)?,
        };
        if path.is_root() && kind != MemberKind::Dir {
            return Err(Fault::Kind { path: path.to_string(), what: "no directory" });
        }
        if self.seen.insert(path.clone(), self.members.len()).is_some() {
            return Err(Fault::Twice(path.to_string()));
        }
        self.newest = self.newest.max(Some(raw.mtime));
        self.members.push(Member { path, kind, mode: raw.mode, uid: raw.uid, gid: raw.gid, mtime: raw.mtime });
        Ok(())
    }

    /// The first name of the file that a hard link leads to.
    fn hardlink(&self, path: &ImagePath, target: &str) -> Result<MemberKind, Fault> {
        let wrong = || Fault::HardlinkTarget { path: path.to_string(), target: target.to_owned() };
        let aim = ImagePath::from_member(target).map_err(|_| wrong())?;
        match self.seen.get(&aim).and_then(|index| self.members.get(*index)).map(|member| &member.kind) {
            Some(MemberKind::File { .. }) => Ok(MemberKind::Hardlink(aim)),
            Some(MemberKind::Hardlink(first)) => Ok(MemberKind::Hardlink(first.clone())),
            _ => Err(wrong()),
        }
    }
}

/// Copies and tells errors of reading from those of keeping.
fn copy(content: &mut dyn Read, spool: &mut Spool) -> Result<(), Fault> {
    let mut buffer = [0; 32 << 10];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => spool.write_all(buffer.get(..count).unwrap_or_default()).map_err(Fault::Spool)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Fault::Io(error)),
        }
    }
}

/// A link's text must be one, and must not climb above the root, where the kernel would only clamp it.
fn check_link(path: &ImagePath, target: &str) -> Result<(), Fault> {
    let text = |why| Err(Fault::LinkText { path: path.to_string(), why });
    if target.is_empty() {
        return text("empty");
    }
    if target.len() > 4095 {
        return text("longer than 4095 bytes");
    }
    if target.chars().any(char::is_control) {
        return text("not free of control characters");
    }
    let mut depth = match target.starts_with('/') {
        true => 0,
        false => path.components().count().saturating_sub(1),
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return Err(Fault::LinkLeaves { path: path.to_string(), target: target.to_owned() }),
            },
            _ => depth += 1,
        }
    }
    Ok(())
}

/// What is below a path that is there must be below a directory. A symbolic link in that place would lead the
/// package's own files elsewhere.
fn check_parents(members: &[Member], seen: &BTreeMap<ImagePath, usize>) -> Result<(), Fault> {
    let mut good: BTreeSet<ImagePath> = BTreeSet::new();
    for member in members {
        let mut above = member.path.parent();
        while let Some(dir) = above {
            if good.contains(&dir) {
                break;
            }
            match seen.get(&dir).and_then(|index| members.get(*index)) {
                Some(found) if found.kind != MemberKind::Dir => {
                    return Err(Fault::BelowFile { path: member.path.to_string(), above: dir.to_string() });
                }
                _ => {}
            }
            above = dir.parent();
            good.insert(dir);
        }
    }
    Ok(())
}

/// Reads the member `conffiles` (deb-conffiles(5)): a path a line, perhaps behind a flag. Those that the package
/// does not ship are left out, but for those that an upgrade is to remove. The order is the file's, as in dpkg's status.
fn conffiles(
    text: &[u8],
    members: &[Member],
    seen: &BTreeMap<ImagePath, usize>,
    spool: &Spool,
) -> Result<Vec<Conffile>, Fault> {
    let wrong = |why: String| Fault::Control { name: "conffiles".to_owned(), why };
    let text = std::str::from_utf8(text).map_err(|_| wrong("is not UTF-8".to_owned()))?;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        if !line.starts_with('/') {
            match line.split_once(' ') {
                Some(("remove-on-upgrade", path)) => {
                    let path = ImagePath::new(path.trim()).map_err(|error| wrong(format!("says: {error}")))?;
                    found.push(Conffile { path: path.to_string(), md5: None });
                    continue;
                }
                _ => return Err(wrong(format!("has a line that is no path: `{}`", line.escape_default()))),
            }
        }
        let path = ImagePath::new(line).map_err(|error| wrong(format!("says: {error}")))?;
        let Some(member) = seen.get(&path).and_then(|index| members.get(*index)) else { continue };
        if let Some(md5) = md5_of(member, members, seen, spool)? {
            found.push(Conffile { path: path.to_string(), md5: Some(md5) });
        }
    }
    Ok(found)
}

/// Each file, conffiles too, with its MD5.
fn md5sums(
    members: &[Member],
    seen: &BTreeMap<ImagePath, usize>,
    spool: &Spool,
) -> Result<Vec<(ImagePath, String)>, Fault> {
    let mut found = Vec::new();
    for member in members {
        if let Some(md5) = md5_of(member, members, seen, spool)? {
            found.push((member.path.clone(), md5));
        }
    }
    Ok(found)
}

/// MD5 of a file, hex; none for what is no file.
fn md5_of(
    member: &Member,
    members: &[Member],
    seen: &BTreeMap<ImagePath, usize>,
    spool: &Spool,
) -> Result<Option<String>, Fault> {
    let first = match &member.kind {
        MemberKind::Hardlink(first) => seen.get(first).and_then(|index| members.get(*index)),
        _ => Some(member),
    };
    let Some(Member { kind: MemberKind::File { offset, size }, .. }) = first else { return Ok(None) };
    let mut hash = Md5::new();
    let mut reader = spool.reader(*offset, *size);
    let mut buffer = [0; 32 << 10];
    loop {
        match reader.read(&mut buffer).map_err(Fault::Spool)? {
            0 => break,
            count => hash.update(buffer.get(..count).unwrap_or_default()),
        }
    }
    Ok(Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}
