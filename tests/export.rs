//! `wharf export`, and what other tools make of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use wharf::digest::Digest;
use wharf::estate::Compression;
use wharf::oci::Store;

use crate::oracle::{has, is_root, podman, stdout, wharf_ends};
use crate::sample::{self, CAPABILITY, named};
use crate::support::podman::takes_images;

/// A folder with a store that holds `hello`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    sample::hello(&Store::open(&folder.path().join("store")).unwrap());
    folder
}

/// `wharf export` from the folder's store to a target below it.
fn export(code: i32, folder: &Path, image: &str, kind: &str, target: &str, more: &[&str]) -> (String, String) {
    let store = folder.join("store").display().to_string();
    let to = format!("{kind}:{}", folder.join(target).display());
    wharf_ends(code, &[&["export", image, "--store", &store, "--to", &to], more].concat())
}

/// Path, mode, owner, size and link of each line that tar prints.
fn listing(archive: &Path) -> BTreeMap<String, String> {
    let text = stdout("tar", &["--numeric-owner", "--full-time", "--utc", "-tvf", &archive.display().to_string()]);
    text.lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [mode, owner, size, date, time, path, link @ ..] = words.as_slice() else { panic!("{line}") };
            let size = if mode.starts_with('-') { *size } else { "" };
            (path.to_string(), [&[*mode, *owner, size, *date, *time], link].concat().join(" "))
        })
        .collect()
}

#[test]
fn an_unknown_image_is_answered_with_the_nearest() {
    let folder = folder();
    let (_, error) = export(1, folder.path(), "helo:latest", "tar", "x.tar", &[]);
    assert!(error.contains("holds no image `helo:latest`") && error.contains("did you mean `hello:latest`"), "{error}");
    assert!(!folder.path().join("x.tar").exists());
}

#[test]
fn an_index_for_a_target_of_one_arch_wants_the_arch() {
    let folder = folder();
    let (_, error) = export(1, folder.path(), "hello", "docker-archive", "x.tar", &[]);
    assert!(error.contains("`hello` holds aarch64, x86_64, and docker-archive can hold one arch alone"), "{error}");
    let (_, error) = export(1, folder.path(), "hello", "tar", "x.tar", &["--arch", "riscv64"]);
    assert!(error.contains("`hello` holds no `riscv64`") && error.contains("aarch64, x86_64"), "{error}");
}

#[test]
fn a_wrong_target_is_a_usage_error() {
    let folder = folder();
    let (_, error) = export(64, folder.path(), "hello", "docker-archiv", "x", &[]);
    assert!(error.contains("did you mean `docker-archive`?"), "{error}");
}

#[test]
fn there_must_be_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let (_, error) = export(1, folder.path(), "hello", "tar", "x.tar", &[]);
    assert!(error.contains("there is no store in") && error.contains("wharf build"), "{error}");
}

