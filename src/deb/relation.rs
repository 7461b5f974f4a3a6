//! AllOf between packages (Debian Policy 7.1, deb-control(5)): `libc6 (>= 2.38), default-mta | mail-transport-agent`.

use std::fmt;
use std::str::FromStr;

use crate::estate::Relation;
use crate::name::PackageName;

use super::version::Version;

/// The value of `Depends`, `Conflicts` and the like: all of its parts hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllOf {
    /// In the order of the field.
    pub all: Vec<AnyOf>,
}

/// `default-mta | mail-transport-agent`: one of these holds; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyOf {
    /// In the order of the field; the first is preferred.
    pub any: Vec<Dependency>,
}

/// One package in a relation: `python3:any (>= 3.13) [amd64] <!nocheck>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The package, real or virtual.
    pub name: PackageName,
    /// After a colon.
    pub qualifier: Option<Qualifier>,
    /// In parentheses.
    pub version: Option<(Relation, Version)>,
    /// In brackets: arches for which it holds; all where empty.
    pub arches: Vec<Term>,
    /// In angle brackets: each holds where all of its terms do, and one has to; all where empty.
    pub profiles: Vec<Vec<Term>>,
}

/// What stands after the colon of a package's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Qualifier {
    /// `:any`: of any arch, where the package is `Multi-Arch: allowed`.
    Any,
    /// `:native`: of the arch that builds.
    Native,
    /// `:amd64`.
    Arch(String),
}

/// An arch or a build profile, or anything but it: `!i386`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Whether `!` stands before it.
    pub not: bool,
    /// `amd64`, `linux-any`, `nocheck`.
    pub word: String,
}

/// One of `Provides`: `libjpeg-dev (= 1:2.1.5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provided {
    /// The virtual package.
    pub name: PackageName,
    /// Its version; without one, no bound on it is ever met.
    pub version: Option<Version>,
}

/// A text that is no relation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no relation: {problem}")]
pub struct RelationError {
    /// The part of the field that is wrong.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

impl AllOf {
    /// Reads a field's value. Empty parts (a comma at the end) are passed over, as dpkg does.
    pub fn parse(text: &str) -> Result<Self, RelationError> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        Ok(Self { all: parts.map(AnyOf::parse).collect::<Result<_, _>>()? })
    }
}

impl AnyOf {
    /// Reads alternatives.
    pub fn parse(text: &str) -> Result<Self, RelationError> {
        Ok(Self { any: text.split('|').map(Dependency::parse).collect::<Result<_, _>>()? })
    }
}

impl Dependency {
    /// A package alone.
    pub fn on(name: PackageName) -> Self {
        Self { name, qualifier: None, version: None, arches: Vec::new(), profiles: Vec::new() }
    }

    /// Reads one package of a relation.
    pub fn parse(text: &str) -> Result<Self, RelationError> {
        let error = |problem: String| RelationError { text: text.trim().to_owned(), problem };
        let rest = text.trim();
        let end = |c: char| c.is_whitespace() || matches!(c, '(' | '[' | '<' | ':' | ')' | ']' | '>');
        let (name, rest) = take(rest, end);
        if name.is_empty() {
            return Err(error("a package's name is expected".into()));
        }
        let name = PackageName::new(name).map_err(|problem| error(problem.to_string()))?;
        let (qualifier, mut rest) = match rest.strip_prefix(':') {
            None => (None, rest),
            Some(rest) => {
                let (word, rest) = take(rest, end);
                let qualifier = match word {
                    "any" => Qualifier::Any,
                    "native" => Qualifier::Native,
                    word if is_arch(word) => Qualifier::Arch(word.to_owned()),
                    _ => return Err(error("after `:` stands `any`, `native` or an arch".into())),
                };
                (Some(qualifier), rest)
            }
        };
        let mut dependency = Self { qualifier, ..Self::on(name) };
        loop {
            rest = rest.trim_start();
            let opened = rest.chars().next();
            let (inside, behind) = match opened {
                None => return Ok(dependency),
                Some('(') => enclosed(rest, '(', ')'),
                Some('[') => enclosed(rest, '[', ']'),
                Some('<') => enclosed(rest, '<', '>'),
                Some(_) => return Err(error(format!("`{rest}` cannot stand behind a package"))),
            }
            .ok_or_else(|| error("a bracket is not closed".into()))?;
            match opened {
                Some('(') if dependency.version.is_some() => return Err(error("there are two version bounds".into())),
                Some('(') => dependency.version = Some(bound(inside).map_err(error)?),
                Some('[') if !dependency.arches.is_empty() => return Err(error("there are two arch lists".into())),
                Some('[') => dependency.arches = terms(inside).map_err(error)?,
                _ => dependency.profiles.push(terms(inside).map_err(error)?),
            }
            rest = behind;
        }
    }

