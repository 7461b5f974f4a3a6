//! An image for people: sections of a word and its value.

use std::fmt::Write as _;

use super::View;
use super::document::{mode, owner, package, refs, worth};
use super::overrides::overrides;
use crate::cli::matrix::end_of_life;
use crate::estate::{CopySource, Health, Image, Level, Program, Step, Support};
use crate::spec::Origin;
use crate::ui::size;

/// How wide the words are.
const WORD: usize = 12;

#[derive(Default)]
struct Page {
    text: String,
    /// The section that is open; written with its first line.
    title: String,
}

impl Page {
    fn section(&mut self, title: &str) {
        self.title = title.to_owned();
    }

    /// A word and its value; of a list, where there is no word, the value alone.
    fn line(&mut self, word: &str, value: impl AsRef<str>) {
        if !self.title.is_empty() {
            let _ = writeln!(self.text, "\n{}", std::mem::take(&mut self.title));
        }
        for (at, part) in value.as_ref().lines().enumerate() {
            let line = match word {
                "" => format!("  {part}"),
                word => format!("  {:WORD$}  {part}", if at == 0 { word } else { "" }),
            };
            let _ = writeln!(self.text, "{}", line.trim_end());
        }
    }

    fn line_if(&mut self, word: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.line(word, value);
        }
    }
}

/// All of an image; each locked package where asked.
pub(super) fn image(view: &View<'_>, packages: bool) -> String {
    let View { project, image, .. } = view;
    let mut page = Page::default();
    let summary = image.summary.as_ref().map(|summary| format!(": {summary}")).unwrap_or_default();
    let _ = writeln!(page.text, "{} for {} on {}{summary}", image.name, image.distro, image.arch);

    let lineage: Vec<&str> = image.levels.iter().map(|level| level.image.as_str()).collect();
    page.line("from", if lineage.len() > 1 { lineage.join(" > ") } else { "nothing".to_owned() });
    page.line("tier", support(&image.support));
    let origin = project.specs.get(&image.name).map(|spec| match &spec.origin {
        Origin::Project => String::new(),
        Origin::Import(text) => format!(", by import \"{text}\""),
    });
    page.line("defined", format!("{}{}", project.sources.place(image.span), origin.unwrap_or_default()));
    page.line("wanted", if project.wanted.contains(&image.name) { "yes" } else { "no: `want` it, or name it" });
    let others: Vec<String> = project
        .images
        .keys()
        .filter(|key| key.image == image.name && (key.distro != image.distro || key.arch != image.arch))
        .map(|key| format!("{} on {}", key.distro, key.arch))
        .collect();
    page.line_if("also for", (!others.is_empty()).then(|| others.join(", ")));
    for (key, reason) in project.unbuildable.iter().filter(|(key, _)| key.image == image.name) {
        page.line("not for", format!("{} on {}: {reason}", key.distro, key.arch));
    }
    page.line("refs", refs(view).iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" "));
    if image.runs() {
        page.line("engine", "buildah: it has `run` steps");
    }

    levels(&mut page, image);
    accounts(&mut page, image);
    config(&mut page, image);
    tests(&mut page, image);

    page.section("Overrides");
    for entry in overrides(project, image, view.packages.as_deref()) {
        page.line("", format!("{}: {}, over {}", entry.what, entry.wins, entry.over.join(", ")));
    }
    let has_paths = image.levels.iter().any(|level| {
        let Level { trees, dirs, files, links, .. } = level;
        !(trees.is_empty() && dirs.is_empty() && files.is_empty() && links.is_empty())
    });
    if has_paths && view.packages.is_none() {
        let why = match view.locked {
            None => "the image is not locked".to_owned(),
            Some(_) => format!("the cache lacks some; `wharf build {}` brings them in", image.name),
        };
        page.line("", format!("what they win over in packages is not known: {why}"));
    }
    locked(&mut page, view, packages);
    page.text
}

fn program(program: &Program) -> String {
    match program {
        Program::Shell(text) => text.clone(),
        Program::Words(words) => words.join(" "),
        Program::Script { path, arguments, .. } => {
            let words: Vec<&str> =
                std::iter::once(path.as_str()).chain(arguments.iter().map(String::as_str)).collect();
            format!("layers/{}", words.join(" "))
        }
    }
}

fn support(support: &Support) -> String {
    let end = end_of_life(support);
    if end.is_empty() { support.tier.as_str().to_owned() } else { format!("{}, {end}", support.tier.as_str()) }
}

fn levels(page: &mut Page, image: &Image) {
    for level in &image.levels {
        page.section(&format!("Of {}", level.image));
        packages(page, level);
        for tree in &level.trees {
            page.line("tree", format!("{}, {} paths", tree.name, tree.files.len()));
        }
        for dir in &level.dirs {
            page.line("dir", with_owner(&dir.path.to_string(), &dir.owner, &dir.group, dir.mode));
        }
        for file in &level.files {
            page.line("file", with_owner(&file.path.to_string(), &file.owner, &file.group, file.mode));
        }
        for link in &level.links {
            page.line("link", format!("{} -> {}", link.path, link.target));
        }
        for step in &level.steps {
            match step {
                Step::Run(run) => page.line("run", program(&run.program)),
                Step::Copy(copy) => {
                    let from = match &copy.source {
                        CopySource::Image { image, path } => format!("{path} of {image}"),
                        CopySource::Tree(tree) => format!("layers/{}", tree.name),
                    };
                    page.line("copy", format!("{from} -> {}", copy.to));
                }
            }
        }
        for attr in &level.attrs {
            let capabilities = attr.capabilities.as_ref().map(|caps| format!(" capabilities={caps}")).unwrap_or_default();
            page.line("attr", with_owner(&attr.path, &attr.owner, &attr.group, attr.mode) + &capabilities);
        }
        for omit in &level.omits {
            page.line("omit", &omit.glob);
        }
        for script in &level.scripts {
            let kind = script.kind.map(|kind| format!(" {}", kind.as_str())).unwrap_or_default();
            page.line("script", format!("{}{kind}: {}", script.package, worth(&script.worth)));
        }
    }
}

