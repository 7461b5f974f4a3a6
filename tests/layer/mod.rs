//! Fragments put together: what packages keep of their files, and layers.

mod bytes;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use wharf::digest::Digest;
use wharf::estate::{Compression, Diversion};
use wharf::layer::{Directories, Fragment, Level, Rights, difference, merge};
use wharf::name::PackageName;
use wharf::tree::{Kind, Node, Origin, Tree};

use crate::debs::Deb;
use crate::fragment::{Bench, content, listing, path, untar};

const NONE: &[Diversion] = &[];

/// One line a path, dpkg's own files left out: owner of the path, rights, what it is.
fn show(tree: &Tree) -> String {
    let lines = tree.iter().filter(|(path, _)| !path.as_str().starts_with("/var")).map(|(path, node)| {
        let Origin::Package(by) = &node.origin else { panic!("{path} is of no package") };
        let what = match &node.kind {
            Kind::Dir => "dir".to_owned(),
            Kind::File(content) => format!("file {}", String::from_utf8(content.read().unwrap()).unwrap()),
            Kind::Symlink(text) => format!("link {text}"),
            Kind::Hardlink(first) => format!("name of {first}"),
        };
        format!("{path} {by} {:04o} {what}", node.mode)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Merges levels of packages and gives the tree as text.
fn merged(levels: &[(&[&Deb], &[Diversion])]) -> Result<String, String> {
    let bench = Bench::new(Compression::Zstd);
    let made: Vec<Vec<Arc<Fragment>>> =
        levels.iter().map(|(debs, _)| debs.iter().map(|deb| bench.make(deb).unwrap()).collect()).collect();
    let levels: Vec<Level<'_>> =
        made.iter().zip(levels).map(|(fragments, (_, diversions))| Level { fragments, diversions }).collect();
    let merged = merge(&levels).map_err(|error| error.to_string())?;
    let (tree, fragments) = merged.build(&bench.fragments).unwrap();
    check_layers(&bench, &tree, &fragments);
    Ok(show(&tree))
}

/// What the layers above each other are, as an independent reader sees it: the mode, the link, the bytes of each path.
fn stacked(bench: &Bench, layers: &[Vec<Arc<Fragment>>]) -> BTreeMap<String, (u8, u32, String, Digest)> {
    let mut stacked: BTreeMap<String, (u8, u32, String, Digest)> = BTreeMap::new();
    for layer in layers {
        let tar = untar(bench, layer);
        let mut archive = tar::Archive::new(tar.as_slice());
        let mut here: BTreeMap<String, (u8, u32, String, Digest)> = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let name = format!("/{}", name.trim_start_matches("./").trim_end_matches('/'));
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            if let Some((above, gone)) = name.split_once("/.wh.") {
                let gone = format!("{above}/{gone}");
                stacked.retain(|path, _| *path != gone && !path.starts_with(&format!("{gone}/")));
                continue;
            }
            let kind = entry.header().entry_type().as_byte();
            assert!(kind == b'5' || !here.contains_key(&name), "{name} is twice in one layer");
            let link = entry.link_name_bytes().map(|l| String::from_utf8(l.into_owned()).unwrap()).unwrap_or_default();
            let one = match kind {
                b'1' => here[&format!("/{link}")].clone(),
                kind => (kind, entry.header().mode().unwrap(), link, Digest::of(&bytes)),
            };
            if one.0 != b'5' {
                stacked.retain(|path, _| !path.starts_with(&format!("{name}/")));
            }
            here.insert(name, one);
        }
        stacked.extend(here);
    }
    stacked
}

/// The layers and their difference to the tree are the tree.
fn check_layers(bench: &Bench, tree: &Tree, levels: &[Vec<Arc<Fragment>>]) {
    let top = difference(levels, tree).unwrap();
    let top = bench.fragments.pack(None, top.iter(), Directories::Written).unwrap();
    let layers = [levels, &[vec![top]]].concat();
    let expected: BTreeMap<String, (u8, u32, String, Digest)> = tree
        .iter()
        .map(|(path, _)| {
            let (node, kind, link, bytes) = match tree.lookup_here(path).unwrap() {
                (_, node @ Node { kind: Kind::File(content), .. }) => {
                    (node, b'0', String::new(), content.read().unwrap())
                }
                (_, node @ Node { kind: Kind::Symlink(text), .. }) => (node, b'2', text.clone(), Vec::new()),
                (_, node @ Node { kind: Kind::Dir, .. }) => (node, b'5', String::new(), Vec::new()),
                (_, node) => panic!("{path} is a name of {:?}", node.kind),
            };
            (path.to_string(), (kind, u32::from(node.mode), link, Digest::of(&bytes)))
        })
        .collect();
    assert_eq!(stacked(bench, &layers), expected);
}

fn one(debs: &[&Deb]) -> Result<String, String> {
    merged(&[(debs, NONE)])
}

#[test]
fn one_path_in_two_packages_is_refused() {
    let a = Deb::new("aa", "1").file("./x", "a").file("./y", "a");
    let b = Deb::new("bb", "1").file("./x", "b").dir("./y/", 0o755);
    insta::assert_snapshot!(one(&[&a, &b]).unwrap_err(), @r#"
    packages `aa` and `bb` both have `/x`, and it differs
    `/y` is a directory in one of the packages `bb` and `aa` and none in the other
    "#);
    // Not of this version.
    let b = b.field("Replaces: aa (<< 1)");
    assert!(one(&[&a, &b]).is_err());
    // The same bytes in another mode.
    let a = Deb::new("aa", "1").entry("./x", b'0', "", 0o644, b"x");
    let b = Deb::new("bb", "1").entry("./x", b'0', "", 0o755, b"x");
    insta::assert_snapshot!(one(&[&a, &b]).unwrap_err(), @"packages `aa` and `bb` both have `/x`, and it differs");
    // Before usr-merge they were two.
    let a = Deb::new("aa", "1").dir("./bin/", 0o755).file("./bin/x", "a");
    let b = Deb::new("bb", "1").dir("./usr/", 0o755).dir("./usr/bin/", 0o755).file("./usr/bin/x", "b");
    insta::assert_snapshot!(one(&[&a, &b]).unwrap_err(), @"packages `aa` and `bb` both have `/usr/bin/x`, and it differs");
    // A link into nothing in the place of a directory.
    let a = Deb::new("aa", "1").symlink("./x", "nowhere");
    let b = Deb::new("bb", "1").dir("./x/", 0o755).file("./x/y", "b");
    insta::assert_snapshot!(one(&[&a, &b]).unwrap_err(), @"`/x` is a directory in one of the packages `bb` and `aa` and none in the other");
}

#[test]
fn replaces_says_who_keeps_a_path() {
    let a = Deb::new("aa", "1").file("./x", "a");
    let takes = Deb::new("bb", "2").field("Replaces: cc, aa (<< 2)").file("./x", "b");
    insta::assert_snapshot!(one(&[&a, &takes]).unwrap(), @r#"
    / aa 0755 dir
    /x bb 0644 file b
    "#);
    insta::assert_snapshot!(merged(&[(&[&a], NONE), (&[&takes], NONE)]).unwrap(), @r#"
    / aa 0755 dir
    /x bb 0644 file b
    "#);
    // The earlier level holds what replaces.
    insta::assert_snapshot!(merged(&[(&[&takes], NONE), (&[&a], NONE)]).unwrap(), @r#"
    / bb 0755 dir
    /x bb 0644 file b
    "#);
    let both = a.field("Replaces: bb");
    insta::assert_snapshot!(one(&[&both, &takes]).unwrap(), @r#"
    / aa 0755 dir
    /x aa 0644 file a
    "#);
    insta::assert_snapshot!(merged(&[(&[&both], NONE), (&[&takes], NONE)]).unwrap(), @r#"
    / aa 0755 dir
    /x bb 0644 file b
    "#);
}

#[test]
fn equal_files_may_be_in_two_packages() {
    let a = Deb::new("aa", "1").file("./x", "same").hardlink("./z", "./x");
    let b = Deb::new("bb", "1").file("./x", "same").hardlink("./y", "./x");
    insta::assert_snapshot!(one(&[&a, &b]).unwrap(), @r#"
    / aa 0755 dir
    /x aa 0644 file same
    /y bb 0644 file same
    /z aa 0644 name of /x
    "#);
}

#[test]
fn a_hard_link_outlives_the_name_that_another_package_takes() {
    let a = Deb::new("aa", "1").file("./x", "a").hardlink("./y", "./x").hardlink("./z", "./x");
    let b = Deb::new("bb", "1").field("Replaces: aa").file("./x", "b");
    insta::assert_snapshot!(one(&[&a, &b]).unwrap(), @r#"
    / aa 0755 dir
    /x bb 0644 file b
    /y aa 0644 file a
    /z aa 0644 name of /y
    "#);
    insta::assert_snapshot!(merged(&[(&[&a], NONE), (&[&b], NONE)]).unwrap(), @r#"
    / aa 0755 dir
    /x bb 0644 file b
    /y aa 0644 file a
    /z aa 0644 name of /y
    "#);
}

#[test]
fn a_directory_is_as_the_one_says_who_says_more_than_plain() {
    let a = Deb::new("aa", "1").dir("./d/", 0o755).file("./d/a", "a");
    let b = Deb::new("bb", "1").dir("./d/", 0o2750).file("./d/b", "b");
    let c = Deb::new("cc", "1").dir("./d/", 0o700).file("./d/c", "c");
    insta::assert_snapshot!(one(&[&a, &b, &c]).unwrap(), @r#"
    / aa 0755 dir
    /d aa 2750 dir
    /d/a aa 0644 file a
    /d/b bb 0644 file b
    /d/c cc 0644 file c
    "#);
    // What an earlier level said holds; plain is no word.
    let levels: [(&[&Deb], &[Diversion]); 3] = [(&[&a], NONE), (&[&c], NONE), (&[&b], NONE)];
    insta::assert_snapshot!(merged(&levels).unwrap(), @r#"
    / aa 0755 dir
    /d cc 0700 dir
    /d/a aa 0644 file a
    /d/b bb 0644 file b
    /d/c cc 0644 file c
    "#);
}

#[test]
fn a_link_to_a_directory_leads_the_files_of_others_there() {
    let a = Deb::new("aa", "1").dir("./real/", 0o755).file("./real/a", "a").symlink("./x", "real");
    let b = Deb::new("bb", "1")
        .dir("./x/", 0o755)
        .dir("./x/sub/", 0o700)
        .file("./x/sub/b", "b")
        .hardlink("./x/c", "./x/sub/b");
    insta::assert_snapshot!(one(&[&a, &b]).unwrap(), @r#"
    / aa 0755 dir
    /real aa 0755 dir
    /real/a aa 0644 file a
    /real/c bb 0644 file b
    /real/sub bb 0700 dir
    /real/sub/b bb 0644 name of /real/c
    /x aa 0777 link real
    "#);
    insta::assert_snapshot!(merged(&[(&[&a], NONE), (&[&b], NONE)]).unwrap(), @r#"
    / aa 0755 dir
    /real aa 0755 dir
    /real/a aa 0644 file a
    /real/c bb 0644 file b
    /real/sub bb 0700 dir
    /real/sub/b bb 0644 name of /real/c
    /x aa 0777 link real
    "#);
    // dpkg never puts a link in the place of a directory that is there.
    insta::assert_snapshot!(merged(&[(&[&b], NONE), (&[&a], NONE)]).unwrap(), @r#"
    / bb 0755 dir
    /real aa 0755 dir
    /real/a aa 0644 file a
    /x bb 0755 dir
    /x/c bb 0644 file b
    /x/sub bb 0700 dir
    /x/sub/b bb 0644 name of /x/c
    "#);
}

fn diversion(package: &str) -> Vec<Diversion> {
    vec![Diversion {
        path: path("/usr/sbin/tool"),
        to: path("/usr/sbin/tool.real"),
        package: Some(PackageName::new(package).unwrap()),
    }]
}

#[test]
fn a_diversion_moves_what_others_bring() {
    let tool =
        Deb::new("tool", "1").dir("./sbin/", 0o755).file("./sbin/tool", "real").hardlink("./sbin/also", "./sbin/tool");
    let shim = Deb::new("shim", "1").dir("./sbin/", 0o755).file("./sbin/tool", "shim");
    let diversions = diversion("shim");
    let packages = [&shim, &tool];
    insta::assert_snapshot!(merged(&[(&packages, &diversions)]).unwrap(), @r#"
    / shim 0755 dir
    /usr shim 0755 dir
    /usr/sbin shim 0755 dir
    /usr/sbin/also tool 0644 file real
    /usr/sbin/tool shim 0644 file shim
    /usr/sbin/tool.real tool 0644 name of /usr/sbin/also
    "#);
    // The parent's layer has the file at its old path: the top layer has to move it.
    insta::assert_snapshot!(merged(&[(&[&tool], NONE), (&[&shim], &diversions)]).unwrap(), @r#"
    / tool 0755 dir
    /usr tool 0755 dir
    /usr/sbin tool 0755 dir
    /usr/sbin/also tool 0644 file real
    /usr/sbin/tool shim 0644 file shim
    /usr/sbin/tool.real tool 0644 file real
    "#);
    // Nothing takes the diverted path's place.
    let empty = Deb::new("shim", "1");
    insta::assert_snapshot!(merged(&[(&[&tool], NONE), (&[&empty], &diversions)]).unwrap(), @r#"
    / tool 0755 dir
    /usr tool 0755 dir
    /usr/sbin tool 0755 dir
    /usr/sbin/also tool 0644 file real
    /usr/sbin/tool.real tool 0644 file real
    "#);
}

#[test]
fn the_top_layer_says_only_what_the_others_do_not() {
    let bench = Bench::new(Compression::Zstd);
    let deb = Deb::new("aa", "1")
        .dir("./d/", 0o755)
        .dir("./d/e/", 0o755)
        .file("./d/e/x", "x")
        .file("./d/y", "y")
        .hardlink("./d/z", "./d/y")
        .dir("./f/", 0o700)
        .file("./f/g", "g");
    let fragments = [bench.make(&deb).unwrap()];
    let merged = [Level { fragments: &fragments, diversions: NONE }];
    let (mut tree, levels) = merge(&merged).unwrap().build(&bench.fragments).unwrap();
    assert!(difference(&levels, &tree).unwrap().is_empty());
    // Touched, and the same as before.
    tree.get_mut(&path("/f/g")).unwrap();
    assert!(difference(&levels, &tree).unwrap().is_empty());
    tree.remove(&path("/d/e"));
    tree.get_mut(&path("/d/y")).unwrap().mode = 0o600;
    tree.insert(&path("/f/new"), Node::file("n", Origin::Package(PackageName::new("aa").unwrap()), 1)).unwrap();
    let top = difference(&levels, &tree).unwrap();
    let shown: Vec<String> = top.iter().map(|(path, node)| format!("{path} {:04o}", node.mode)).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    / 0755
    /d 0755
    /d/.wh.e 0644
    /d/y 0600
    /d/z 0644
    /f 0700
    /f/new 0644
    "#);
    check_layers(&bench, &tree, &levels);
    // A later layer hides what an earlier one has.
    let over = bench.make(&Deb::new("bb", "1").dir("./d/", 0o755).file("./d/y", "over")).unwrap();
    let hidden = [levels.as_slice(), &[vec![over]]].concat();
    check_layers(&bench, &tree, &hidden);
    // A file where a directory was.
    tree.remove(&path("/d"));
    tree.insert(&path("/d"), Node::file("d", Origin::Package(PackageName::new("aa").unwrap()), 1)).unwrap();
    check_layers(&bench, &tree, &levels);
}

#[test]
fn a_childs_packages_do_not_change_what_its_parents_layer_holds() {
    let bench = Bench::new(Compression::Zstd);
    let base = [bench.make(&Deb::new("aa", "1").dir("./d/", 0o755).file("./d/x", "a")).unwrap()];
    let child = [bench.make(&Deb::new("bb", "1").field("Replaces: aa").dir("./d/", 0o700).file("./d/x", "b")).unwrap()];
    let alone = [Level { fragments: &base, diversions: &[] }];
    let both = [Level { fragments: &base, diversions: &[] }, Level { fragments: &child, diversions: &[] }];
    assert!(merge(&alone).unwrap().changes.is_empty());
    let merged = merge(&both).unwrap();
    assert!(merged.changes.is_empty(), "{:?}", merged.changes);
    let fragments = merged.build(&bench.fragments).unwrap().1;
    assert!(Arc::ptr_eq(&fragments[0][0], &base[0]));
}

#[test]
fn a_variant_is_made_once_and_differs_only_where_it_must() {
    let bench = Bench::new(Compression::Gzip);
    let base = bench
        .make(
            &Deb::new("aa", "1")
                .dir("./d/", 0o755)
                .file("./d/x", vec![b'x'; 3 << 20])
                .hardlink("./d/y", "./d/x")
                .file("./z", "z"),
        )
        .unwrap();
    let mut changes = wharf::layer::Changes::default();
    assert!(Arc::ptr_eq(&base, &bench.fragments.variant(&base, &changes).unwrap()));
    changes.without.insert(path("/d/x"));
    changes.dirs.insert(path("/d"), Rights { mode: 0o750, uid: 1, gid: 2 });
    changes.moved.insert(path("/z"), path("/new/z"));
    let variant = bench.fragments.variant(&base, &changes).unwrap();
    let shown = listing(&variant);
    insta::assert_snapshot!(shown.split("\n/var").next().unwrap(), @r#"
    / 0755 0:0 0 d
    /d 0750 1:2 0 d
    /d/y 0644 0:0 1700000000 f 3145728
    /new 0755 0:0 0 d
    /new/z 0644 0:0 1700000000 f 1
    "#);
    assert_eq!(content(&variant, "/d/y"), vec![b'x'; 3 << 20]);
    assert_eq!(content(&variant, "/new/z"), b"z");
    assert!(Arc::ptr_eq(&variant, &bench.fragments.variant(&base, &changes).unwrap()));
}
