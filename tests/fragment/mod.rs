//! .debs to fragments.

mod dpkg;

use std::io::Read as _;
use std::path::Path;
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
        self.make_bytes(&deb.plain_bytes(), filters)
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
    let mut parts = parts.to_vec();
    parts.insert(0, bench.fragments.directories(&parts).unwrap());
    let facts = write(&parts, compression, 2, bench.fragments.cache(), &mut packed).unwrap();
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
    insta::assert_snapshot!(with("Package: bad\nPackage: worse\n"), @"`DIR/test.deb` cannot be used: its control member `control` is no stanza: line 2: a field that this stanza already has: `Package: worse`");
    insta::assert_snapshot!(with("no field\n"), @"`DIR/test.deb` cannot be used: its control member `control` is no stanza: line 1: expected `Field: value`: `no field`");
    insta::assert_snapshot!(with(" continued\n"), @"`DIR/test.deb` cannot be used: its control member `control` is no stanza: line 1: a continuation line with no field before it: ` continued`");
    insta::assert_snapshot!(error_of(&Deb::new("bad", "1").member("list", "x")), @"`DIR/test.deb` cannot be used: its control member `list` has a name that no control member has");
    insta::assert_snapshot!(error_of(&Deb::new("bad", "1").member("postinst", "x").member("postinst", "y")), @"`DIR/test.deb` cannot be used: its control member `postinst` is there twice");
    insta::assert_snapshot!(error_of(&Deb::new("bad", "1").member("conffiles", "etc/x\n")), @"package `bad` in `DIR/test.deb` cannot be used: its control member `conffiles` has a line that is no path: `etc/x`");
}