fn packages(page: &mut Page, level: &Level) {
    let mut words: Vec<String> = level.packages.iter().map(package).collect();
    if level.essential.is_some() {
        words.push("(and the essential set)".to_owned());
    }
    if level.recommends {
        words.push("(with what they recommend)".to_owned());
    }
    page.line_if("packages", (!words.is_empty()).then(|| words.join(" ")));
    for pin in &level.pins {
        let by = [("version", &pin.version), ("suite", &pin.suite), ("origin", &pin.origin), ("label", &pin.label), ("archive", &pin.archive)];
        let by: String = by.iter().filter_map(|(word, value)| Some(format!(" {word}={}", value.as_ref()?))).collect();
        page.line("pin", format!("{}{by} priority={}", pin.packages.join(" "), pin.priority));
    }
}

fn with_owner(path: &str, user: &Option<crate::estate::Owner>, group: &Option<crate::estate::Owner>, bits: Option<crate::estate::Mode>) -> String {
    let parts = [("owner", owner(user)), ("group", owner(group)), ("mode", mode(bits))];
    let parts: String = parts.iter().filter_map(|(word, value)| Some(format!(" {word}={}", value.as_ref()?))).collect();
    format!("{path}{parts}")
}

fn accounts(page: &mut Page, image: &Image) {
    page.section("Accounts");
    for account in image.accounts.values() {
        let id = |id: Option<u32>| id.map_or_else(|| "-".to_owned(), |id| id.to_string());
        let mut text = format!("{}:{}", id(account.uid), id(account.gid));
        let paths = [("home", &account.home), ("shell", &account.shell)];
        for (word, path) in paths.iter().filter_map(|(word, path)| Some((word, path.as_ref()?))) {
            let _ = write!(text, " {word}={path}");
        }
        if let Some(gecos) = &account.gecos {
            let _ = write!(text, " gecos={}", quoted(gecos));
        }
        if !account.groups.is_empty() {
            let groups: Vec<&str> = account.groups.iter().map(|group| group.as_str()).collect();
            let _ = write!(text, " groups={}", groups.join(","));
        }
        page.line(account.name.as_str(), text);
    }
}

fn config(page: &mut Page, image: &Image) {
    let config = &image.config;
    page.section("Configuration");
    for (key, value) in &config.env {
        page.line("env", format!("{key}={value}"));
    }
    for (key, value) in &config.labels {
        page.line("label", format!("{key}={value}"));
    }
    let some = |words: Vec<String>| (!words.is_empty()).then(|| words.join(" "));
    page.line_if("expose", some(config.expose.clone()));
    page.line_if("volume", some(config.volumes.iter().map(|volume| volume.path.to_string()).collect()));
    page.line_if("user", config.user.as_ref());
    page.line_if("workdir", config.workdir.as_ref().map(ToString::to_string));
    page.line_if("entrypoint", some(config.entrypoint.iter().map(|word| quoted(word)).collect()));
    page.line_if("command", some(config.command.iter().map(|word| quoted(word)).collect()));
    page.line_if("stop-signal", config.stop_signal.as_ref());
    if let Some(Health { command, interval_ms, timeout_ms, retries, start_ms }) = &config.health {
        let command: Vec<String> = command.iter().map(|word| quoted(word)).collect();
        let (interval, timeout, start) = (seconds(*interval_ms), seconds(*timeout_ms), seconds(*start_ms));
        page.line("health", format!("{}, every {interval}, within {timeout}, unhealthy after {retries}, at first {start} of grace", command.join(" ")));
    }
}

fn seconds(milliseconds: u64) -> String {
    if milliseconds.is_multiple_of(1000) { format!("{} s", milliseconds / 1000) } else { format!("{milliseconds} ms") }
}

/// A word as a shell would take it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

fn tests(page: &mut Page, image: &Image) {
    page.section("Tests");
    for test in &image.tests {
        let kind = if test.service { " (inside the running service)" } else { "" };
        let runs: Vec<String> =
            test.run.iter().map(|run| run.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")).collect();
        page.line("", format!("{}{kind}: {}", test.name, runs.join("; ")));
    }
}

fn locked(page: &mut Page, view: &View<'_>, all: bool) {
    page.section("Packages in wharf.lock");
    let Some(packages) = &view.locked else {
        page.line("", "none: the image is not locked; `wharf lock` locks it");
        return;
    };
    let bytes: u64 = packages.iter().map(|package| package.size).sum();
    let more = if all { "" } else { "; --packages prints them" };
    page.line("", format!("{}, {} to fetch{more}", packages.len(), size(bytes)));
    for package in packages.iter().filter(|_| all) {
        let wanted = if view.roots.contains(&package.name.as_str()) { "  wanted" } else { "" };
        page.line("", format!("{} {} {}{wanted}", package.name, package.version, package.arch));
    }
}
