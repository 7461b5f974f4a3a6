//! Reading and writing `wharf.lock`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::str::FromStr;

use crate::estate::{Compression, ScriptKind};
use crate::name::{ArchName, DistroName, PackageName};

use super::{Changed, FORMAT, Lock, LockedImage, LockedPackage, LockedSuite, Member, ScriptKey, SuiteKey, Target};

/// A text that is no lock of this wharf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum LockError {
    /// A line that cannot be read.
    #[error("wharf.lock, line {line}: {why}")]
    #[diagnostic(help(
        "the file is not meant to be edited: take it from git again (`git checkout -- wharf.lock`), or delete it and run `wharf lock`"
    ))]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// git's conflict markers.
    #[error("wharf.lock, line {line}: the file holds a merge conflict")]
    #[diagnostic(help("take either side (`git checkout --ours wharf.lock`) and run `wharf lock` again"))]
    Conflict {
        /// From 1.
        line: usize,
    },
    /// Made for another byte format.
    #[error("wharf.lock has format {found}, and this wharf {} writes format {FORMAT}", env!("CARGO_PKG_VERSION"))]
    #[diagnostic(help("`wharf lock --format` moves the lock to this wharf's format; every digest changes with it"))]
    Format {
        /// In the file.
        found: u32,
    },
}

const HEAD: &str = "\
# wharf.lock: the exact packages of every image. Written by `wharf lock`; not meant to be edited.
# After a merge conflict take either side and run `wharf lock` again.
";

/// The codec's name in the lock: library, version, level, block.
fn codec(compression: Compression) -> &'static str {
    match compression {
        Compression::Zstd => "zstd-1.5.7-3-1m",
        Compression::Gzip => "libdeflate-1.26-6-1m",
    }
}

/// Percent-encodes what would break a line into other words.
fn word(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut word, c| {
        if c.is_whitespace() || c.is_control() || matches!(c, '%' | ',' | '#') {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(word, "%{byte:02X}");
            }
        } else {
            word.push(c);
        }
        word
    })
}

fn unword(word: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = tail;
            continue;
        }
        let (digits, tail) = tail.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        writeln!(f, "format {}\ncompression {}", self.format, codec(self.compression))?;
        for (import, digest) in &self.imports {
            writeln!(f, "import {} {digest}", word(import))?;
        }
        for (distro, digest) in &self.readings {
            writeln!(f, "reading {distro} {digest}")?;
        }
        for (key, suite) in &self.suites {
            let date = jiff::Timestamp::from_second(suite.date).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            writeln!(f, "suite {} {} {} {date} {}", key.distro, word(&key.archive), word(&key.suite), suite.release)?;
        }
        for (key, changed) in &self.scripts {
            let state = if changed.accepted { "accepted" } else { "changed" };
            writeln!(f, "{state} {} {} {} {}", key.distro, key.package, key.kind.as_str(), changed.rest)?;
        }
        for ((distro, arch), target) in &self.targets {
            writeln!(f, "\ntarget {distro} {arch}")?;
            for (member, image) in &target.members {
                match member {
                    Member::Image(name) => write!(f, "image {name}")?,
                    Member::Builder(name) => write!(f, "builder {name}")?,
                    Member::Tool(name) => write!(f, "tool {}", word(name))?,
                }
                if let Some(parent) = &image.parent {
                    write!(f, " parent={parent}")?;
                }
                if let Some(inputs) = &image.inputs {
                    write!(f, " inputs={inputs}")?;
                }
                let groups: Vec<String> = image.groups.iter().map(u32::to_string).collect();
                let roots: Vec<&str> = image.roots.iter().map(PackageName::as_str).collect();
                writeln!(f, " groups={} roots={}", groups.join(","), roots.join(","))?;
            }
            for package in target.packages.values() {
                writeln!(f, "{}", Line { word: "package", package })?;
            }
            for (image, packages) in &target.own {
                for package in packages.values() {
                    writeln!(f, "{}", Line { word: &format!("own {image}"), package })?;
                }
            }
        }
        Ok(())
    }
}

/// A package's line.
struct Line<'a> {
    word: &'a str,
    package: &'a LockedPackage,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let package = self.package;
        write!(f, "{} {} {} {}", self.word, package.name, word(&package.version), package.arch)?;
        write!(
            f,
            " group={} from={}:{}",
            package.group,
            word(&package.archive).replace(':', "%3A"),
            word(&package.path)
        )?;
        write!(f, " size={} {}", package.size, package.sha256)?;
        write!(f, " source={}:{}", package.source.0, word(&package.source.1))?;
        write!(f, " fragment={}", package.fragment)?;
        if let Some(bytecode) = &package.bytecode {
            write!(f, " bytecode={bytecode}")?;
        }
        for (kind, digest) in &package.scripts {
            write!(f, " {}={digest}", kind.as_str())?;
        }
        Ok(())
    }
}

