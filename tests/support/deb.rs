//! Real .debs, made in memory.

use std::io::Write as _;

use md5::Digest as _;

/// How a .deb's members are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gz,
    Xz,
    Zstd,
}

impl Packing {
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gz => ".gz",
            Self::Xz => ".xz",
            Self::Zstd => ".zst",
        }
    }

    pub fn pack(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => bytes.to_vec(),
            Self::Gz => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Zstd => zstd::bulk::compress(bytes, 3).unwrap(),
        }
    }
}

#[derive(Debug, Clone)]
enum Entry {
    Dir {
        mode: u32,
    },
    File {
        mode: u32,
        bytes: Vec<u8>,
    },
    Symlink {
        target: String,
    },
    Hardlink {
        target: String,
    },
    /// The path is the member's name as it is.
    Raw {
        kind: tar::EntryType,
    },
}

/// A package: `Deb::new("hello", "1.0").depends("libc6").file("/usr/bin/hello", 0o755, b"…").script("postinst", "…")`.
///
/// Amd64, owned by root, dated 2025-01-01, its members packed with xz, unless told otherwise.
#[derive(Debug, Clone)]
pub struct Deb {
    pub name: String,
    pub version: String,
    pub arch: String,
    fields: Vec<(String, String)>,
    entries: Vec<(String, Entry)>,
    members: Vec<(String, u32, Vec<u8>)>,
    conffiles: Vec<String>,
    packing: Packing,
    mtime: u64,
}

