//! What a bare word of YAML means: the core schema of YAML 1.2.2 (10.3.2), and what else programs may take it for.

use super::Value;

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, and the integers of other bases.
fn number(text: &str) -> bool {
    if let Some(octal) = text.strip_prefix("0o") {
        return !octal.is_empty() && octal.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent = exponent.is_none_or(|text| digits(text.strip_prefix(['-', '+']).unwrap_or(text)));
    let mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    mantissa && exponent
}

/// What a bare word means, none where it is a text.
fn meaning(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Value::Null),
        "true" | "True" | "TRUE" => Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => Some(Value::Bool(false)),
        _ => number(text).then(|| Value::Number(text.to_owned())),
    }
}

/// The value of a bare word.
pub(super) fn bare(text: &str) -> Value {
    meaning(text).unwrap_or_else(|| {
        // A bare word that holds a secret is written in quotes: its value may need them.
        let quoted = !can_be_bare(text) || crate::config::secret::holds_marker(text);
        if safe_bare(text) || quoted { Value::Text(text.to_owned()) } else { Value::Word(text.to_owned()) }
    })
}

/// Whether a text may stand bare in block style (YAML 1.2.2, 7.3.3), on one line. The parser is laxer in places.
fn can_be_bare(text: &str) -> bool {
    let mut chars = text.chars();
    let begins = match (chars.next(), chars.next()) {
        (Some('-' | '?' | ':'), next) => next.is_some_and(|next| !next.is_whitespace()),
        (Some(first), _) => !",[]{}#&*!|>'\"%@`".contains(first),
        (None, _) => false,
    };
    let ends = !text.ends_with(':') && text.trim() == text;
    begins && ends && !text.contains(": ") && !text.contains(" #") && !text.chars().any(char::is_control)
}

/// Whether a version of YAML takes the text for a truth value, null or a number. Copies nothing: it may be a secret.
pub(crate) fn is_word(text: &str) -> bool {
    const WORDS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan"];
    WORDS.into_iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Whether every YAML parser, also one of version 1.1, reads the bare word as that text.
pub(super) fn safe_bare(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '_'));
    let ends = !text.ends_with([':', ' ']);
    let inside = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./@+%,() :".contains(c));
    begins && ends && inside && !text.contains(": ") && !is_word(text)
}