#[test]
fn a_damaged_layer_leaves_no_file() {
    let folder = folder();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let manifest = store.resolve("hello:debian-trixie-x86_64").unwrap();
    let manifest: wharf::oci::Manifest = store.document(&manifest.digest).unwrap();
    let path = store.path(&manifest.layers[1].digest);
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 10;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    for (kind, target) in [("tar", "x"), ("docker-archive", "y"), ("oci", "z:hello:latest")] {
        let (_, error) = export(1, folder.path(), "hello:debian-trixie-x86_64", kind, target, &[]);
        assert!(error.contains("has other bytes than its name says"), "{kind}: {error}");
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the store and the layout without the image: {left:?}");
    assert!(Store::open(&folder.path().join("z")).unwrap().refs().unwrap().is_empty());
}

#[test]
fn the_flattened_tar_is_what_the_layers_show() {
    let folder = folder();
    export(0, folder.path(), "hello", "tar", "root.tar", &["--arch", "x86_64"]);
    let text: String =
        listing(&folder.path().join("root.tar")).into_iter().map(|(path, what)| format!("{path} {what}\n")).collect();
    insta::assert_snapshot!(text, @r#"
    ./ drwxr-xr-x 0/0  1970-01-01 00:16:40
    ./bin lrwxrwxrwx 0/0  1970-01-01 00:16:40 -> usr/bin
    ./etc/ drwxr-xr-x 0/0  1970-01-01 00:16:40
    ./etc/motd -rw-r--r-- 0/0 8 1970-01-01 00:16:40
    ./opaque/ drwxr-xr-x 0/0  1970-01-01 00:16:40
    ./opaque/upper -rw-r--r-- 0/0 5 1970-01-01 00:16:40
    ./run/ drwxrwxrwt 0/0  1970-01-01 00:16:40
    ./run/pipe prw------- 0/0  1970-01-01 00:16:40
    ./usr/ drwxr-xr-x 0/0  1970-01-01 00:16:40
    ./usr/bin/ drwxr-xr-x 0/0  1970-01-01 00:33:20
    ./usr/bin/hello -rwxr-xr-x 42/43 19 1970-01-01 00:16:40
    ./usr/bin/hi -rwsr-xr-x 0/0 21 1970-01-01 00:16:40
    ./usr/bin/ping -rwxr-xr-x 0/0 4 1970-01-01 00:16:40
    ./var/ drwxr-xr-x 0/0  1970-01-01 00:16:40
    ./var/lib/ drwxr-xr-x 0/0  1970-01-01 00:16:40
    ./var/lib/dpkg/ drwxr-xr-x 0/0  1970-01-01 00:16:40
    ./var/lib/dpkg/status -rw-r--r-- 0/0 80 1970-01-01 00:16:40
    "#);
}

#[test]
fn the_flattened_tar_keeps_capabilities() {
    let folder = folder();
    export(0, folder.path(), "hello", "tar", "root.tar", &["--arch", "amd64"]);
    let mut archive = tar::Archive::new(fs::File::open(folder.path().join("root.tar")).unwrap());
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        for extension in entry.pax_extensions().unwrap().into_iter().flatten() {
            let extension = extension.unwrap();
            found.push((path.clone(), extension.key().unwrap().to_owned(), extension.value_bytes().to_vec()));
        }
    }
    let capability = ("./usr/bin/ping".to_owned(), "SCHILY.xattr.security.capability".to_owned(), CAPABILITY.to_vec());
    assert_eq!(found, [capability]);
}

#[test]
fn a_file_whose_first_name_is_replaced_lives_on_under_its_second() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let lower = [sample::file("./a", "old"), sample::hardlink("./b", "./a"), sample::hardlink("./c", "./a")];
    let upper = [sample::file("./a", "new!"), sample::hardlink("./d", "./b")];
    let layers =
        [lower.as_slice(), upper.as_slice()].map(|members| sample::layer(&store, Compression::Zstd, "x", members));
    let image = sample::manifest(&store, "x86_64", "amd64", layers.into(), &sample::config());
    store.tag(&[(named("x:latest"), image)]).unwrap();
    drop(store);
    export(0, folder.path(), "x", "tar", "root.tar", &[]);
    let root = folder.path().join("out");
    fs::create_dir(&root).unwrap();
    let to = root.display().to_string();
    stdout("tar", &["-xf", &folder.path().join("root.tar").display().to_string(), "--no-same-owner", "-C", &to]);
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    assert_eq!([read("a"), read("b"), read("c"), read("d")], ["new!", "old", "old", "old"]);
    let inode = |name: &str| fs::metadata(root.join(name)).unwrap().ino();
    assert_eq!((inode("b"), inode("c")), (inode("c"), inode("d")));
}

