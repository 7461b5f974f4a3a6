//! Whether one package takes over files of another (`Replaces`, Debian Policy 7.6.1).

use std::cmp::Ordering;

use crate::deb::PackageInfo;

/// Whether `taker`'s field `Replaces` names `other` in its version. Provided names do not count.
pub fn replaces(taker: &PackageInfo, other: &PackageInfo) -> bool {
    let field = taker.control.get("Replaces").unwrap_or_default();
    field.split(',').map(str::trim).any(|relation| {
        let (name, bound) = match relation.split_once('(') {
            Some((name, bound)) => (name.trim(), Some(bound.trim_end().trim_end_matches(')').trim())),
            None => (relation, None),
        };
        let name = name.split(':').next().unwrap_or_default().trim();
        if name != other.name.as_str() {
            return false;
        }
        let Some(bound) = bound else { return true };
        let operator = bound.trim_start_matches(['<', '>', '=']);
        let (operator, version) = (bound.strip_suffix(operator).unwrap_or_default(), operator.trim());
        let order = compare(&other.version, version);
        match operator {
            "<<" => order == Ordering::Less,
            "<" | "<=" => order != Ordering::Greater,
            "=" => order == Ordering::Equal,
            ">" | ">=" => order != Ordering::Less,
            ">>" => order == Ordering::Greater,
            _ => false,
        }
    })
}

/// Debian's order of versions (Policy 5.6.12).
fn compare(one: &str, other: &str) -> Ordering {
    let parts = |version: &str| {
        let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch.parse::<u64>().unwrap_or(0), upstream.to_owned(), revision.to_owned())
    };
    let (one, other) = (parts(one), parts(other));
    one.0.cmp(&other.0).then_with(|| part(&one.1, &other.1)).then_with(|| part(&one.2, &other.2))
}

fn part(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    while !one.is_empty() || !other.is_empty() {
        let weight = |c: Option<char>| match c {
            Some('~') => -1,
            None | Some('0'..='9') => 0,
            Some(c) if c.is_ascii_alphabetic() => c as i32,
            Some(c) => c as i32 + 256,
        };
        loop {
            let (a, b) = (one.chars().next(), other.chars().next());
            let ends = |c: Option<char>| c.is_none_or(|c| c.is_ascii_digit());
            if ends(a) && ends(b) {
                break;
            }
            match weight(a).cmp(&weight(b)) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
            one = one.get(a.map_or(0, char::len_utf8)..).unwrap_or_default();
            other = other.get(b.map_or(0, char::len_utf8)..).unwrap_or_default();
        }
        let number = |text: &mut &str| {
            let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
            let digits = text.strip_suffix(rest).unwrap_or_default().trim_start_matches('0').to_owned();
            *text = rest;
            digits
        };
        let (a, b) = (number(&mut one), number(&mut other));
        match a.len().cmp(&b.len()).then_with(|| a.cmp(&b)) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deb::Control;
    use crate::name::PackageName;
    use std::collections::BTreeMap;

    fn package(name: &str, version: &str, replaces: &str) -> PackageInfo {
        PackageInfo {
            name: PackageName::new(name).unwrap(),
            version: version.to_owned(),
            arch: "all".to_owned(),
            control: Control::new(vec![("Replaces".to_owned(), replaces.to_owned())]),
            members: BTreeMap::new(),
            conffiles: Vec::new(),
        }
    }

    #[test]
    fn a_bound_must_hold() {
        let old = package("old", "1:2.0~rc1-3", "");
        for (field, expected) in [
            ("old", true),
            ("older", false),
            ("other, old (<< 1:2.0)", true),
            ("old (<< 2.0)", false),
            ("old:any (<= 1:2.0~rc1-3)", true),
            ("old(>>1:1)", true),
            ("old (= 1:2.0)", false),
            ("", false),
        ] {
            assert_eq!(replaces(&package("new", "1", field), &old), expected, "{field}");
        }
    }

    #[test]
    fn versions_are_in_debians_order() {
        let sorted = ["1.0~~", "1.0~rc1", "1.0", "1.0-0+b1", "1.0-1", "1.0a", "1.0+x", "1.0.1", "1.2", "1.10", "1:0.1"];
        for pair in sorted.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert_eq!(compare("1.0", "1.0-0"), Ordering::Equal);
        assert_eq!(compare("01.0", "1.00"), Ordering::Equal);
    }
}
