//! The nearest right spelling.

/// The known words that `word` may have meant, nearest first, at most three.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let limit = ((word.chars().count() + 1) / 3).max(1);
    let mut found: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|candidate| {
            let distance = strsim::osa_distance(word, candidate);
            // A word that only lacks its end, or its beginning, is near however long the rest is.
            let part = word.len() >= 4 && (candidate.starts_with(word) || candidate.ends_with(word));
            (distance <= limit || part).then_some((distance, candidate))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found.truncate(3);
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

/// `did you mean `a` or `b`?`, or none.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near = nearest(word, known);
    let quoted: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last()? {
        (last, []) => Some(format!("did you mean {last}?")),
        (last, rest) => Some(format!("did you mean {} or {last}?", rest.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_words_are_not_offered() {
        assert_eq!(did_you_mean("keystone", ["nova", "glance"]), None);
        assert_eq!(did_you_mean("x", []), None);
    }

    #[test]
    fn the_nearest_comes_first_and_three_are_enough() {
        assert_eq!(nearest("exposes", ["expose", "exposed", "volume"]), ["expose", "exposed"]);
        assert_eq!(did_you_mean("packges", ["packages", "pin"]).unwrap(), "did you mean `packages`?");
        assert_eq!(did_you_mean("aab", ["aaa", "aac", "aad", "aae"]).unwrap(), "did you mean `aaa`, `aac` or `aad`?");
    }

    #[test]
    fn a_word_without_its_end_is_near() {
        assert_eq!(nearest("rabbit", ["rabbitmq-server"]), ["rabbitmq-server"]);
    }
}
