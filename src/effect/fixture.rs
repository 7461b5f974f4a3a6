//! What the tests of effects stand on: small trees, real roots, and a context around them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::deb::{Call, PackageInfo};
use crate::estate::{Arch, Distro, FileSource, Filters, Image, ImageConfig, Layering, LoaderCache, Support, Tier};
use crate::name::{ArchName, DistroName, ImageName};
use crate::path::ImagePath;
use crate::spec::{self, Sources, Span};
use crate::tree::{Content, Kind, Node, Origin, Tree};

use super::Context;

pub(crate) const MTIME: i64 = 1_700_000_000;
pub(crate) const PACKAGES: Origin = Origin::Effect("packages");

/// Says why an oracle is not asked; where tests must be whole that is a failure.
#[allow(clippy::print_stderr)]
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("not tested: {why}");
}

pub(crate) fn path(text: &str) -> ImagePath {
    ImagePath::new(text).unwrap()
}

/// `("/path", "text")`, or `("/path", "-> target")` for a link.
pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::default();
    tree.place(ImagePath::root(), Node::dir(PACKAGES, 0));
    for (name, text) in files {
        let node = match text.strip_prefix("-> ") {
            Some(target) => Node::symlink(target, PACKAGES, 0),
            None => Node::file(*text, PACKAGES, 0),
        };
        put(&mut tree, name, node);
    }
    tree
}

/// Places `node` and its parents as a package does.
pub(crate) fn put(tree: &mut Tree, name: &str, node: Node) {
    let path = path(name);
    let mut parents: Vec<ImagePath> = std::iter::successors(path.parent(), ImagePath::parent).collect();
    parents.reverse();
    for parent in parents {
        if tree.get(&parent).is_none() {
            tree.place(parent, Node::dir(PACKAGES, 0));
        }
    }
    tree.place(path, node);
}

/// Reads what is below `dirs` of the folder `root` into `tree`.
pub(crate) fn read_root(tree: &mut Tree, root: &Path, dir: &str) {
    let folder = root.join(dir.trim_start_matches('/'));
    let Ok(meta) = fs::symlink_metadata(&folder) else { return };
    let kind = if meta.is_dir() {
        Kind::Dir
    } else if meta.is_symlink() {
        Kind::Symlink(fs::read_link(&folder).unwrap().to_str().unwrap().to_owned())
    } else if meta.is_file() {
        Kind::File(Content::Project { source: FileSource::Disk(folder.clone()), size: meta.len() })
    } else {
        return;
    };
    let mode = u16::try_from(meta.permissions().mode() & 0o7777).unwrap();
    let node =
        Node { kind, mode, uid: meta.uid(), gid: meta.gid(), mtime: meta.mtime(), capability: None, origin: PACKAGES };
    put(tree, if dir.is_empty() { "/" } else { dir }, node);
    if meta.is_dir() {
        for entry in fs::read_dir(&folder).unwrap() {
            if let Ok(name) = entry.unwrap().file_name().into_string() {
                read_root(tree, root, &format!("{}/{name}", dir.trim_end_matches('/')));
            }
        }
    }
}

pub(crate) fn arch(name: &str) -> Arch {
    let (oci, debian, triplet, flags, machine, interpreter) = match name {
        "x86_64" => ("amd64", "amd64", "x86_64-linux-gnu", 0x0303, 62, "/lib64/ld-linux-x86-64.so.2"),
        "aarch64" => ("arm64", "arm64", "aarch64-linux-gnu", 0x0a03, 183, "/lib/ld-linux-aarch64.so.1"),
        "ppc64le" => ("ppc64le", "ppc64el", "powerpc64le-linux-gnu", 0x0503, 21, "/lib64/ld64.so.2"),
        _ => panic!("{name}"),
    };
    Arch {
        name: ArchName::new(name).unwrap(),
        oci: oci.to_owned(),
        debian: debian.to_owned(),
        triplet: triplet.to_owned(),
        qemu: format!("qemu-{name}-static"),
        loader: LoaderCache { flags, machine, interpreter: interpreter.to_owned(), hwcaps: Vec::new() },
    }
}

/// Everything that a context borrows.
pub(crate) struct World {
    pub image: Image,
    pub arch: Arch,
    pub distro: Distro,
    pub packages: Vec<PackageInfo>,
    pub calls: Vec<Call>,
}

