//! What is in an image.

use std::fmt::Write as _;
use std::fs;

use super::Yard;

/// A line per member: type, mode, owner, path, and a link's target or a short file's text.
fn listing(tar: &[u8]) -> String {
    let mut text = String::new();
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().unwrap() {
        use std::io::Read as _;
        let mut entry = entry.unwrap();
        let header = entry.header().clone();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let kind = match header.entry_type() {
            tar::EntryType::Directory => 'd',
            tar::EntryType::Regular => '-',
            tar::EntryType::Symlink => 'l',
            tar::EntryType::Link => 'h',
            other => panic!("{other:?}"),
        };
        let (uid, gid) = (header.uid().unwrap(), header.gid().unwrap());
        let _ = write!(text, "{kind} {:04o} {uid}:{gid} {path}", header.mode().unwrap());
        if let Some(target) = entry.link_name_bytes() {
            let _ = write!(text, " -> {}", String::from_utf8_lossy(&target));
        } else if header.entry_type() == tar::EntryType::Regular && !path.contains("var/lib/dpkg") {
            let mut content = String::new();
            if entry.read_to_string(&mut content).is_ok() && content.len() < 80 {
                let _ = write!(text, " {content:?}");
            }
        }
        text.push('\n');
    }
    text
}

#[test]
fn packages_trees_files_and_attributes_land_where_the_spec_says() {
    let yard = Yard::good();
    yard.run(0, &["build"]);
    let file = yard.folder.path().join("greeter.tar");
    yard.run(0, &["export", "greeter:trixie-aarch64", "--to", &format!("tar:{}", file.display())]);
    insta::assert_snapshot!(listing(&fs::read(file).unwrap()));
}

#[test]
fn layers_are_shared_along_from_and_between_nothing_else() {
    let yard = Yard::good();
    let (json, _) = yard.run(0, &["build", "--json", "--arch", "x86_64"]);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    let layers = |name: &str| -> Vec<String> {
        let images = document["images"].as_array().unwrap();
        let image = images.iter().find(|image| image["image"] == name).unwrap();
        image["layers"].as_array().unwrap().iter().map(|layer| layer.as_str().unwrap().to_owned()).collect()
    };
    let (base, greeter, more) = (layers("base"), layers("greeter"), layers("more"));
    let shared = |a: &[String], b: &[String]| a.iter().filter(|layer| b.contains(layer)).count();
    // greeter replaces the only file of base, so of base's layers only that of the packages travels.
    assert_eq!((base.len(), shared(&base, &greeter)), (3, 1));
    // The packages and the files of each level travel; the layer of effects on top does not.
    assert_eq!((greeter.len(), shared(&greeter, &more)), (4, 3));
}

#[test]
fn the_version_stands_in_summary_environment_and_labels() {
    let yard = Yard::good();
    yard.spec(
        "said.kdl",
        "image \"said\" {\n    summary \"hello ${version}\"\n    packages \"hello\"\n    \
         env V=\"v${version}\"\n    label v=\"${version}\"\n}\n",
    );
    let (json, _) = yard.run(0, &["build", "said", "--arch", "x86_64", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    let store = yard.project().join(".wharf/store");
    let blob = |digest: &serde_json::Value| -> serde_json::Value {
        let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
        serde_json::from_slice(&fs::read(store.join("blobs/sha256").join(hex)).unwrap()).unwrap()
    };
    let manifest = blob(&document["images"][0]["digest"]);
    assert_eq!(manifest["annotations"]["org.opencontainers.image.description"], "hello 1.0");
    let config = blob(&manifest["config"]["digest"]);
    assert!(config["config"]["Env"].as_array().unwrap().contains(&"V=v1.0".into()), "{config}");
    assert_eq!(config["config"]["Labels"]["v"], "1.0");
}

#[test]
fn what_wins_over_a_package_is_shown_where_the_cache_has_the_packages() {
    let yard = Yard::good();
    yard.put("layers/greeter/usr/share/hello/words", "other words\n");
    yard.spec(
        "more.kdl",
        "extend image \"greeter\" { file \"/usr/bin/hi\" \"x\"; dir \"/var/lib/hello\" mode=\"0750\"; dir \"/usr/bin\"; }\n",
    );
    let shown = || {
        let (page, _) = yard.run(0, &["show", "image", "greeter", "--arch", "x86_64"]);
        let overrides = page.lines().skip_while(|line| *line != "Overrides").skip(1);
        let lines: Vec<&str> = overrides.take_while(|line| !line.is_empty()).map(str::trim_start).collect();
        lines.join("\n")
    };
    insta::assert_snapshot!(shown(), @r"
    /etc/motd: file of greeter, over file of base
    what they win over in packages is not known: the image is not locked
    ");
    assert!(!yard.cache().exists(), "showing makes no cache");
    yard.run(0, &["lock"]);
    insta::assert_snapshot!(shown(), @r"
    /etc/motd: file of greeter, over file of base
    /usr/bin: dir of greeter, over package `hello`
    /usr/bin/hi: file of greeter, over package `hello`
    /usr/share/hello/words: tree `greeter` of greeter, over package `hello-data`
    /var/lib/hello: dir of greeter, over package `hello`
    ");
    let (json, _) = yard.run(0, &["--json", "show", "image", "greeter", "--arch", "x86_64"]);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["images"][0]["packages_known"], true);
    fs::remove_dir_all(yard.cache()).unwrap();
    assert!(
        shown().ends_with("is not known: the cache lacks some; `wharf build greeter` brings them in"),
        "{}",
        shown()
    );
}
