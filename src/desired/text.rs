//! Values as the text of a file.

use crate::spec::Scalar;

/// A value as a person would write it in a file.
pub(super) fn scalar(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Text(text) => text.clone(),
        Scalar::Integer(number) => number.to_string(),
        Scalar::Float(number) => number.to_string(),
        Scalar::Bool(truth) => truth.to_string(),
        Scalar::Null => String::new(),
    }
}

/// Bytes as podman writes sizes: `512M`, `2G`, `64KiB`.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(at)?;
    let shift = match unit.to_ascii_lowercase().trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_shl(shift).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_podmans() {
        assert_eq!(bytes("2G"), Some(2 << 30));
        assert_eq!(bytes("64KiB"), Some(64 << 10));
        assert_eq!(bytes("512"), Some(512));
        for bad in ["", "G", "1x", "0"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
