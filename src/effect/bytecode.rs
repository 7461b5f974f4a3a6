//! Which python sources get bytecode: those that Debian's py3compile(1) and the interpreter's own postinst
//! compile. Planning only; [`crate::layer::bytecode`] runs the interpreter.
//!
//! A package's bytecode depends on that package alone, so that it is made once for all images. Sources that an
//! image brings itself, or puts in the place of a package's, are planned apart: they lie in the image's own layer,
//! above the package's outdated ones. A source that does not compile is left out, so the exclude lists of
//! `/usr/share/python3/bcep`, which name just such files, are not read.

use std::collections::{BTreeMap, BTreeSet};

use crate::deb::Call;
use crate::estate::Bytecode;
use crate::name::PackageName;
use crate::path::{ImagePath, PathError};
use crate::tree::{Content, Kind, Node, Origin, Tree};

/// A source and where its bytecode goes.
#[derive(Debug, Clone)]
pub struct Source {
    /// `/usr/lib/python3/dist-packages/six.py`, as the interpreter will find it.
    pub path: ImagePath,
    /// `/usr/lib/python3/dist-packages/__pycache__/six.cpython-313.pyc`
    pub output: ImagePath,
    /// Its bytes; a link's are those of its target.
    pub content: Content,
    /// Seconds since 1970; its bytecode carries the same.
    pub mtime: i64,
}

/// What one process compiles, in this order.
#[derive(Debug, Clone)]
pub struct Job {
    /// Whose sources they are; none for the image's own.
    pub package: Option<PackageName>,
    /// Sorted by path.
    pub sources: Vec<Source>,
}

/// Plans the sources in `tree`, which may be a whole image's or a single package's. The package jobs of both are
/// equal as long as the image leaves the package's files as they are. The image's own job comes last.
pub fn plan(tree: &Tree, bytecode: &Bytecode, calls: &[Call]) -> Result<Vec<Job>, PathError> {
    let public = bytecode.dirs.iter().map(|dir| ImagePath::new(dir)).collect::<Result<Vec<_>, _>>()?;
    let private = private_dirs(calls);
    let mut jobs: BTreeMap<Option<PackageName>, Vec<Source>> = BTreeMap::new();
    for (path, node) in tree.iter() {
        let Some(stem) = path.file_name().strip_suffix(".py").filter(|stem| !stem.is_empty()) else { continue };
        let is_public = public.iter().any(|dir| path.is_within(dir));
        let is_private = private.iter().any(|(package, dir)| {
            matches!(&node.origin, Origin::Package(owner) if owner == package) && path.is_within(dir)
        });
        if !is_public && !is_private {
            continue;
        }
        let Some((_, target)) = tree.lookup(path) else { continue };
        let Kind::File(content) = &target.kind else { continue };
        let package = match (&node.origin, &target.origin) {
            (Origin::Package(link), Origin::Package(file)) if link == file => Some(file.clone()),
            _ => None,
        };
        let Some(parent) = path.parent() else { continue };
        let output = parent.join(&format!("__pycache__/{stem}.{}.pyc", bytecode.tag))?;
        // A package that brings its bytecode keeps it.
        if tree.get(&output).is_some() {
            continue;
        }
        let source = Source { path: path.clone(), output, content: content.clone(), mtime: target.mtime };
        jobs.entry(package).or_default().push(source);
    }
    let own = jobs.remove(&None).map(|sources| Job { package: None, sources });
    Ok(jobs.into_iter().map(|(package, sources)| Job { package, sources }).chain(own).collect())
}

impl Job {
    /// The files, and the directories around them, that hold the bytecode `compiled` of this job: 0644 and 0755,
    /// root:root, times of the sources.
    pub fn nodes(&self, compiled: &[(ImagePath, Vec<u8>)]) -> BTreeMap<ImagePath, Node> {
        let origin = match &self.package {
            Some(package) => Origin::Package(package.clone()),
            None => Origin::Effect("bytecode"),
        };
        let times: BTreeMap<&ImagePath, i64> =
            self.sources.iter().map(|source| (&source.output, source.mtime)).collect();
        let mut nodes: BTreeMap<ImagePath, Node> = BTreeMap::new();
        for (path, bytes) in compiled {
            let mtime = times.get(path).copied().unwrap_or_default();
            if let Some(parent) = path.parent() {
                let dir = nodes.entry(parent).or_insert_with(|| Node::dir(origin.clone(), mtime));
                dir.mtime = dir.mtime.max(mtime);
            }
            nodes.insert(path.clone(), Node::file(bytes.clone(), origin.clone(), mtime));
        }
        nodes
    }
}

