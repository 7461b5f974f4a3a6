//! Layers as they are written: bytes, blocks, disks.

use std::io::{self, Write};
use std::sync::Arc;

use wharf::digest::Digest;
use wharf::estate::Compression;
use wharf::layer::{Directories, whiteout, with_parents, write};
use wharf::tree::{Node, Origin, Tree};

use crate::debs::Deb;
use crate::fragment::{Bench, listing, path, untar};

/// Takes a few bytes at a time.
struct Dripping<W>(W, usize);

impl<W: Write> Write for Dripping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(self.1)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Noise and text of several blocks.
fn sample(seed: u32, size: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..size).map(|at| if at % 3 == 0 { next() } else { b"lorem ipsum dolor "[at % 18] }).collect()
}

#[test]
fn a_layers_bytes_depend_on_no_thread_and_no_cache() {
    let debs = [
        Deb::new("aa", "1").file("./big", sample(1, 9 << 20)),
        Deb::new("bb", "1").file("./small", "x"),
        Deb::new("cc", "1").file("./exact", sample(2, 4 << 20)),
    ];
    for compression in [Compression::Zstd, Compression::Gzip] {
        let mut all = Vec::new();
        for (threads, drip) in [(1, 7_000), (2, 1_000), (8, 1 << 20), (100, 3_333)] {
            // A new cache each time, so that nothing is remembered.
            let bench = Bench::new(compression);
            let parts: Vec<_> = debs.iter().map(|deb| bench.make(deb).unwrap()).collect();
            let mut cold = Vec::new();
            let facts =
                write(&parts, compression, threads, bench.fragments.cache(), Dripping(&mut cold, drip)).unwrap();
            let mut warm = Vec::new();
            let again = write(&parts, compression, threads, bench.fragments.cache(), &mut warm).unwrap();
            assert_eq!((facts, &cold), (again, &warm));
            assert_eq!(facts.digest, Digest::of(&cold));
            all.push((facts, cold));
        }
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[test]
fn a_layer_is_the_end_alone_when_it_has_no_parts() {
    let bench = Bench::new(Compression::Zstd);
    assert_eq!(untar(&bench, &[]), vec![0; 1024]);
}

#[test]
fn a_damaged_fragment_is_named_and_not_written_as_good() {
    for compression in [Compression::Zstd, Compression::Gzip] {
        let bench = Bench::new(compression);
        let part = bench.make(&Deb::new("aa", "1").file("./x", sample(3, 1 << 20))).unwrap();
        let file = bench.fragments.cache().path(wharf::fetch::Area::Fragment, part.key());
        let good = std::fs::read(&file).unwrap();
        let write = |bytes: &[u8]| {
            std::fs::write(&file, bytes).unwrap();
            write(std::slice::from_ref(&part), compression, 2, bench.fragments.cache(), io::sink())
                .map_err(|error| error.to_string())
        };
        let mut bad = good.clone();
        bad[good.len() / 2] ^= 4;
        let cold = write(&bad).unwrap_err();
        assert!(cold.contains(&part.key().hex()) && cold.contains("damaged"), "{cold}");
        write(&good).unwrap();
        // Now the layer is remembered: the digest tells.
        let warm = write(&bad).unwrap_err();
        assert!(warm.contains(&part.key().hex()) && warm.contains("damaged"), "{warm}");
        let short = write(&good[..good.len() - 1]).unwrap_err();
        assert!(short.contains("damaged"), "{short}");
    }
}

#[test]
fn a_full_disk_ends_in_an_error() {
    struct Full(u64);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len() as u64).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let bench = Bench::new(Compression::Zstd);
    let parts: Vec<_> = (0..5)
        .map(|number| bench.make(&Deb::new("aa", &number.to_string()).file("./x", sample(number, 6 << 20))).unwrap())
        .collect();
    for room in [0, 100, 5 << 20] {
        let error = write(&parts, Compression::Zstd, 4, bench.fragments.cache(), Full(room)).unwrap_err();
        insta::allow_duplicates! { insta::assert_snapshot!(error, @"a layer cannot be written: no storage space"); }
    }
}

#[test]
fn nodes_are_packed_with_the_directories_above_them() {
    let bench = Bench::new(Compression::Zstd);
    let origin = Origin::Effect("test");
    let mut tree = Tree::default();
    tree.place(path("/"), Node::dir(Origin::Effect("test"), 5));
    tree.place(path("/etc"), Node::dir(Origin::Effect("test"), 5).with_mode(0o750));
    tree.place(path("/etc/left"), Node::file("not packed", origin.clone(), 5));
    let mut ping = Node::file("ping", origin.clone(), 9);
    ping.capability = Some(vec![1, 0, 0, 2]);
    tree.insert(&path("/etc/ping"), ping).unwrap();
    let gone = whiteout(&path("/etc/gone"), origin).unwrap();
    let touched: Vec<_> = tree.touched().map(|(path, _)| path.clone()).collect();
    let nodes = with_parents(&tree, &touched);
    let nodes = nodes.iter().map(|(path, node)| (path, *node)).chain([(&gone.0, &gone.1)]);
    let key = Digest::of(b"key");
    assert!(bench.fragments.packed(&key).is_none());
    let packed = bench.fragments.pack(Some(&key), nodes.clone(), Directories::Written).unwrap();
    insta::assert_snapshot!(listing(&packed), @r#"
    / 0755 0:0 0 d
    /etc 0750 0:0 0 d
    /etc/.wh.gone 0644 0:0 0 f 0
    /etc/ping 0644 0:0 9 f 4
    "#);
    assert_eq!(packed.newest, 9);
    assert_eq!(packed.get(&path("/etc/ping")).unwrap().capability.as_deref(), Some(&[1, 0, 0, 2][..]));
    assert!(Arc::ptr_eq(&packed, &bench.fragments.packed(&key).unwrap()));
    assert_eq!(bench.fragments.pack(None, nodes, Directories::Written).unwrap().digest, packed.digest);
    assert_eq!(untar(&bench, &[packed]).len() % 512, 0);
}
