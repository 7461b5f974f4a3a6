//! Roots that mmdebstrap makes, and what they hold.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use wharf::deb::{Conffile, Control, PackageInfo};
use wharf::estate::FileSource;
use wharf::tree::{Content, Kind, Node, Origin, Tree};

use crate::effect::world::{package_name, path};

/// The folder that holds both roots of a suite, `full` and `extract`; none where they cannot be made, which was said then.
pub fn roots(suite: &str, packages: &str) -> Option<PathBuf> {
    let (asked, ci) = (std::env::var_os("WHARF_ORACLE"), std::env::var_os("CI").is_some());
    let Some(dir) = asked.map(PathBuf::from).or_else(|| ci.then(|| std::env::temp_dir().join("wharf-oracle"))) else {
        eprintln!("not compared with mmdebstrap: neither WHARF_ORACLE nor CI is set");
        return None;
    };
    let dir = dir.join(suite);
    std::fs::create_dir_all(&dir).unwrap();
    let Some(archive) = crate::oracle::debian_address() else {
        assert!(!ci, "no apt source for a Debian archive in /etc/apt, and CI is set");
        eprintln!("not compared: no apt source for a Debian archive in /etc/apt");
        return None;
    };
    for (variant, root, skip) in [("apt", "full", "cleanup/apt,cleanup/reproducible"), ("extract", "extract", "none")] {
        let (root, include) = (dir.join(root), format!("--include={packages},apt,?essential"));
        if root.join("var/lib/dpkg").is_dir() {
            continue;
        }
        let include = if variant == "apt" { format!("--include={packages}") } else { include };
        let status = Command::new("mmdebstrap")
            .args([&format!("--variant={variant}"), &include, &format!("--skip={skip}"), "--quiet"])
            .arg("--keyring=/usr/share/keyrings/debian-archive-keyring.gpg")
            .arg(suite)
            .arg(&root)
            .arg(&archive)
            .status();
        if !status.is_ok_and(|status| status.success()) {
            assert!(!ci, "mmdebstrap does not work here, and CI is set");
            eprintln!("not compared: mmdebstrap does not work here (it needs root and an archive)");
            return None;
        }
    }
    Some(dir)
}

/// Where a path of an unmerged root belongs.
fn merged(root: &Path, text: &str) -> String {
    let top = text.split('/').next().unwrap();
    let moves = ["bin", "sbin", "lib", "lib64"].contains(&top) && !root.join(top).is_symlink();
    if moves { format!("usr/{text}") } else { text.to_owned() }
}

/// A folder as a tree.
pub fn read(root: &Path) -> Tree {
    let mut tree = Tree::default();
    let mut todo = vec![root.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            let (file, meta) = (entry.path(), entry.path().symlink_metadata().unwrap());
            let Some(text) = file.strip_prefix(root).unwrap().to_str() else { continue };
            let text = merged(root, text);
            let kind = if meta.is_dir() {
                todo.push(file.clone());
                Kind::Dir
            } else if meta.is_symlink() {
                Kind::Symlink(std::fs::read_link(&file).unwrap().to_str().unwrap().into())
            } else if meta.is_file() {
                Kind::File(Content::Project { source: FileSource::Disk(file.clone()), size: meta.len() })
            } else {
                continue;
            };
            let mode = u16::try_from(meta.permissions().mode() & 0o7777).unwrap();
            let origin = Origin::Package(package_name("some-package"));
            let node =
                Node { kind, mode, uid: meta.uid(), gid: meta.gid(), mtime: meta.mtime(), capability: None, origin };
            tree.place(path(&format!("/{text}")), node);
        }
    }
    tree
}

fn stanzas(text: &str) -> Vec<Vec<(String, String)>> {
    let stanza = |text: &str| {
        let mut fields: Vec<(String, String)> = vec![];
        for line in text.lines() {
            match line.split_once(':').filter(|_| !line.starts_with([' ', '\t'])) {
                Some((name, value)) => fields.push((name.into(), value.trim_start().into())),
                None => {
                    let value = &mut fields.last_mut().unwrap().1;
                    value.push('\n');
                    value.push_str(line);
                }
            }
        }
        fields
    };
    text.split("\n\n").filter(|text| !text.trim().is_empty()).map(stanza).collect()
}

/// The packages of a root by its own database.
pub fn installed(root: &Path) -> Vec<PackageInfo> {
    let info = root.join("var/lib/dpkg/info");
    let status = std::fs::read_to_string(root.join("var/lib/dpkg/status")).unwrap();
    let one = |fields: Vec<(String, String)>| {
        let get = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
        let (package, arch) = (get("Package").unwrap(), get("Architecture").unwrap());
        let conffiles = get("Conffiles").unwrap_or_default();
        let conffiles = conffiles.lines().filter_map(|line| line.trim().split_once(' ')).map(|(path, md5)| Conffile {
            path: path.into(),
            md5: (!md5.starts_with("newconffile")).then(|| md5.into()),
        });
        let mut members = BTreeMap::new();
        for member in ["preinst", "postinst", "config", "triggers", "templates"] {
            let plain = info.join(format!("{package}.{member}"));
            let text = std::fs::read(plain).or_else(|_| std::fs::read(info.join(format!("{package}:{arch}.{member}"))));
            if let Ok(text) = text {
                members.insert(member.to_owned(), String::from_utf8_lossy(&text).into_owned());
            }
        }
        PackageInfo {
            name: package_name(&package),
            version: get("Version").unwrap(),
            arch,
            conffiles: conffiles.collect(),
            members,
            control: Control::new(
                fields.iter().filter(|(name, _)| name != "Status" && name != "Conffiles").cloned().collect(),
            ),
        }
    };
    let archived = archived(root);
    let mut packages: Vec<PackageInfo> = stanzas(&status).into_iter().map(one).collect();
    // Control stanzas as they are in the .debs where those are still there: dpkg writes its own order and hand.
    for package in &mut packages {
        if let Some(fields) = archived.get(package.name.as_str()) {
            package.control = Control::new(fields.clone());
        }
    }
    packages
}

fn archived(root: &Path) -> BTreeMap<String, Vec<(String, String)>> {
    let mut found = BTreeMap::new();
    let dir = std::fs::read_dir(root.join("var/cache/apt/archives")).unwrap().map(|entry| entry.unwrap().path());
    for deb in dir.filter(|path| path.extension().is_some_and(|end| end == "deb")) {
        let output = Command::new("dpkg-deb").arg("-f").arg(&deb).output().unwrap().stdout;
        let fields = stanzas(&String::from_utf8(output).unwrap()).remove(0);
        found.insert(fields.iter().find(|(name, _)| name == "Package").unwrap().1.clone(), fields);
    }
    assert!(found.len() > 50, "too few .debs to compare with");
    found
}

/// Order of configuration, by dpkg's log.
pub fn configured(root: &Path) -> Vec<String> {
    let log = std::fs::read_to_string(root.join("var/log/dpkg.log")).unwrap();
    let mut seen = vec![];
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once(" configure ") {
            let package = rest.split([':', ' ']).next().unwrap().to_owned();
            if !seen.contains(&package) {
                seen.push(package);
            }
        }
    }
    seen
}