/// The words of one line, read from the left.
struct Words<'a> {
    line: usize,
    words: std::str::Split<'a, char>,
}

impl<'a> Words<'a> {
    fn wrong(&self, why: impl fmt::Display) -> LockError {
        LockError::Line { line: self.line, why: why.to_string() }
    }

    fn next(&mut self, what: &str) -> Result<&'a str, LockError> {
        self.words.next().filter(|word| !word.is_empty()).ok_or_else(|| self.wrong(format!("{what} is missing")))
    }

    fn parse<T: FromStr<Err: fmt::Display>>(&mut self, what: &str) -> Result<T, LockError> {
        let word = self.next(what)?;
        word.parse().map_err(|error| self.wrong(error))
    }

    fn text(&mut self, what: &str) -> Result<String, LockError> {
        let word = self.next(what)?;
        unword(word).ok_or_else(|| self.wrong(format!("`{word}` is not well-formed")))
    }

    /// All further words, as `key=value`; a word without `=` has an empty key.
    fn pairs(&mut self) -> Result<BTreeMap<&'a str, &'a str>, LockError> {
        let mut pairs = BTreeMap::new();
        while let Some(word) = self.words.next() {
            let (key, value) = word.split_once('=').unwrap_or(("", word));
            if pairs.insert(key, value).is_some() {
                return Err(self.wrong(format!("`{key}` is there twice")));
            }
        }
        Ok(pairs)
    }

    fn value<T: FromStr<Err: fmt::Display>>(&self, key: &str, value: Option<&str>) -> Result<T, LockError> {
        let value = value.ok_or_else(|| self.wrong(format!("`{key}=` is missing")))?;
        value.parse().map_err(|error| self.wrong(error))
    }

    fn list<T: FromStr<Err: fmt::Display> + Ord>(&self, value: Option<&str>) -> Result<BTreeSet<T>, LockError> {
        value
            .unwrap_or("")
            .split(',')
            .filter(|item| !item.is_empty())
            .map(|item| item.parse().map_err(|error| self.wrong(error)))
            .collect()
    }
}

fn kind(text: &str) -> Option<ScriptKind> {
    [ScriptKind::Config, ScriptKind::Preinst, ScriptKind::Postinst, ScriptKind::Triggers]
        .into_iter()
        .find(|kind| kind.as_str() == text)
}

fn package(words: &mut Words<'_>) -> Result<LockedPackage, LockError> {
    let name: PackageName = words.parse("the package's name")?;
    let version = words.text("the version")?;
    let arch = words.text("the arch")?;
    let mut pairs = words.pairs()?;
    let pair = |words: &Words<'_>, value: Option<&str>, key: &str| -> Result<(String, String), LockError> {
        let value = value.ok_or_else(|| words.wrong(format!("`{key}=` is missing")))?;
        let (left, right) = value.split_once(':').ok_or_else(|| words.wrong(format!("`{key}={value}` has no `:`")))?;
        unword(left).zip(unword(right)).ok_or_else(|| words.wrong(format!("`{key}={value}` is not well-formed")))
    };
    let (archive, path) = pair(words, pairs.remove("from"), "from")?;
    let (source, source_version) = pair(words, pairs.remove("source"), "source")?;
    let package = LockedPackage {
        name,
        version,
        arch,
        source: (PackageName::new(source).map_err(|error| words.wrong(error))?, source_version),
        archive,
        path,
        size: words.value("size", pairs.remove("size"))?,
        sha256: words.value("sha256", pairs.remove(""))?,
        fragment: words.value("fragment", pairs.remove("fragment"))?,
        bytecode: pairs.remove("bytecode").map(|value| words.value("bytecode", Some(value))).transpose()?,
        group: words.value("group", pairs.remove("group"))?,
        scripts: pairs
            .into_iter()
            .map(|(key, value)| {
                let kind = kind(key).ok_or_else(|| words.wrong(format!("`{key}` is not known")))?;
                Ok((kind, words.value(key, Some(value))?))
            })
            .collect::<Result<_, _>>()?,
    };
    Ok(package)
}

impl FromStr for Lock {
    type Err = LockError;