#[test]
fn a_package_becomes_a_plain_sorted_tar_with_dpkgs_files() {
    let bench = Bench::new(Compression::Zstd);
    let deb = Deb::new("tool", "1:2.0-1")
        .field("Multi-Arch: same")
        .member("conffiles", "remove-on-upgrade /etc/old.conf\n/etc/tool.conf\n")
        .member("md5sums", "x\n")
        .member("postinst", "#!/bin/sh\n")
        .member("triggers", "interest /x\n")
        .dir("./usr/", 0o755)
        .dir("./usr/bin/", 0o755)
        .entry("./usr/bin/tool", b'0', "", 0o4755, b"ELF")
        .hardlink("./usr/bin/also", "./usr/bin/tool")
        .dir("./etc/", 0o755)
        .file("./etc/tool.conf", "a=b\n")
        .symlink("./usr/bin/link", "tool")
        .dir("./var/empty/", 0o2750);
    let fragment = bench.make(&deb).unwrap();
    insta::assert_snapshot!(listing(&fragment), @r#"
    / 0755 0:0 0 d
    /etc 0755 0:0 0 d
    /etc/tool.conf 0644 0:0 1700000000 f 4
    /usr 0755 0:0 0 d
    /usr/bin 0755 0:0 0 d
    /usr/bin/also 4755 0:0 1700000000 f 3
    /usr/bin/link 0777 0:0 1700000000 l -> tool
    /usr/bin/tool 4755 0:0 1700000000 h /usr/bin/also
    /var 0755 0:0 0 d
    /var/empty 2750 0:0 0 d
    /var/lib 0755 0:0 0 d
    /var/lib/dpkg 0755 0:0 0 d
    /var/lib/dpkg/info 0755 0:0 0 d
    /var/lib/dpkg/info/tool:all.conffiles 0644 0:0 1700000000 f 47
    /var/lib/dpkg/info/tool:all.list 0644 0:0 1700000000 f 90
    /var/lib/dpkg/info/tool:all.md5sums 0644 0:0 1700000000 f 2
    /var/lib/dpkg/info/tool:all.postinst 0755 0:0 1700000000 f 10
    /var/lib/dpkg/info/tool:all.triggers 0644 0:0 1700000000 f 12
    "#);
    let info = fragment.package.as_ref().unwrap();
    assert_eq!(info.name.as_str(), "tool");
    assert_eq!(info.members.keys().collect::<Vec<_>>(), ["conffiles", "postinst", "triggers"]);
    let conffiles = info.conffiles.iter().map(|conffile| (conffile.path.as_str(), conffile.md5.as_deref()));
    assert_eq!(
        conffiles.collect::<Vec<_>>(),
        [("/etc/old.conf", None), ("/etc/tool.conf", Some("6aea67367311873a8a1383e4373a0e3c"))]
    );
    assert_eq!(fragment.newest, i64::try_from(debs::MTIME).unwrap());
    assert_eq!(content(&fragment, "/usr/bin/tool"), b"ELF");
    let list = String::from_utf8(content(&fragment, "/var/lib/dpkg/info/tool:all.list")).unwrap();
    insta::assert_snapshot!(list, @r#"
    /.
    /usr
    /usr/bin
    /usr/bin/tool
    /usr/bin/also
    /etc
    /etc/tool.conf
    /var/empty
    /usr/bin/link
    "#);
}

/// The bytes of a file of a fragment.
pub fn content(fragment: &Fragment, at: &str) -> Vec<u8> {
    let entry = fragment.file(&path(at)).unwrap();
    match fragment.node(entry, wharf::tree::Origin::Effect("test")).kind {
        wharf::tree::Kind::File(content) => content.read().unwrap(),
        other => panic!("{at} is {other:?}"),
    }
}

#[test]
fn paths_move_below_usr_and_links_still_lead_where_they_led() {
    let bench = Bench::new(Compression::Zstd);
    let deb = Deb::new("old", "1")
        .dir("./bin/", 0o755)
        .file("./bin/tool", "x")
        .hardlink("./bin/same", "./bin/tool")
        .dir("./lib/", 0o755)
        .symlink("./lib/conf", "../etc/conf")
        .dir("./usr/", 0o755)
        .dir("./usr/lib/", 0o755)
        // A bridge for old callers, which with merged /usr would lead to itself.
        .symlink("./usr/lib/tool", "/lib/tool")
        .file("./lib/tool", "y");
    insta::assert_snapshot!(listing(&bench.make(&deb).unwrap()), @r#"
    / 0755 0:0 0 d
    /usr 0755 0:0 0 d
    /usr/bin 0755 0:0 0 d
    /usr/bin/same 0644 0:0 1700000000 f 1
    /usr/bin/tool 0644 0:0 1700000000 h /usr/bin/same
    /usr/lib 0755 0:0 0 d
    /usr/lib/conf 0777 0:0 1700000000 l -> ../../etc/conf
    /usr/lib/tool 0644 0:0 1700000000 f 1
    /var 0755 0:0 0 d
    /var/lib 0755 0:0 0 d
    /var/lib/dpkg 0755 0:0 0 d
    /var/lib/dpkg/info 0755 0:0 0 d
    /var/lib/dpkg/info/old.list 0644 0:0 1700000000 f 81
    /var/lib/dpkg/info/old.md5sums 0644 0:0 1700000000 f 129
    "#);
    let base = Deb::new("base-files", "13").symlink("./bin", "usr/bin").dir("./usr/", 0o755).dir("./usr/bin/", 0o755);
    assert_eq!(bench.make(&base).unwrap().get(&path("/bin")).unwrap().kind, EntryKind::Symlink("usr/bin".to_owned()));
}

fn filters(rules: &[(bool, &str)]) -> Filters {
    Filters { rules: rules.iter().map(|(include, glob)| (*include, (*glob).to_owned())).collect() }
}

#[test]
fn a_hard_link_outlives_the_name_that_a_filter_takes() {
    let bench = Bench::new(Compression::Zstd);
    let deb = Deb::new("tool", "1").file("./a-doc", "content").hardlink("./b", "./a-doc").hardlink("./c", "./b");
    let fragment = bench.make_filtered(&deb, &filters(&[(false, "/a-doc")])).unwrap();
    assert!(fragment.get(&path("/a-doc")).is_none());
    assert_eq!(content(&fragment, "/b"), b"content");
    assert_eq!(fragment.get(&path("/c")).unwrap().kind, EntryKind::Hardlink(path("/b")));
    let list = String::from_utf8(content(&fragment, "/var/lib/dpkg/info/tool.list")).unwrap();
    assert_eq!(list, "/.\n/a-doc\n/b\n/c\n");
}

#[test]
fn gnu_and_pax_long_names_are_read() {
    let bench = Bench::new(Compression::Gzip);
    let long = format!("./{}/{}", "d".repeat(120), "n".repeat(130));
    let mut text = long.clone().into_bytes();
    text.push(0);
    let pax = format!("path={long}-pax\n");
    let pax = format!("{} {pax}", pax.len() + 4);
    let deb = Deb::new("long", "1")
        .entry("././@LongLink", b'L', "", 0, &text)
        .file("./cut", "gnu")
        .entry("pax", b'x', "", 0, pax.as_bytes())
        .file("./cut", "pax");
    let fragment = bench.make(&deb).unwrap();
    assert_eq!(content(&fragment, &long[1..]), b"gnu");
    assert_eq!(content(&fragment, &format!("{}-pax", &long[1..])), b"pax");
    let tar = untar(&bench, &[fragment]);
    let names: Vec<String> = tar::Archive::new(tar.as_slice())
        .entries()
        .unwrap()
        .map(|entry| String::from_utf8(entry.unwrap().path_bytes().into_owned()).unwrap())
        .collect();
    assert!(names.contains(&long[2..].to_owned()), "{names:?}");
}

#[test]
fn every_way_to_pack_a_member_gives_the_same_fragment() {
    let deb = Deb::new("tool", "1").file("./x", vec![7; 5000]).file("./y", "y");
    let (control, data) = (deb.control_tar(), deb.data());
    let zst = |bytes: &[u8]| zstd::stream::encode_all(bytes, 1).unwrap();
    let ways = [
        [("control.tar", control.clone()), ("data.tar", data.clone())],
        [("control.tar.gz", debs::gzip(&control)), ("data.tar.gz", debs::gzip(&data))],
        [("control.tar.xz", debs::xz(&control)), ("data.tar.xz", debs::xz(&data))],
        [("control.tar.zst", zst(&control)), ("data.tar.zst", zst(&data))],
        // Two streams behind each other, a signature and slashes behind the names.
        [
            ("control.tar.xz/", debs::xz(&control)),
            ("data.tar.xz/", [debs::xz(&data[..700]), debs::xz(&data[700..])].concat()),
        ],
    ];
    let ids: Vec<Digest> = ways
        .iter()
        .map(|[(control_name, control), (data_name, data)]| {
            let bench = Bench::new(Compression::Zstd);
            let bytes = debs::ar(&[
                ("debian-binary", b"2.0\n"),
                ("_gpgorigin", b"sig"),
                (control_name, control),
                (data_name, data),
                ("_more", b""),
            ]);
            bench.make_bytes(&bytes, &Filters::default()).unwrap().diff_id
        })
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]

    /// Whatever a disk or a stranger made of a package: an error or a package, never a panic, and no more memory or
    /// members than the file may have.
    #[test]
    fn broken_packages_are_errors(
        cuts in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0u8..5, proptest::prelude::any::<u8>()), 1..6),
        packed in proptest::prelude::any::<bool>(),
    ) {
        let deb = Deb::new("tool", "1")
            .member("conffiles", "/etc/x\n")
            .dir("./etc/", 0o755)
            .file("./etc/x", "x")
            .entry("././@LongLink", b'L', "", 0, &[b'n'; 200])
            .file("./short", vec![b'y'; 700])
            .entry("pax", b'x', "", 0, b"13 path=a/b\n")
            .hardlink("./h", "./etc/x")
            .symlink("./l", "etc/x");
        let mut bytes = if packed { deb.bytes() } else { deb.plain_bytes() };
        for (at, way, byte) in cuts {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match way {
                0 => bytes[at] = byte,
                1 => bytes[at] ^= 1 << (byte % 8),
                2 => bytes.truncate(at),
                3 => drop(bytes.drain(at..(at + usize::from(byte)).min(bytes.len()))),
                _ => bytes.insert(at, byte),
            }
        }
        let folder = std::env::temp_dir();
        let mut spool = wharf::deb::Spool::new(&folder);
        let size = bytes.len() as u64;
        match wharf::deb::file::read(Path::new("x.deb"), bytes.as_slice(), size, None, &mut spool) {
            Ok(deb) => proptest::prop_assert!(deb.members.len() < 100),
            Err(error) => proptest::prop_assert!(!error.fault.to_string().is_empty() && !error.fault.help().is_empty()),
        }
        let _ = wharf::deb::file::read_info(bytes.as_slice());
        proptest::prop_assert!(spool.size() < 1 << 20);
    }
}

