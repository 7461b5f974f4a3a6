//! Python bytecode, made by the distro's own interpreter: a tool for the build host's arch, unpacked into the cache
//! ([`unpack`]) and run through its own loader ([`Compiler`]) as any user, without a chroot, on no file of the image
//! but the sources' text.
//!
//! The bytecode is marked as fresh whatever its source's time (PEP 552, unchecked hash): a python that starts in the
//! image neither stats nor compiles. It follows from the sources, their paths and the interpreter alone: one process
//! compiles one package's sources in their order, with a fixed hash seed and an otherwise empty environment.

mod tool;

use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::digest::Digest;
use crate::effect::bytecode::Job;
use crate::estate::{Arch, Bytecode};
use crate::name::PackageName;
use crate::path::ImagePath;

pub use tool::{ToolError, unpack};

const PROGRAM: &str = include_str!("compile.py");
/// More than this is no bytecode of a source that a package holds.
const MAX_BLOCK: u64 = 1 << 30;
/// Of what the interpreter says when it fails, a person sees this much.
const MAX_COMPLAINT: u64 = 4096;

/// Why there is no bytecode.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum BytecodeError {
    /// The tool's packages do not hold what runs it.
    #[error("the tool in `{}` cannot compile python: it holds no `{missing}`", .root.display())]
    #[diagnostic(
        code(wharf::bytecode),
        help("name the package that holds it in `packages=` of the distro's `bytecode` node")
    )]
    Incomplete {
        /// The unpacked tool.
        root: PathBuf,
        /// What it lacks.
        missing: String,
    },
    /// The host does not run it.
    #[error("python bytecode cannot be made on this host: `{program}` does not run: {why}")]
    #[diagnostic(
        code(wharf::bytecode),
        help(
            "an image never goes without: build on a host of one of the distro's arches, or take `bytecode` out of the distro"
        )
    )]
    CannotRun {
        /// The interpreter.
        program: String,
        /// The system's word, or its own.
        why: String,
    },
    /// Another interpreter than the distro says.
    #[error("`{program}` makes bytecode for `{found}`, but the distro's `bytecode` node says `{expected}`")]
    #[diagnostic(code(wharf::bytecode), help("correct `tag=`"))]
    OtherTag {
        /// The interpreter.
        program: String,
        /// Its tag.
        found: String,
        /// The distro's.
        expected: String,
    },
    /// A source that cannot be read from the cache.
    #[error("`{path}` cannot be read: {why}")]
    #[diagnostic(code(wharf::bytecode))]
    Unreadable {
        /// The source.
        path: ImagePath,
        /// The system's word.
        why: String,
    },
    /// The interpreter ended early.
    #[error("the bytecode of {} cannot be made: {why}", whose(.package.as_ref()))]
    #[diagnostic(code(wharf::bytecode))]
    Broken {
        /// Whose sources; none for the image's own.
        package: Option<PackageName>,
        /// What it said.
        why: String,
    },
}

fn whose(package: Option<&PackageName>) -> String {
    package.map_or_else(|| "the image's own sources".to_owned(), |package| format!("`{package}`"))
}

/// What came of a [`Job`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compiled {
    /// Bytecode by the path where it goes, in the job's order.
    pub outputs: Vec<(ImagePath, Vec<u8>)>,
    /// Sources that do not compile, and why: left overs of other pythons, templates.
    pub skipped: Vec<(ImagePath, String)>,
}

/// An interpreter that runs on this host.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// The loader, and what it needs to know to start the interpreter.
    command: Vec<PathBuf>,
    program: String,
    tag: String,
}

impl Compiler {
    /// What its output follows from beside sources and interpreter: the program that it runs.
    pub fn revision() -> Digest {
        Digest::of(PROGRAM.as_bytes())
    }

    /// The interpreter of `bytecode` in the unpacked tool `root`, for a build host of the arch `host`. It is started
    /// once to see that it runs.
    pub fn open(root: &Path, bytecode: &Bytecode, host: &Arch) -> Result<Self, BytecodeError> {
        let find = |path: &str| {
            // A tool need not hold base-files, which brings the links of merged /usr.
            let relative = path.trim_start_matches('/');
            let places = [root.join(relative), root.join("usr").join(relative)];
            places
                .into_iter()
                .find(|found| found.exists())
                .ok_or_else(|| BytecodeError::Incomplete { root: root.to_owned(), missing: path.to_owned() })
        };
        let loader = find(&host.loader.interpreter)?;
        let interpreter = find(&bytecode.interpreter)?;
        let dirs =
            [format!("lib/{}", host.triplet), format!("usr/lib/{}", host.triplet), "lib".into(), "usr/lib".into()];
        let dirs: Vec<String> = dirs.iter().map(|dir| root.join(dir).display().to_string()).collect();
        let command =
            vec![loader, "--inhibit-cache".into(), "--library-path".into(), dirs.join(":").into(), interpreter];
        let compiler = Self { command, program: bytecode.interpreter.clone(), tag: bytecode.tag.clone() };
        compiler.compile(&Job { package: None, sources: Vec::new() }).map_err(|error| match error {
            BytecodeError::Broken { why, .. } => BytecodeError::CannotRun { program: compiler.program.clone(), why },
            error => error,
        })?;
        Ok(compiler)
    }