/// The directories that packages have compiled beside the public ones: `py3compile -p PACKAGE DIR …` in their scripts.
fn private_dirs(calls: &[Call]) -> BTreeSet<(PackageName, ImagePath)> {
    let mut dirs = BTreeSet::new();
    for call in calls {
        for line in call.text.lines() {
            let mut words = line.split_ascii_whitespace().skip_while(|word| *word == "if" || *word == "!");
            if words.next() != Some("py3compile") {
                continue;
            }
            while let Some(word) = words.next() {
                match word {
                    "-p" | "-V" | "-X" | "--package" | "--exclude" => drop(words.next()),
                    ";" | "||" | "&&" => break,
                    _ => dirs.extend(ImagePath::new(word).ok().map(|dir| (call.package.clone(), dir))),
                }
            }
        }
    }
    dirs
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{World, path, put, tree};
    use super::*;
    use crate::estate::{ScriptKind, Worth};

    fn bytecode() -> Bytecode {
        Bytecode {
            interpreter: "/usr/bin/python3.13".to_owned(),
            packages: Vec::new(),
            dirs: vec!["/usr/lib/python3/dist-packages".to_owned(), "/usr/lib/python3.13".to_owned()],
            tag: "cpython-313".to_owned(),
            span: World::new("x86_64").image.span,
        }
    }

    fn of(package: &str) -> Origin {
        Origin::Package(PackageName::new(package).unwrap())
    }

    fn call(package: &str, text: &str) -> Call {
        Call {
            package: PackageName::new(package).unwrap(),
            kind: ScriptKind::Postinst,
            text: text.to_owned(),
            worth: Worth::default(),
        }
    }

    fn planned(tree: &Tree, calls: &[Call]) -> String {
        let mut text = String::new();
        for job in plan(tree, &bytecode(), calls).unwrap() {
            text += &job.package.map_or("(image)".to_owned(), |package| package.to_string());
            for source in job.sources {
                text += &format!("\n  {} -> {}", source.path, source.output);
            }
            text += "\n";
        }
        text
    }

    #[test]
    fn sources_elsewhere_are_left_alone() {
        let mut tree =
            tree(&[("/usr/lib/python3/dist-packages/x.txt", ""), ("/usr/lib/python3/dist-packages/.py", "")]);
        put(&mut tree, "/usr/share/doc/x/example.py", Node::file("", of("python3-x"), 0));
        put(&mut tree, "/usr/lib/python3.1/x.py", Node::file("", of("python3-x"), 0));
        put(&mut tree, "/usr/lib/python3.13/gone.py", Node::symlink("/nowhere", of("python3-x"), 0));
        assert_eq!(planned(&tree, &[]), "");
    }

    #[test]
    fn what_the_image_brings_or_replaces_is_its_own_job() {
        let mut tree = tree(&[("/usr/lib/python3/dist-packages/own.py", "")]);
        put(&mut tree, "/usr/lib/python3/dist-packages/a/__init__.py", Node::file("", of("python3-a"), 0));
        put(&mut tree, "/usr/lib/python3/dist-packages/a.b.py", Node::file("", of("python3-a"), 0));
        put(
            &mut tree,
            "/usr/lib/python3.13/sitecustomize.py",
            Node::symlink("/etc/python3.13/x.py", of("libpython"), 0),
        );
        put(&mut tree, "/etc/python3.13/x.py", Node::file("", of("libpython"), 0));
        insta::assert_snapshot!(planned(&tree, &[]), @r"
        libpython
          /usr/lib/python3.13/sitecustomize.py -> /usr/lib/python3.13/__pycache__/sitecustomize.cpython-313.pyc
        python3-a
          /usr/lib/python3/dist-packages/a/__init__.py -> /usr/lib/python3/dist-packages/a/__pycache__/__init__.cpython-313.pyc
          /usr/lib/python3/dist-packages/a.b.py -> /usr/lib/python3/dist-packages/__pycache__/a.b.cpython-313.pyc
        (image)
          /usr/lib/python3/dist-packages/own.py -> /usr/lib/python3/dist-packages/__pycache__/own.cpython-313.pyc
        ");
        tree.insert(&path("/etc/python3.13/x.py"), Node::file("", Origin::Effect("files"), 0)).unwrap();
        insta::assert_snapshot!(planned(&tree, &[]), @r"
        python3-a
          /usr/lib/python3/dist-packages/a/__init__.py -> /usr/lib/python3/dist-packages/a/__pycache__/__init__.cpython-313.pyc
          /usr/lib/python3/dist-packages/a.b.py -> /usr/lib/python3/dist-packages/__pycache__/a.b.cpython-313.pyc
        (image)
          /usr/lib/python3/dist-packages/own.py -> /usr/lib/python3/dist-packages/__pycache__/own.cpython-313.pyc
          /usr/lib/python3.13/sitecustomize.py -> /usr/lib/python3.13/__pycache__/sitecustomize.cpython-313.pyc
        ");
    }

    #[test]
    fn private_directories_are_read_from_the_script_and_hold_for_its_package() {
        let mut tree = Tree::default();
        put(&mut tree, "/usr/share/python3/debpython/option.py", Node::file("", of("python3-minimal"), 0));
        put(&mut tree, "/usr/share/python3/other.py", Node::file("", of("other"), 0));
        let calls = [
            call(
                "python3-minimal",
                "if which py3compile >/dev/null 2>&1; then\n\tpy3compile -p python3-minimal -V 3.8- /usr/share/python3/\nfi\n",
            ),
            call("other", "\tpypy3compile -p other /usr/share/python3 || true\n"),
        ];
        insta::assert_snapshot!(planned(&tree, &calls), @r"
        python3-minimal
          /usr/share/python3/debpython/option.py -> /usr/share/python3/debpython/__pycache__/option.cpython-313.pyc
        ");
    }

    #[test]
    fn bytecode_carries_the_time_of_its_source() {
        let mut tree = Tree::default();
        put(&mut tree, "/usr/lib/python3.13/a.py", Node::file("", of("python3-x"), 7));
        put(&mut tree, "/usr/lib/python3.13/b.py", Node::file("", of("python3-x"), 9));
        let job = plan(&tree, &bytecode(), &[]).unwrap().remove(0);
        let outputs: Vec<_> = job.sources.iter().map(|source| (source.output.clone(), Vec::new())).collect();
        let nodes: Vec<_> =
            job.nodes(&outputs).into_iter().map(|(path, node)| (path.to_string(), node.mtime)).collect();
        let at = |name: &str| format!("/usr/lib/python3.13/__pycache__{name}");
        assert_eq!(nodes, [(at(""), 9), (at("/a.cpython-313.pyc"), 7), (at("/b.cpython-313.pyc"), 9)]);
    }
}
