//! Fragments of real packages beside what dpkg makes of them.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use wharf::digest::Digest;
use wharf::estate::{Compression, Filters};

use super::{Bench, content, filters, untar};
use crate::debs::{self, Deb};
use crate::support::skip;

/// An entry as an independent reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    kind: u8,
    mode: u32,
    uid: u64,
    gid: u64,
    mtime: u64,
    link: String,
    digest: Digest,
}

fn seen(tar: &[u8]) -> BTreeMap<String, Seen> {
    let mut found = BTreeMap::new();
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let name = format!("/{}", name.trim_start_matches("./").trim_end_matches('/'));
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let header = entry.header();
        let kind = header.entry_type().as_byte();
        let link =
            entry.link_name_bytes().map(|link| String::from_utf8(link.into_owned()).unwrap()).unwrap_or_default();
        let one = Seen {
            kind,
            mode: header.mode().unwrap() & 0o7777,
            uid: header.uid().unwrap(),
            gid: header.gid().unwrap(),
            mtime: header.mtime().unwrap(),
            link,
            digest: Digest::of(&bytes),
        };
        assert!(found.insert(name.clone(), one).is_none(), "{name} twice");
    }
    // Names of one file are compared by what they hold.
    let files = found.clone();
    for one in found.values_mut().filter(|one| one.kind == b'1') {
        let first = &files[&format!("/{}", one.link.trim_start_matches("./"))];
        *one = first.clone();
    }
    found
}

const REAL: &[&str] = &[
    "base-files",
    "bash",
    "coreutils",
    "libc6",
    "libc-bin",
    "util-linux",
    "passwd",
    "login",
    "adduser",
    "dbus",
    "perl-base",
    "openssl",
    "ca-certificates",
    "tzdata",
    "python3.11-minimal",
    "apt",
    "dash",
    "mawk",
    "iproute2",
    "e2fsprogs",
    "git",
    "systemd",
    "sudo",
    "udev",
];

fn aliased(path: &str) -> String {
    match ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]
        .iter()
        .any(|dir| path.starts_with(&format!("{dir}/")) || path == *dir)
    {
        true => format!("/usr{path}"),
        false => path.to_owned(),
    }
}

#[test]
fn a_real_packages_tree_is_dpkgs() {
    let Some(files) = debs::real(REAL) else { return };
    let bench = Bench::new(Compression::Zstd);
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let sha256 = Digest::of(&std::fs::read(&file).unwrap());
        let fragment = bench.fragments.make(&file, &sha256, &Filters::default()).unwrap();
        let output = Command::new("dpkg-deb").arg("--fsys-tarfile").arg(&file).output().unwrap();
        assert!(output.status.success(), "{name}");
        let mut ours = seen(&untar(&bench, &[fragment]));
        ours.retain(|path, _| !path.starts_with("/var/lib/dpkg/info"));
        let mut theirs: BTreeMap<String, Seen> = BTreeMap::new();
        for (path, one) in seen(&output.stdout) {
            theirs.insert(aliased(&path), one);
        }
        for (path, one) in &mut theirs {
            if one.kind == b'5' {
                one.mtime = 0;
            }
            // What moved below /usr may need another text; then it must lead to the same place.
            if one.kind == b'2' && ours.get(path).is_some_and(|our| our.link != one.link) {
                let ours = &ours[path].link;
                assert!(
                    path.starts_with("/usr/") && ours.starts_with("..") && one.link.starts_with(".."),
                    "{name} {path} {ours}"
                );
                one.link.clone_from(ours);
            }
        }
        // Directories above what moved.
        for extra in ours.keys().filter(|path| !theirs.contains_key(*path)).cloned().collect::<Vec<_>>() {
            let below = format!("{extra}/");
            assert!(
                ours[&extra].kind == b'5' && theirs.keys().any(|path| path.starts_with(&below))
                    || extra.starts_with("/var"),
                "{name}: {extra}"
            );
            ours.remove(&extra);
        }
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{name}");
        for (path, our) in &ours {
            assert_eq!(our, &theirs[path], "{name}: {path}");
        }
    }
}

/// Unpacks `file` with the real dpkg into a root of its own. None without root.
fn dpkg_unpack(root: &Path, file: &Path, rules: &[(bool, &str)]) -> Option<()> {
    if Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout != b"0\n") {
        skip("dpkg --root needs root");
        return None;
    }
    for dir in ["var/lib/dpkg/info", "var/lib/dpkg/updates"] {
        std::fs::create_dir_all(root.join(dir)).unwrap();
    }
    std::fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    let mut command = Command::new("dpkg");
    command.arg(format!("--root={}", root.display())).args([
        "--force-depends",
        "--force-architecture",
        "--log=/dev/null",
    ]);
    for (include, glob) in rules {
        command.arg(format!("--path-{}={glob}", if *include { "include" } else { "exclude" }));
    }
    let output = match command.arg("--unpack").arg(file).output() {
        Ok(output) => output,
        Err(error) => {
            skip(&format!("dpkg: {error}"));
            return None;
        }
    };
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    Some(())
}

