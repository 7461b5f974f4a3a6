//! A small project for `list`, `show`, `graph` and `matrix`.

use std::fs;

use crate::oracle::wharf_ends;

const TARGETS: &str = r#"
arch "x86_64" {
    oci "amd64"
    debian "amd64"
    triplet "x86_64-linux-gnu"
    qemu "qemu-x86_64-static"
    loader "/lib64/ld-linux-x86-64.so.2" flags=0x0303 machine=62
}
arch "ppc64le" {
    oci "ppc64le"
    debian "ppc64el"
    triplet "powerpc64le-linux-gnu"
    qemu "qemu-ppc64le-static"
    loader "/lib64/ld64.so.2" flags=0x0503 machine=21
    tier "best-effort"
}
distro "debian-trixie" {
    default
    arches "x86_64" "ppc64le"
    tier "maintained"
    archive "debian" {
        url "http://ftp.debian.org/debian"
        suites "trixie" "trixie-updates"
        components "main"
        keyring "keyrings/debian.gpg"
    }
    archive "own" dir="debs"
}
distro "debian-bookworm" {
    arches "x86_64"
    archive "debian" {
        url "http://ftp.debian.org/debian"
        suites "bookworm"
        components "main"
        keyring "keyrings/debian.gpg"
    }
}
"#;

const IMAGES: &str = r#"
image "base" {
    summary "What all have in common"
    tier "maintained"
    packages "apt" essential=#true
    env LANG="C" TERM="dumb"
    tree "common"
    file "/etc/motd" "Hello from base.\n"
    command "bash"
}
image "web" {
    from "base"
    summary "A <web> server & \"more\""
    tier "maintained"
    deprecated since="2026.1" removed="2027.1"
    build-for distro="debian-trixie"
    packages "nginx=1.26.*" "ssl-cert"
    packages "curl" recommends=#true
    pin "nginx*" suite="trixie" priority=990
    account "web" uid=42001 gid=42001 home="/var/lib/web"
    tree "common-web"
    dir "/var/lib/web" owner="web" mode="0750"
    file "/etc/motd" "Hello from web.\n"
    link "/etc/localtime" "/usr/share/zoneinfo/Etc/UTC"
    attr "/usr/sbin/nginx" capabilities="cap_net_bind_service=ep"
    omit "/usr/share/nginx/html/**"
    script "nginx" kind="postinst" effect="ignore"
    env LANG="C.UTF-8"
    expose 80 "53/udp"
    volume "/var/lib/web"
    user "web"
    command "nginx" "-g" "daemon off;"
    health "healthcheck_http" "http://localhost/" interval="30s" timeout="10s" retries=3 start="1500ms"
    test "starts" service=#true {
        run "curl" "http://localhost/"
        expect "Hello"
    }
}
image "jit" {
    from "base"
    tier "unmaintained"
    packages "luajit"
    unbuildable arch="ppc64le" reason="its compiler knows no ppc64le"
}
"#;

/// The project's folder.
pub fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("targets/all.kdl", TARGETS),
        ("targets/keyrings/debian.gpg", ""),
        ("specs/images.kdl", IMAGES),
        ("layers/common/etc/motd", "Hello from the tree.\n"),
        ("layers/common/etc/profile", "true\n"),
        ("layers/common-web/etc/profile", "false\n"),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::create_dir(folder.path().join("debs")).unwrap();
    folder
}

/// What a verb prints on standard output; nothing on the other stream.
pub fn out(folder: &tempfile::TempDir, arguments: &[&str]) -> String {
    let at = folder.path().display().to_string();
    let (out, said) = wharf_ends(0, &[&["-C", &at], arguments].concat());
    assert_eq!(said, "");
    out
}

/// What a verb that fails says.
pub fn said(folder: &tempfile::TempDir, arguments: &[&str]) -> String {
    let at = folder.path().display().to_string();
    let (out, said) = wharf_ends(1, &[&["-C", &at], arguments].concat());
    assert_eq!(out, "");
    said
}

/// A JSON document.
pub fn json(folder: &tempfile::TempDir, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&out(folder, &[&["--json"], arguments].concat())).unwrap()
}
