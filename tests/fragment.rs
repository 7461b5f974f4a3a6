//! .debs to fragments, beside dpkg.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use wharf::digest::Digest;
use wharf::estate::{Compression, Filters};
use wharf::fetch::Cache;
use wharf::layer::{Entry, EntryKind, Fragment, Fragments, write};
use wharf::path::ImagePath;

use super::debs::{self, Deb};

/// A cache of its own in a folder that goes with it.
pub struct Bench {
    pub folder: tempfile::TempDir,
    pub fragments: Fragments,
}

impl Bench {
    pub fn new(compression: Compression) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = Arc::new(Cache::open(&folder.path().join("cache")).unwrap());
        Self { folder, fragments: Fragments::new(cache, compression) }
    }

    pub fn make(&self, deb: &Deb) -> Result<Arc<Fragment>, String> {
        self.make_filtered(deb, &Filters::default())
    }

    pub fn make_filtered(&self, deb: &Deb, filters: &Filters) -> Result<Arc<Fragment>, String> {
        self.make_bytes(&deb.bytes(), filters)
    }

    pub fn make_bytes(&self, bytes: &[u8], filters: &Filters) -> Result<Arc<Fragment>, String> {
        let path = self.folder.path().join("test.deb");
        std::fs::write(&path, bytes).unwrap();
        self.fragments
            .make(&path, &Digest::of(bytes), filters)
            .map_err(|error| error.to_string().replace(&self.folder.path().display().to_string(), "DIR"))
    }

    /// Nothing half-made lies in the cache.
    fn is_clean(&self) -> bool {
        ["fragments", "records"]
            .iter()
            .all(|area| std::fs::read_dir(self.folder.path().join("cache").join(area)).unwrap().next().is_none())
    }
}

fn error_of(deb: &Deb) -> String {
    error_of_bytes(&deb.bytes())
}

fn error_of_bytes(bytes: &[u8]) -> String {
    let bench = Bench::new(Compression::Zstd);
    let error = bench.make_bytes(bytes, &Filters::default()).expect_err("it is bad");
    assert!(bench.is_clean(), "something was kept");
    error
}

pub fn path(text: &str) -> ImagePath {
    ImagePath::new(text).unwrap()
}

/// The uncompressed tar of one layer of `fragment` alone.
pub fn untar(bench: &Bench, parts: &[Arc<Fragment>]) -> Vec<u8> {
    let mut packed = Vec::new();
    let compression = bench.fragments.compression();
    let facts = write(parts, compression, 2, bench.fragments.cache(), &mut packed).unwrap();
    assert_eq!(facts.digest, Digest::of(&packed));
    assert_eq!(facts.size, packed.len() as u64);
    let mut plain = Vec::new();
    match compression {
        Compression::Zstd => {
            zstd::stream::read::Decoder::new(packed.as_slice()).unwrap().read_to_end(&mut plain).unwrap();
        }
        Compression::Gzip => {
            flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut plain).unwrap();
        }
    }
    assert_eq!(facts.diff_id, Digest::of(&plain));
    plain
}

