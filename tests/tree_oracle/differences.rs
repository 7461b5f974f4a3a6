//! tests/oracle/differences.txt: which paths may differ, in what, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use globset::{GlobBuilder, GlobMatcher};

use super::listing::Listing;

/// In what a path differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// Only wharf has it.
    Ours,
    /// Only mmdebstrap has it.
    Theirs,
    /// Both have it, and this differs.
    Field(String),
}

/// A line of the file.
#[derive(Debug)]
pub struct Line {
    text: String,
    signs: BTreeSet<Sign>,
    glob: GlobMatcher,
}

/// The lines that hold for the images named, in order: `[NAME]` begins the lines of an image.
pub fn parse(text: &str, images: &[&str]) -> Vec<Line> {
    let mut section = "";
    let mut lines = Vec::new();
    for (number, text) in text.lines().enumerate() {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some(name) = text.strip_prefix('[') {
            section = name.trim_end_matches(']');
            continue;
        }
        let line = read(text).unwrap_or_else(|what| panic!("differences.txt, line {}: {what}: {text}", number + 1));
        if images.contains(&section) {
            lines.push(line);
        }
    }
    lines
}

fn read(text: &str) -> Result<Line, &'static str> {
    let (rule, reason) = text.split_once(" # ").ok_or("no reason")?;
    let (sign, glob) = rule.trim().split_once(' ').ok_or("no path")?;
    let signs: BTreeSet<Sign> = match (sign, sign.strip_prefix('~')) {
        ("+", _) => [Sign::Ours].into(),
        ("-", _) => [Sign::Theirs].into(),
        (_, Some(fields)) if !fields.is_empty() => fields.split(',').map(|name| Sign::Field(name.to_owned())).collect(),
        _ => return Err("no sign"),
    };
    if reason.trim().is_empty() {
        return Err("no reason");
    }
    let glob = GlobBuilder::new(glob.trim()).literal_separator(true).build().map_err(|_| "no glob")?;
    Ok(Line { text: rule.trim().to_owned(), signs, glob: glob.compile_matcher() })
}

/// All that differs: by path, the signs and what a person reads.
pub fn compare(ours: &Listing, theirs: &Listing) -> BTreeMap<String, (BTreeSet<Sign>, String)> {
    let paths: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let mut found = BTreeMap::new();
    for path in paths {
        let (signs, said) = match (ours.get(path), theirs.get(path)) {
            (Some(ours), Some(theirs)) => {
                let fields = ours.differs(theirs);
                if fields.is_empty() {
                    continue;
                }
                let said = format!("~{} {path}: {}, not {}", fields.join(","), ours.line(), theirs.line());
                (fields.into_iter().map(|field| Sign::Field(field.to_owned())).collect(), said)
            }
            (Some(ours), None) => ([Sign::Ours].into(), format!("+ {path}: {}", ours.line())),
            (None, Some(theirs)) => ([Sign::Theirs].into(), format!("- {path}: {}", theirs.line())),
            (None, None) => continue,
        };
        found.insert(path.clone(), (signs, said));
    }
    found
}

/// What is wrong with differences and lines together: a difference that no line has, and a line (or a field of one)
/// that no difference needs. Empty where nothing is.
pub fn judge(found: &BTreeMap<String, (BTreeSet<Sign>, String)>, lines: &[Line]) -> String {
    let mut used: Vec<BTreeSet<&Sign>> = vec![BTreeSet::new(); lines.len()];
    let mut wrong = String::new();
    for (path, (signs, said)) in found {
        let mut left: BTreeSet<&Sign> = signs.iter().collect();
        for (line, used) in lines.iter().zip(&mut used).filter(|(line, _)| line.glob.is_match(path)) {
            used.extend(signs.intersection(&line.signs));
            left.retain(|sign| !line.signs.contains(sign));
        }
        if !left.is_empty() {
            writeln!(wrong, "{said}").unwrap();
        }
    }
    for (line, used) in lines.iter().zip(used) {
        if used.len() < line.signs.len() {
            writeln!(wrong, "no such difference: {}", line.text).unwrap();
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use wharf::digest::Digest;

    use super::super::listing::{Entry, Kind};
    use super::*;

    fn file(text: &str, mode: u32) -> Entry {
        let root = || "root".to_owned();
        let kind = Kind::File(Digest::of(text.as_bytes()));
        Entry { kind, mode: Some(mode), owner: root(), group: root(), capability: Vec::new(), shared: None }
    }

    fn judged(text: &str) -> String {
        let ours = [("/a", file("1", 0o644)), ("/b/x", file("1", 0o644)), ("/same", file("1", 0o644))];
        let theirs = [("/a", file("2", 0o600)), ("/c", file("1", 0o644)), ("/same", file("1", 0o644))];
        let [ours, theirs] = [ours, theirs].map(|side| side.map(|(path, entry)| (path.to_owned(), entry)).into());
        judge(&compare(&ours, &theirs), &parse(text, &["base"]))
    }

    #[test]
    fn what_no_line_has_is_said() {
        insta::assert_snapshot!(judged("[base]\n+ /* # not below a folder\n~content /a # its mode differs too\n"), @r"
        ~content,mode /a: file 6b86b273ff34 0644 root:root, not file d4735e3a265e 0600 root:root
        + /b/x: file 6b86b273ff34 0644 root:root
        - /c: file 6b86b273ff34 0644 root:root
        no such difference: + /*
        ");
    }

    #[test]
    fn a_line_that_is_not_needed_is_said() {
        let lines = "[base]\n~content,mode,owner /a # not the owner\n+ /b/** # all of it\n- /c # gone\n- /d # no\n";
        insta::assert_snapshot!(judged(lines), @r"
        no such difference: ~content,mode,owner /a
        no such difference: - /d
        ");
    }

    #[test]
    fn lines_of_other_images_do_not_count() {
        let lines = "[other]\n- /d # theirs\n[base]\n~content,mode /a # why\n+ /b/* # why\n- /c # why\n";
        assert_eq!(judged(lines), "");
    }

    #[test]
    #[should_panic(expected = "differences.txt, line 2: no reason: + /a")]
    fn a_line_without_a_reason_is_refused() {
        parse("[base]\n+ /a\n", &["base"]);
    }
}