    /// Whether the arch list lets it hold on `arch`, Debian's name for one (Policy 11.1).
    pub fn applies(&self, arch: &str) -> bool {
        let matches = |term: &Term| arch_matches(&term.word, arch);
        match self.arches.first() {
            None => true,
            Some(first) if first.not => !self.arches.iter().any(matches),
            Some(_) => self.arches.iter().any(|term| !term.not && matches(term)),
        }
    }

    /// Whether its bound lets `version` in.
    pub fn admits(&self, version: &Version) -> bool {
        self.version.as_ref().is_none_or(|(relation, bound)| meets(version, *relation, bound))
    }
}

impl Provided {
    /// Reads the value of `Provides`.
    pub fn parse(text: &str) -> Result<Vec<Self>, RelationError> {
        let one = |part: &str| {
            let dependency = Dependency::parse(part)?;
            let version = match dependency.version {
                None => None,
                Some((Relation::Equal, version)) => Some(version),
                Some(_) => {
                    let problem = "a virtual package has a version by `=` or none".to_owned();
                    return Err(RelationError { text: part.to_owned(), problem });
                }
            };
            Ok(Self { name: dependency.name, version })
        };
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(one).collect()
    }

    /// Whether it is what `dependency` asks for: unversioned provides never meet a bound (Policy 7.5).
    pub fn meets(&self, dependency: &Dependency) -> bool {
        let versioned = || self.version.as_ref().is_some_and(|version| dependency.admits(version));
        self.name == dependency.name && (dependency.version.is_none() || versioned())
    }
}

/// Whether `version` is as `relation` says to `bound`.
pub fn meets(version: &Version, relation: Relation, bound: &Version) -> bool {
    match relation {
        Relation::Equal => version == bound,
        Relation::AtLeast => version >= bound,
        Relation::AtMost => version <= bound,
        Relation::Later => version > bound,
        Relation::Earlier => version < bound,
    }
}

/// How a relation is written.
pub fn sign(relation: Relation) -> &'static str {
    match relation {
        Relation::Equal => "=",
        Relation::AtLeast => ">=",
        Relation::AtMost => "<=",
        Relation::Later => ">>",
        Relation::Earlier => "<<",
    }
}

fn take(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    let at = text.find(end).unwrap_or(text.len());
    text.split_at_checked(at).unwrap_or((text, ""))
}

fn enclosed(text: &str, open: char, close: char) -> Option<(&str, &str)> {
    text.strip_prefix(open)?.split_once(close)
}

fn is_arch(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn bound(text: &str) -> Result<(Relation, Version), String> {
    let text = text.trim();
    let at = text.find(|c| !matches!(c, '<' | '=' | '>')).unwrap_or(text.len());
    let (sign, version) = text.split_at_checked(at).unwrap_or((text, ""));
    let relation = match sign {
        "=" => Relation::Equal,
        // The short ones are history; dpkg still reads them so.
        ">=" | ">" => Relation::AtLeast,
        "<=" | "<" => Relation::AtMost,
        ">>" => Relation::Later,
        "<<" => Relation::Earlier,
        "" => return Err("a bound begins with `<<`, `<=`, `=`, `>=` or `>>`".into()),
        other => return Err(format!("`{other}` is no comparison; there are `<<`, `<=`, `=`, `>=` and `>>`")),
    };
    Version::new(version.trim()).map(|version| (relation, version)).map_err(|problem| problem.to_string())
}

fn terms(text: &str) -> Result<Vec<Term>, String> {
    let term = |word: &str| {
        let (not, word) = word.strip_prefix('!').map_or((false, word), |word| (true, word));
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '+');
        if word.is_empty() || !word.chars().all(valid) {
            return Err(format!("`{word}` is neither an arch nor a build profile"));
        }
        Ok(Term { not, word: word.to_owned() })
    };
    let terms: Vec<Term> = text.split_whitespace().map(term).collect::<Result<_, _>>()?;
    if terms.is_empty() { Err("the brackets are empty".into()) } else { Ok(terms) }
}