#[test]
fn layers_that_reach_out_of_the_image_are_refused() {
    for (member, why) in [
        (sample::file("../escape", "x"), "`..` is not allowed"),
        (sample::file("/etc/passwd", "x"), "must not be absolute"),
        (sample::hardlink("./x", "../../etc/passwd"), "`..` is not allowed"),
        (sample::hardlink("./x", "./nothing"), "a hard link to `/nothing`, which is no file"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let layer = sample::layer(&store, Compression::Zstd, "x", &[member]);
        let image = sample::manifest(&store, "x86_64", "amd64", vec![layer], &sample::config());
        store.tag(&[(named("x:latest"), image)]).unwrap();
        drop(store);
        let (_, error) = export(1, folder.path(), "x", "tar", "root.tar", &[]);
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn the_root_file_system_keeps_what_the_image_says() {
    if !is_root() {
        return;
    }
    let folder = folder();
    export(0, folder.path(), "hello", "rootfs", "root", &["--arch", "x86_64"]);
    let root = folder.path().join("root");
    let facts = |path: &str| {
        let data = fs::symlink_metadata(root.join(path)).unwrap();
        (data.mode() & 0o7777, data.uid(), data.gid(), data.mtime())
    };
    assert_eq!(facts("usr/bin/hello"), (0o755, 42, 43, 1000));
    assert_eq!(facts("usr/bin/hi"), (0o4755, 0, 0, 1000));
    assert_eq!(facts("usr/bin"), (0o755, 0, 0, 2000));
    assert_eq!(facts("run"), (0o1777, 0, 0, 1000));
    assert_eq!(facts("bin").3, 1000);
    assert_eq!(fs::read_link(root.join("bin")).unwrap(), Path::new("usr/bin"));
    assert!(fs::symlink_metadata(root.join("run/pipe")).unwrap().file_type().is_fifo());
    for gone in ["etc/gone", "old", "opaque/lower"] {
        assert!(!root.join(gone).exists(), "{gone}");
    }
    assert_eq!(fs::read_to_string(root.join("opaque/upper")).unwrap(), "upper");
    let mut value = [0; 64];
    let length = rustix::fs::lgetxattr(root.join("usr/bin/ping"), "security.capability", &mut value).unwrap();
    assert_eq!(&value[..length], CAPABILITY);
    let (_, error) = export(1, folder.path(), "hello", "rootfs", "root", &["--arch", "x86_64"]);
    assert!(error.contains("is there already, and not an empty folder"), "{error}");
}

#[test]
fn every_archive_has_the_same_bytes_twice() {
    let (first, second) = (folder(), folder());
    for (kind, target) in [("tar", "t"), ("docker-archive", "d:hello:1"), ("oci-archive", "o:hello:1")] {
        let digest = |folder: &Path| {
            export(0, folder, "hello:debian-trixie-x86_64", kind, target, &[]);
            Digest::of(&fs::read(folder.join(target.split(':').next().unwrap())).unwrap())
        };
        assert_eq!(digest(first.path()), digest(second.path()), "{kind}");
    }
}

#[test]
fn skopeo_reads_every_kind_of_target() {
    if !has("skopeo") {
        return;
    }
    let folder = folder();
    let inspect = |source: String| {
        let text = stdout("skopeo", &["--override-arch", "arm64", "inspect", &source]);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        (value["Architecture"].as_str().unwrap().to_owned(), value["Layers"].as_array().unwrap().len())
    };
    let at = |name: &str| folder.path().join(name).display().to_string();
    export(0, folder.path(), "hello", "oci", "layout:other:name", &[]);
    assert_eq!(inspect(format!("oci:{}:other:name", at("layout"))), ("arm64".to_owned(), 2));
    export(0, folder.path(), "hello", "oci-archive", "oci.tar", &[]);
    assert_eq!(inspect(format!("oci-archive:{}:hello:latest", at("oci.tar"))), ("arm64".to_owned(), 2));
    export(0, folder.path(), "hello", "docker-archive", "docker.tar", &["--arch", "aarch64"]);
    assert_eq!(inspect(format!("docker-archive:{}:hello:latest", at("docker.tar"))), ("arm64".to_owned(), 2));
}

#[test]
fn podman_loads_both_archives_under_their_name() {
    if !takes_images() {
        return;
    }
    let folder = folder();
    for (kind, file, arch) in
        [("oci-archive", "oci.tar", vec![]), ("docker-archive", "d.tar", vec!["--arch", "x86_64"])]
    {
        export(0, folder.path(), "hello:debian-trixie-x86_64", kind, &format!("{file}:{kind}:1"), &arch);
        let text = podman(folder.path(), &["load", "--quiet", "--input", file]);
        assert_eq!(text, format!("Loaded image: localhost/{kind}:1"));
    }
    let ids = podman(folder.path(), &["images", "--quiet", "--no-trunc"]);
    let ids: std::collections::BTreeSet<&str> = ids.lines().collect();
    assert_eq!(ids.len(), 1, "both archives hold one image");
}

#[test]
fn a_layout_keeps_its_other_images() {
    let folder = folder();
    export(0, folder.path(), "hello", "oci", "layout:a:1", &[]);
    let (json, _) = export(0, folder.path(), "hello", "oci", "layout", &["--arch", "x86_64", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((document["version"].as_u64(), document["reference"].as_str()), (Some(1), Some("hello:latest")));
    let store = Store::open_existing(&folder.path().join("layout")).unwrap();
    assert_eq!(store.refs().unwrap().keys().map(ToString::to_string).collect::<Vec<_>>(), ["a:1", "hello:latest"]);
    assert_eq!(store.verify().unwrap(), []);
}

#[test]
fn an_image_without_a_name_cannot_go_into_a_layout() {
    let folder = folder();
    let digest = Store::open(&folder.path().join("store")).unwrap().resolve("hello").unwrap().digest.to_string();
    let (_, error) = export(1, folder.path(), &digest, "oci", "layout", &[]);
    assert!(error.contains("would have no name"), "{error}");
    export(0, folder.path(), &digest, "oci", "layout:named:1", &[]);
}

/// Everything that a tree says: path, then type, mode, owner, time, names, and content, target or capability.
fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let data = fs::symlink_metadata(&path).unwrap();
        let content = if data.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            String::new()
        } else if data.is_symlink() {
            fs::read_link(&path).unwrap().display().to_string()
        } else if data.is_file() {
            fs::read_to_string(&path).unwrap()
        } else {
            "special".to_owned()
        };
        let mut value = [0; 64];
        let capability = rustix::fs::lgetxattr(&path, "security.capability", &mut value).unwrap_or(0);
        let names = if data.is_dir() { 0 } else { data.nlink() };
        let facts = format!(
            "{:o} {}:{} {} {names} {content:?} {:?}",
            data.mode(),
            data.uid(),
            data.gid(),
            data.mtime(),
            &value[..capability]
        );
        found.insert(path.strip_prefix(root).unwrap().display().to_string(), facts);
    }
    found
}

#[test]
fn the_root_file_system_is_the_one_that_umoci_unpacks() {
    if !is_root() || !has("umoci") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    sample::hello_of(&store, Compression::Gzip);
    drop(store);
    export(0, folder.path(), "hello", "rootfs", "root", &["--arch", "x86_64"]);
    let image = format!("{}:hello:debian-trixie-x86_64", folder.path().join("store").display());
    let bundle = folder.path().join("bundle").display().to_string();
    stdout("umoci", &["raw", "unpack", "--image", &image, &bundle]);
    let (ours, theirs) = (tree(&folder.path().join("root")), tree(&folder.path().join("bundle")));
    assert_eq!(ours, theirs);
    assert!(ours.len() > 10);
}

#[test]
fn a_full_disk_is_told_and_leaves_no_file() {
    let folder = folder();
    let (store, to) = (folder.path().join("store"), folder.path().join("root.tar"));
    // A limit on the size of files is the full disk that a test can have; the signal must not kill first.
    let script = "trap '' XFSZ; ulimit -f 4; exec \"$@\"";
    let wharf = env!("CARGO_BIN_EXE_wharf");
    let (store, target) = (store.display().to_string(), format!("tar:{}", to.display()));
    let arguments =
        ["-c", script, "sh", wharf, "export", "hello", "--arch", "x86_64", "--store", &store, "--to", &target];
    let output = crate::oracle::run("sh", &arguments);
    let error = crate::oracle::joined(&String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("cannot be written: File too large"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the store is left");
}
