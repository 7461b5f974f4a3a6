//! The command line: one file per verb. Only this floor and [`crate::ui`] print.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::estate::{Estate, Project};
use crate::name::EstateName;
use crate::spec::{Mistakes, Origin, did_you_mean};
use crate::ui::{Color, Screen};

mod course;
mod deploy;
mod events;
mod filter;
mod memory;
mod place;
mod running;
mod settle;
mod texts;
mod vault;

macro_rules! verbs {
    ($($(#[$doc:meta])* $variant:ident = $module:ident;)*) => {
        $(mod $module;)*

        #[derive(Debug, Subcommand)]
        enum Verb {
            $($(#[$doc])* $variant($module::Arguments),)*
        }

        impl Verb {
            fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
                match self {
                    $(Self::$variant(arguments) => $module::run(arguments, global, screen),)*
                }
            }
        }
    };
}

mod sources;

verbs! {
    /// Start a project that builds and explains itself
    Init = init;
    /// Read and resolve everything, print every mistake
    Check = check;
    /// Format KDL; comments stay
    Fmt = fmt;
    /// List images, distros, arches, services, hosts, cells or estates, one line each
    List = list;
    /// Show all that wharf knows of an image, a service or a host, resolved
    Show = show;
    /// Draw what is built from what
    Graph = graph;
    /// Print image × distro × arch with the support tier
    Matrix = matrix;
    /// Choose packages and write `wharf.lock`
    Lock = lock;
    /// Fill the cache, or a folder, with all that a build needs
    Fetch = fetch;
    /// Build images into the store
    Build = build;
    /// Build images again from nothing and compare them with the store
    Verify = verify;
    /// Run the `test` nodes of images
    Test = test;
    /// Say what changed between two locks or two images
    Diff = diff;
    /// Take away what nothing names
    Prune = prune;
    /// Write an image for other tools
    Export = export;
    /// The secrets of an estate: list, set, generate, rotate
    Secrets = secrets;
    /// Write the files that each host would get
    Units = units;
    /// Say what an apply would do to the hosts
    Plan = plan;
    /// Make the hosts have what they shall have
    Apply = apply;
    /// Take hosts back to what they had
    Rollback = rollback;
    /// End services; all that they use stays
    Stop = stop;
    /// Take services away, or volumes that are left over
    Destroy = destroy;
    /// Say how the hosts are
    Status = status;
    /// Say what was applied, by whom, when and why
    History = history;
    /// Say what was changed on hosts outside wharf
    Drift = drift;
    /// Show what services wrote to their hosts' journals
    Logs = logs;
    /// See who is changing a host, or end that
    Lease = lease;
    /// Boot hosts to rehearse on, on this machine
    Lab = lab;
    /// Print a completion script for a shell
    Completions = completions;
    /// Print the manual page
    Man = man;
}

/// Compiles an estate: KDL in; reproducible OCI images out, without a daemon, without root.
#[derive(Debug, Parser)]
#[command(name = "wharf", version, max_term_width = 100, disable_help_subcommand = false)]
struct CommandLine {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Options of every verb.
#[derive(Debug, Args)]
pub struct Global {
    /// The project's folder; looked for upwards from here otherwise
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true)]
    pub directory: Option<PathBuf>,
    /// The estate, where the project has several
    #[arg(long, value_name = "NAME", global = true)]
    pub estate: Option<String>,
    /// Print one JSON document (or JSON lines of events) on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Print results and mistakes only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub color: Color,
}

/// How a verb that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0
    Done,
    /// 2: changes are pending (`lock --check`, `fmt --check`)
    Pending,
    /// 3: partly done
    Partly,
    /// 6: hosts did not answer
    Unreachable,
    /// 7: a host went back to what it had
    RolledBack,
}

/// Why a verb failed: reports for a person (already worded), and the exit code.
#[derive(Debug)]
pub struct Failure {
    /// In the order of printing.
    pub reports: Vec<miette::Report>,
    /// 1 unless told.
    pub code: u8,
}

impl Failure {
    /// A failure that one sentence explains.
    pub fn plain(message: impl Into<String>) -> Self {
        Self { reports: vec![miette::Report::msg(message.into())], code: 1 }
    }

    /// A failure that one sentence explains, with what to do.
    pub fn with_help(message: impl Into<String>, help: impl Into<String>) -> Self {
        let diagnostic = miette::MietteDiagnostic::new(message).with_help(help);
        Self { reports: vec![miette::Report::new(diagnostic)], code: 1 }
    }
}

impl From<Mistakes> for Failure {
    fn from(mistakes: Mistakes) -> Self {
        let mut reports = mistakes.reports();
        reports.push(miette::Report::msg(mistakes.summary()));
        Self { reports, code: 1 }
    }
}

/// The folder of the project: `-C`, or looked for upwards.
pub fn project_root(global: &Global) -> Result<PathBuf, Failure> {
    let start = global.directory.clone().unwrap_or_else(|| PathBuf::from("."));
    if !start.is_dir() {
        return Err(Failure::plain(format!("there is no folder {}", start.display())));
    }
    crate::estate::find_root(&start).ok_or_else(|| {
        let message = format!("there is no project at {} or above it", start.display());
        Failure::with_help(message, "a project holds specs/ and targets/; `wharf init` starts one")
    })
}

/// The project, resolved; every mistake otherwise.
pub fn load_project(global: &Global) -> Result<Project, Failure> {
    Ok(crate::estate::load(&project_root(global)?)?)
}

/// The estate of `--estate`, else the only one that the project defines.
pub fn chosen_estate<'a>(project: &'a Project, global: &Global) -> Result<&'a Estate, Failure> {
    let names = || project.estates.keys().map(EstateName::as_str);
    if let Some(name) = &global.estate {
        return project.estates.get(name.as_str()).ok_or_else(|| {
            let known: Vec<String> = names().map(|name| format!("`{name}`")).collect();
            let help = did_you_mean(name, names()).unwrap_or_else(|| match known.is_empty() {
                true => "the project has none".to_owned(),
                false => format!("the project has {}", known.join(", ")),
            });
            Failure::with_help(format!("there is no estate `{name}`"), help)
        });
    }
    let mut own = project.estates.values().filter(|estate| estate.origin == Origin::Project);
    match (own.next(), own.next()) {
        (Some(estate), None) => Ok(estate),
        (Some(_), Some(_)) => {
            let own = project.estates.values().filter(|estate| estate.origin == Origin::Project);
            let names: Vec<String> = own.map(|estate| format!("`{}`", estate.name)).collect();
            let message = format!("the project has several estates: {}", names.join(", "));
            Err(Failure::with_help(message, "name one by --estate"))
        }
        (None, _) => {
            let help = "write estate \"NAME\" { … } below targets/, or name an imported one by --estate";
            Err(Failure::with_help("the project has no estate", help))
        }
    }
}

impl<E: miette::Diagnostic + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { reports: vec![miette::Report::new(error)], code: 1 }
    }
}

/// Several errors, a report each.
pub fn each<E: miette::Diagnostic + Send + Sync + 'static>(errors: Vec<E>) -> Failure {
    Failure { reports: errors.into_iter().map(miette::Report::new).collect(), code: 1 }
}

/// Runs the command line and gives the exit code: 0 done, 1 error, 2 changes pending, 3 partly done, 64 usage.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    let screen = Screen::new(line.global.color, line.global.quiet);
    match line.verb.run(&line.global, &screen) {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Pending) => ExitCode::from(2),
        Ok(Exit::Partly) => ExitCode::from(3),
        Ok(Exit::Unreachable) => ExitCode::from(6),
        Ok(Exit::RolledBack) => ExitCode::from(7),
        Err(failure) => {
            for report in &failure.reports {
                screen.report(report);
            }
            ExitCode::from(failure.code)
        }
    }
}
