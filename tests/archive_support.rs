//! The archives that tests make are real: dpkg and apt read them.

use std::process::Command;

use super::support::archive::Archive;
use super::support::deb::{Deb, Packing};
use super::support::skip;

fn run(command: &mut Command) -> Option<String> {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            skip(&format!("{}: {error}", command.get_program().display()));
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn dpkg_reads_a_made_deb() {
    let folder = tempfile::tempdir().unwrap();
    for packing in [Packing::Plain, Packing::Gz, Packing::Xz, Packing::Zstd] {
        let deb = Deb::new("hello", "1:1.0-1")
            .packing(packing)
            .depends("libc6")
            .file("/usr/bin/hello", 0o755, b"#!/bin/sh\n")
            .hardlink("/usr/bin/hallo", "/usr/bin/hello")
            .symlink("/usr/bin/hola", "hello")
            .script("postinst", "#!/bin/sh\n");
        let path = folder.path().join(deb.file_name());
        std::fs::write(&path, deb.bytes()).unwrap();
        let Some(list) = run(Command::new("dpkg-deb").arg("-c").arg(&path)) else { return };
        let names: Vec<&str> = list.lines().map(|line| line.split_at(48).1).collect();
        insta::allow_duplicates! {
            insta::assert_snapshot!(names.join("\n"), @r"
            ./
            ./usr/
            ./usr/bin/
            ./usr/bin/hello
            ./usr/bin/hallo link to ./usr/bin/hello
            ./usr/bin/hola -> hello
            ");
        }
        let fields =
            run(Command::new("dpkg-deb").arg("-f").arg(&path).args(["Package", "Version", "Depends"])).unwrap();
        assert_eq!(fields, "Package: hello\nVersion: 1:1.0-1\nDepends: libc6\n");
    }
}

#[test]
fn apt_reads_a_made_archive() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let archive = Archive::new()
        .package(Deb::new("hello", "1.0").depends("libhello"))
        .package(Deb::new("libhello", "2.0").arch("all"))
        .write(&root.join("archive"));
    for part in ["lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/trusted.gpg.d", "etc/apt.conf.d"]
    {
        std::fs::create_dir_all(root.join(part)).unwrap();
    }
    std::fs::write(root.join("status"), "").unwrap();
    std::fs::write(root.join("key.gpg"), archive.key.binary()).unwrap();
    std::fs::write(
        root.join("sources.list"),
        format!("deb [arch=amd64 signed-by={0}/key.gpg] file://{0}/archive trixie main\n", root.display()),
    )
    .unwrap();
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        for (name, value) in [
            ("Dir::State::lists", "lists"),
            ("Dir::State::status", "status"),
            ("Dir::Cache", "cache"),
            ("Dir::Etc", "etc"),
            ("Dir::Etc::sourcelist", "sources.list"),
            ("Dir::Etc::sourceparts", "none"),
        ] {
            command.arg("-o").arg(format!("{name}={}", root.join(value).display()));
        }
        command.args([
            "-o",
            "APT::Architecture=amd64",
            "-o",
            "APT::Architectures=amd64",
            "-o",
            "APT::Sandbox::User=root",
        ]);
        command.args(args);
        run(&mut command)
    };
    if apt(&["update", "-o", "APT::Update::Error-Mode=any"]).is_none() {
        return;
    }
    let plan = apt(&["install", "-s", "hello"]).unwrap();
    let wanted: Vec<&str> = plan.lines().filter(|line| line.starts_with("Inst")).collect();
    assert_eq!(wanted, ["Inst libhello (2.0 Test:stable [all])", "Inst hello (1.0 Test:stable [amd64])"]);
}
