//! Which paths of a package are left out: dpkg's rule (dpkg(1), `--path-exclude`; src/main/filters.c).

use crate::estate::Filters;

/// Whether the filters leave `path`, absolute as the package names it, out. `other` is the same path after usr-merge;
/// a rule that matches either matches. Directories and symbolic links (`keepable`) that an exclusion matches stay
/// where an inclusion might bring back something below them.
pub fn is_excluded(filters: &Filters, path: &str, other: &str, keepable: bool) -> bool {
    let last =
        filters.rules.iter().rev().find(|(_, glob)| matches(glob, path) || (other != path && matches(glob, other)));
    let excluded = last.is_some_and(|(include, _)| !include);
    excluded && !(keepable && filters.rules.iter().any(|(include, glob)| *include && leads_to(path, other, glob)))
}

/// dpkg compares the part of the inclusion before its first wildcard, slashes at that part's end left out, with the
/// beginning of the path, character by character.
fn leads_to(path: &str, other: &str, glob: &str) -> bool {
    let fixed = glob.split(['*', '?', '[', '\\']).next().unwrap_or_default().trim_end_matches('/');
    path.starts_with(fixed) || other.starts_with(fixed)
}

/// fnmatch(3) without flags, by characters: `*` and `?` match `/` and a leading `.` too.
pub fn matches(glob: &str, text: &str) -> bool {
    let glob: Vec<char> = glob.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut on) = (0, 0);
    // Where to go on when what follows the last star does not match: one character further.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match (glob.get(at), text.get(on)) {
            (None, None) => return true,
            (Some('*'), _) => {
                star = Some((at + 1, on));
                Some((at + 1, on))
            }
            (Some(_), Some(&c)) => single(&glob, at, c).map(|next| (next, on + 1)),
            _ => None,
        };
        (at, on) = match (step, star) {
            (Some(step), _) => step,
            (None, Some((behind, from))) if from < text.len() => {
                star = Some((behind, from + 1));
                (behind, from + 1)
            }
            _ => return false,
        };
    }
}

/// Matches `c` with the one-character pattern at `at`; where the pattern goes on.
fn single(glob: &[char], at: usize, c: char) -> Option<usize> {
    match glob.get(at)? {
        '?' => Some(at + 1),
        '\\' => match glob.get(at + 1) {
            Some(&literal) => (literal == c).then_some(at + 2),
            None => None,
        },
        '[' => match bracket(glob, at, c) {
            Some((true, next)) => Some(next),
            Some((false, _)) => None,
            // Without its end a bracket is a character as others.
            None => (c == '[').then_some(at + 1),
        },
        literal => (*literal == c).then_some(at + 1),
    }
}

/// A bracket expression: whether it holds `c`, and where the pattern goes on; none where it does not end.
fn bracket(glob: &[char], at: usize, c: char) -> Option<(bool, usize)> {
    let mut next = at + 1;
    let negated = matches!(glob.get(next)?, '!' | '^');
    if negated {
        next += 1;
    }
    let first = next;
    let mut found = false;
    loop {
        let mut low = *glob.get(next)?;
        if low == ']' && next > first {
            return Some((found != negated, next + 1));
        }
        if low == '\\' {
            next += 1;
            low = *glob.get(next)?;
        }
        next += 1;
        let mut high = low;
        if glob.get(next) == Some(&'-') && glob.get(next + 1).is_some_and(|end| *end != ']') {
            next += 1;
            high = *glob.get(next)?;
            if high == '\\' {
                next += 1;
                high = *glob.get(next)?;
            }
            next += 1;
        }
        found |= (low..=high).contains(&c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filters(rules: &[(bool, &str)]) -> Filters {
        Filters { rules: rules.iter().map(|(include, glob)| (*include, (*glob).to_owned())).collect() }
    }

    #[test]
    fn the_last_match_wins() {
        let slim = filters(&[(false, "/usr/share/doc/*"), (true, "/usr/share/doc/*/copyright")]);
        let out = |path: &str, keepable| is_excluded(&slim, path, path, keepable);
        assert!(out("/usr/share/doc/bash/README", false));
        assert!(!out("/usr/share/doc/bash/copyright", false));
        assert!(!out("/usr/share/doc/bash", true));
        assert!(!out("/usr/bin/bash", false));
        let all = filters(&[(true, "/usr/share/doc/*/copyright"), (false, "/usr/share/doc/*")]);
        assert!(is_excluded(&all, "/usr/share/doc/bash/copyright", "/usr/share/doc/bash/copyright", false));
    }

    #[test]
    fn a_rule_may_name_the_path_before_or_after_usr_merge() {
        for glob in ["/lib/udev/*", "/usr/lib/udev/*"] {
            assert!(is_excluded(&filters(&[(false, glob)]), "/lib/udev/x", "/usr/lib/udev/x", false), "{glob}");
        }
    }

    #[test]
    fn globs_are_those_of_fnmatch() {
        for (glob, text, expected) in [
            ("*", "", true),
            ("/a/*", "/a/b/c", true),
            ("/a/*.py", "/a/b/.py", true),
            ("a?c", "a/c", true),
            ("a[b-d]c", "acc", true),
            ("a[!b-d]c", "acc", false),
            ("a[]]c", "a]c", true),
            ("a[\\]]c", "a]c", true),
            ("a[bc", "a[bc", true),
            ("a\\*c", "a*c", true),
            ("a\\*c", "abc", false),
            ("a\\", "a", false),
            ("*a*b*c", "xxaxxbxxbc", true),
            ("*a*b*c", "xxaxxbxxcb", false),
            ("ä?", "äö", true),
        ] {
            assert_eq!(matches(glob, text), expected, "{glob} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_matches_itself_and_no_glob_hangs(text in "[a-c/.]{0,30}", glob in "[a-c*?\\[\\]!\\\\-]{0,30}") {
            prop_assert!(matches(&text, &text));
            let whole = format!("*{text}*");
            prop_assert!(matches(&whole, &text));
            let _ = matches(&glob, &text.repeat(20));
        }
    }
}