impl World {
    pub(crate) fn new(arch_name: &str) -> Self {
        let source = Sources::default().add("image.kdl".to_owned(), String::new(), spec::Origin::Project);
        let span = Span { source, start: 0, len: 0 };
        let distro = DistroName::new("debian-trixie").unwrap();
        let image = Image {
            name: ImageName::new("image").unwrap(),
            distro: distro.clone(),
            arch: ArchName::new(arch_name).unwrap(),
            summary: None,
            support: Support { tier: Tier::Maintained, deprecated_since: None, removed_in: None, unbuildable: None },
            levels: Vec::new(),
            accounts: BTreeMap::new(),
            config: ImageConfig::default(),
            version_from: None,
            own_versions: false,
            layering: Layering::Lineage,
            tests: Vec::new(),
            span,
        };
        let distro = Distro {
            name: distro,
            default: true,
            arches: Vec::new(),
            archives: Vec::new(),
            pins: Vec::new(),
            filters: Filters::default(),
            snippets: Vec::new(),
            scripts: Vec::new(),
            bytecode: None,
            accounts: BTreeMap::new(),
            tier: None,
            span,
        };
        Self { image, arch: arch(arch_name), distro, packages: Vec::new(), calls: Vec::new() }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            image: &self.image,
            arch: &self.arch,
            distro: &self.distro,
            packages: &self.packages,
            calls: &self.calls,
            mtime: MTIME,
        }
    }
}

/// What the real roots hold: shared libraries, python, certificates, Apache with a module of another package.
const NATIVE: &str = "ca-certificates,openssl,apache2,libapache2-mod-wsgi-py3,python3-openstackclient,keystone,\
    apt-listchanges,libopenblas0";
const FOREIGN: &str = "base-files,libc-bin,python3.13-minimal,libopenblas0,libcurl4t64";

/// A trixie root for `arch` with its packages' scripts run, or of another arch unpacked only, in which the real
/// ldconfig has written `/etc/by-ldconfig`. Root, mmdebstrap, qemu-user and an apt source of the host
/// make it, so it is there only where `WHARF_ORACLE` names a folder, or `CI` is set.
pub(crate) fn real_root(arch: &str) -> Option<PathBuf> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let ci = std::env::var_os("CI").map(|_| std::env::temp_dir().join("wharf-oracle"));
    let Some(folder) = std::env::var_os("WHARF_ORACLE").map(PathBuf::from).or(ci) else {
        skip("neither WHARF_ORACLE nor CI is set: there are no real roots");
        return None;
    };
    if !cfg!(target_arch = "x86_64") {
        skip("the real roots are for hosts of x86_64");
        return None;
    }
    let root = folder.join("arches").join(arch);
    if root.join("etc/by-ldconfig").exists() {
        return root.canonicalize().ok();
    }
    fs::create_dir_all(root.parent().unwrap()).unwrap();
    let root = root.parent().unwrap().canonicalize().unwrap().join(arch);
    let host = crate::deb::AptSources::read(Path::new("/etc/apt"));
    let addresses = host.places.iter().map(|(place, _)| place.to_string());
    let Some(archive) = addresses.map(|url| url.trim_end_matches('/').to_owned()).find(|url| url.ends_with("/debian"))
    else {
        skip("no apt source for a Debian archive in /etc/apt");
        return None;
    };
    let native = arch == "x86_64";
    // A mirror may lag in one arch: then its older index goes with the older Release that `stable` still has.
    let made = ["trixie", "stable"].into_iter().any(|suite| {
        let _ = fs::remove_dir_all(&root);
        let status = Command::new("mmdebstrap")
            .args(["--quiet", if native { "--variant=minbase" } else { "--variant=extract" }])
            .arg(format!("--architectures={}", self::arch(arch).debian))
            .arg(format!("--include={}", if native { NATIVE } else { FOREIGN }))
            .arg("--keyring=/usr/share/keyrings/debian-archive-keyring.gpg")
            .args([suite, root.to_str().unwrap(), &archive])
            .status();
        status.is_ok_and(|status| status.success())
    });
    let ldconfig = root.join("usr/sbin/ldconfig");
    let mut command = match native {
        true => Command::new(ldconfig),
        false => {
            let mut qemu = Command::new(self::arch(arch).qemu);
            qemu.arg("-L").arg(&root).arg(ldconfig);
            qemu
        }
    };
    let made = made
        && command
            .arg("-r")
            .arg(&root)
            .args(["-X", "-C", "/etc/by-ldconfig"])
            .status()
            .is_ok_and(|status| status.success());
    if !made {
        skip(&format!("no root for {arch} can be made here: that takes root, mmdebstrap, qemu-user and an archive"));
        return None;
    }
    Some(root)
}
