use std::collections::BTreeSet;
use std::fs;

use rayon::prelude::*;

use super::*;
use crate::deb::Call;
use crate::effect::bytecode::{Source, plan};
use crate::effect::fixture::{World, arch, real_root, skip};
use crate::estate::{FileSource, ScriptKind, Worth};
use crate::tree::{self, Content, Kind, Node, Tree};

fn bytecode(minor: &str) -> Bytecode {
    Bytecode {
        interpreter: format!("/usr/bin/python3.{minor}"),
        packages: Vec::new(),
        dirs: Vec::new(),
        tag: format!("cpython-3{minor}"),
        span: World::new("x86_64").image.span,
    }
}

/// The host's own python, run in the same way as a tool; none, and why, where there is none that Debian ships.
fn host() -> Option<(Compiler, String)> {
    let minor =
        ["13", "11", "12", "14"].into_iter().find(|minor| Path::new(&format!("/usr/bin/python3.{minor}")).exists());
    if let Some(minor) = minor
        && cfg!(target_arch = "x86_64")
    {
        let compiler = Compiler::open(Path::new("/"), &bytecode(minor), &arch("x86_64")).unwrap();
        return Some((compiler, format!("/usr/bin/python3.{minor}")));
    }
    skip("no python3 of Debian on this host");
    None
}

fn job(sources: &[(&str, &str)]) -> Job {
    let source = |(path, text): &(&str, &str)| Source {
        path: ImagePath::new(path).unwrap(),
        output: ImagePath::new(&format!("{path}c")).unwrap(),
        content: (*text).into(),
        mtime: 0,
    };
    Job { package: None, sources: sources.iter().map(source).collect() }
}

#[test]
fn a_tool_without_an_interpreter_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = Compiler::open(folder.path(), &bytecode("13"), &arch("x86_64")).unwrap_err();
    let error = error.to_string().replace(&folder.path().display().to_string(), "ROOT");
    insta::assert_snapshot!(error, @"the tool in `ROOT` cannot compile python: it holds no `/lib64/ld-linux-x86-64.so.2`");
}

#[test]
fn a_tool_that_the_host_does_not_run_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["lib64/ld-linux-x86-64.so.2", "usr/bin/python3.13"] {
        fs::create_dir_all(folder.path().join(file).parent().unwrap()).unwrap();
        fs::write(folder.path().join(file), "").unwrap();
    }
    let error = Compiler::open(folder.path(), &bytecode("13"), &arch("x86_64")).unwrap_err();
    insta::assert_snapshot!(error, @"python bytecode cannot be made on this host: `/usr/bin/python3.13` does not run: Permission denied (os error 13)");
}

#[test]
fn an_interpreter_that_is_another_than_the_distro_says_is_an_error() {
    let Some((_, python)) = host() else { return };
    let wrong = Bytecode { interpreter: python, tag: "cpython-399".to_owned(), ..bytecode("13") };
    let error = Compiler::open(Path::new("/"), &wrong, &arch("x86_64")).unwrap_err();
    assert!(error.to_string().ends_with("but the distro's `bytecode` node says `cpython-399`"), "{error}");
}

#[test]
fn what_an_interpreter_says_when_it_ends_early_is_told() {
    let program = "printf 'no more memory' >&2; exit 3";
    let command = ["/bin/sh", "-c", program].map(PathBuf::from).to_vec();
    let compiler = Compiler { command, program: "python".to_owned(), tag: "cpython-313".to_owned() };
    let job = Job { package: Some(PackageName::new("python3-six").unwrap()), ..job(&[("/six.py", "x = 1")]) };
    insta::assert_snapshot!(compiler.compile(&job).unwrap_err(), @"the bytecode of `python3-six` cannot be made: no more memory");
}

#[test]
fn a_source_that_does_not_compile_is_left_out_and_named() {
    let Some((compiler, _)) = host() else { return };
    let sources = [("/old.py", "print 'two'"), ("/nul.py", "x\0"), ("/good.py", "x = 1"), ("/warns.py", "'\\d'")];
    let compiled = compiler.compile(&job(&sources)).unwrap();
    let names: Vec<&str> = compiled.outputs.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(names, ["/good.pyc", "/warns.pyc"]);
    let skipped: Vec<&str> = compiled.skipped.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(skipped, ["/old.py", "/nul.py"]);
    assert!(compiled.skipped[0].1.starts_with("SyntaxError: "), "{:?}", compiled.skipped);
}

#[test]
fn python_takes_the_bytecode_as_fresh_and_writes_none() {
    let Some((compiler, python)) = host() else { return };
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("__pycache__");
    fs::create_dir(&cache).unwrap();
    let tag = compiler.tag.clone();
    let compiled = compiler.compile(&job(&[("/opt/module.py", "print('compiled', __file__)\n")])).unwrap();
    let output = cache.join(format!("module.{tag}.pyc"));
    fs::write(&output, &compiled.outputs[0].1).unwrap();
    // Another source, a newer time: nothing of that is looked at.
    fs::write(folder.path().join("module.py"), "print('from the source')\n").unwrap();
    let ran =
        Command::new(&python).args(["-v", "-c", "import module"]).env("PYTHONPATH", folder.path()).output().unwrap();
    let (out, said) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(out.starts_with("compiled "), "{out}");
    assert!(said.contains(&format!("# code object from '{}'", output.display())), "{said}");
    assert_eq!(fs::read(&output).unwrap(), compiled.outputs[0].1);
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
}

