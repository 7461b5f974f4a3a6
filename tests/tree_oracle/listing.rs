//! The file tree of a tar archive, flattened to what can be compared between two ways of making it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use wharf::digest::Digest;

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Dir,
    File(Digest),
    Link(String),
    Device,
}

/// One path. Owners are names, which the tree's own passwd and group give: ids that packages take are any free ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub kind: Kind,
    /// None for a symbolic link, which has none.
    pub mode: Option<u32>,
    pub owner: String,
    pub group: String,
    /// `security.capability`.
    pub capability: Vec<u8>,
    /// The first of the paths that are this same file; none where it has one name.
    pub shared: Option<String>,
}

impl Entry {
    /// Names of what differs, as differences.txt has them.
    pub fn differs(&self, other: &Self) -> Vec<&'static str> {
        let same_kind = std::mem::discriminant(&self.kind) == std::mem::discriminant(&other.kind);
        let content = if matches!(self.kind, Kind::Link(_)) { "target" } else { "content" };
        let facts = [
            ("type", !same_kind),
            (content, same_kind && self.kind != other.kind),
            ("mode", self.mode.is_some() && other.mode.is_some() && self.mode != other.mode),
            ("owner", (&self.owner, &self.group) != (&other.owner, &other.group)),
            ("capability", self.capability != other.capability),
            ("names", self.shared != other.shared),
        ];
        facts.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }

    /// For a person.
    pub fn line(&self) -> String {
        let kind = match &self.kind {
            Kind::Dir => "dir".to_owned(),
            Kind::File(digest) => format!("file {}", &digest.hex()[..12]),
            Kind::Link(target) => format!("link to {target}"),
            Kind::Device => "device".to_owned(),
        };
        let mode = self.mode.map(|mode| format!(" {mode:04o}")).unwrap_or_default();
        let shared = self.shared.as_ref().map(|first| format!(" the same as {first}")).unwrap_or_default();
        format!("{kind}{mode} {}:{}{shared}", self.owner, self.group)
    }
}

/// Paths from `/`, sorted.
pub type Listing = BTreeMap<String, Entry>;

/// The newest time in a tar archive: in an image's, that of its newest package.
pub fn newest(tar: &Path) -> u64 {
    let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 20, File::open(tar).unwrap()));
    archive.entries().unwrap().map(|member| member.unwrap().header().mtime().unwrap()).max().unwrap()
}

/// Reads a tar archive.
pub fn read(tar: &Path) -> Listing {
    let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 20, File::open(tar).unwrap()));
    let mut listing = Listing::new();
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut texts: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for member in archive.entries().unwrap() {
        let mut member = member.unwrap();
        let path = absolute(member.path().unwrap().to_str().unwrap());
        let capability = member.pax_extensions().unwrap().into_iter().flatten().map(Result::unwrap).find_map(|found| {
            (found.key_bytes() == b"SCHILY.xattr.security.capability").then(|| found.value_bytes().to_vec())
        });
        let link = member.link_name().unwrap().map(|target| target.to_str().unwrap().to_owned());
        let header = member.header();
        let (owner, group) = (header.uid().unwrap().to_string(), header.gid().unwrap().to_string());
        let mode = header.mode().unwrap() & 0o7777;
        let kind = match header.entry_type() {
            tar::EntryType::Directory => Kind::Dir,
            tar::EntryType::Symlink => Kind::Link(link.unwrap()),
            tar::EntryType::Link => {
                let first = absolute(&link.unwrap());
                listing.insert(path.clone(), listing[&first].clone());
                names.entry(first).or_default().push(path);
                continue;
            }
            tar::EntryType::Char | tar::EntryType::Block | tar::EntryType::Fifo => Kind::Device,
            kind if kind.is_file() => {
                let mut bytes = Vec::new();
                member.read_to_end(&mut bytes).unwrap();
                if WITH_IDS.iter().any(|known| *known == path) {
                    texts.insert(path.clone(), bytes.clone());
                }
                Kind::File(Digest::of(&comparable(&path, bytes)))
            }
            kind => panic!("{path} is a {kind:?}"),
        };
        let mode = (!matches!(kind, Kind::Link(_))).then_some(mode);
        let capability = capability.unwrap_or_default();
        listing.insert(path, Entry { kind, mode, owner, group, capability, shared: None });
    }
    for (first, others) in names {
        let all: Vec<String> = others.into_iter().chain([first]).collect();
        for path in &all {
            listing.get_mut(path).unwrap().shared = all.iter().min().cloned();
        }
    }
    name_owners(&mut listing, &texts);
    listing
}

/// What holds the ids of accounts.
const WITH_IDS: [&str; 2] = ["/etc/passwd", "/etc/group"];