/// All paths below `root`, usr-merged.
fn on_disk(root: &Path) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("/{}", path.strip_prefix(root).unwrap().display());
            if path.symlink_metadata().unwrap().is_dir() {
                todo.push(path.clone());
            }
            // Conffiles wait for the configuration under this name.
            found.insert(aliased(name.trim_end_matches(".dpkg-new")), path);
        }
    }
    found
}

#[test]
fn filters_and_dpkgs_files_are_those_that_dpkg_makes() {
    // None of these has a preinst, which would need a shell in the root.
    let Some(files) = debs::real(&[
        "bash",
        "coreutils",
        "libc-bin",
        "mawk",
        "openssl",
        "util-linux",
        "iproute2",
        "ca-certificates",
        "base-files",
        "dash",
    ]) else {
        return;
    };
    let odd = Deb::new("odd", "1")
        .dir("./usr/", 0o755)
        .dir("./usr/share/", 0o755)
        .dir("./usr/share/doc/", 0o755)
        .dir("./usr/share/doc/odd/", 0o755)
        .dir("./usr/share/doc/odd/examples/", 0o755)
        .file("./usr/share/doc/odd/examples/x", "x")
        .file("./usr/share/doc/odd/copyright", "x")
        .symlink("./usr/share/doc/odd/link", "copyright")
        .dir("./usr/share/empty/", 0o755)
        .dir("./usr/share/locale/", 0o755)
        .dir("./usr/share/locale/de/", 0o755)
        .file("./usr/share/locale/de/x.mo", "x")
        .file("./usr/share/[odd]", "x")
        .file("./usr/share/first", "f")
        .hardlink("./usr/share/hard", "./usr/share/first")
        .hardlink("./usr/share/second", "./usr/share/hard")
        .file("./usr/share/conf", "x")
        .member("conffiles", "/usr/share/conf\n")
        .member("templates", "x\n");
    let folder = tempfile::tempdir().unwrap();
    let odd = odd.write(folder.path(), "odd.deb");
    // All sets over what has most of everything, the usual ones over the rest.
    let sets: [&[(bool, &str)]; 6] = [
        &[],
        &[(false, "/usr/share/doc/*"), (true, "/usr/share/doc/*/copyright")],
        &[
            (false, "/usr/share/doc/*"),
            (false, "/usr/share/man/*"),
            (false, "/usr/share/locale/*"),
            (true, "/usr/share/locale/d?/*"),
        ],
        &[(false, "/usr/share/*"), (true, "/usr/share/doc/*/copyright"), (true, "/usr/share/[^d]*/*")],
        &[(false, "/usr/share/*"), (true, "/usr/share/b*/*")],
        &[
            (true, "/usr/share/doc/*"),
            (false, "/usr/share/d*"),
            (false, "/usr/share/\\[odd]"),
            (false, "/usr/share/empty"),
        ],
    ];
    let all = |name: &Path| {
        ["bash", "odd"].iter().any(|all| name.file_name().is_some_and(|name| name.to_string_lossy().starts_with(all)))
    };
    let pairs = sets.iter().enumerate().flat_map(|(number, rules)| {
        files.iter().chain([&odd]).filter(move |file| number == 1 || all(file)).map(move |file| (*rules, file))
    });
    for (rules, file) in pairs {
        let root = tempfile::tempdir().unwrap();
        if dpkg_unpack(root.path(), file, rules).is_none() {
            return;
        }
        let bench = Bench::new(Compression::Zstd);
        let sha256 = Digest::of(&std::fs::read(file).unwrap());
        let fragment = bench.fragments.make(file, &sha256, &filters(rules)).unwrap();
        let mut theirs = on_disk(root.path());
        let state = |path: &String| {
            path.starts_with("/var/lib/dpkg/")
                && !path.starts_with("/var/lib/dpkg/info/")
                && path != "/var/lib/dpkg/info"
                || path == "/var/lib/dpkg/info/format"
        };
        theirs.retain(|path, _| !state(path));
        let label = format!("{} {rules:?}", file.display());
        let mut ours: Vec<String> = fragment.entries.iter().map(|entry| entry.path.to_string()).collect();
        // A directory that both spellings share, and those above the info folder.
        ours.retain(|path| path != "/");
        let mut expected: Vec<String> = theirs.keys().cloned().collect();
        expected.sort();
        ours.sort();
        let only = |one: &[String], other: &[String]| {
            one.iter().filter(|path| !other.contains(path)).cloned().collect::<Vec<_>>()
        };
        assert_eq!(
            (only(&ours, &expected), only(&expected, &ours)),
            (vec![], vec![]),
            "{label}: only in wharf's, only in dpkg's"
        );
        for entry in fragment.entries.iter().filter(|entry| entry.path.as_str().starts_with("/var/lib/dpkg/info/")) {
            use std::os::unix::fs::PermissionsExt as _;
            let their = &theirs[entry.path.as_str()];
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(
                text(&content(&fragment, entry.path.as_str())),
                text(&std::fs::read(their).unwrap()),
                "{label}: {}",
                entry.path
            );
            let mode = their.metadata().unwrap().permissions().mode() & 0o7777;
            assert_eq!(u32::from(entry.mode), mode, "{label}: {}", entry.path);
        }
    }
    std::io::stderr().flush().unwrap();
}