impl Deb {
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            arch: "amd64".to_owned(),
            fields: Vec::new(),
            entries: Vec::new(),
            members: Vec::new(),
            conffiles: Vec::new(),
            packing: Packing::Xz,
            mtime: 1_735_689_600,
        }
    }

    pub fn arch(mut self, arch: &str) -> Self {
        self.arch = arch.to_owned();
        self
    }

    /// Any control field.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn depends(self, value: &str) -> Self {
        self.field("Depends", value)
    }

    pub fn provides(self, value: &str) -> Self {
        self.field("Provides", value)
    }

    pub fn essential(self) -> Self {
        self.field("Essential", "yes")
    }

    /// A file, with its leading `/`; directories above it come by themselves.
    pub fn file(mut self, path: &str, mode: u32, bytes: impl AsRef<[u8]>) -> Self {
        self.entries.push((path.to_owned(), Entry::File { mode, bytes: bytes.as_ref().to_vec() }));
        self
    }

    /// A file that dpkg looks after.
    pub fn conffile(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.conffiles.push(path.to_owned());
        self.file(path, 0o644, bytes)
    }

    pub fn dir(mut self, path: &str, mode: u32) -> Self {
        self.entries.push((path.to_owned(), Entry::Dir { mode }));
        self
    }

    pub fn symlink(mut self, path: &str, target: &str) -> Self {
        self.entries.push((path.to_owned(), Entry::Symlink { target: target.to_owned() }));
        self
    }

    /// `target` is the path of a file of this package.
    pub fn hardlink(mut self, path: &str, target: &str) -> Self {
        self.entries.push((path.to_owned(), Entry::Hardlink { target: target.to_owned() }));
        self
    }

    /// A member with exactly this name, of any kind: what only a hostile package holds.
    pub fn raw(mut self, name: &str, kind: tar::EntryType) -> Self {
        self.entries.push((name.to_owned(), Entry::Raw { kind }));
        self
    }

    /// `postinst`, `preinst`, `config` …
    pub fn script(mut self, kind: &str, text: &str) -> Self {
        self.members.push((kind.to_owned(), 0o755, text.as_bytes().to_vec()));
        self
    }

    /// Any other member of control.tar: `triggers`, `shlibs`.
    pub fn member(mut self, name: &str, text: &str) -> Self {
        self.members.push((name.to_owned(), 0o644, text.as_bytes().to_vec()));
        self
    }

    pub fn packing(mut self, packing: Packing) -> Self {
        self.packing = packing;
        self
    }

    /// Seconds since 1970 of every entry.
    pub fn mtime(mut self, mtime: u64) -> Self {
        self.mtime = mtime;
        self
    }

    /// `hello_1.0_amd64.deb`, the epoch left out.
    pub fn file_name(&self) -> String {
        let version = self.version.split_once(':').map_or(self.version.as_str(), |(_, rest)| rest);
        format!("{}_{version}_{}.deb", self.name, self.arch)
    }

    /// `pool/main/h/hello/hello_1.0_amd64.deb`
    pub fn pool_path(&self, component: &str) -> String {
        format!("pool/{component}/{}/{}/{}", &self.name[..1], self.name, self.file_name())
    }

    /// The control stanza, without an empty line behind it.
    pub fn control(&self) -> String {
        let size: usize = self
            .entries
            .iter()
            .map(|(_, entry)| if let Entry::File { bytes, .. } = entry { bytes.len().div_ceil(1024) } else { 1 })
            .sum();
        let mut text = format!(
            "Package: {}\nVersion: {}\nArchitecture: {}\nMaintainer: A Test <test@example.org>\nInstalled-Size: {size}\n",
            self.name, self.version, self.arch
        );
        for (name, value) in &self.fields {
            text += &format!("{name}: {value}\n");
        }
        if !self.fields.iter().any(|(name, _)| name == "Description") {
            text += &format!("Description: {} for a test\n made on the spot\n", self.name);
        }
        text
    }

    fn header(&self, mode: u32) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root").unwrap();
        header.set_groupname("root").unwrap();
        header.set_mtime(self.mtime);
        header
    }

    fn add(&self, tar: &mut tar::Builder<Vec<u8>>, path: &str, entry: &Entry) {
        let (kind, mode, bytes) = match entry {
            Entry::Dir { mode } => (tar::EntryType::Directory, *mode, &[][..]),
            Entry::File { mode, bytes } => (tar::EntryType::Regular, *mode, bytes.as_slice()),
            Entry::Symlink { .. } => (tar::EntryType::Symlink, 0o777, &[][..]),
            Entry::Hardlink { .. } => (tar::EntryType::Link, 0o644, &[][..]),
            Entry::Raw { kind } => (*kind, 0o644, &[][..]),
        };
        let mut header = self.header(mode);
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        match entry {
            Entry::Symlink { target } => header.set_link_name_literal(target).unwrap(),
            Entry::Hardlink { target } => header.set_link_name_literal(format!(".{target}")).unwrap(),
            Entry::Dir { .. } | Entry::File { .. } | Entry::Raw { .. } => {}
        }
        let dot = if matches!(entry, Entry::Raw { .. }) { "" } else { "." };
        let name = format!("{dot}{path}{}", if kind == tar::EntryType::Directory { "/" } else { "" });
        // set_path would drop the `./` that dpkg-deb writes; only a long name goes that way.
        match header.as_old_mut().name.get_mut(..name.len()) {
            Some(place) => {
                place.copy_from_slice(name.as_bytes());
                header.set_cksum();
                tar.append(&header, bytes).unwrap();
            }
            None => tar.append_data(&mut header, name, bytes).unwrap(),
        }
    }

    fn data_tar(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut made = std::collections::BTreeSet::new();
        let told: std::collections::BTreeSet<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::Dir { .. }))
            .map(|(path, _)| path.as_str())
            .collect();
        self.add(&mut tar, "", &Entry::Dir { mode: 0o755 });
        for (path, entry) in &self.entries {
            let above = if matches!(entry, Entry::Raw { .. }) { "" } else { path.as_str() };
            for (at, _) in above.match_indices('/').skip(1) {
                let above = &path[..at];
                if !told.contains(above) && made.insert(above) {
                    self.add(&mut tar, above, &Entry::Dir { mode: 0o755 });
                }
            }
            self.add(&mut tar, path, entry);
        }
        tar.into_inner().unwrap()
    }

    fn control_tar(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut put = |name: &str, mode: u32, bytes: &[u8]| {
            self.add(&mut tar, &format!("/{name}"), &Entry::File { mode, bytes: bytes.to_vec() });
        };
        put("control", 0o644, self.control().as_bytes());
        let sums: String = self
            .entries
            .iter()
            .filter_map(|(path, entry)| match entry {
                Entry::File { bytes, .. } => {
                    let sum: String = md5::Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
                    Some(format!("{sum}  {}\n", &path[1..]))
                }
                _ => None,
            })
            .collect();
        put("md5sums", 0o644, sums.as_bytes());
        if !self.conffiles.is_empty() {
            put("conffiles", 0o644, (self.conffiles.join("\n") + "\n").as_bytes());
        }
        for (name, mode, bytes) in &self.members {
            put(name, *mode, bytes);
        }
        tar.into_inner().unwrap()
    }

    /// The whole .deb (deb(5)).
    pub fn bytes(&self) -> Vec<u8> {
        let suffix = self.packing.suffix();
        let mut ar = b"!<arch>\n".to_vec();
        for (name, bytes) in [
            ("debian-binary".to_owned(), b"2.0\n".to_vec()),
            (format!("control.tar{suffix}"), self.packing.pack(&self.control_tar())),
            (format!("data.tar{suffix}"), self.packing.pack(&self.data_tar())),
        ] {
            ar.extend(
                format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", self.mtime, 0, 0, 100_644, bytes.len()).bytes(),
            );
            ar.extend(&bytes);
            if bytes.len() % 2 == 1 {
                ar.push(b'\n');
            }
        }
        ar
    }
}
