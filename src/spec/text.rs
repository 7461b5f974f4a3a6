//! `${name}` in texts. `$${` is a literal `${`.

/// A `${name}` in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Between the braces.
    pub name: &'a str,
}

/// What a reference becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expansion {
    /// This text.
    Text(String),
    /// It stays as it is, for a later step.
    Keep,
}

/// Whether a text has anything to expand.
pub fn has_reference(text: &str) -> bool {
    text.contains("${")
}

/// Replaces every `${name}`. The error is `lookup`'s, or the message for a brace that is never closed.
pub fn expand<E: From<&'static str>>(
    text: &str,
    mut lookup: impl FnMut(&Reference<'_>) -> Result<Expansion, E>,
) -> Result<String, E> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            result.push_str(before);
            result.push_str("${");
            rest = after;
            continue;
        }
        result.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            return Err("`${` is never closed; write `$${` for the two characters themselves".into());
        };
        match lookup(&Reference { name })? {
            Expansion::Text(value) => result.push_str(&value),
            Expansion::Keep => {
                result.push_str("${");
                result.push_str(name);
                result.push('}');
            }
        }
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn upper(text: &str) -> Result<String, String> {
        expand(text, |reference| match reference.name {
            "bad" => Err("no bad".to_owned()),
            "version" => Ok(Expansion::Keep),
            name => Ok(Expansion::Text(name.to_uppercase())),
        })
    }

    #[test]
    fn an_open_brace_and_an_unknown_name_are_errors() {
        assert!(upper("a ${b").unwrap_err().contains("never closed"));
        assert_eq!(upper("a ${bad}"), Err("no bad".to_owned()));
    }

    #[test]
    fn references_are_replaced_kept_or_escaped() {
        assert_eq!(upper("${a}-${b}.${version}").unwrap(), "A-B.${version}");
        assert_eq!(upper("$${HOME} $5 {x}").unwrap(), "${HOME} $5 {x}");
    }

    proptest! {
        #[test]
        fn texts_without_references_stay(text in "[^$]*") {
            prop_assert_eq!(upper(&text).unwrap(), text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[${}a-z ]*") {
            let _ = upper(&text);
        }
    }
}