    fn from_str(text: &str) -> Result<Self, LockError> {
        let mut lock = Self::new(Compression::default());
        let mut target: Option<(DistroName, ArchName)> = None;
        let mut format = None;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_end();
            let mut words = Words { line: number + 1, words: line.split(' ') };
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let first = words.next("a word")?;
            if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].contains(&first) {
                return Err(LockError::Conflict { line: number + 1 });
            }
            match first {
                "format" => {
                    let found = words.parse("the format's number")?;
                    if found != FORMAT {
                        return Err(LockError::Format { found });
                    }
                    format = Some(found);
                }
                "compression" => {
                    let name = words.next("the codec")?;
                    lock.compression = [Compression::Zstd, Compression::Gzip]
                        .into_iter()
                        .find(|known| codec(*known) == name)
                        .ok_or_else(|| words.wrong(format!("codec `{name}` is not one that this wharf writes")))?;
                }
                "import" => {
                    lock.imports.insert(words.text("the import")?, words.parse("the digest")?);
                }
                "reading" => {
                    lock.readings.insert(words.parse("the distro")?, words.parse("the digest")?);
                }
                "suite" => {
                    let key = SuiteKey {
                        distro: words.parse("the distro")?,
                        archive: words.text("the archive")?,
                        suite: words.text("the suite")?,
                    };
                    let date: jiff::Timestamp = words.parse("the date")?;
                    lock.suites
                        .insert(key, LockedSuite { date: date.as_second(), release: words.parse("the digest")? });
                }
                "changed" | "accepted" => {
                    let distro = words.parse("the distro")?;
                    let package = words.parse("the package")?;
                    let word = words.next("the script")?;
                    let kind = kind(word).ok_or_else(|| words.wrong(format!("`{word}` is no maintainer script")))?;
                    let changed = Changed { rest: words.parse("the digest")?, accepted: first == "accepted" };
                    lock.scripts.insert(ScriptKey { distro, package, kind }, changed);
                }
                "target" => {
                    let key = (words.parse("the distro")?, words.parse("the arch")?);
                    lock.targets.entry(key.clone()).or_default();
                    target = Some(key);
                }
                "image" | "builder" | "tool" | "package" | "own" => {
                    let Some(target) = target.as_ref().and_then(|key| lock.targets.get_mut(key)) else {
                        return Err(words.wrong(format!("`{first}` stands before the first `target`")));
                    };
                    member_line(first, &mut words, target)?;
                }
                other => return Err(words.wrong(format!("`{other}` is not known here"))),
            }
        }
        if format.is_none() {
            return Err(LockError::Line { line: 1, why: "there is no `format` line".to_owned() });
        }
        Ok(lock)
    }
}

