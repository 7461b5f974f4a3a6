//! Why packages cannot be chosen, in words for the person who wrote the spec.

use miette::Diagnostic;
use thiserror::Error;

use crate::deb::{Dependency, Version, sign};
use crate::estate::{Package, Relation};
use crate::name::PackageName;
use crate::spec::{Mistake, Span};

use super::Request;
use super::policy::{Policy, bound_admits};
use super::pool::Id;

/// Why packages cannot be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum SolveError {
    /// Nothing has the name, nor provides it.
    #[error("there is no package `{name}`")]
    Unknown {
        /// As written.
        name: PackageName,
        /// What to do.
        #[help]
        help: String,
        /// Where it is written.
        span: Span,
    },
    /// There are versions, but pins with a negative priority exclude them.
    #[error("the pins exclude every version of `{name}`{}", among(bound))]
    Excluded {
        /// As written.
        name: PackageName,
        /// `= 2:31.*`
        bound: Option<String>,
        /// What to do.
        #[help]
        help: String,
        /// Where it is written.
        span: Span,
    },
    /// There are versions, none as wanted.
    #[error("no version of `{name}` is `{bound}`")]
    NoSuchVersion {
        /// As written.
        name: PackageName,
        /// `= 2:31.*`
        bound: String,
        /// Which versions there are.
        #[help]
        help: String,
        /// Where it is written.
        span: Span,
    },
    /// The bound itself is wrong.
    #[error("the bound of `{name}` cannot be read: {problem}")]
    BadBound {
        /// As written.
        name: PackageName,
        /// What is wrong.
        problem: String,
        /// What to do.
        #[help]
        help: String,
        /// Where it is written.
        span: Span,
    },
    /// The archive's record of a package is broken.
    #[error("what the archive says of `{name}` cannot be read: {problem}")]
    #[diagnostic(help(
        "the package is passed over; its maintainer has to mend it, or name a version that can be read"
    ))]
    Unreadable {
        /// As written.
        name: PackageName,
        /// What is wrong.
        problem: String,
        /// Where it is written.
        span: Span,
    },
    /// A version that is fixed is not in the archive any more.
    #[error("`{name}` is fixed at {version}, which no archive holds any more")]
    #[diagnostic(help("`wharf lock --upgrade {name}` chooses another version, for all images that hold it"))]
    Gone {
        /// The package.
        name: PackageName,
        /// The fixed version.
        version: String,
    },
    /// What other images of the lock have does not do here.
    #[error("`{name}` is fixed at {version} by other images of this lock, and here it has to be `{bound}`")]
    #[diagnostic(help(
        "one version of a package is in one lock: use the same bound or pin in all images that hold it, or say `versions \"own\"` in this image"
    ))]
    Fixed {
        /// The package.
        name: PackageName,
        /// The fixed version.
        version: String,
        /// What this image wants.
        bound: String,
        /// Where it is written.
        span: Span,
    },
    /// What is wanted contradicts itself.
    #[error("the packages cannot be installed together:{}", lines(chain))]
    Unsatisfiable {
        /// Which facts contradict each other, each a line; the last is the contradiction.
        chain: Vec<String>,
        /// What to do.
        #[help]
        help: String,
        /// Where what is wanted is written, as far as it takes part.
        spans: Vec<Span>,
    },
}

impl SolveError {
    /// Where the cause is written; empty where no spec says it.
    pub fn spans(&self) -> &[Span] {
        match self {
            Self::Unknown { span, .. }
            | Self::Excluded { span, .. }
            | Self::NoSuchVersion { span, .. }
            | Self::BadBound { span, .. }
            | Self::Unreadable { span, .. }
            | Self::Fixed { span, .. } => std::slice::from_ref(span),
            Self::Gone { .. } => &[],
            Self::Unsatisfiable { spans, .. } => spans,
        }
    }

    /// As a mistake of a spec: the first place underlined, the others named.
    pub fn mistake(&self) -> Mistake {
        let mut mistake = Mistake::nowhere(self.kind(), self.to_string());
        if let Some((first, others)) = self.spans().split_first() {
            mistake.span = Some(*first);
            mistake.label = "wanted here".into();
            mistake.also = others.iter().map(|span| (*span, "and here".to_owned())).collect();
        }
        mistake.help_if(self.help().map(|help| help.to_string()))
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown-package",
            Self::Excluded { .. } => "package-excluded",
            Self::NoSuchVersion { .. } => "no-such-version",
            Self::BadBound { .. } => "bad-bound",
            Self::Unreadable { .. } => "unreadable-package",
            Self::Gone { .. } => "version-gone",
            Self::Fixed { .. } => "version-fixed",
            Self::Unsatisfiable { .. } => "unsatisfiable",
        }
    }

    pub(super) fn gone(name: &PackageName, version: &str) -> Self {
        Self::Gone { name: name.clone(), version: version.to_owned() }
    }
}

fn among(bound: &Option<String>) -> String {
    bound.as_ref().map_or_else(String::new, |bound| format!(" that is `{bound}`"))
}

fn lines(chain: &[String]) -> String {
    chain.iter().map(|line| format!("\n- {line}")).collect()
}