/// Whether `arch` is one of those that `wildcard` stands for (Policy 11.1.1): `any`, `linux-any`, `any-arm`.
fn arch_matches(wildcard: &str, arch: &str) -> bool {
    fn split(arch: &str) -> (&str, &str) {
        let (os, cpu) = arch.split_once('-').unwrap_or(("linux", arch));
        (os, if matches!(cpu, "armel" | "armhf") { "arm" } else { cpu })
    }
    let either = |wanted: &str, is: &str| wanted == "any" || wanted == is;
    if wildcard == arch || wildcard == "any" {
        return true;
    }
    let ((os, cpu), (is_os, is_cpu)) = (split(wildcard), split(arch));
    wildcard.contains("any") && either(os, is_os) && either(cpu, is_cpu)
}

impl fmt::Display for AllOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join(f, &self.all, ", ")
    }
}

impl fmt::Display for AnyOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join(f, &self.any, " | ")
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        match &self.qualifier {
            None => {}
            Some(Qualifier::Any) => write!(f, ":any")?,
            Some(Qualifier::Native) => write!(f, ":native")?,
            Some(Qualifier::Arch(arch)) => write!(f, ":{arch}")?,
        }
        if let Some((relation, version)) = &self.version {
            write!(f, " ({} {version})", sign(*relation))?;
        }
        if !self.arches.is_empty() {
            write!(f, " [")?;
            join(f, &self.arches, " ")?;
            write!(f, "]")?;
        }
        for profile in &self.profiles {
            write!(f, " <")?;
            join(f, profile, " ")?;
            write!(f, ">")?;
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.not { "!" } else { "" }, self.word)
    }
}

fn join(f: &mut fmt::Formatter<'_>, parts: &[impl fmt::Display], between: &str) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        write!(f, "{}{part}", if at == 0 { "" } else { between })?;
    }
    Ok(())
}

impl FromStr for AllOf {
    type Err = RelationError;

