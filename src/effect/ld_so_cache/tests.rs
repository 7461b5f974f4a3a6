use std::path::Path;
use std::process::Command;

use super::super::fixture::{PACKAGES, World, path, put, read_root, real_root, skip, tree};
use super::*;

/// A shared object, made by hand: one PT_LOAD over the whole file, PT_DYNAMIC, PT_GNU_PROPERTY.
pub(super) struct Library {
    pub soname: Option<&'static str>,
    pub machine: u16,
    pub isa_needed: Option<u32>,
}

impl Default for Library {
    fn default() -> Self {
        Self { soname: Some("libx.so.1"), machine: 62, isa_needed: None }
    }
}

pub(super) fn library(library: &Library) -> Vec<u8> {
    const BASE: u64 = 0x1000;
    let strings: Vec<u8> = [b"\0", library.soname.unwrap_or_default().as_bytes(), b"\0"].concat();
    let mut note = Vec::new();
    if let Some(needed) = library.isa_needed {
        note.extend([4u32, 16, 5].iter().flat_map(|word| word.to_le_bytes()));
        note.extend(b"GNU\0");
        note.extend([0xc000_8002u32, 4, needed, 0].iter().flat_map(|word| word.to_le_bytes()));
    }
    let (strings_at, note_at) = (64 + 3 * 56, 64 + 3 * 56 + strings.len().next_multiple_of(8));
    let dynamic_at = note_at + note.len();
    let mut dynamic: Vec<[u64; 2]> = vec![[5, BASE + strings_at as u64]];
    dynamic.extend(library.soname.map(|_| [14, 1]));
    dynamic.push([0, 0]);
    let size = (dynamic_at + 16 * dynamic.len()) as u64;

    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    for half in [3, library.machine] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes());
    for word in [0u64, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 3, 64, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    let mut segment = |kind: u32, offset: u64, size: u64| {
        file.extend(kind.to_le_bytes());
        file.extend(4u32.to_le_bytes());
        for word in [offset, BASE + offset, BASE + offset, size, size, 8] {
            file.extend(word.to_le_bytes());
        }
    };
    segment(1, 0, size);
    segment(2, dynamic_at as u64, 16 * dynamic.len() as u64);
    segment(0x6474_e553, note_at as u64, note.len() as u64);
    file.extend(&strings);
    file.resize(note_at, 0);
    file.extend(&note);
    file.extend(dynamic.iter().flatten().flat_map(|word| word.to_le_bytes()));
    file
}

fn with_libraries(files: &[(&str, &str)], libraries: &[(&str, Library)]) -> Tree {
    let mut tree = tree(files);
    put(&mut tree, "/lib64/ld-linux-x86-64.so.2", Node::file("", PACKAGES, 0));
    for (name, of) in libraries {
        put(&mut tree, name, Node::file(library(of), PACKAGES, 0));
    }
    tree
}

fn named(soname: &'static str) -> Library {
    Library { soname: Some(soname), ..Library::default() }
}

/// The entries of a cache as `ldconfig -p` has them.
fn listed(tree: &Tree) -> Vec<String> {
    let file = tree.read(&path(CACHE)).unwrap().unwrap();
    let word = |at: usize| u32::from_le_bytes(file[at..][..4].try_into().unwrap());
    let text = |at: u32| {
        let bytes = &file[at as usize..];
        String::from_utf8(bytes[..bytes.iter().position(|byte| *byte == 0).unwrap()].to_vec()).unwrap()
    };
    (0..word(20) as usize)
        .map(|index| 48 + 24 * index)
        .map(|at| format!("{} {:#06x} => {}", text(word(at + 4)), word(at), text(word(at + 8))))
        .collect()
}

fn run_x86_64(tree: &mut Tree) {
    run(tree, World::new("x86_64").context()).unwrap();
}

fn run(tree: &mut Tree, context: Context<'_>) -> Result<(), LdSoCacheError> {
    super::run(tree, &context)
}

#[test]
fn an_image_without_a_loader_gets_no_cache() {
    let mut tree = tree(&[("/usr/lib/libx.so.1", "")]);
    run_x86_64(&mut tree);
    assert!(tree.get(&path(CACHE)).is_none());
}

#[test]
fn a_library_of_another_machine_is_passed_over() {
    let mut tree = with_libraries(
        &[("/lib/libtext.so", "GROUP ( x )")],
        &[("/lib/libarm.so.1", Library { machine: 183, ..named("libarm.so.1") })],
    );
    run_x86_64(&mut tree);
    assert_eq!(listed(&tree), [String::new(); 0]);
}