fn bound_text(package: &Package) -> Option<String> {
    package.version.as_ref().map(|(relation, version)| format!("{} {version}", sign(*relation)))
}

/// `nova-api (= 2:31.*)`.
pub(super) fn written(package: &Package) -> String {
    bound_text(package).map_or_else(|| package.name.to_string(), |bound| format!("{} ({bound})", package.name))
}

/// What meets a wanted package, in order of preference.
pub(super) fn wanted_options(policy: &Policy<'_, '_>, package: &Package) -> Result<Vec<Id>, SolveError> {
    let pool = policy.pool;
    if let Some((relation, bound)) = &package.version
        && *relation != Relation::Equal
        && let Err(problem) = Version::new(bound.as_str())
    {
        return Err(SolveError::BadBound {
            name: package.name.clone(),
            problem: problem.to_string(),
            help: "globs as `2:31.*` go with `=` only".to_owned(),
            span: package.span,
        });
    }
    let meets =
        |id: Id| package.version.as_ref().is_none_or(|(relation, bound)| bound_admits(pool, id, *relation, bound));
    let mut options: Vec<Id> =
        policy.permitted(package.name.as_str()).iter().copied().filter(|&id| meets(id)).collect();
    if options.is_empty() {
        let version = package.version.as_ref();
        let version = version.map(|(relation, bound)| Version::new(bound.as_str()).map(|bound| (*relation, bound)));
        if let Ok(version) = version.transpose() {
            let dependency = Dependency { version, ..Dependency::on(package.name.clone()) };
            options = policy.options(&crate::deb::AnyOf { any: vec![dependency] });
        }
    }
    Ok(options)
}

/// Why nothing meets a wanted package.
pub(super) fn missing(policy: &Policy<'_, '_>, request: &Request<'_>, package: &Package) -> SolveError {
    let (pool, name, span) = (policy.pool, &package.name, package.span);
    let bound = bound_text(package);
    let all: Vec<Id> = pool.named(name.as_str()).collect();
    if all.is_empty() {
        return match pool.unreadable(name.as_str()) {
            Some(problem) => SolveError::Unreadable { name: name.clone(), problem: problem.to_owned(), span },
            None => SolveError::Unknown { name: name.clone(), help: where_else(policy, request, name), span },
        };
    }
    let fixed = request.base.get(name).or_else(|| request.forced.get(name));
    if let Some(version) = fixed {
        return match bound {
            Some(bound) if !policy.permitted(name.as_str()).is_empty() => {
                SolveError::Fixed { name: name.clone(), version: version.clone(), bound, span }
            }
            _ => SolveError::gone(name, version),
        };
    }
    let versions = |ids: &[Id]| {
        let texts: Vec<String> = ids.iter().map(|&id| describe(policy, id)).collect();
        texts.join(", ")
    };
    let meeting: Vec<Id> = match &package.version {
        None => all.clone(),
        Some((relation, wanted)) => {
            all.iter().copied().filter(|&id| bound_admits(pool, id, *relation, wanted)).collect()
        }
    };
    match bound {
        Some(bound) if meeting.is_empty() => {
            SolveError::NoSuchVersion { name: name.clone(), bound, help: format!("there is {}", versions(&all)), span }
        }
        bound => SolveError::Excluded {
            name: name.clone(),
            bound,
            help: format!(
                "there is {}; a `pin \"{name}\"` with a priority above 0 in the image lets it in",
                versions(&meeting)
            ),
            span,
        },
    }
}

/// `2:31.0.0-6 (trixie-backports, priority 100)`.
fn describe(policy: &Policy<'_, '_>, id: Id) -> String {
    let Some(record) = policy.pool.record(id) else { return String::new() };
    let suite = if record.suite.name.is_empty() { &record.suite.archive } else { &record.suite.name };
    format!("{} ({suite}, priority {})", record.version, policy.priority(id))
}

fn where_else(policy: &Policy<'_, '_>, request: &Request<'_>, name: &PackageName) -> String {
    let arches: Vec<&str> = request
        .elsewhere
        .iter()
        .filter(|(_, universe)| !universe.named(name.as_str()).is_empty())
        .map(|(arch, _)| *arch)
        .collect();
    if !arches.is_empty() {
        return format!(
            "it exists for {} only: put it into a `when` block, or name the image `unbuildable` here",
            arches.join(", ")
        );
    }
    let mut near: Vec<(f64, &str)> = policy
        .pool
        .names()
        .chain(policy.pool.virtual_names())
        .map(|other| (strsim::jaro_winkler(name.as_str(), other), other))
        .filter(|(likeness, _)| *likeness >= 0.88)
        .collect();
    near.sort_by(|(a, left), (b, right)| b.total_cmp(a).then_with(|| left.cmp(right)));
    near.dedup();
    let near: Vec<String> = near.iter().take(3).map(|(_, other)| format!("`{other}`")).collect();
    if near.is_empty() {
        "no name is near; the distro's `archive` nodes say which suites and components are read".to_owned()
    } else {
        format!("the nearest names are {}", near.join(", "))
    }
}
