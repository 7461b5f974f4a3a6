//! What nobody judged, said so that a person can decide and paste.

use std::fmt::{self, Write as _};

use crate::estate::ScriptKind;
use crate::name::{DistroName, PackageName};

use super::{Generated, Rest};

/// How many lines of a script a message shows.
const SHOWN: usize = 40;

/// A part of a script that nobody judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unjudged {
    /// What people wrote in a script.
    Script {
        /// In whose table it is missing.
        distro: DistroName,
        /// Whose script.
        package: PackageName,
        /// The version that carries it.
        version: String,
        /// Which.
        kind: ScriptKind,
        /// The part.
        rest: Rest,
    },
    /// A generated snippet of unknown shape.
    Snippet {
        /// In whose table it is missing.
        distro: DistroName,
        /// Whose script.
        package: PackageName,
        /// The version that carries it.
        version: String,
        /// Which.
        kind: ScriptKind,
        /// The part.
        generated: Generated,
    },
}

impl std::error::Error for Unjudged {}

impl fmt::Display for Unjudged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script { distro, package, version, kind, rest } => {
                writeln!(f, "the {} of `{package}` {version} was never judged for {distro}; it says", kind.as_str())?;
                f.write_str(&shortened(&rest.text))
            }
            Self::Snippet { distro, package, version, kind, generated } => {
                let tool = &generated.snippet.tool;
                writeln!(
                    f,
                    "the {} of `{package}` {version} holds a snippet of {tool} that was never judged for {distro}; it says",
                    kind.as_str()
                )?;
                f.write_str(&shortened(&generated.text))
            }
        }
    }
}

impl miette::Diagnostic for Unjudged {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new("wharf::script::unjudged"))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.ways_out()))
    }
}

impl Unjudged {
    /// Whose script.
    pub fn package(&self) -> &PackageName {
        match self {
            Self::Script { package, .. } | Self::Snippet { package, .. } => package,
        }
    }

    /// The three nodes, of which a person pastes one.
    pub fn ways_out(&self) -> String {
        let mut text = String::new();
        match self {
            Self::Script { distro, package, kind, rest, .. } => {
                let node = format!("script \"{package}\" kind=\"{}\" rest=\"{}\"", kind.as_str(), rest.digest);
                let _ = write!(
                    text,
                    "read it, and paste one of these into the spec (docs/guide/scripts.md says what each means):\n\
                     extend distro \"{distro}\" {{\n    \
                         // nothing in it matters in an image\n    \
                         {node} effect=\"ignore\" reason=\"…\"\n    \
                         // wharf does what it would do: an effect by name, or children as account, dir, link, attr\n    \
                         {node} {{ effect \"…\"; reason \"…\" }}\n    \
                         // it has to be run, and wharf runs none: images that hold it are refused\n    \
                         {node} effect=\"run\" reason=\"…\"\n\
                     }}\n\
                     or, for one image alone, in its node: script \"{package}\" kind=\"{}\" effect=\"ignore\"",
                    kind.as_str()
                );
            }
            Self::Snippet { distro, package, kind, generated, .. } => {
                let node = format!("snippet \"{}\" shape=\"{}\"", generated.snippet.tool, generated.snippet.shape);
                let _ = write!(
                    text,
                    "the judgement holds for every package with a snippet of this shape; paste one of these into the spec:\n\
                     extend distro \"{distro}\" {{\n    \
                         // nothing in it matters in an image\n    \
                         {node} effect=\"ignore\"\n    \
                         // wharf does what it would do: an effect by name\n    \
                         {node} effect=\"…\"\n    \
                         // it has to be run, and wharf runs none: images that hold it are refused\n    \
                         {node} effect=\"run\"\n\
                     }}\n\
                     or, for one image alone, in its node: script \"{package}\" kind=\"{}\" effect=\"ignore\"",
                    kind.as_str()
                );
            }
        }
        text
    }
}

/// Every part that nobody judged, as one error: the lock names all of them in one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnjudgedScripts {
    parts: Vec<Unjudged>,
}

impl UnjudgedScripts {
    /// Each part once, whichever image or arch it was met in; none where there are none.
    pub fn new(parts: impl IntoIterator<Item = Unjudged>) -> Option<Self> {
        let mut unique: Vec<Unjudged> = Vec::new();
        for part in parts {
            if !unique.iter().any(|seen| seen.ways_out() == part.ways_out()) {
                unique.push(part);
            }
        }
        (!unique.is_empty()).then_some(Self { parts: unique })
    }

    /// The parts.
    pub fn parts(&self) -> &[Unjudged] {
        &self.parts
    }
}

impl std::error::Error for UnjudgedScripts {}

impl fmt::Display for UnjudgedScripts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts.len() {
            1 => f.write_str("a part of a maintainer script was never judged"),
            count => write!(f, "{count} parts of maintainer scripts were never judged"),
        }
    }
}

impl miette::Diagnostic for UnjudgedScripts {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new("wharf::script::unjudged"))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new("nothing was locked: wharf drops no script in silence, so each part needs a judgement"))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(self.parts.iter().map(|part| part as &dyn miette::Diagnostic)))
    }
}

/// The text, indented; its middle left out where it is long.
fn shortened(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut shown = String::new();
    let left_out = lines.len().saturating_sub(SHOWN);
    let head = if left_out > 0 { SHOWN * 3 / 4 } else { lines.len() };
    for (at, line) in lines.iter().enumerate() {
        if at == head && left_out > 0 {
            let _ = writeln!(shown, "    … {left_out} lines …");
        }
        if at < head || at >= head + left_out {
            let line: String = line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect();
            let _ = writeln!(shown, "    {}", line.trim_end());
        }
    }
    shown.truncate(shown.trim_end().len());
    shown
}