/// One line an entry, as `tar -tv` has it.
pub fn listing(fragment: &Fragment) -> String {
    let lines = fragment.entries.iter().map(|Entry { path, kind, mode, uid, gid, mtime, .. }| {
        let kind = match kind {
            EntryKind::Dir => "d".to_owned(),
            EntryKind::File { size, .. } => format!("f {size}"),
            EntryKind::Symlink(text) => format!("l -> {text}"),
            EntryKind::Hardlink(first) => format!("h {first}"),
        };
        format!("{path} {mode:04o} {uid}:{gid} {mtime} {kind}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_no_deb_is_refused() {
    let good = Deb::new("bad", "1");
    let (control, data) = (debs::gzip(&good.control_tar()), debs::xz(&good.data()));
    let binary: (&str, &[u8]) = ("debian-binary", b"2.0\n");
    insta::assert_snapshot!(error_of_bytes(b""), @"`DIR/test.deb` cannot be used: it is empty");
    insta::assert_snapshot!(error_of_bytes(b"<html>not found</html>"), @"`DIR/test.deb` cannot be used: it is no Debian package: it does not begin with `!<arch>`");
    insta::assert_snapshot!(error_of_bytes(&debs::ar(&[("debian-binary", b"3.0\n")])), @"`DIR/test.deb` cannot be used: its format is `3.0`, not 2.x");
    insta::assert_snapshot!(error_of_bytes(&debs::ar(&[binary])), @"`DIR/test.deb` cannot be used: it has no `control.tar`");
    insta::assert_snapshot!(error_of_bytes(&debs::ar(&[binary, ("data.tar.xz", &data)])), @"`DIR/test.deb` cannot be used: it has `data.tar.xz` where `control.tar` is expected");
    insta::assert_snapshot!(error_of_bytes(&debs::ar(&[binary, ("control.tar.gz", &control)])), @"package `bad` in `DIR/test.deb` cannot be used: it has no `data.tar`");
    insta::assert_snapshot!(error_of_bytes(&debs::ar(&[binary, ("control.tar.gz", &control), ("data.tar.bz2", b"BZh")])), @"package `bad` in `DIR/test.deb` cannot be used: `data.tar.bz2` is compressed in a way that wharf does not read");
    insta::assert_snapshot!(error_of_bytes(&debs::ar(&[binary, ("control.tar.gz", &control), ("data.tar.xz", b"no xz at all")])), @"package `bad` in `DIR/test.deb` cannot be used: `data.tar.xz` cannot be unpacked: stream/file format not recognized");
    let whole = good.bytes();
    insta::assert_snapshot!(error_of_bytes(&whole[..whole.len() - 70]), @"package `bad` in `DIR/test.deb` cannot be used: it ends in the middle of `data.tar.xz`");
}

#[test]
fn another_digest_is_refused() {
    let bench = Bench::new(Compression::Zstd);
    let deb = Deb::new("bad", "1").write(bench.folder.path(), "bad.deb");
    let error = bench.fragments.make(&deb, &Digest::of(b"other"), &Filters::default()).unwrap_err().to_string();
    assert!(error.contains("package `bad` in") && error.contains(&Digest::of(b"other").to_string()), "{error}");
    assert!(bench.is_clean());
}

#[test]
fn paths_and_links_that_leave_the_image_are_refused() {
    let deb = || Deb::new("bad", "1").dir("./a/", 0o755).file("./a/x", "x");
    insta::assert_snapshot!(error_of(&deb().file("./../etc/passwd", "x")), @"package `bad` in `DIR/test.deb` cannot be used: `./../etc/passwd` is no path inside an image: `..` is not allowed");
    insta::assert_snapshot!(error_of(&deb().file("/etc/passwd", "x")), @"package `bad` in `DIR/test.deb` cannot be used: `/etc/passwd` is no path inside an image: a member of an archive must not be absolute");
    insta::assert_snapshot!(error_of(&deb().file("./a/b\nc", "x")), @r#"package `bad` in `DIR/test.deb` cannot be used: `./a/b\nc` is no path inside an image: control characters are not allowed"#);
    insta::assert_snapshot!(error_of(&deb().symlink("./a/l", "../../etc/passwd")), @"package `bad` in `DIR/test.deb` cannot be used: the symbolic link `/a/l` leaves the image: `../../etc/passwd`");
    insta::assert_snapshot!(error_of(&deb().symlink("./a/l", "/../etc")), @"package `bad` in `DIR/test.deb` cannot be used: the symbolic link `/a/l` leaves the image: `/../etc`");
    insta::assert_snapshot!(error_of(&deb().symlink("./a/l", "")), @"package `bad` in `DIR/test.deb` cannot be used: the symbolic link `/a/l` has a text that is empty");
    insta::assert_snapshot!(error_of(&deb().hardlink("./a/h", "../../etc/shadow")), @"package `bad` in `DIR/test.deb` cannot be used: the hard link `/a/h` leads to `../../etc/shadow`, which is no file before it in the package");
    insta::assert_snapshot!(error_of(&deb().hardlink("./a/h", "./etc/shadow")), @"package `bad` in `DIR/test.deb` cannot be used: the hard link `/a/h` leads to `./etc/shadow`, which is no file before it in the package");
    insta::assert_snapshot!(error_of(&deb().symlink("./l", "/etc").file("./l/passwd", "x")), @"package `bad` in `DIR/test.deb` cannot be used: it has `/l/passwd` below `/l`, which is no directory");
}

#[test]
fn what_no_image_holds_is_refused() {
    let deb = || Deb::new("bad", "1").dir("./dev/", 0o755);
    insta::assert_snapshot!(error_of(&deb().entry("./dev/sda", b'4', "", 0o644, b"")), @"package `bad` in `DIR/test.deb` cannot be used: `./dev/sda` is a device node");
    insta::assert_snapshot!(error_of(&deb().entry("./dev/null", b'3', "", 0o644, b"")), @"package `bad` in `DIR/test.deb` cannot be used: `./dev/null` is a device node");
    insta::assert_snapshot!(error_of(&deb().entry("./dev/p", b'6', "", 0o644, b"")), @"package `bad` in `DIR/test.deb` cannot be used: `./dev/p` is a named pipe");
    insta::assert_snapshot!(error_of(&deb().entry("./dev/s", b'S', "", 0o644, b"")), @"package `bad` in `DIR/test.deb` cannot be used: `./dev/s` is a sparse file");
    insta::assert_snapshot!(error_of(&deb().entry("./dev/q", b'V', "", 0o644, b"")), @"package `bad` in `DIR/test.deb` cannot be used: `./dev/q` is of a kind that wharf does not know");
    insta::assert_snapshot!(error_of(&deb().file("./dev/x", "x").file("dev/x", "x")), @"package `bad` in `DIR/test.deb` cannot be used: it has `/dev/x` twice");
    insta::assert_snapshot!(error_of(&deb().file("./dev/x", "x").file("./dev/x/y", "x")), @"package `bad` in `DIR/test.deb` cannot be used: it has `/dev/x/y` below `/dev/x`, which is no directory");
    insta::assert_snapshot!(error_of(&deb().dir("./bin/", 0o755).file("./bin/x", "x").file("./usr/bin/x", "y")), @"package `bad` in `DIR/test.deb` cannot be used: it has both `/bin/x` and `/usr/bin/x`, which are one path in an image with merged /usr");
}

#[test]
fn bombs_are_refused() {
    // 100 MiB of zeros in 15 kB.
    let zeros = Deb::new("bad", "1").file("./zeros", vec![0; 100 << 20]);
    let error = error_of(&zeros);
    assert!(
        error.starts_with("package `bad` in `DIR/test.deb` cannot be used: `data.tar.xz` unpacks to more than"),
        "{error}"
    );
    // A long name that never ends.
    let long = Deb::new("bad", "1").raw(&debs::header("././@LongLink", b'L', "", 0, 1 << 30));
    insta::assert_snapshot!(error_of(&long), @"package `bad` in `DIR/test.deb` cannot be used: a header in `data.tar.xz` is broken: a name or an extension of 1073741824 bytes");
    // A size that is not there.
    let short = Deb::new("bad", "1").raw(&debs::header("./x", b'0', "", 0o644, 1 << 20));
    insta::assert_snapshot!(error_of(&short), @"package `bad` in `DIR/test.deb` cannot be used: a header in `data.tar.xz` is broken: `./x` ends before its size");
    let control = Deb::new("bad", "1").member("x", vec![0; 65 << 20]);
    insta::assert_snapshot!(error_of(&control), @"`DIR/test.deb` cannot be used: `control.tar.gz` unpacks to more than 67108864 bytes");
}

#[test]
fn a_control_archive_must_make_sense() {
    let with = |control: &str| {
        let mut deb = Deb::new("bad", "1");
        deb.control = control.to_owned();
        error_of(&deb)
    };
    insta::assert_snapshot!(with("Package: x y\n"), @"`DIR/test.deb` cannot be used: its control member `control` says: `x y` cannot be a package name: at least two of lower-case letters, digits, `+`, `-`, `.`, the first a letter or digit");
    insta::assert_snapshot!(with("Package: bad\nArchitecture: all\n"), @"`DIR/test.deb` cannot be used: its control member `control` has no field `Version`");
    insta::assert_snapshot!(with("Package: bad\nVersion: 1\nArchitecture: ../x\n"), @"`DIR/test.deb` cannot be used: its control member `control` has a field `Architecture` that is `../x`");
    insta::assert_snapshot!(with("Package: bad\nPackage: worse\n"), @"`DIR/test.deb` cannot be used: its control member `control` has the field `Package` twice");
    insta::assert_snapshot!(with("no field\n"), @"`DIR/test.deb` cannot be used: its control member `control` has a line that is no field: `no field`");
    insta::assert_snapshot!(with(" continued\n"), @"`DIR/test.deb` cannot be used: its control member `control` begins with a continuation line");
    insta::assert_snapshot!(error_of(&Deb::new("bad", "1").member("list", "x")), @"`DIR/test.deb` cannot be used: its control member `list` has a name that no control member has");
    insta::assert_snapshot!(error_of(&Deb::new("bad", "1").member("postinst", "x").member("postinst", "y")), @"`DIR/test.deb` cannot be used: its control member `postinst` is there twice");
    insta::assert_snapshot!(error_of(&Deb::new("bad", "1").member("conffiles", "etc/x\n")), @"package `bad` in `DIR/test.deb` cannot be used: its control member `conffiles` has a line that is no path: `etc/x`");
}
