//! The roots of hosts: of the image `lab-host`, which wharf builds as an ordinary user, and exports as root.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::build::{WHARF, ended};
use crate::real::{Copy, nobody_answers};

/// A host with Python, which other tools want of it.
const PYTHON: &str =
    "image \"lab-host-python\" {\n    from \"lab-host\"\n    build-for arch=\"x86_64\"\n    packages \"python3\"\n}\n";

/// The root of a distro's lab-host, or of one with more in it, built once for each run and kept in target/tmp by its
/// digest. None where no archive answers.
pub fn root(distro: &'static str, image: &'static str) -> Option<PathBuf> {
    type Roots = BTreeMap<(&'static str, &'static str), Option<PathBuf>>;
    static ROOTS: Mutex<Roots> = Mutex::new(BTreeMap::new());
    let mut roots = ROOTS.lock().unwrap_or_else(PoisonError::into_inner);
    roots.entry((distro, image)).or_insert_with(|| make(distro, image)).clone()
}

fn make(distro: &str, image: &str) -> Option<PathBuf> {
    let copy = Copy::new(&format!("{image}-{distro}"));
    fs::write(copy.project().join("specs/lab-host-python.kdl"), PYTHON).unwrap();
    let output = copy.wharf(&["build", image, "--distro", distro, "--arch", "x86_64", "--json"]);
    if nobody_answers(&output) {
        return None;
    }
    let built: serde_json::Value = serde_json::from_str(&ended(0, &output).0).unwrap();
    let digest = built["images"][0]["digest"].as_str().unwrap();
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab-hosts").join(distro).join(image);
    let path = kept.join(digest.replace(':', "-"));
    if !path.exists() {
        // What an older lab-host left.
        let _ = fs::remove_dir_all(&kept);
        fs::create_dir_all(&kept).unwrap();
        let mut command = std::process::Command::new(WHARF);
        command.args(["export", digest, "--to", &format!("rootfs:{}", path.display()), "--store"]).arg(copy.store());
        ended(0, &command.output().unwrap());
    }
    Some(path)
}
