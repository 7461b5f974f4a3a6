//! What keeps a large estate cheap: hosts share what they have alike. `benches/estate.rs` measures it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::{Desired, Ground, HostDesired, Vault, desired};
use crate::config::File;
use crate::name::SecretName;
use crate::release::Release;

struct NoVault;

impl Vault for NoVault {
    fn object(&self, _: &SecretName) -> Option<String> {
        None
    }

    fn object_of(&self, _: &str, _: &File) -> Result<String, String> {
        Err("there are no secrets".to_owned())
    }

    fn names(&self) -> Vec<SecretName> {
        Vec::new()
    }
}

const SPECS: &str = r#"
import "catalogue"
image "app" {
    build-for distro="debian-trixie"
    health "true"
}
service "alike" {
    image "app"
    role "all"
    mount "/var/lib/alike" volume="data"
    config "/etc/alike.conf" template="alike.conf.j2" as="ini"
}
service "unlike" {
    image "app"
    role "all"
    env HERE="${address}"
    mount "/var/lib/unlike" volume="data"
    config "/etc/unlike.conf" template="unlike.conf.j2" as="ini"
}
"#;

const ESTATE: &str = r#"
estate "large" {
    host "a" address="10.0.0.1" { role "all" }
    host "b" address="10.0.0.2" { role "all" }
    host "old" address="10.0.0.3" podman="4.3" { role "all" }
}
"#;

fn large(root: &Path) -> Desired {
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("specs/services.kdl", SPECS);
    write("targets/large.kdl", ESTATE);
    write("templates/alike.conf.j2", "[a]\nmembers = {{ self.members | map(attribute=\"name\") | join(\",\") }}\n");
    write("templates/unlike.conf.j2", "[a]\nhost = {{ host.name }}\n");
    let project = crate::estate::load(root).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let estate = project.estates.values().find(|estate| estate.name.as_str() == "large").unwrap();
    let manifest = "0".repeat(64);
    let release = format!("image \"app\" distro=\"debian-trixie\" arch=\"x86_64\" manifest=\"sha256:{manifest}\"\n");
    let release = Release::read("releases/current.kdl", &release).unwrap();
    let placed = &project.placed[&estate.name];
    let ground = Ground { project: &project, estate, placed, release: &release, vault: &NoVault };
    desired(ground, estate.hosts.keys()).unwrap()
}

/// The paths at which two hosts have the very same bytes in memory, and those at which they only have files.
fn shared(one: &HostDesired, other: &HostDesired) -> (Vec<String>, Vec<String>) {
    let both = one.files.iter().filter_map(|(path, file)| Some((path, file, other.files.get(path)?)));
    let (same, not): (Vec<_>, Vec<_>) = both.partition(|(_, file, its)| Arc::ptr_eq(&file.bytes, &its.bytes));
    let paths = |all: Vec<(&String, _, _)>| all.into_iter().map(|(path, _, _)| path.clone()).collect();
    (paths(same), paths(not))
}

#[test]
fn hosts_share_the_memory_of_equal_files_and_units_and_of_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let desired = large(folder.path());
    let [a, b, old] =
        ["a", "b", "old"].map(|name| desired.hosts.iter().find(|(host, _)| host.as_str() == name).unwrap().1);
    let (same, not) = shared(a, b);
    let name = |path: &String| path.rsplit('/').next().unwrap().to_owned();
    let units: Vec<String> = same.iter().map(name).filter(|name| name.contains('.')).collect();
    assert_eq!(units, ["alike-data.volume", "alike.container", "unlike-data.volume", "wharf-large.target"]);
    // And the file that follows from the group alone, which lies at its digest.
    assert_eq!(same.len(), units.len() + 1, "{same:?}");
    assert_eq!(not.iter().map(name).collect::<Vec<_>>(), ["unlike.container"]);
    for path in same.iter().filter(|path| path.contains("/etc/")) {
        assert!(Arc::ptr_eq(&a.meanings[path], &b.meanings[path]), "{path}");
    }
    // What another podman reads is written for it.
    let (same, not) = shared(a, old);
    assert_eq!(same.len(), 1, "{same:?} {not:?}");
    assert!(not.iter().all(|path| a.files[path].bytes != old.files[path].bytes || path.ends_with(".target")));
}

#[test]
fn what_is_rendered_twice_is_equal() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut one = large(one.path());
    assert_eq!(one, large(other.path()));
    let (_, host) = one.hosts.iter_mut().next().unwrap();
    host.files.pop_first();
    assert_ne!(one, large(other.path()));
}
