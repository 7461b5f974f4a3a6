//! A text that is whole only where a service runs: `${address}`, `${port}`, `${host}`.

use std::fmt;

use crate::spec::{Expansion, expand, has_reference};

/// A text whose `${name}`s are filled in for each host. `$${` in it is a literal `${`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(String);

impl Text {
    /// A text with references, which somebody has looked at.
    pub fn template(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A text that means itself.
    pub fn literal(text: &str) -> Self {
        Self(escaped(text))
    }

    /// As it is written.
    pub fn as_written(&self) -> &str {
        &self.0
    }

    /// The text with every reference filled in; the error is the name that has no value.
    pub fn fill(&self, lookup: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        if !has_reference(&self.0) {
            return Ok(self.0.clone());
        }
        let filled = expand(&self.0, |reference| {
            lookup(reference.name).map(Expansion::Text).ok_or_else(|| Nothing(reference.name.to_owned()))
        });
        filled.map_err(|Nothing(name)| name)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

struct Nothing(String);

impl From<&'static str> for Nothing {
    fn from(text: &'static str) -> Self {
        Self(text.to_owned())
    }
}

/// A text in which nothing refers to anything.
pub(super) fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_without_a_value_is_named() {
        assert_eq!(Text::template("a ${b}").fill(|_| None), Err("b".to_owned()));
    }

    #[test]
    fn references_are_filled_and_escapes_are_not() {
        let text = Text::template("http://${address}:${port}/$${x}");
        let known = |name: &str| Some(if name == "port" { "80" } else { "::1" }.to_owned());
        assert_eq!(text.fill(known).unwrap(), "http://::1:80/${x}");
    }

    proptest! {
        #[test]
        fn a_literal_means_itself(text in "[${}a ]*") {
            prop_assert_eq!(Text::literal(&text).fill(|_| None), Ok(text));
        }
    }
}
