//! Versions and their order (Debian Policy 5.6.12, deb-version(7); dpkg's `verrevcmp`).

use std::cmp::Ordering;
use std::fmt;
use std::iter::Peekable;
use std::str::{Bytes, FromStr};

/// A version: `[epoch:]upstream[-revision]`. Compares as dpkg does, so `1.0` equals `1.00` although their texts differ.
#[derive(Clone)]
pub struct Version {
    text: String,
    epoch: u32,
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no version: {problem}")]
pub struct VersionError {
    /// The text as it was given.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Version {
    /// Reads a version. The rules are deb-version(7)'s; as for dpkg, an upstream version that does not begin with a
    /// digit is an error.
    pub fn new(text: impl Into<String>) -> Result<Self, VersionError> {
        let text = text.into();
        match epoch(&text).and_then(|epoch| check(&text).map(|()| epoch)) {
            Ok(epoch) => Ok(Self { text, epoch }),
            Err(problem) => Err(VersionError { text, problem }),
        }
    }

    /// The version as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The epoch; 0 where none is written.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The upstream version: `1.6.38` of `2:1.6.38-1+deb13u1`.
    pub fn upstream(&self) -> &str {
        split(&self.text).1
    }

    /// The Debian revision; empty for a native package.
    pub fn revision(&self) -> &str {
        split(&self.text).2
    }
}

/// The text without its epoch, then that in two: upstream and revision.
fn split(text: &str) -> (Option<&str>, &str, &str) {
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) => (Some(epoch), rest),
        None => (None, text),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

fn epoch(text: &str) -> Result<u32, &'static str> {
    match split(text).0 {
        None => Ok(0),
        Some("") => Err("the epoch is empty"),
        Some(digits) if !digits.bytes().all(|byte| byte.is_ascii_digit()) => Err("the epoch is no number"),
        // dpkg keeps it in an int.
        Some(digits) => digits
            .parse()
            .ok()
            .filter(|&number: &u32| i32::try_from(number).is_ok())
            .ok_or("the epoch is larger than 2147483647"),
    }
}

fn check(text: &str) -> Result<(), &'static str> {
    let (_, upstream, revision) = split(text);
    let made_of = |text: &str, others: &[u8]| text.bytes().all(|c| c.is_ascii_alphanumeric() || others.contains(&c));
    if upstream.is_empty() {
        return Err("there is no upstream version");
    }
    if !upstream.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("the upstream version does not begin with a digit");
    }
    if !made_of(upstream, b".+-~:") {
        return Err("an upstream version is made of letters, digits and `.`, `+`, `-`, `~`, `:`");
    }
    if revision.is_empty() && text.ends_with('-') {
        return Err("the revision is empty");
    }
    if !made_of(revision, b".+~") {
        return Err("a revision is made of letters, digits and `.`, `+`, `~`");
    }
    Ok(())
}

/// `~` before the end, the end before letters, letters before everything else.
fn weight(byte: Option<u8>) -> i32 {
    match byte {
        None | Some(b'0'..=b'9') => 0,
        Some(b'~') => -1,
        Some(c) if c.is_ascii_alphabetic() => i32::from(c),
        Some(c) => i32::from(c) + 256,
    }
}

fn next_digit(bytes: &mut Peekable<Bytes<'_>>) -> Option<u8> {
    bytes.next_if(u8::is_ascii_digit)
}

/// Compares runs of other characters by [`weight`] and runs of digits by their number, by turns, without ever making
/// a number: runs may be of any length.
fn compare_part(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.bytes().peekable(), right.bytes().peekable());
    while left.peek().is_some() || right.peek().is_some() {
        loop {
            let (a, b) = (left.next_if(|c| !c.is_ascii_digit()), right.next_if(|c| !c.is_ascii_digit()));
            if a.is_none() && b.is_none() {
                break;
            }
            match weight(a).cmp(&weight(b)) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
        }
        while left.next_if_eq(&b'0').is_some() {}
        while right.next_if_eq(&b'0').is_some() {}
        let mut first = Ordering::Equal;
        loop {
            match (next_digit(&mut left), next_digit(&mut right)) {
                (Some(a), Some(b)) => first = first.then(a.cmp(&b)),
                (Some(_), None) => return Ordering::Greater,
                (None, Some(_)) => return Ordering::Less,
                (None, None) => break,
            }
        }
        if first != Ordering::Equal {
            return first;
        }
    }
    Ordering::Equal
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let ((_, upstream, revision), (_, other_upstream, other_revision)) = (split(&self.text), split(&other.text));
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_part(upstream, other_upstream))
            .then_with(|| compare_part(revision, other_revision))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        Version::new(text).unwrap()
    }

    #[test]
    fn what_is_no_version_says_why() {
        let message = |text: &str| Version::new(text).unwrap_err().to_string();
        insta::assert_snapshot!(message(""), @"`` is no version: there is no upstream version");
        insta::assert_snapshot!(message(":1"), @"`:1` is no version: the epoch is empty");
        insta::assert_snapshot!(message("a:1"), @"`a:1` is no version: the epoch is no number");
        insta::assert_snapshot!(message("-1:1"), @"`-1:1` is no version: the epoch is no number");
        insta::assert_snapshot!(message("2147483648:1"), @"`2147483648:1` is no version: the epoch is larger than 2147483647");
        insta::assert_snapshot!(message("1:"), @"`1:` is no version: there is no upstream version");
        insta::assert_snapshot!(message("1-"), @"`1-` is no version: the revision is empty");
        insta::assert_snapshot!(message("v1"), @"`v1` is no version: the upstream version does not begin with a digit");
        insta::assert_snapshot!(message("1 2"), @"`1 2` is no version: an upstream version is made of letters, digits and `.`, `+`, `-`, `~`, `:`");
        insta::assert_snapshot!(message("1-2_3"), @"`1-2_3` is no version: a revision is made of letters, digits and `.`, `+`, `~`");
    }

    #[test]
    fn a_version_has_three_parts() {
        let whole = version("2:1.6-38-1+deb13u1");
        assert_eq!((whole.epoch(), whole.upstream(), whole.revision()), (2, "1.6-38", "1+deb13u1"));
        let native = version("1.0");
        assert_eq!((native.epoch(), native.upstream(), native.revision()), (0, "1.0", ""));
    }

    #[test]
    fn the_order_is_that_of_policy() {
        let sorted = [
            "0~~",
            "0~~a",
            "0~",
            "0",
            "0a",
            "1.0~",
            "1.0~beta1~svc1245",
            "1.0~beta1",
            "1.0",
            "1.0-1",
            "1.0-1+b1",
            "1.0a",
            "1.0+a",
            "1.00.1",
            "1.1",
            "1.10",
            "1:0",
        ];
        for pair in sorted.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{} < {}", pair[0], pair[1]);
        }
        assert_eq!(version("1.0"), version("1.00"));
        assert_eq!(version("1.0"), version("0:1.0-0"));
        assert!(version("99999999999999999999999999998") < version("99999999999999999999999999999"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = Version::new(text);
        }

        #[test]
        fn the_order_is_total(a in "[0-9][a1~.+-]{0,6}", b in "[0-9][a1~.+-]{0,6}", c in "[0-9][a1~.+-]{0,6}") {
            let all = [a, b, c].map(Version::new);
            let [Ok(a), Ok(b), Ok(c)] = all else { return Ok(()) };
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }
    }
}
