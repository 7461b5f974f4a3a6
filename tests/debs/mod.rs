//! .debs for tests: made here, byte by byte, and real ones by apt.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::skip;

/// A .deb in the making. What is not set is as `dpkg-deb` would have it.
#[derive(Clone)]
pub struct Deb {
    pub control: String,
    /// Further control members.
    pub members: Vec<(String, Vec<u8>)>,
    data: Vec<u8>,
}

pub const MTIME: u64 = 1_700_000_000;

impl Deb {
    pub fn new(name: &str, version: &str) -> Self {
        let control =
            format!("Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody\nDescription: test\n");
        Self { control, members: Vec::new(), data: Vec::new() }.dir("./", 0o755)
    }

    pub fn field(mut self, line: &str) -> Self {
        self.control.push_str(line);
        self.control.push('\n');
        self
    }

    pub fn member(mut self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.members.push((name.to_owned(), bytes.as_ref().to_vec()));
        self
    }

    pub fn dir(self, name: &str, mode: u32) -> Self {
        self.entry(name, b'5', "", mode, b"")
    }

    pub fn file(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.entry(name, b'0', "", 0o644, bytes.as_ref())
    }

    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(name, b'2', target, 0o777, b"")
    }

    pub fn hardlink(self, name: &str, target: &str) -> Self {
        self.entry(name, b'1', target, 0o644, b"")
    }

    /// Any member, names written as they are.
    pub fn entry(mut self, name: &str, flag: u8, link: &str, mode: u32, bytes: &[u8]) -> Self {
        self.data.extend(header(name, flag, link, mode, bytes.len() as u64));
        self.data.extend(bytes);
        self.data.resize(self.data.len().next_multiple_of(512), 0);
        self
    }

    /// Bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.data.extend(bytes);
        self
    }

    pub fn data(&self) -> Vec<u8> {
        [self.data.as_slice(), &[0; 1024]].concat()
    }

    pub fn control_tar(&self) -> Vec<u8> {
        let mut tar = header("./", b'5', "", 0o755, 0).to_vec();
        let control = [("control".to_owned(), self.control.clone().into_bytes())];
        for (name, bytes) in control.iter().chain(&self.members) {
            tar.extend(header(&format!("./{name}"), b'0', "", 0o644, bytes.len() as u64));
            tar.extend(bytes);
            tar.resize(tar.len().next_multiple_of(512), 0);
        }
        tar.resize(tar.len() + 1024, 0);
        tar
    }

    pub fn bytes(&self) -> Vec<u8> {
        ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", &gzip(&self.control_tar())),
            ("data.tar.xz", &xz(&self.data())),
        ])
    }

    /// The same with nothing compressed, for big ones.
    pub fn plain_bytes(&self) -> Vec<u8> {
        ar(&[("debian-binary", b"2.0\n"), ("control.tar", &self.control_tar()), ("data.tar", &self.data())])
    }

    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, self.bytes()).unwrap();
        path
    }
}

pub fn header(name: &str, flag: u8, link: &str, mode: u32, size: u64) -> [u8; 512] {
    let mut header = tar::Header::new_gnu();
    let old = header.as_old_mut();
    old.name[..name.len()].copy_from_slice(name.as_bytes());
    old.linkname[..link.len()].copy_from_slice(link.as_bytes());
    old.linkflag = [flag];
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(MTIME);
    header.set_size(size);
    header.set_cksum();
    *header.as_bytes()
}

pub fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        bytes.extend(format!("{name:<16}{MTIME:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 100_644, content.len()).bytes());
        bytes.extend(*content);
        if content.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub fn xz(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut out = liblzma::write::XzEncoder::new(Vec::new(), 1);
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// Real packages of the build host's own Debian release, downloaded once into target/tmp. None without apt.
pub fn real(names: &[&str]) -> Option<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real-debs");
    std::fs::create_dir_all(&folder).unwrap();
    let find = |name: &str| {
        let mut found = std::fs::read_dir(&folder).unwrap().filter_map(|entry| Some(entry.ok()?.path()));
        found.find(|path| {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            file.starts_with(&format!("{name}_")) && file.ends_with(".deb")
        })
    };
    let missing: Vec<&str> = names.iter().copied().filter(|name| find(name).is_none()).collect();
    if !missing.is_empty() {
        let result = Command::new("apt-get").arg("download").args(&missing).current_dir(&folder).output();
        match result {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                skip(&format!("apt-get download: {}", String::from_utf8_lossy(&output.stderr)));
                return None;
            }
            Err(error) => {
                skip(&format!("apt-get: {error}"));
                return None;
            }
        }
    }
    names.iter().map(|name| find(name)).collect()
}
