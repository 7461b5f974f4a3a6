//! `wharf test`: the images' own tests, under podman.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::sources::{Images, StoreOption, host_arch};
use super::{Exit, Failure, Global, load_project};
use crate::build;
use crate::oci::Ref;
use crate::podman::Podman;
use crate::trial::{self, Case, Outcome};
use crate::ui::Screen;

/// Arguments of `wharf test`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  wharf test\n  wharf test memcached --arch x86_64,ppc64le --junit report.xml\n\n\
                        Without --arch, images of this machine's arch are tested; others need qemu-user with binfmt.\n\
                        Exit codes: 0 all passed, 1 some did not.")]
pub struct Arguments {
    #[command(flatten)]
    images: Images,
    #[command(flatten)]
    store: StoreOption,
    /// Write a JUnit report here
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// What `wharf --json test` prints (docs/json.md).
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u32,
    tests: &'a [Case],
}

/// Runs the tests.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let project = load_project(global)?;
    let mut request = arguments.images.request();
    if request.arches.is_empty() {
        let host = host_arch(&project).ok_or_else(|| {
            Failure::with_help("this machine's arch is none of the project's", "name one by `--arch`")
        })?;
        request.arches.push(host.name.to_string());
    }
    let images = build::select(&project, &request).map_err(super::each)?;
    let store = arguments.store.folder(global);
    let podman = Podman::open(&project.root.join(".wharf"))?;
    let mut cases = Vec::new();
    for image in images {
        let Some(arch) = project.arches.get(&image.arch) else { continue };
        let reference = Ref::manifest(&image.name, &image.distro, &image.arch).to_string();
        trial::run(&podman, &store, &reference, image, arch, |case| {
            screen.say(&line(&case));
            cases.push(case);
        })?;
    }
    if let Some(file) = &arguments.junit {
        std::fs::write(file, trial::junit(&cases))
            .map_err(|error| Failure::plain(format!("`{}` cannot be written: {error}", file.display())))?;
    }
    if global.json {
        screen.document(&Document { version: 1, tests: &cases });
    }
    let failed = cases.iter().filter(|case| case.outcome != Outcome::Passed).count();
    if failed > 0 {
        return Err(Failure::plain(format!("{failed} of {} tests failed", cases.len())));
    }
    screen.say(&format!("{} tests passed", cases.len()));
    Ok(Exit::Done)
}

fn line(case: &Case) -> String {
    let Case { image, distro, arch, name, outcome, seconds } = case;
    let mut line = String::new();
    let word = if *outcome == Outcome::Passed { "passed" } else { "FAILED" };
    let _ = write!(line, "{word} {image}:{distro}-{arch}: {name} ({seconds:.1} s)");
    if let Outcome::Failed { why, output } = outcome {
        let _ = write!(line, "\n  {why}");
        for text in output.lines() {
            let _ = write!(line, "\n  | {text}");
        }
    }
    line
}
