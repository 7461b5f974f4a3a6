//! The store, as other tools and other processes meet it.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wharf::digest::Digest;
use wharf::estate::Compression;
use wharf::oci::{Fault, Manifest, Store, media};

use crate::oracle::{has, podman, stdout};
use crate::sample::{self, named};
use crate::support::podman::takes_images;

fn architecture(inspected: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(inspected).unwrap();
    value["Architecture"].as_str().unwrap().to_owned()
}

#[test]
fn skopeo_reads_every_ref_of_a_store_with_many_images() {
    if !has("skopeo") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    sample::hello(&store);
    let inspect = |name: &str, arch: &str| {
        let source = format!("oci:{}:{name}", folder.path().display());
        architecture(&stdout("skopeo", &["--override-arch", arch, "inspect", &source]))
    };
    assert_eq!(inspect("hello:latest", "amd64"), "amd64");
    assert_eq!(inspect("hello:latest", "arm64"), "arm64");
    assert_eq!(inspect("hello:debian-trixie", "arm64"), "arm64");
    assert_eq!(inspect("hello:debian-trixie-x86_64", "amd64"), "amd64");
    assert_eq!(inspect("hello:debian-trixie-aarch64", "amd64"), "arm64");
}

#[test]
fn podman_pulls_from_the_store_and_keeps_the_health_check() {
    if !takes_images() {
        return;
    }
    for compression in [Compression::Zstd, Compression::Gzip] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        sample::hello_of(&store, compression);
        for (name, arch) in [("hello:debian-trixie", "amd64"), ("hello:debian-trixie-aarch64", "arm64")] {
            // podman 4.3 names the image after the folder: a relative one of lower-case letters is a name.
            let id = podman(folder.path(), &["pull", "--quiet", "--arch", arch, &format!("oci:store:{name}")]);
            let format =
                "{{.Architecture}} {{.Config.Cmd}} {{index .Labels \"io.wharf.health\"}} {{len .RootFS.Layers}}";
            let facts = podman(folder.path(), &["image", "inspect", "--format", format, &id]);
            let health = r#"{"command":["/usr/bin/hello","--ping"],"interval_ms":30000,"retries":3,"start_ms":60000,"timeout_ms":10000}"#;
            assert_eq!(facts, format!("{arch} [/usr/bin/hello -v] {health} 2"));
        }
    }
}

#[test]
fn umoci_reads_a_gzip_store() {
    if !has("umoci") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    sample::hello_of(&store, Compression::Gzip);
    let image = format!("{}:hello:debian-trixie-x86_64", folder.path().display());
    let text = stdout("umoci", &["stat", "--image", &image]);
    assert!(text.contains("files of hello"), "{text}");
}

#[test]
fn oci_spec_reads_what_the_store_holds() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let index = sample::hello(&store);
    let layout = oci_spec::image::OciLayout::from_file(folder.path().join("oci-layout")).unwrap();
    assert_eq!(layout.image_layout_version(), "1.0.0");
    let top = oci_spec::image::ImageIndex::from_file(folder.path().join("index.json")).unwrap();
    assert_eq!(top.manifests().len(), 4);
    let arches = oci_spec::image::ImageIndex::from_file(store.path(&index.digest)).unwrap();
    let platforms: Vec<String> =
        arches.manifests().iter().map(|one| one.platform().as_ref().unwrap().architecture().to_string()).collect();
    assert_eq!(platforms, ["arm64", "amd64"]);
}

/// The child of the test below: writes blobs, then an image that names them, over and over. Told by the environment,
/// because the test binary is all that there is to run.
#[test]
fn a_writer_that_is_killed() {
    let Some(folder) = std::env::var_os("WHARF_TEST_WRITER") else { return };
    let store = Store::open(Path::new(&folder)).unwrap();
    for number in 0.. {
        let members = [sample::file("./file", &format!("{}", number).repeat(20_000))];
        let layer = sample::layer(&store, Compression::Zstd, "x", &members);
        let image = sample::manifest(&store, "x86_64", "amd64", vec![layer], &sample::config());
        store.tag(&[(named(&format!("image{}:latest", number % 7)), image)]).unwrap();
    }
}

