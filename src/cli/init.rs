//! `wharf init`: a small project that builds and explains itself.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Exit, Failure, Global};
use crate::estate;
use crate::ui::Screen;

/// Arguments of `wharf init`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  wharf init cloud && cd cloud && wharf build\n  wharf init --vendor cloud")]
pub struct Arguments {
    /// The project's folder; made where it lacks
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Copy the catalogue into the project instead of importing the one in the binary
    #[arg(long)]
    vendor: bool,
}

/// Where `--vendor` puts the catalogue.
const VENDORED: &str = "catalogue";

/// Writes the project. Nothing that is there is overwritten.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let start = global.directory.clone().unwrap_or_else(|| PathBuf::from("."));
    let folder = arguments.folder.map_or(start.clone(), |folder| start.join(folder));
    for part in ["specs", "targets", "layers"] {
        let path = folder.join(part);
        let holds = path.read_dir().is_ok_and(|mut entries| entries.next().is_some());
        if path.is_file() || holds {
            let message = format!("{} is a project already: it has {part}/", folder.display());
            return Err(Failure::with_help(message, "choose another folder, or go on with `wharf check`"));
        }
    }
    write(&folder, arguments.vendor)
        .map_err(|error| Failure::plain(format!("cannot make a project in {}: {error}", folder.display())))?;
    screen.say(&format!("made a project in {}", folder.display()));
    screen.say("next: read specs/images.kdl, then `wharf check` and `wharf build`");
    Ok(Exit::Done)
}

fn write(folder: &Path, vendor: bool) -> io::Result<()> {
    std::fs::create_dir_all(folder.join("specs"))?;
    std::fs::create_dir_all(folder.join("layers/hello/etc"))?;
    if vendor {
        estate::unpack_catalogue(&folder.join(VENDORED))?;
    }
    let import = if vendor { format!("./{VENDORED}") } else { "catalogue".to_owned() };
    new_file(&folder.join("specs/images.kdl"), &images(&import))?;
    new_file(&folder.join("layers/hello/etc/motd"), MOTD)?;
    let ignore = folder.join(".gitignore");
    let known = std::fs::read_to_string(&ignore).unwrap_or_default();
    if !known.lines().any(|line| matches!(line.trim(), ".wharf" | ".wharf/" | "/.wharf/" | "/.wharf")) {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&ignore)?;
        let gap = if known.is_empty() || known.ends_with('\n') { "" } else { "\n" };
        file.write_all(format!("{gap}.wharf/\n").as_bytes())?;
    }
    Ok(())
}

fn new_file(path: &Path, text: &str) -> io::Result<()> {
    std::fs::File::create_new(path)?.write_all(text.as_bytes())
}

const MOTD: &str = "Built by wharf, the same bytes every time.\n";

fn images(import: &str) -> String {
    let catalogue = match import {
        "catalogue" => "the catalogue that this wharf carries",
        _ => "the catalogue, copied into this project",
    };
    format!(
        r#"// Every *.kdl below specs/ and targets/ is read; file names and their order mean nothing.

// Images, distros and architectures of {catalogue}.
// They are there to build on; only this project's own images are built.
import "{import}"

// An image is what its parent is, and what stands here.
image "hello" {{
    from "base"
    summary "A first image of one's own"

    // By name from the distro's archive; "curl=8.*" bounds the version.
    packages "curl"

    // An account has one uid in the whole project, on every host.
    account "hello" uid=42000 gid=42000 home="/var/lib/hello"
    dir "/var/lib/hello" owner="hello" mode="0750"

    // layers/hello/** lands at /: a message in /etc/motd.
    tree "hello"

    // What differs between architectures stands in a block.
    when arch="ppc64le" {{
        env HELLO_HARDWARE="power"
    }}

    env HELLO_ARCH="${{arch}}"
    user "hello"
    workdir "/var/lib/hello"
    command "cat" "/etc/motd"

    // `wharf test` runs this under podman.
    test "greets" {{
        run "cat" "/etc/motd"
        expect "Built by wharf"
    }}
}}

// An image of the catalogue can be wanted as it is:
// want "memcached"

// or changed without copying it:
// extend image "memcached" {{
//     env MEMCACHED_SIZE="64"
// }}

// Next: `wharf check` reads all this, `wharf lock` chooses the packages and writes wharf.lock (keep it in git),
// `wharf build` makes the images.
"#
    )
}
