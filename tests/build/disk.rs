//! A disk that is full, or takes no file so large: a clear word, nothing half-written, and the same command succeeds
//! once there is room.

use std::fs;
use std::path::Path;
use std::process::Command;

use wharf::oci::Store;

use super::{Yard, assert_whole, ended, noise, walk};
use crate::oracle::is_root;
use crate::support::deb::Deb;

/// Two images: `small` and, with a package of 6 MiB that do not compress, `one`.
fn yard() -> Yard {
    let big = Deb::new("big", "1.0").file("/usr/share/big", 0o644, noise("big", 6 << 20));
    let yard = Yard::with("big", vec![big, Deb::new("small", "1.0").file("/usr/bin/small", 0o755, "small")]);
    yard.spec("small.kdl", "image \"small\" { packages \"small\"; build-for arch=\"x86_64\"; }\n");
    yard
}

/// wharf behind `sh -c script`, which has `words` before it.
fn shell(yard: &Yard, script: &str, words: &[&str], arguments: &[&str]) -> Command {
    let wharf = yard.command(arguments);
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).args(words).arg(wharf.get_program()).args(wharf.get_args()).env_clear();
    command.envs(wharf.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

#[test]
fn a_deb_that_cannot_be_written_is_named_and_leaves_nothing() {
    let yard = yard();
    // A write past the limit fails once the signal is ignored, as one on a full disk does.
    let mut limited = shell(&yard, "trap '' XFSZ; ulimit -f 100; exec \"$@\"", &[], &["build"]);
    let (_, said) = ended(1, &limited.output().unwrap());
    yard.assert_whole();
    insta::assert_snapshot!(yard.plain(&said), @"wharf::fetch::write x big_1.0_amd64.deb cannot be written to the cache at [cache]/debs: File too large (os error 27) help: free space on its file system (`wharf prune --cache`), or name another with `--cache DIR` or `WHARF_CACHE`");
    assert!(!walk(&yard.cache().join("debs")).iter().any(|file| file.metadata().unwrap().len() > 100 * 512));
    yard.run(0, &["build"]);
    yard.assert_whole();
}

/// In a mount namespace of its own, with a small disk in `$1`: `small` is built, then `one`, which must fail; what is on
/// the disk then is copied for a look; then there is room, and both are built. The mount goes with the namespace.
const FULL: &str = r#"
full=$1 size=$2 seen=$3
shift 3
mount -t tmpfs -o "size=$size" tmpfs "$full" || exit 101
"$@" small >"$seen.small" || exit 102
"$@" one >"$seen.out" 2>"$seen.said"
[ $? = 1 ] || exit 103
cp -a "$full" "$seen" || exit 104
mount -o remount,size=64m "$full" || exit 105
"$@" one && "$@" small
"#;

#[test]
fn a_full_disk_is_named_all_on_it_is_whole_and_the_same_build_succeeds_with_room() {
    if !is_root() {
        return;
    }
    for (case, (place, size)) in [("cache", "1m"), ("cache", "8m"), ("project/.wharf", "1m")].into_iter().enumerate() {
        let yard = yard();
        let (full, seen) = (yard.folder.path().join(place), yard.folder.path().join(format!("seen-{case}")));
        fs::create_dir_all(&full).unwrap();
        let words = [full.to_str().unwrap(), size, seen.to_str().unwrap()];
        let inner = shell(&yard, FULL, &words, &["build"]);
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]).arg(inner.get_program()).args(inner.get_args());
        command.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let (out, _) = ended(0, &command.output().unwrap());

        let beside = |end: &str| fs::read_to_string(format!("{}.{end}", seen.display())).unwrap();
        let said = beside("said");
        assert!(said.contains("No space left on device") && said.contains("free space"), "{said}");
        assert_eq!(beside("out"), "");
        let (store, cache) = match place {
            "cache" => (yard.project().join(".wharf/store"), seen.clone()),
            _ => (seen.join("store"), yard.cache()),
        };
        assert_whole(&store, &cache);
        assert_is_named(&store, &beside("small"));
        // The same bytes as on a disk that never was full.
        let plain = self::yard();
        assert_eq!(out, plain.run(0, &["build", "one"]).0 + &plain.run(0, &["build", "small"]).0);
    }
}

/// The image that was built before is still the one of this line of `wharf build`.
fn assert_is_named(store: &Path, line: &str) {
    let digest = line.split(' ').find(|word| word.starts_with("sha256:")).unwrap();
    let refs = Store::open(store).unwrap().refs().unwrap();
    assert_eq!(refs[&"small:trixie-x86_64".parse().unwrap()].digest.to_string(), digest);
}