#[test]
fn the_link_by_soname_is_made_where_it_is_missing_and_leads_to_the_newest() {
    let mut tree = with_libraries(
        &[("/lib/libgone.so.1", "-> libgone.so.1.0"), ("/lib/libold.so.1", "-> liby.so.1.9")],
        &[
            ("/lib/libx.so.1.9", named("libx.so.1")),
            ("/lib/libx.so.1.10", named("libx.so.1")),
            ("/lib/liby.so.1.9", named("liby.so.1")),
            ("/lib/libz.so", Library { soname: None, ..Library::default() }),
        ],
    );
    run_x86_64(&mut tree);
    let target = |name: &str| match &tree.get(&path(name)).unwrap().kind {
        Kind::Symlink(target) => target.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(target("/lib/libx.so.1"), "libx.so.1.10");
    assert_eq!(target("/lib/liby.so.1"), "liby.so.1.9");
    assert!(tree.get(&path("/lib/libgone.so.1")).is_none());
    insta::assert_snapshot!(listed(&tree).join("\n"), @r"
    libz.so 0x0303 => /lib/libz.so
    liby.so.1 0x0303 => /lib/liby.so.1
    libx.so.1 0x0303 => /lib/libx.so.1
    ");
}

#[test]
fn a_file_in_the_place_of_the_link_stays() {
    let mut tree =
        with_libraries(&[], &[("/lib/libx.so.1", named("libother.so.1")), ("/lib/libx.so.1.1", named("libx.so.1"))]);
    run_x86_64(&mut tree);
    assert!(matches!(tree.get(&path("/lib/libx.so.1")).unwrap().kind, Kind::File(_)));
}

#[test]
fn better_libraries_for_some_processors_stand_first() {
    let v3 = Library { isa_needed: Some(4), ..named("libx.so.1") };
    let mut tree =
        with_libraries(&[], &[("/lib/libx.so.1", named("libx.so.1")), ("/lib/glibc-hwcaps/x86-64-v3/libx.so.1.1", v3)]);
    run_x86_64(&mut tree);
    insta::assert_snapshot!(listed(&tree).join("\n"), @r"
    libx.so.1 0x0303 => /lib/glibc-hwcaps/x86-64-v3/libx.so.1.1
    libx.so.1 0x0303 => /lib/libx.so.1
    ");
}

/// What ldconfig's own cache of `root` says; none, and why, where it cannot be asked.
fn ldconfig(root: &Path) -> Option<Vec<u8>> {
    let out = root.join("etc/by-ldconfig");
    let ran = Command::new("/sbin/ldconfig").arg("-X").arg("-r").arg(root).args(["-C", "/etc/by-ldconfig"]).output();
    match ran.and_then(|_| std::fs::read(&out)) {
        Ok(bytes) if String::from_utf8_lossy(&bytes).contains("ldconfig (Debian GLIBC") => Some(bytes),
        Ok(_) => {
            skip("this host's ldconfig is not Debian's, which has other default directories");
            None
        }
        Err(error) => {
            skip(&format!("ldconfig cannot be asked: {error}"));
            None
        }
    }
}

#[test]
fn the_bytes_are_ldconfigs_for_small_libraries() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let write = |name: &str, bytes: &[u8]| {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let hwcaps = |needed| library(&Library { isa_needed: Some(needed), ..named("libx.so.1") });
    write("etc/ld.so.conf", b"include /etc/ld.so.conf.d/*.conf\n/opt/lib/\n");
    write("etc/ld.so.conf.d/local.conf", b"# ours\n/usr/local/lib # here\n");
    write("lib64/ld-linux-x86-64.so.2", b"");
    for name in ["usr/lib/x86_64-linux-gnu/libx.so.1", "usr/local/lib/libx.so.1", "opt/lib/libxx.so.2"] {
        write(name, &library(&named("libx.so.1")));
    }
    write("usr/lib/x86_64-linux-gnu/libx9.so.10", &library(&named("libx9.so.10")));
    write("usr/lib/x86_64-linux-gnu/libnone.so", &library(&Library { soname: None, ..Library::default() }));
    write("opt/lib/glibc-hwcaps/x86-64-v3/libx.so.1", &hwcaps(0b100));
    write("opt/lib/glibc-hwcaps/x86-64-v2/libx.so.1", &hwcaps(0b11));
    write("opt/lib/glibc-hwcaps/empty/text.so", b"");
    write("sbin/ldconfig", &std::fs::read("/sbin/ldconfig").unwrap_or_default());
    std::os::unix::fs::symlink("libx9.so.10", root.join("usr/lib/x86_64-linux-gnu/libx9.so")).unwrap();
    let Some(expected) = ldconfig(root) else { return };
    std::fs::remove_file(root.join("etc/by-ldconfig")).unwrap();
    let mut tree = Tree::default();
    read_root(&mut tree, root, "");
    run_x86_64(&mut tree);
    assert_eq!(tree.read(&path(CACHE)).unwrap().unwrap(), expected);
}

#[test]
fn the_bytes_are_ldconfigs_for_real_roots_of_every_arch() {
    for arch in ["x86_64", "aarch64", "ppc64le"] {
        let Some(root) = real_root(arch) else { continue };
        let mut tree = Tree::default();
        read_root(&mut tree, &root, "");
        super::run(&mut tree, &World::new(arch).context()).unwrap();
        let (made, expected) =
            (tree.read(&path(CACHE)).unwrap().unwrap(), tree.read(&path("/etc/by-ldconfig")).unwrap());
        assert!(Some(&made) == expected.as_ref(), "{arch}: {} bytes are not ldconfig's", made.len());
    }
}