    fn from_str(text: &str) -> Result<Self, RelationError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(text: &str) -> String {
        AllOf::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_relation_says_why() {
        insta::assert_snapshot!(message("libc6, | b"), @"`` is no relation: a package's name is expected");
        insta::assert_snapshot!(message("Libc6"), @"`Libc6` is no relation: `Libc6` cannot be a package name: at least two of lower-case letters, digits, `+`, `-`, `.`, the first a letter or digit");
        insta::assert_snapshot!(message("libc6 (>== 2)"), @"`libc6 (>== 2)` is no relation: `>==` is no comparison; there are `<<`, `<=`, `=`, `>=` and `>>`");
        insta::assert_snapshot!(message("libc6 (2)"), @"`libc6 (2)` is no relation: a bound begins with `<<`, `<=`, `=`, `>=` or `>>`");
        insta::assert_snapshot!(message("libc6 (>= x)"), @"`libc6 (>= x)` is no relation: `x` is no version: the upstream version does not begin with a digit");
        insta::assert_snapshot!(message("libc6 (>= 2"), @"`libc6 (>= 2` is no relation: a bracket is not closed");
        insta::assert_snapshot!(message("libc6 (>= 2) (<< 3)"), @"`libc6 (>= 2) (<< 3)` is no relation: there are two version bounds");
        insta::assert_snapshot!(message("libc6 libm"), @"`libc6 libm` is no relation: `libm` cannot stand behind a package");
        insta::assert_snapshot!(message("python3:"), @"`python3:` is no relation: after `:` stands `any`, `native` or an arch");
        insta::assert_snapshot!(message("libc6 []"), @"`libc6 []` is no relation: the brackets are empty");
        let provides = Provided::parse("mail-transport-agent (>= 1)").unwrap_err().to_string();
        insta::assert_snapshot!(provides, @"`mail-transport-agent (>= 1)` is no relation: a virtual package has a version by `=` or none");
    }

    #[test]
    fn every_part_of_a_relation_is_read() {
        let text = "python3:any (>= 3.13~), a1 | b2 (<< 2:1-1), c3:amd64 [amd64 linux-any], d4 [!i386] <!nocheck cross> <stage1>";
        let relations = AllOf::parse(text).unwrap();
        assert_eq!(relations.to_string(), text);
        let first = &relations.all[0].any[0];
        assert_eq!(first.qualifier, Some(Qualifier::Any));
        assert_eq!(first.version, Some((Relation::AtLeast, Version::new("3.13~").unwrap())));
        assert_eq!(relations.all[3].any[0].profiles.len(), 2);
    }

    #[test]
    fn old_signs_and_odd_spaces_are_read_as_dpkg_does() {
        let relations = AllOf::parse("\n a1(>1)|b2 ( <  2 ) ,, c3( =3 ),").unwrap();
        assert_eq!(relations.to_string(), "a1 (>= 1) | b2 (<= 2), c3 (= 3)");
    }

    #[test]
    fn arch_lists_choose() {
        let on = |text: &str, arch: &str| Dependency::parse(text).unwrap().applies(arch);
        assert!(on("xx", "amd64"));
        assert!(on("xx [amd64 arm64]", "arm64"));
        assert!(!on("xx [amd64]", "ppc64el"));
        assert!(!on("xx [!amd64]", "amd64"));
        assert!(on("xx [!amd64]", "ppc64el"));
        assert!(on("xx [linux-any]", "ppc64el"));
        assert!(!on("xx [hurd-any]", "ppc64el"));
        assert!(on("xx [any-arm]", "armhf"));
    }

    #[test]
    fn a_provide_without_a_version_meets_no_bound() {
        let [bare, versioned] = &Provided::parse("xx, xx (= 2)").unwrap()[..] else { panic!() };
        let asks = |text: &str| Dependency::parse(text).unwrap();
        assert!(bare.meets(&asks("xx")));
        assert!(!bare.meets(&asks("xx (>= 1)")));
        assert!(versioned.meets(&asks("xx (>= 1)")));
        assert!(!versioned.meets(&asks("xx (>> 2)")));
        assert!(!versioned.meets(&asks("yy")));
    }

    fn dependency() -> impl Strategy<Value = String> {
        let bound = proptest::option::of(("(<<|<=|=|>=|>>)", "[0-9][a-z0-9.+~]{0,5}"));
        let name = ("[a-z0-9][a-z0-9+.-]{1,8}", proptest::option::of("any|native|arm64"));
        let arches = proptest::option::of("!?[a-z0-9]{1,5}( !?[a-z0-9]{1,5}){0,2}");
        let profiles = proptest::collection::vec("!?[a-z]{1,6}( !?[a-z]{1,6}){0,2}", 0..3);
        (name, bound, arches, profiles).prop_map(|((name, qualifier), bound, arches, profiles)| {
            let mut text = name;
            if let Some(qualifier) = qualifier {
                text += &format!(":{qualifier}");
            }
            if let Some((sign, version)) = bound {
                text += &format!(" ({sign} {version})");
            }
            if let Some(arches) = arches {
                text += &format!(" [{arches}]");
            }
            for profile in profiles {
                text += &format!(" <{profile}>");
            }
            text
        })
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = AllOf::parse(&text);
            let _ = Provided::parse(&text);
        }

        #[test]
        fn nothing_like_a_relation_makes_it_panic(text in "[a-b0-1<>=!:|,()\\[\\]~. -]*") {
            if let Ok(relations) = AllOf::parse(&text) {
                prop_assert_eq!(AllOf::parse(&relations.to_string()).unwrap(), relations);
            }
        }

        #[test]
        fn what_is_written_is_read_back(parts in proptest::collection::vec(proptest::collection::vec(dependency(), 1..4), 0..4)) {
            let text = parts.iter().map(|any| any.join(" | ")).collect::<Vec<_>>().join(", ");
            prop_assert_eq!(AllOf::parse(&text).unwrap().to_string(), text);
        }
    }
}
