//! Steps on Debian's own packages: compiled, installed by pip, done by a script; on three arches, as root and as a user.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use wharf::digest::Digest;

use super::same::cold_cache;
use super::{ARCHES, Copy, DISTRO, all_arches};
use crate::build::ended;
use crate::steps::with_ids;
use crate::support::place::{is_root, own};
use crate::support::{podman, skip};

const IMAGE: &str = r#"
image "stepped" {
    from "base"
    packages "python3-minimal"
    packages "gcc" "libc6-dev" "python3-pip" build=#true
    script "gcc" kind="postinst" effect="ignore"
    script "cpp" kind="postinst" effect="ignore"
    run "gcc -O2 -o /usr/local/bin/compiled /src/main.c" { mount "step-source" "/src" }
    run "pip" "install" "--no-index" "--require-hashes" "--break-system-packages" "-r" "/wheels/requirements.txt" {
        mount "step-wheels" "/wheels"
    }
    run script="step-scripts/setup.sh" "one"
}
"#;

/// A wheel, as PEP 427 has it: a zip whose files are stored.
fn wheel() -> Vec<u8> {
    let info = "greet-1.0.dist-info";
    let names = ["greet/__init__.py", "METADATA", "WHEEL", "entry_points.txt", "RECORD"];
    let paths: Vec<String> = names
        .iter()
        .map(|name| if name.contains('/') { (*name).to_owned() } else { format!("{info}/{name}") })
        .collect();
    let record: String = paths.iter().map(|path| format!("{path},,\n")).collect();
    let texts = [
        "def main():\n    print(\"greeted\")\n",
        "Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n",
        "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "[console_scripts]\ngreet = greet:main\n",
        &record,
    ];
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for (path, text) in paths.iter().zip(texts) {
        let mut crc = flate2::Crc::new();
        crc.update(text.as_bytes());
        let size = u32::try_from(text.len()).unwrap();
        // Version, flags, stored, time and date (1980-01-01), crc, sizes, lengths.
        let mut common = Vec::new();
        for word in [20_u16, 0, 0, 0, 33] {
            common.extend(word.to_le_bytes());
        }
        for word in [crc.sum(), size, size] {
            common.extend(word.to_le_bytes());
        }
        for word in [u16::try_from(path.len()).unwrap(), 0] {
            common.extend(word.to_le_bytes());
        }
        let offset = u32::try_from(zip.len()).unwrap();
        zip.write_all(b"PK\x03\x04").unwrap();
        zip.extend(&common);
        zip.extend(path.as_bytes());
        zip.extend(text.as_bytes());
        directory.write_all(b"PK\x01\x02\x14\x00").unwrap();
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(path.as_bytes());
    }
    let (start, size) = (u32::try_from(zip.len()).unwrap(), u32::try_from(directory.len()).unwrap());
    let count = u16::try_from(paths.len()).unwrap();
    zip.extend(directory);
    zip.write_all(b"PK\x05\x06\0\0\0\0").unwrap();
    zip.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    zip.extend([size.to_le_bytes(), start.to_le_bytes()].concat());
    zip.extend([0, 0]);
    zip
}

fn project(name: &str) -> Copy {
    let copy = Copy::new(name);
    let put = |path: &str, bytes: &[u8]| {
        let path = copy.project().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    put("specs/stepped.kdl", IMAGE.as_bytes());
    put("layers/step-source/main.c", b"#include <stdio.h>\nint main(void) { puts(\"compiled\"); return 0; }\n");
    let wheel = wheel();
    put("layers/step-wheels/greet-1.0-py3-none-any.whl", &wheel);
    let line = format!("/wheels/greet-1.0-py3-none-any.whl --hash=sha256:{}\n", Digest::of(&wheel).hex());
    put("layers/step-wheels/requirements.txt", line.as_bytes());
    put("layers/step-scripts/setup.sh", b"#!/bin/sh\nset -e\necho \"set up: $1\" > /opt/set-up\ndate > /tmp/junk\n");
    own(copy.home());
    copy
}

/// The image's line, built with nothing at hand but .debs.
fn build(copy: &Copy, locked: &Copy, arch: &str, user: bool) -> String {
    let handler = format!("qemu-{arch}");
    let handler = (arch != std::env::consts::ARCH).then_some(handler.as_str());
    if copy.home() != locked.home() {
        fs::copy(locked.project().join("wharf.lock"), copy.project().join("wharf.lock")).unwrap();
    }
    own(copy.home());
    let cache = cold_cache(copy);
    let binary = copy.home().join("wharf");
    let inner = if user { with_ids(copy.home(), &binary) } else { Command::new(&binary) };
    let mut command = podman::ready(copy.home(), Path::new(inner.get_program()), handler);
    command.args(inner.get_args());
    let arguments = ["build", "stepped", "--distro", DISTRO, "--arch", arch, "--locked"];
    let output = copy.on(command, &cache, &arguments).output().unwrap();
    let _ = fs::remove_dir_all(&cache);
    ended(0, &output).0.lines().find(|line| line.contains(arch)).unwrap().to_owned()
}

fn on(arch: &str, oci_arch: &str) {
    if !is_root() {
        skip("only root gives a user a range of ids, and turns binfmt's handlers on");
        return;
    }
    if !podman::works() || !podman::runs(arch) {
        return;
    }
    assert!(ARCHES.contains(&arch));
    let first = project(&format!("steps-{arch}"));
    if arch == "ppc64le" && !all_arches(&first) {
        return;
    }
    let output = first.wharf(&["lock", "stepped", "--distro", DISTRO, "--arch", arch]);
    if super::nobody_answers(&output) {
        return;
    }
    ended(0, &output);
    let root = build(&first, &first, arch, false);
    let second = project(&format!("steps-user-{arch}"));
    // With the archives that the first has.
    let archives = "targets/distros/debian-trixie.kdl";
    fs::copy(first.project().join(archives), second.project().join(archives)).unwrap();
    assert_eq!(build(&second, &first, arch, true), root);
    let handler = format!("qemu-{arch}");
    let said = first.run_in(
        oci_arch,
        &format!("stepped:{DISTRO}-{arch}"),
        Some(handler.as_str()).filter(|_| arch != std::env::consts::ARCH),
        &[&[
            "/bin/sh",
            "-c",
            "uname -m; compiled; greet; cat /opt/set-up; ls -A /tmp; ls -d /src /wheels; command -v gcc pip; true",
        ]],
    );
    let lines: Vec<&str> = said[0].lines().filter(|line| !line.starts_with("ls: ")).collect();
    assert_eq!(lines, [arch, "compiled", "greeted", "set up: one"], "{}", said[0]);
    assert_eq!(said[0].matches("No such file or directory").count(), 2, "{}", said[0]);
}

#[test]
fn steps_on_x86_64() {
    on("x86_64", "amd64");
}

#[test]
fn steps_on_aarch64() {
    on("aarch64", "arm64");
}

#[test]
fn steps_on_ppc64le() {
    on("ppc64le", "ppc64le");
}