/// Names stand for ids: of the owners of paths, and in the lines of the accounts themselves. The order of those
/// lines, which is that in which packages were configured, is the ids' order and does not count either.
fn name_owners(listing: &mut Listing, texts: &BTreeMap<String, Vec<u8>>) {
    let [passwd, group] = WITH_IDS.map(|path| String::from_utf8(texts[path].clone()).unwrap());
    let (users, groups) = (accounts(&passwd), accounts(&group));
    let name = |names: &BTreeMap<String, String>, id: &str| names.get(id).cloned().unwrap_or_else(|| id.to_owned());
    for entry in listing.values_mut() {
        entry.owner = name(&users, &entry.owner);
        entry.group = name(&groups, &entry.group);
    }
    let named = |text: &str| {
        let mut lines: Vec<String> = text
            .lines()
            .map(|line| {
                let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
                if fields.len() == 7 {
                    fields[3] = name(&groups, &fields[3]);
                }
                fields[2] = "-".to_owned();
                fields.join(":")
            })
            .collect();
        lines.sort_unstable();
        Kind::File(Digest::of(lines.join("\n").as_bytes()))
    };
    for (path, text) in WITH_IDS.into_iter().zip([&passwd, &group]) {
        listing.get_mut(path).unwrap().kind = named(text);
    }
}

fn absolute(name: &str) -> String {
    format!("/{}", name.trim_start_matches("./").trim_matches('/'))
}

/// Names by id. The first line that has an id names it, as for getpwuid(3).
fn accounts(text: &str) -> BTreeMap<String, String> {
    let fields = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        Some(((*fields.get(2)?).to_owned(), (*fields.first()?).to_owned()))
    };
    text.lines().rev().filter_map(fields).collect()
}

/// The bytes without what means the same either way.
fn comparable(path: &str, mut bytes: Vec<u8>) -> Vec<u8> {
    match path {
        // dpkg writes records of three lines in the order of a hash table.
        "/var/lib/dpkg/diversions" => sorted(&bytes, 3),
        // Accounts in the order of their ids: see `name_owners`.
        "/etc/shadow" | "/etc/gshadow" => sorted(&bytes, 1),
        _ if path.ends_with(".pyc") => {
            // PEP 552: flags 0b01, the hash is not checked, and 0b11, it is. The hash and the code are compared.
            if let Some(flags @ [3, 0, 0, 0]) = bytes.get_mut(4..8) {
                flags[0] = 1;
            }
            bytes
        }
        _ => bytes,
    }
}

/// Records of so many lines, in order.
fn sorted(bytes: &[u8], lines_of_one: usize) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut records: Vec<&[&str]> = lines.chunks(lines_of_one).collect();
    records.sort_unstable();
    records.concat().join("\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root with one user, who has this id and owns one file.
    fn root(uid: u64, flags: u8) -> Listing {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.tar");
        let mut builder = tar::Builder::new(File::create(&path).unwrap());
        let mut add = |name: &str, text: &[u8], uid: u64| {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o640);
            header.set_uid(uid);
            header.set_gid(0);
            builder.append_data(&mut header, name, text).unwrap();
        };
        add("./etc/passwd", format!("root:x:0:0::/:/bin/sh\nweb:x:{uid}:0::/:/bin/sh\n").as_bytes(), 0);
        add("./etc/group", b"root:x:0:\n", 0);
        add("./srv/file", b"text", uid);
        add("./x.pyc", &[0xf3, 13, 13, 10, flags, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 0);
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Link);
        header.set_size(0);
        header.set_mode(0o640);
        header.set_uid(uid);
        header.set_gid(0);
        builder.append_link(&mut header, "./srv/again", "./srv/file").unwrap();
        builder.into_inner().unwrap();
        read(&path)
    }

    #[test]
    fn ids_and_whether_a_hash_is_checked_make_no_difference() {
        let listing = root(101, 1);
        assert_eq!(listing, root(4242, 3));
        assert_eq!(listing["/srv/file"].owner, "web");
        assert_eq!(listing["/srv/file"].shared.as_deref(), Some("/srv/again"));
        // A time instead of a hash is another thing.
        assert_eq!(listing["/x.pyc"].differs(&root(101, 0)["/x.pyc"]), ["content"]);
    }

    #[test]
    fn each_fact_that_differs_is_named() {
        let listing = root(101, 1);
        let mut other = listing["/srv/file"].clone();
        (other.mode, other.owner, other.shared) = (Some(0o600), "root".to_owned(), None);
        other.capability = vec![1];
        assert_eq!(listing["/srv/file"].differs(&other), ["mode", "owner", "capability", "names"]);
        other.kind = Kind::Link("x".to_owned());
        assert_eq!(listing["/srv/file"].differs(&other)[0], "type");
    }
}
