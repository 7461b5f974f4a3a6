//! Small images, layer by layer.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use wharf::digest::{Digest, HashWriter};
use wharf::estate::{Compression, Health, ImageConfig};
use wharf::name::ArchName;
use wharf::oci::{self, Annotations, Descriptor, ImageRecord, LayerRecord, Ref, Store, media};

/// One tar member.
pub struct Member {
    path: &'static str,
    kind: tar::EntryType,
    mode: u32,
    owner: (u64, u64),
    mtime: u64,
    link: &'static str,
    content: Vec<u8>,
    capability: bool,
}

impl Member {
    fn new(path: &'static str, kind: tar::EntryType, mode: u32) -> Self {
        Self { path, kind, mode, owner: (0, 0), mtime: 1000, link: "", content: Vec::new(), capability: false }
    }

    pub fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    pub fn owner(self, uid: u64, gid: u64) -> Self {
        Self { owner: (uid, gid), ..self }
    }

    pub fn mtime(self, mtime: u64) -> Self {
        Self { mtime, ..self }
    }

    pub fn capability(self) -> Self {
        Self { capability: true, ..self }
    }
}

pub fn dir(path: &'static str) -> Member {
    Member::new(path, tar::EntryType::Directory, 0o755)
}

pub fn file(path: &'static str, content: &str) -> Member {
    Member { content: content.into(), ..Member::new(path, tar::EntryType::Regular, 0o644) }
}

pub fn symlink(path: &'static str, link: &'static str) -> Member {
    Member { link, ..Member::new(path, tar::EntryType::Symlink, 0o777) }
}

pub fn hardlink(path: &'static str, link: &'static str) -> Member {
    Member { link, ..Member::new(path, tar::EntryType::Link, 0o644) }
}

pub fn fifo(path: &'static str) -> Member {
    Member::new(path, tar::EntryType::Fifo, 0o600)
}

/// `cap_net_raw=ep` in the kernel's form.
pub const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn tar_of(members: &[Member]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for member in members {
        if member.capability {
            builder.append_pax_extensions([("SCHILY.xattr.security.capability", CAPABILITY.as_slice())]).unwrap();
        }
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(member.kind);
        header.set_mode(member.mode);
        header.set_uid(member.owner.0);
        header.set_gid(member.owner.1);
        header.set_mtime(member.mtime);
        header.set_size(member.content.len() as u64);
        // Written raw: `set_path` refuses what a hostile layer may hold.
        header.as_old_mut().name[..member.path.len()].copy_from_slice(member.path.as_bytes());
        header.as_old_mut().linkname[..member.link.len()].copy_from_slice(member.link.as_bytes());
        header.set_cksum();
        builder.append(&header, member.content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Puts a layer into the store; zstd in two frames, gzip in two members, as wharf's own are.
pub fn layer(store: &Store, compression: Compression, created_by: &str, members: &[Member]) -> LayerRecord {
    let tar = tar_of(members);
    let (first, second) = tar.split_at(tar.len() / 2);
    let pack = |part: &[u8]| match compression {
        Compression::Zstd => zstd::encode_all(part, 3).unwrap(),
        Compression::Gzip => {
            let mut packed = Vec::new();
            flate2::read::GzEncoder::new(part, flate2::Compression::default()).read_to_end(&mut packed).unwrap();
            packed
        }
    };
    let mut out = HashWriter::new(store.scratch().unwrap());
    out.write_all(&[pack(first), pack(second)].concat()).unwrap();
    let (file, digest, size) = out.finish();
    store.keep(file, &digest).unwrap();
    LayerRecord { compression, digest, diff_id: Digest::of(&tar), size, created_by: created_by.to_owned() }
}

pub fn config() -> ImageConfig {
    ImageConfig {
        env: [("LANG".to_owned(), "C.UTF-8".to_owned())].into(),
        expose: vec!["11211/tcp".to_owned()],
        command: vec!["/usr/bin/hello".to_owned(), "-v".to_owned()],
        user: Some("hello".to_owned()),
        health: Some(Health {
            command: vec!["/usr/bin/hello".to_owned(), "--ping".to_owned()],
            interval_ms: 30_000,
            timeout_ms: 10_000,
            retries: 3,
            start_ms: 60_000,
        }),
        ..ImageConfig::default()
    }
}

/// Puts a manifest into the store.
pub fn manifest(
    store: &Store,
    arch: &str,
    oci_arch: &str,
    layers: Vec<LayerRecord>,
    config: &ImageConfig,
) -> Descriptor {
    let arch = ArchName::new(arch).unwrap();
    let annotations = Annotations { title: Some("hello".to_owned()), ..Annotations::default() };
    ImageRecord { config, arch: &arch, oci_arch, layers, created: 1_795_252_544, annotations }.write(store).unwrap()
}

pub fn named(text: &str) -> Ref {
    Ref::new(text).unwrap()
}

fn status(version: &str) -> String {
    format!("Package: hello\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n")
}

/// The members of a layer that has one of each kind.
pub fn base() -> Vec<Member> {
    vec![
        dir("./"),
        dir("./etc"),
        file("./etc/motd", "welcome\n"),
        file("./etc/gone", "gone\n"),
        dir("./old"),
        file("./old/a", "a"),
        dir("./opaque"),
        file("./opaque/lower", "lower"),
        dir("./usr"),
        dir("./usr/bin").mtime(2000),
        file("./usr/bin/hello", "#!/bin/sh\necho hello\n").mode(0o4755),
        hardlink("./usr/bin/hi", "./usr/bin/hello"),
        file("./usr/bin/ping", "ping").mode(0o755).capability(),
        symlink("./bin", "usr/bin"),
        dir("./var"),
        dir("./var/lib"),
        dir("./var/lib/dpkg"),
        file("./var/lib/dpkg/status", &status("1.0-1")),
        dir("./run").mode(0o1777),
        fifo("./run/pipe"),
    ]
}

/// The members of a layer above [`base`] that hides, replaces and adds.
pub fn above() -> Vec<Member> {
    vec![
        file("./etc/.wh.gone", ""),
        file("./.wh.old", ""),
        file("./opaque/upper", "upper"),
        file("./opaque/.wh..wh..opq", ""),
        file("./usr/bin/hello", "#!/bin/sh\necho new\n").mode(0o755).owner(42, 43),
        file("./var/lib/dpkg/status", &status("1.1-1")),
    ]
}

/// A store with `hello` for x86_64 and aarch64: manifests, an index, the three kinds of refs.
pub fn hello(store: &Store) -> Descriptor {
    hello_of(store, Compression::Zstd)
}

pub fn hello_of(store: &Store, compression: Compression) -> Descriptor {
    let layers = || {
        vec![
            layer(store, compression, "packages of base", &base()),
            layer(store, compression, "files of hello", &above()),
        ]
    };
    let arches = [("x86_64", "amd64"), ("aarch64", "arm64")];
    let mut refs = Vec::new();
    let mut manifests = BTreeMap::new();
    for (arch, oci_arch) in arches {
        let image = manifest(store, arch, oci_arch, layers(), &config());
        refs.push((named(&format!("hello:debian-trixie-{arch}")), image.clone()));
        manifests.insert(ArchName::new(arch).unwrap(), image);
    }
    let bytes = oci::index(&manifests, &Annotations::default(), 1_795_252_544).unwrap();
    let index = store.put_bytes(media::INDEX, &bytes).unwrap();
    refs.push((named("hello:debian-trixie"), index.clone()));
    refs.push((named("hello:latest"), index.clone()));
    store.tag(&refs).unwrap();
    index
}