    /// Compiles a job in a process of its own. Many threads may do so at once.
    pub fn compile(&self, job: &Job) -> Result<Compiled, BytecodeError> {
        let broken = |why: String| BytecodeError::Broken { package: job.package.clone(), why };
        let mut sources = Vec::new();
        for source in &job.sources {
            let why =
                |error: io::Error| BytecodeError::Unreadable { path: source.path.clone(), why: error.to_string() };
            sources.push((source.path.as_str(), source.content.read().map_err(why)?));
        }
        let mut child = self.start().map_err(|error| broken(error.to_string()))?;
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(broken("it has no pipes".to_owned()));
        };
        let (given, taken, complaint) = std::thread::scope(|scope| {
            let given = scope.spawn(move || {
                for (path, bytes) in &sources {
                    for block in [path.as_bytes(), bytes.as_slice()] {
                        stdin.write_all(&(block.len() as u64).to_le_bytes())?;
                        stdin.write_all(block)?;
                    }
                }
                io::Result::Ok(())
            });
            let complaint = scope.spawn(move || {
                let mut text = Vec::new();
                let mut stderr = stderr;
                let read = (&mut stderr).take(MAX_COMPLAINT).read_to_end(&mut text);
                // A full pipe would stop it.
                read.and_then(|_| io::copy(&mut stderr, &mut io::sink())).map(|_| text)
            });
            // Its pipes are short: it is read while it is written to.
            let taken = self.take(job, io::BufReader::new(stdout));
            (given_or(given.join()), taken, given_or(complaint.join()))
        });
        let status = child.wait().map_err(|error| broken(error.to_string()))?;
        let complaint = complaint.map(|text| String::from_utf8_lossy(&text).trim().to_owned()).unwrap_or_default();
        match taken {
            Ok(taken) if status.success() && given.is_ok() => taken,
            _ if !complaint.is_empty() => Err(broken(complaint)),
            Err(error) if status.success() => Err(broken(error.to_string())),
            _ => Err(broken(format!("it ended with {status}"))),
        }
    }

    fn start(&self) -> io::Result<std::process::Child> {
        let mut words = self.command.iter();
        let mut command = Command::new(words.next().map_or(Path::new(""), PathBuf::as_path));
        command.args(words);
        // No user site, no site, no unsafe path, no bytecode written, no warnings of sources. -E would hide the seed.
        command.args(["-s", "-S", "-P", "-B", "-W", "ignore", "-X", "utf8", "-c", PROGRAM]);
        command.env_clear().env("PYTHONHASHSEED", "0").current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    }

    /// Reads what the interpreter says. The outer error is a broken stream.
    fn take(&self, job: &Job, mut stream: impl Read) -> io::Result<Result<Compiled, BytecodeError>> {
        let found = String::from_utf8_lossy(&block(&mut stream)?).into_owned();
        if found != self.tag {
            let (program, expected) = (self.program.clone(), self.tag.clone());
            return Ok(Err(BytecodeError::OtherTag { program, found, expected }));
        }
        let mut compiled = Compiled::default();
        for source in &job.sources {
            let mut mark = [1];
            stream.read_exact(&mut mark)?;
            let bytes = block(&mut stream)?;
            match mark {
                [0] => compiled.outputs.push((source.output.clone(), bytes)),
                _ => compiled.skipped.push((source.path.clone(), String::from_utf8_lossy(&bytes).into_owned())),
            }
        }
        Ok(Ok(compiled))
    }
}

fn given_or<T>(joined: std::thread::Result<io::Result<T>>) -> io::Result<T> {
    joined.unwrap_or_else(|_| Err(io::Error::other("a thread ended early")))
}

fn block(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut size = [0; 8];
    stream.read_exact(&mut size)?;
    let size = u64::from_le_bytes(size);
    if size > MAX_BLOCK {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it says what is no bytecode"));
    }
    let mut bytes = Vec::new();
    stream.take(size).read_to_end(&mut bytes)?;
    match bytes.len() as u64 == size {
        true => Ok(bytes),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests;
