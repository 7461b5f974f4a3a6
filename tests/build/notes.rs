//! What `lock` and `build` say besides: `script` nodes that decide nothing, python that does not compile.

use std::path::Path;
use std::process::Command;

use super::{Yard, packages};
use crate::support::deb::Deb;
use crate::support::skip;

fn scripted() -> Yard {
    let text = "#!/bin/sh\nset -e\nfrobnicate --all\n";
    let fussy = Deb::new("fussy", "1.0").script("postinst", text);
    let mut debs = packages("1.0");
    debs.push(fussy);
    let yard = Yard::new(super::archive(debs, crate::support::archive::DATE));
    yard.spec(
        "images.kdl",
        "image \"one\" {\n    packages \"fussy\" \"hello-data\"\n    build-for arch=\"x86_64\"\n}\n",
    );
    yard
}

#[test]
fn a_script_node_that_decides_nothing_is_a_warning_at_its_place() {
    let yard = scripted();
    yard.spec(
        "scripts.kdl",
        "extend image \"one\" {\n    script \"fussy\" kind=\"postinst\" effect=\"ignore\"\n    script \"fusy\" effect=\"ignore\"\n    script \"fussy\" kind=\"config\" effect=\"ignore\"\n    script \"hello-data\" effect=\"ignore\"\n    script \"unheard-of\" effect=\"ignore\"\n}\n",
    );
    let (out, said) = yard.run(0, &["--json", "lock"]);
    let warnings = said.split_once("wrote wharf.lock").unwrap().0;
    let warnings: Vec<&str> =
        warnings.lines().skip_while(|line| !line.contains("decides nothing")).map(str::trim_end).collect();
    let warnings = warnings.join("\n");
    insta::assert_snapshot!(warnings);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    let lines: Vec<u64> =
        document["unused"].as_array().unwrap().iter().map(|unused| unused["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [3, 4, 5, 6]);
    assert_eq!(document["unused"][0]["help"], "did you mean `fussy`?");
    // It stops nothing.
    yard.run(0, &["build", "--strict", "--locked"]);
}

#[test]
fn a_script_node_that_only_a_child_needs_is_no_mistake() {
    let yard = scripted();
    yard.spec(
        "images.kdl",
        "image \"root\" {\n    packages \"hello-data\"\n    build-for arch=\"x86_64\"\n    script \"fussy\" effect=\"ignore\"\n}\nimage \"one\" { from \"root\"; packages \"fussy\"; build-for arch=\"x86_64\"; }\n",
    );
    for arguments in [&["lock", "root"][..], &["lock"]] {
        let (_, said) = yard.run(0, arguments);
        assert!(!said.contains("decides nothing"), "{said}");
    }
    // Another one below decides in its place, for the only image that has the package.
    yard.spec("more.kdl", "extend image \"one\" { script \"fussy\" effect=\"ignore\"; }\n");
    let (_, said) = yard.run(0, &["lock"]);
    assert!(
        yard.plain(&said).contains("this `script` node decides nothing: a later `script` node decides about `fussy`"),
        "{said}"
    );
}

/// A yard whose distro compiles python with the host's own; none where the host has none.
fn pythonic() -> Option<Yard> {
    let tag = Command::new("/usr/bin/python3").args(["-c", "import sys; print(sys.implementation.cache_tag)"]).output();
    let tag = tag.ok().filter(|output| output.status.success() && Path::new("/lib64/ld-linux-x86-64.so.2").exists());
    let Some(tag) = tag else {
        skip("there is no /usr/bin/python3 on a host of x86_64");
        return None;
    };
    let tag = String::from_utf8(tag.stdout).unwrap();
    // A loader that takes the interpreter of the host.
    let tool = Deb::new("python3-tool", "1.0").file("/usr/bin/python3.99", 0o755, "not run\n").file(
        "/usr/lib64/ld-linux-x86-64.so.2",
        0o755,
        "#!/bin/sh\nshift 4\nexec /usr/bin/python3 \"$@\"\n",
    );
    let dir = "/usr/lib/python3/dist-packages";
    let modules = Deb::new("python3-old", "1.0")
        .arch("all")
        .file(&format!("{dir}/good.py"), 0o644, "x = 1\n")
        .file(&format!("{dir}/old/a.py"), 0o644, "print 'two'\n")
        .file(&format!("{dir}/old/b.py"), 0o644, "print 'two'\n")
        .file(&format!("{dir}/old/c.py"), 0o644, "print 'two'\n")
        .file(&format!("{dir}/old/d.py"), 0o644, "print 'two'\n");
    let yard = Yard::with("python3-old", vec![tool, modules]);
    let node = format!(
        "extend distro \"trixie\" {{\n    bytecode \"/usr/bin/python3.99\" packages=\"python3-tool\" tag=\"{}\" {{ dirs \"{dir}\"; }}\n}}\n",
        tag.trim()
    );
    yard.put("targets/python.kdl", &node);
    Some(yard)
}

#[test]
fn python_that_does_not_compile_is_named_when_its_package_is_locked() {
    let Some(yard) = pythonic() else { return };
    let (out, said) = yard.run(0, &["--json", "lock"]);
    let note = said.lines().find(|line| line.starts_with("trixie: ")).unwrap();
    insta::assert_snapshot!(note, @"trixie: 4 python files of `python3-old` do not compile and get no bytecode: /usr/lib/python3/dist-packages/old/a.py, /usr/lib/python3/dist-packages/old/b.py, /usr/lib/python3/dist-packages/old/c.py and 1 more");
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["uncompiled"][0]["package"], "python3-old");
    assert_eq!(document["uncompiled"][0]["files"].as_array().unwrap().len(), 4);
    // Also where the bytecode is in the cache already.
    std::fs::remove_file(yard.project().join("wharf.lock")).unwrap();
    let (_, said) = yard.run(0, &["build"]);
    assert!(said.contains(note), "{said}");
    let (_, said) = yard.run(0, &["build"]);
    assert!(!said.contains("compile and"), "nothing is new: {said}");
}

#[test]
fn python_of_the_image_itself_that_does_not_compile_is_named_at_each_build() {
    let Some(yard) = pythonic() else { return };
    yard.put("layers/own/usr/lib/python3/dist-packages/mine.py", "print 'mine'\n");
    yard.spec("own.kdl", "extend image \"one\" { tree \"own\"; }\n");
    for _ in 0..2 {
        let (_, said) = yard.run(0, &["build"]);
        let note = "one for trixie on x86_64: /usr/lib/python3/dist-packages/mine.py does not compile and gets no bytecode: SyntaxError: ";
        assert!(said.contains(note), "{said}");
    }
}