/// What wharf 0 writes; another value needs another format number.
#[test]
fn the_bytes_are_those_of_this_format() {
    let deb = Deb::new("tool", "1")
        .dir("./usr/", 0o755)
        .dir("./usr/bin/", 0o755)
        .entry("./usr/bin/tool", b'0', "", 0o755, &[b'x'; 100_000])
        .symlink("./usr/bin/link", "tool");
    let fragment = |compression| Bench::new(compression).make(&deb).unwrap();
    let (zstd, gzip) = (fragment(Compression::Zstd), fragment(Compression::Gzip));
    assert_eq!(zstd.diff_id, gzip.diff_id);
    insta::assert_snapshot!(zstd.diff_id, @"sha256:5e5ac54dbac0740881cad0acdba89571a333852fdf8baf5997ef0369de4a096c");
    insta::assert_snapshot!(zstd.digest, @"sha256:b9a83b363231245c130907bcb26d688cfcb622b0898c162372a53f7bbca165b4");
    insta::assert_snapshot!(gzip.digest, @"sha256:c470b31cd18794ca4e0f6479bc59d0b59d07d5b602daf9102f4cb178a69c03e0");
}

#[test]
fn a_fragment_is_found_again_and_made_again_when_the_cache_lost_it() {
    let bench = Bench::new(Compression::Zstd);
    let deb = Deb::new("tool", "1").file("./x", "x");
    let sha256 = Digest::of(&deb.plain_bytes());
    let none = Filters::default();
    assert!(bench.fragments.find(&sha256, &none).is_none());
    let first = bench.make(&deb).unwrap();
    let (diff_id, key) = (first.diff_id, *first.key());
    assert!(Arc::ptr_eq(&first, &bench.fragments.find(&sha256, &none).unwrap()));
    assert!(bench.fragments.find(&sha256, &filters(&[(false, "/x")])).is_none());
    drop(first);
    let again = bench.fragments.find(&sha256, &none).unwrap();
    assert_eq!(again.diff_id, diff_id);
    drop(again);
    // Cut short, as a disk that was full might leave it.
    let file = bench.fragments.cache().path(wharf::fetch::Area::Fragment, &key);
    std::fs::write(&file, b"short").unwrap();
    assert!(bench.fragments.find(&sha256, &none).is_none());
    assert_eq!(bench.make(&deb).unwrap().diff_id, diff_id);
}

#[test]
fn many_threads_make_one_fragment_once() {
    let bench = Bench::new(Compression::Zstd);
    let deb = Deb::new("tool", "1").file("./x", vec![b'x'; 9 << 20]);
    let file = deb.write(bench.folder.path(), "tool.deb");
    let sha256 = Digest::of(&deb.bytes());
    let made: Vec<Arc<Fragment>> = std::thread::scope(|scope| {
        let make = || bench.fragments.make(&file, &sha256, &Filters::default()).unwrap();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(made.iter().all(|fragment| Arc::ptr_eq(fragment, &made[0])));
}
