//! What becomes of a package's members: usr-merge, filters, directories, hard links, dpkg's own files.

use std::collections::BTreeMap;

use crate::deb::Fault;
use crate::deb::file::{DebFile, Member, MemberKind};
use crate::estate::Filters;
use crate::path::ImagePath;

use super::entry::{Entry, EntryKind};
use super::filter::is_excluded;
use super::usrmerge::{is_alias, merged, moved_link};

/// Where dpkg keeps what it knows of packages.
const INFO: &str = "/var/lib/dpkg/info";

/// An entry, and the bytes of a file that is not in the spool.
pub(super) type Planned = (Entry, Option<Vec<u8>>);

/// The entries of the package's fragment, in order. A file's offset is that in the spool, unless its bytes are here.
pub(super) fn plan(deb: &DebFile, filters: &Filters) -> Result<Vec<Planned>, Fault> {
    let mut kept: BTreeMap<ImagePath, (&Member, EntryKind)> = BTreeMap::new();
    for member in &deb.members {
        let path = match member.kind {
            // base-files of trixie and later ships the links themselves.
            MemberKind::Symlink(_) if is_alias(&member.path) => member.path.clone(),
            _ => merged(&member.path),
        };
        let keepable = matches!(member.kind, MemberKind::Dir | MemberKind::Symlink(_));
        if is_excluded(filters, member.path.as_str(), path.as_str(), keepable) {
            continue;
        }
        let kind = match &member.kind {
            MemberKind::Dir => EntryKind::Dir,
            MemberKind::File { offset, size } => EntryKind::File { offset: *offset, size: *size },
            MemberKind::Symlink(text) => {
                let moved = moved_link(&member.path, &path, text);
                // A link between the two places of one file: with merged /usr it would lead to itself.
                if path != member.path && path.resolve_link(&moved).is_ok_and(|aim| merged(&aim) == path) {
                    continue;
                }
                if path == member.path && path.resolve_link(&moved).is_ok_and(|aim| aim != path && merged(&aim) == path)
                {
                    continue;
                }
                EntryKind::Symlink(moved)
            }
            MemberKind::Hardlink(first) => EntryKind::Hardlink(first.clone()),
        };
        match kept.get(&path) {
            None => {}
            // /lib and /usr/lib: what is not plain 0755 root:root is meant.
            Some((other, EntryKind::Dir)) if kind == EntryKind::Dir && is_plain(other) => {}
            Some((_, EntryKind::Dir)) if kind == EntryKind::Dir => continue,
            Some((other, _)) => {
                return Err(Fault::MergedTwice { first: other.path.to_string(), second: member.path.to_string() });
            }
        }
        kept.insert(path, (member, kind));
    }
    let mut planned: BTreeMap<ImagePath, Planned> = BTreeMap::new();
    for (path, (member, kind)) in kept {
        let mtime = if kind == EntryKind::Dir { 0 } else { member.mtime };
        let mode = match kind {
            EntryKind::Symlink(_) => 0o777,
            _ => member.mode,
        };
        let entry = Entry { path: path.clone(), kind, mode, uid: member.uid, gid: member.gid, mtime, capability: None };
        planned.insert(path, (entry, None));
    }
    link_names(&mut planned, &deb.members);
    for (path, entry, bytes) in info_files(deb, filters) {
        if planned.insert(path.clone(), (entry, Some(bytes))).is_some() {
            return Err(Fault::Twice(path.to_string()));
        }
    }
    add_parents(&mut planned)?;
    Ok(planned.into_values().collect())
}

fn is_plain(member: &Member) -> bool {
    (member.mode, member.uid, member.gid) == (0o755, 0, 0)
}