#[test]
fn more_than_a_pipe_holds_goes_both_ways() {
    let Some((compiler, _)) = host() else { return };
    let text = (0..2000).map(|index| format!("NAME_{index} = 'value {index}'\n")).collect::<String>();
    let sources: Vec<(String, &str)> = (0..20).map(|index| (format!("/p/{index}.py"), text.as_str())).collect();
    let sources: Vec<(&str, &str)> = sources.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    assert_eq!(compiler.compile(&job(&sources)).unwrap().outputs.len(), 20);
}

#[test]
fn two_processes_give_the_same_bytes() {
    let Some((compiler, _)) = host() else { return };
    let text =
        "import os\nA = {'a', 'b', 'c', b'd', 1.5}\ndef f(x):\n    return x in {'k', 'l', 'm', 'n', 'o', None}\n";
    let sources: Vec<(String, String)> =
        (0..40).map(|index| (format!("/p/{index}.py"), format!("{text}B = 'name{index}'\n"))).collect();
    let sources: Vec<(&str, &str)> = sources.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let job = job(&sources);
    assert_eq!(compiler.compile(&job).unwrap(), compiler.compile(&job).unwrap());
}

/// A root of real packages as a tree, each path its package's.
fn real_tree(root: &Path) -> Tree {
    let mut tree = Tree::default();
    for list in fs::read_dir(root.join("var/lib/dpkg/info")).unwrap() {
        let list = list.unwrap().path();
        let Some(name) = list.file_name().unwrap().to_str().unwrap().strip_suffix(".list") else { continue };
        let origin = tree::Origin::Package(PackageName::new(name.split(':').next().unwrap()).unwrap());
        for line in fs::read_to_string(&list).unwrap().lines().filter(|line| !line.starts_with("/.")) {
            let path = ImagePath::new(line).unwrap();
            let at = root.join(path.relative());
            let Ok(meta) = fs::symlink_metadata(&at) else { continue };
            let kind = if meta.is_symlink() {
                Kind::Symlink(fs::read_link(&at).unwrap().to_str().unwrap().to_owned())
            } else if meta.is_file() {
                Kind::File(Content::Project { source: FileSource::Disk(at), size: meta.len() })
            } else {
                Kind::Dir
            };
            tree.place(path, Node { kind, ..Node::dir(origin.clone(), 0) });
        }
    }
    tree
}

/// The interpreter of a root of another arch, under qemu.
fn foreign(root: &Path, name: &str) -> Compiler {
    let arch = arch(name);
    let command = [
        arch.qemu.clone(),
        root.join(arch.loader.interpreter.trim_start_matches('/')).display().to_string(),
        "--inhibit-cache".to_owned(),
        "--library-path".to_owned(),
        root.join("usr/lib").join(&arch.triplet).display().to_string(),
        root.join("usr/bin/python3.13").display().to_string(),
    ];
    Compiler {
        command: command.map(PathBuf::from).to_vec(),
        program: "python".to_owned(),
        tag: "cpython-313".to_owned(),
    }
}

/// The plan names what Debian compiled in the root, the bytecode is Debian's but for its head, and interpreters of
/// other arches make the same bytes.
#[test]
fn the_bytecode_of_a_real_root_is_debians_on_every_arch() {
    let Some(root) = real_root("x86_64") else { return };
    let bytecode = Bytecode {
        dirs: vec!["/usr/lib/python3/dist-packages".to_owned(), "/usr/lib/python3.13".to_owned()],
        ..bytecode("13")
    };
    let calls = ["python3", "python3-minimal"].map(|package| Call {
        package: PackageName::new(package).unwrap(),
        kind: ScriptKind::Postinst,
        text: fs::read_to_string(root.join(format!("var/lib/dpkg/info/{package}.postinst"))).unwrap(),
        worth: Worth::default(),
    });
    let jobs = plan(&real_tree(&root), &bytecode, &calls).unwrap();
    let planned: BTreeSet<String> =
        jobs.iter().flat_map(|job| &job.sources).map(|source| source.output.to_string()).collect();
    let find = Command::new("find").arg(&root).args(["-name", "*.pyc", "-printf", "/%P\n"]).output().unwrap();
    let there: BTreeSet<String> = String::from_utf8(find.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(planned.symmetric_difference(&there).collect::<Vec<_>>(), [""; 0]);

    let native = Compiler::open(&root, &bytecode, &arch("x86_64")).unwrap();
    let all: Vec<Compiled> = jobs.par_iter().map(|job| native.compile(job).unwrap()).collect();
    assert!(all.iter().all(|compiled| compiled.skipped.is_empty()));
    // marshal marks what has more than one reference (Python/marshal.c, w_ref), so py3compile's own long-lived
    // process writes some files otherwise: 2 of 8,225 when this was measured.
    let outputs = || all.iter().flat_map(|compiled| &compiled.outputs);
    let others = outputs().filter(|(path, bytes)| fs::read(root.join(path.relative())).unwrap()[16..] != bytes[16..]);
    assert!(others.count() * 1000 < planned.len());

    for name in ["aarch64", "ppc64le"] {
        let Some(root) = real_root(name) else { continue };
        let compiler = foreign(&root, name);
        // qemu is slow: a part of the packages says enough.
        jobs.par_iter().zip(&all).step_by(27).for_each(|(job, expected)| {
            assert!(compiler.compile(job).unwrap() == *expected, "{name}: {:?}", job.package);
        });
    }
}