#[test]
fn a_kill_at_any_moment_leaves_the_store_whole() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path()).unwrap());
    let index = || std::fs::metadata(folder.path().join("index.json")).unwrap().ino();
    let mut tagged = 0;
    for round in 0..12 {
        let before = index();
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["store::a_writer_that_is_killed", "--exact", "--nocapture"])
            .env("WHARF_TEST_WRITER", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Once it has named an image it is in the middle of the next.
        let start = Instant::now();
        while index() == before {
            assert!(start.elapsed() < Duration::from_secs(120), "no writer came as far as an image");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(round * 1300));
        writer.kill().unwrap();
        assert!(writer.wait().unwrap().code().is_none(), "the writer ended by itself");
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.verify().unwrap(), [], "round {round}");
        tagged = store.refs().unwrap().len();
    }
    assert!(tagged > 0);
    let pruned = Store::prune(folder.path(), &[], false, &|| {}).unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.verify().unwrap(), []);
    assert_eq!(store.refs().unwrap().len(), tagged);
    assert_eq!(std::fs::read_dir(folder.path().join(".wharf/scratch")).unwrap().count(), 0);
    eprintln!("{} blobs and {} scratch files pruned", pruned.blobs.len(), pruned.scratch.len());
}

#[test]
fn verify_finds_what_is_missing_changed_and_stray() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    sample::hello(&store);
    assert_eq!(store.verify().unwrap(), []);
    let image = store.resolve("hello:debian-trixie-x86_64").unwrap();
    let manifest: Manifest = store.document(&image.digest).unwrap();
    let [first, second] = manifest.layers.as_slice() else { panic!("{manifest:?}") };
    std::fs::remove_file(store.path(&first.digest)).unwrap();
    std::fs::write(store.path(&second.digest), vec![0; second.size as usize]).unwrap();
    std::fs::write(folder.path().join("blobs/sha256/stray"), "").unwrap();
    let faults = store.verify().unwrap();
    assert!(faults.contains(&Fault::Stray("stray".to_owned())), "{faults:?}");
    assert!(faults.contains(&Fault::Corrupt(second.digest)), "{faults:?}");
    let missing = |fault: &Fault| matches!(fault, Fault::Missing { digest, .. } if *digest == first.digest);
    assert!(faults.iter().any(missing), "{faults:?}");
}

#[test]
fn a_store_that_cannot_be_written_can_be_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let store = Store::open(&root).unwrap();
    sample::hello(&store);
    drop(store);
    // Root may write everywhere: for root this shows only that reading needs no lock of wharf's.
    std::fs::remove_dir_all(root.join(".wharf")).unwrap();
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o555)).unwrap();
    let store = Store::open_existing(&root).unwrap();
    assert_eq!(store.refs().unwrap().len(), 4);
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn equal_images_have_equal_bytes_in_any_store() {
    let index = |()| {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let index = sample::hello(&store);
        (index.digest, Digest::of(&std::fs::read(folder.path().join("index.json")).unwrap()))
    };
    assert_eq!(index(()), index(()));
}

#[test]
fn a_ref_is_found_by_name_tag_and_digest() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let index = sample::hello(&store);
    for text in ["hello", "hello:latest", "hello:debian-trixie", &index.digest.to_string()] {
        let found = store.resolve(text).unwrap();
        assert_eq!((found.digest, found.media_type.as_str()), (index.digest, media::INDEX), "{text}");
    }
    let arches: Vec<String> = store.arches(&index).unwrap().into_iter().map(|one| one.arch).collect();
    assert_eq!(arches, ["aarch64", "x86_64"]);
}
