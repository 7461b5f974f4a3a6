//! What the images' programs do, under podman and qemu.

use super::{Copy, DISTRO, IMAGES, built};
use crate::support::{podman, skip};

fn is_x86_64() -> bool {
    if cfg!(target_arch = "x86_64") {
        return true;
    }
    skip("this machine is not an x86_64 one");
    false
}

#[test]
fn services_start_and_answer_under_podman() {
    if !is_x86_64() || !podman::works() {
        return;
    }
    let Some(copy) = built() else { return };
    let arguments = [&["test"], &IMAGES[..], &["--distro", DISTRO, "--arch", "x86_64"]].concat();
    let (_, said) = copy.with_podman(&arguments);
    eprintln!("{said}");
    assert!(said.contains("tests passed") && !said.contains("FAILED"), "{said}");
}

/// What python says of the modules that it compiles itself: code from a source, bytecode written.
fn compiled(said: &str) -> Vec<&str> {
    let source = |line: &&str| line.starts_with("# code object from ") && !line.contains(".pyc'");
    let written = |line: &&str| line.starts_with("# wrote ") || line.starts_with("# created ");
    said.lines().filter(|line| source(line) || written(line)).collect()
}

#[test]
fn python_starts_without_compiling_anything() {
    if !is_x86_64() || !podman::works() {
        return;
    }
    let Some(copy) = built() else { return };
    let keystone = ["env", "-u", "PYTHONDONTWRITEBYTECODE", "python3", "-v", "-c", "import keystone, keystone.server"];
    // The check itself sees what is compiled.
    let fresh =
        ["sh", "-c", "echo x=1 > /tmp/fresh.py; cd /tmp; env -u PYTHONDONTWRITEBYTECODE python3 -v -c 'import fresh'"];
    let said = copy.run_in("amd64", "keystone:debian-trixie-x86_64", None, &[&keystone, &fresh]);
    assert!(said[0].matches("matches /usr/").count() > 50, "{}", said[0]);
    assert_eq!(compiled(&said[0]), Vec::<&str>::new());
    assert!(!compiled(&said[1]).is_empty(), "{}", said[1]);
}

#[test]
fn aarch64_programs_run_under_qemu() {
    foreign("arm64", "aarch64");
}

#[test]
fn ppc64le_programs_run_under_qemu() {
    foreign("ppc64le", "ppc64le");
}

fn foreign(oci_arch: &str, arch: &str) {
    if !podman::works() || !podman::runs(arch) {
        return;
    }
    let Some(copy) = built() else { return };
    let program = ["/bin/sh", "-c", "uname -m; keystone-manage --version"];
    let reference = format!("keystone:{DISTRO}-{arch}");
    let said = copy.run_in(oci_arch, &reference, Some(&format!("qemu-{arch}")), &[&program]).remove(0);
    let version = said.lines().skip_while(|line| *line != arch).nth(1);
    assert!(version.is_some_and(|version| version.starts_with("27.")), "{said}");
}

#[test]
fn bookworm_is_built_and_runs() {
    if !is_x86_64() || !podman::works() {
        return;
    }
    let copy = Copy::new("bookworm");
    let which = ["base", "memcached", "--distro", "debian-bookworm", "--arch", "x86_64"];
    if copy.build(&which).is_none() {
        return;
    }
    let (_, said) = copy.with_podman(&[&["test"], &which[..]].concat());
    assert!(said.contains("tests passed"), "{said}");
}

#[test]
fn novas_conductor_is_built_and_maps_a_cell() {
    if !is_x86_64() || !podman::works() {
        return;
    }
    let copy = Copy::new("nova");
    let which = ["nova-base", "nova-conductor", "--distro", DISTRO, "--arch", "x86_64"];
    if copy.build(&which).is_none() {
        return;
    }
    let (_, said) = copy.with_podman(&[&["test"], &which[..]].concat());
    assert!(said.contains("3 tests passed"), "{said}");
}