/// A line below `target`.
fn member_line(first: &str, words: &mut Words<'_>, target: &mut Target) -> Result<(), LockError> {
    let twice = |words: &Words<'_>, what: &dyn fmt::Display| words.wrong(format!("`{what}` is there twice"));
    match first {
        "package" => {
            let package = package(words)?;
            if let Some(old) = target.packages.insert(package.name.clone(), package) {
                return Err(twice(words, &old.name));
            }
        }
        "own" => {
            let image = words.parse("the image")?;
            let package = package(words)?;
            if let Some(old) = target.own.entry(image).or_default().insert(package.name.clone(), package) {
                return Err(twice(words, &old.name));
            }
        }
        _ => {
            let member = match first {
                "image" => Member::Image(words.parse("the image")?),
                "builder" => Member::Builder(words.parse("the image")?),
                _ => Member::Tool(words.text("the tool")?),
            };
            let mut pairs = words.pairs()?;
            let image = LockedImage {
                parent: pairs.remove("parent").map(|value| words.value("parent", Some(value))).transpose()?,
                inputs: pairs.remove("inputs").map(|value| words.value("inputs", Some(value))).transpose()?,
                groups: words.list(pairs.remove("groups"))?,
                roots: words.list(pairs.remove("roots"))?,
            };
            if let Some(key) = pairs.keys().next() {
                return Err(words.wrong(format!("`{key}` is not known")));
            }
            if target.members.insert(member, image).is_some() {
                return Err(words.wrong("this image is there twice"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::digest::Digest;
    use proptest::prelude::*;

    pub(in crate::lock) fn locked(name: &str, group: u32) -> LockedPackage {
        LockedPackage {
            name: PackageName::new(name).unwrap(),
            version: "1:2.0~rc1-3".to_owned(),
            arch: "amd64".to_owned(),
            source: (PackageName::new("src").unwrap(), "2.0".to_owned()),
            archive: "debian".to_owned(),
            path: format!("pool/main/{name}.deb"),
            size: 7,
            sha256: Digest::of(name.as_bytes()),
            scripts: [(ScriptKind::Postinst, Digest::of(b"script"))].into(),
            fragment: Digest::of(b"fragment"),
            bytecode: None,
            group,
        }
    }

    fn sample() -> Lock {
        let mut lock = Lock::new(Compression::Gzip);
        lock.imports.insert("../my other".to_owned(), Digest::of(b"import"));
        lock.readings.insert(DistroName::new("debian-trixie").unwrap(), Digest::of(b"filters"));
        let distro = DistroName::new("debian-trixie").unwrap();
        let suite = SuiteKey { distro: distro.clone(), archive: "debian".to_owned(), suite: "trixie".to_owned() };
        lock.suites.insert(suite, LockedSuite { date: 1_795_253_744, release: Digest::of(b"release") });
        let script = ScriptKey {
            distro: distro.clone(),
            package: PackageName::new("adduser").unwrap(),
            kind: ScriptKind::Postinst,
        };
        lock.scripts.insert(script, Changed { rest: Digest::of(b"rest"), accepted: false });
        let mut target = Target::default();
        for package in [locked("libc6", 1), locked("apt", 2)] {
            target.packages.insert(package.name.clone(), package);
        }
        let image = |groups: &[u32]| LockedImage {
            inputs: Some(Digest::of(b"inputs")),
            groups: groups.iter().copied().collect(),
            roots: [PackageName::new("libc6").unwrap()].into(),
            ..LockedImage::default()
        };
        target.members.insert(Member::Image("base".parse().unwrap()), image(&[1]));
        target.members.insert(Member::Image("apt".parse().unwrap()), image(&[1, 2]));
        target.members.insert(Member::Tool("bytecode".to_owned()), image(&[2]));
        target.own.insert("old".parse().unwrap(), [(PackageName::new("libc6").unwrap(), locked("libc6", 0))].into());
        lock.targets.insert((distro, ArchName::new("x86_64").unwrap()), target);
        lock
    }

    #[test]
    fn a_lock_reads_what_it_writes() {
        let lock = sample();
        assert_eq!(lock.to_string().parse(), Ok(lock));
    }

    #[test]
    fn an_image_holds_the_packages_of_its_groups() {
        let lock = sample();
        let names = |image: &str| -> Vec<String> {
            let member = Member::Image(image.parse().unwrap());
            let packages = lock.packages_of(&"debian-trixie".parse().unwrap(), &"x86_64".parse().unwrap(), &member);
            packages.unwrap().iter().map(|package| package.name.to_string()).collect()
        };
        assert_eq!(names("base"), ["libc6"]);
        assert_eq!(names("apt"), ["apt", "libc6"]);
    }

    #[test]
    fn a_line_is_readable() {
        let text = sample().to_string();
        let line = text.lines().find(|line| line.starts_with("package apt")).unwrap();
        let line = regex_free_shorten(line);
        insta::assert_snapshot!(line, @"package apt 1:2.0~rc1-3 amd64 group=2 from=debian:pool/main/apt.deb size=7 sha256:… source=src:2.0 fragment=sha256:… postinst=sha256:…");
    }

    fn regex_free_shorten(line: &str) -> String {
        line.split(' ')
            .map(|word| match word.split_once("sha256:") {
                Some((before, _)) => format!("{before}sha256:…"),
                None => word.to_owned(),
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_merge_conflict_is_named_as_one() {
        let text = "format 0\n<<<<<<< HEAD\nimport a sha256:00\n";
        assert_eq!(text.parse::<Lock>(), Err(LockError::Conflict { line: 2 }));
    }

    #[test]
    fn another_format_is_refused() {
        let error = "format 7\n".parse::<Lock>().unwrap_err();
        assert_eq!(error.to_string(), "wharf.lock has format 7, and this wharf 0.1.0 writes format 0");
    }

    #[test]
    fn wrong_lines_say_where_and_why() {
        let message = |text: &str| text.parse::<Lock>().unwrap_err().to_string();
        insta::assert_snapshot!(message("format 0\nbogus\n"), @"wharf.lock, line 2: `bogus` is not known here");
        insta::assert_snapshot!(message("format 0\nimage x\n"), @"wharf.lock, line 2: `image` stands before the first `target`");
        insta::assert_snapshot!(message("format 0\ntarget d x\npackage apt 1 all group=1\n"), @"wharf.lock, line 3: `from=` is missing");
        insta::assert_snapshot!(message("import a sha256:12\n"), @"wharf.lock, line 1: `sha256:12` is not a sha256 digest: expected `sha256:` and 64 lower-case hex digits");
        insta::assert_snapshot!(message("# nothing\n"), @"wharf.lock, line 1: there is no `format` line");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(format 0\n)?(\\PC|\n| |=|:){0,200}") {
            let _ = text.parse::<Lock>();
        }

        #[test]
        fn any_text_is_one_word(text in "\\PC*|[\t\n ,#%]*") {
            prop_assert!(!word(&text).contains([' ', '\t', '\n', ',', '#']));
            prop_assert_eq!(unword(&word(&text)), Some(text));
        }
    }
}