/// Of the names that one file keeps, the first in order becomes the file and the others lead to it: a filter may have
/// taken away the name that had the bytes. All carry that member's owner, mode and mtime, as one inode does.
fn link_names(planned: &mut BTreeMap<ImagePath, Planned>, members: &[Member]) {
    let mut groups: BTreeMap<ImagePath, Vec<ImagePath>> = BTreeMap::new();
    for (path, (entry, _)) in &*planned {
        if let EntryKind::Hardlink(first) = &entry.kind {
            groups.entry(first.clone()).or_default().push(path.clone());
        }
    }
    if groups.is_empty() {
        return;
    }
    let files: BTreeMap<&ImagePath, &Member> = members.iter().map(|member| (&member.path, member)).collect();
    for (first, mut names) in groups {
        let Some(member) = files.get(&first) else { continue };
        let MemberKind::File { offset, size } = member.kind else { continue };
        let merged = merged(&first);
        if planned.contains_key(&merged) {
            names.push(merged);
        }
        names.sort();
        let mut head: Option<ImagePath> = None;
        for name in names {
            if let Some((entry, _)) = planned.get_mut(&name) {
                entry.kind = match &head {
                    None => EntryKind::File { offset, size },
                    Some(head) => EntryKind::Hardlink(head.clone()),
                };
                (entry.mode, entry.uid, entry.gid, entry.mtime) = (member.mode, member.uid, member.gid, member.mtime);
                head.get_or_insert(name);
            }
        }
    }
}

/// `/var/lib/dpkg/info/NAME.*`: control members as they are; the list of all paths as dpkg writes it, those that filters
/// left out too; and the MD5 of what stays, where the package does not bring that.
fn info_files(deb: &DebFile, filters: &Filters) -> Vec<(ImagePath, Entry, Vec<u8>)> {
    let mut list = String::new();
    // dpkg unpacks, and so lists, symbolic links behind all else (lib/dpkg/tarfn.c, tar_extractor).
    let is_link = |member: &&Member| matches!(member.kind, MemberKind::Symlink(_));
    let others = deb.members.iter().filter(|member| !is_link(member));
    for member in others.chain(deb.members.iter().filter(is_link)) {
        match member.path.is_root() {
            true => list.push_str("/."),
            false => list.push_str(member.path.as_str()),
        }
        list.push('\n');
    }
    let mut files: Vec<(&str, Vec<u8>)> = vec![("list", list.into_bytes())];
    files.extend(deb.control.iter().map(|(kind, bytes)| (kind.as_str(), bytes.clone())));
    if let Some(md5sums) = &deb.md5sums {
        let mut text = String::new();
        for (path, md5) in md5sums {
            if !is_excluded(filters, path.as_str(), merged(path).as_str(), false) {
                text.push_str(&format!("{md5}  {}\n", path.relative()));
            }
        }
        files.push(("md5sums", text.into_bytes()));
    }
    let name = deb.info.info_name();
    let entry = |(kind, bytes): (&str, Vec<u8>)| {
        let path = ImagePath::new(&format!("{INFO}/{name}.{kind}")).ok()?;
        let mode = match kind {
            "preinst" | "postinst" | "prerm" | "postrm" | "config" => 0o755,
            _ => 0o644,
        };
        let kind = EntryKind::File { offset: 0, size: bytes.len() as u64 };
        let mtime = deb.newest;
        Some((path.clone(), Entry { path, kind, mode, uid: 0, gid: 0, mtime, capability: None }, bytes))
    };
    files.into_iter().filter_map(entry).collect()
}

/// A fragment names every directory above its paths, so that no extractor has to make one up.
fn add_parents(planned: &mut BTreeMap<ImagePath, Planned>) -> Result<(), Fault> {
    let mut missing: BTreeMap<ImagePath, Planned> = BTreeMap::new();
    for path in planned.keys() {
        let mut above = path.parent();
        while let Some(dir) = above.filter(|dir| !missing.contains_key(dir)) {
            match planned.get(&dir) {
                Some((entry, _)) if entry.is_dir() => break,
                Some(_) => return Err(Fault::BelowFile { path: path.to_string(), above: dir.to_string() }),
                None => {
                    let entry = directory(dir.clone());
                    above = dir.parent();
                    missing.insert(dir, (entry, None));
                }
            }
        }
    }
    planned.append(&mut missing);
    Ok(())
}

/// A directory that nobody described: 0755 root:root.
pub(super) fn directory(path: ImagePath) -> Entry {
    Entry { path, kind: EntryKind::Dir, mode: 0o755, uid: 0, gid: 0, mtime: 0, capability: None }
}
