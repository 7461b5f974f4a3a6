//! Shell text as words, as far as judging needs it: quotes, substitutions, here-documents. Never executed,
//! never fully parsed; where it cannot follow a text it keeps more of it, so that more has to be judged.

/// One line of a script that was taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A line of commands (continuation lines joined), as written.
    Code(String),
    /// A whole-line comment or a blank line, outside of quotes and here-documents.
    Idle(&'a str),
    /// A line inside a here-document, its last line (the delimiter) included.
    Here(&'a str),
}

/// A piece of a line of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word, quotes and substitutions kept as written.
    Word(String),
    /// `;`, `;;`, `&&`, `||`, `|`, `&`, `(`, `)`, or a line's end (`\n`).
    Control(String),
}

/// Where the text between two characters stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
}

/// The quote state after `line`, and the delimiters of the here-documents that it opens (`true`: `<<-`).
fn follow(line: &str, mut quote: Quote) -> (Quote, Vec<(String, bool)>) {
    let mut documents = Vec::new();
    let mut chars = line.chars().peekable();
    let mut word_start = true;
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Quote::Single, '\'') | (Quote::Double, '"') => quote = Quote::None,
            (Quote::Single, _) => {}
            (_, '\\') => {
                chars.next();
            }
            (Quote::Double, _) => {}
            (Quote::None, '\'') => quote = Quote::Single,
            (Quote::None, '"') => quote = Quote::Double,
            (Quote::None, '#') if word_start => break,
            (Quote::None, '<') if chars.peek() == Some(&'<') => {
                chars.next();
                if chars.peek() == Some(&'<') {
                    chars.next();
                    continue;
                }
                let dash = chars.next_if_eq(&'-').is_some();
                while chars.next_if(|c| *c == ' ' || *c == '\t').is_some() {}
                let mut delimiter = String::new();
                while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !";&|<>()".contains(*c)) {
                    if !"'\"\\".contains(c) {
                        delimiter.push(c);
                    }
                }
                // `1 << 3` in arithmetic opens nothing.
                if delimiter.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                    documents.push((delimiter, dash));
                }
            }
            (Quote::None, _) => {}
        }
        word_start = quote == Quote::None && (c.is_whitespace() || ";&|(".contains(c));
    }
    (quote, documents)
}

/// Takes a script apart into lines.
pub(super) fn lines(text: &str) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut quote = Quote::None;
    let mut documents: Vec<(String, bool)> = Vec::new();
    let mut code = String::new();
    for line in text.lines() {
        if let Some((delimiter, dash)) = documents.first() {
            let end = if *dash { line.trim_start_matches('\t') } else { line };
            if end == delimiter {
                documents.remove(0);
            }
            lines.push(Line::Here(line));
            continue;
        }
        let blank = line.trim();
        if code.is_empty() && quote == Quote::None && (blank.is_empty() || blank.starts_with('#')) {
            lines.push(Line::Idle(line));
            continue;
        }
        let (next, opened) = follow(line, quote);
        let continued = next != Quote::Single && line.ends_with('\\') && !line.ends_with("\\\\");
        quote = next;
        documents.extend(opened);
        if continued {
            code.push_str(line.strip_suffix('\\').unwrap_or(line));
            code.push(' ');
        } else if quote != Quote::None {
            code.push_str(line);
            code.push('\n');
        } else {
            code.push_str(line);
            lines.push(Line::Code(std::mem::take(&mut code)));
        }
    }
    if !code.is_empty() {
        lines.push(Line::Code(code));
    }
    lines
}

/// The end of what opens at the start of `rest` (just behind the opening text), as a byte offset behind its close.
fn closing(rest: &str, open: Option<char>, close: char) -> usize {
    let mut depth = 1usize;
    let mut skip = false;
    for (at, c) in rest.char_indices() {
        if skip {
            skip = false;
        } else if c == '\\' {
            skip = true;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return at + c.len_utf8();
            }
        } else if Some(c) == open {
            depth += 1;
        }
    }
    rest.len()
}

/// Splits a line of commands into words and what stands between commands.
pub(super) fn tokens(code: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    let mut rest = code;
    let end_word = |word: &mut String, tokens: &mut Vec<Token>| {
        if !word.is_empty() {
            tokens.push(Token::Word(std::mem::take(word)));
        }
    };
    while let Some(c) = rest.chars().next() {
        let tail = rest.get(c.len_utf8()..).unwrap_or("");
        let span = match c {
            '\'' => 1 + tail.find('\'').map_or(tail.len(), |at| at + 1),
            '"' => 1 + closing(tail, None, '"'),
            '`' => 1 + closing(tail, None, '`'),
            '$' if tail.starts_with('(') => 2 + closing(tail.get(1..).unwrap_or(""), Some('('), ')'),
            '$' if tail.starts_with('{') => 2 + closing(tail.get(1..).unwrap_or(""), Some('{'), '}'),
            '\\' => 1 + tail.chars().next().map_or(0, char::len_utf8),
            '#' if word.is_empty() => rest.find('\n').unwrap_or(rest.len()),
            _ => 0,
        };
        if span > 0 {
            let (piece, after) = rest.split_at_checked(span).unwrap_or((rest, ""));
            if c != '#' || !word.is_empty() {
                word.push_str(piece);
            }
            rest = after;
            continue;
        }
        match c {
            '\n' | ';' | '|' | '(' | ')' => {
                end_word(&mut word, &mut tokens);
                let double = (c == ';' || c == '|') && tail.starts_with(c);
                let len = if double { 2 } else { 1 };
                tokens.push(Token::Control(rest.get(..len).unwrap_or("").to_owned()));
                rest = rest.get(len..).unwrap_or("");
            }
            // `2>&1`, `&>`: part of a redirection.
            '&' if word.ends_with(['>', '<']) || tail.starts_with('>') => {
                word.push(c);
                rest = tail;
            }
            '&' => {
                end_word(&mut word, &mut tokens);
                let len = if tail.starts_with('&') { 2 } else { 1 };
                tokens.push(Token::Control(rest.get(..len).unwrap_or("").to_owned()));
                rest = rest.get(len..).unwrap_or("");
            }
            c if c.is_whitespace() => {
                end_word(&mut word, &mut tokens);
                rest = tail;
            }
            c => {
                word.push(c);
                rest = tail;
            }
        }
    }
    end_word(&mut word, &mut tokens);
    tokens
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn show(code: &str) -> String {
        let words: Vec<String> = tokens(code)
            .into_iter()
            .map(|token| match token {
                Token::Word(word) => format!("<{word}>"),
                Token::Control(control) => control,
            })
            .collect();
        words.join(" ")
    }

    #[test]
    fn quotes_and_substitutions_stay_in_their_word() {
        assert_eq!(show(r#"if [ -x "$(command -v x)" ]; then"#), r#"<if> <[> <-x> <"$(command -v x)"> <]> ; <then>"#);
        assert_eq!(show(r"a ${B:+--root=$B} 'c d' e\ f # g"), r"<a> <${B:+--root=$B}> <'c d'> <e\ f>");
        assert_eq!(show("a >/dev/null 2>&1 || true & b"), "<a> <>/dev/null> <2>&1> || <true> & <b>");
    }

    #[test]
    fn a_comment_sign_in_a_quote_or_a_here_document_is_no_comment() {
        let text = "a 'b\n# c\n' \ncat <<-'EOF' >x\n# d\n\n\tEOF\n# e\nf $#\n";
        assert_eq!(
            lines(text),
            [
                Line::Code("a 'b\n# c\n' ".to_owned()),
                Line::Code("cat <<-'EOF' >x".to_owned()),
                Line::Here("# d"),
                Line::Here(""),
                Line::Here("\tEOF"),
                Line::Idle("# e"),
                Line::Code("f $#".to_owned()),
            ]
        );
    }

    #[test]
    fn lines_that_go_on_are_joined() {
        assert_eq!(lines("a \\\n  b\n"), [Line::Code("a    b".to_owned())]);
        assert_eq!(lines("a \\"), [Line::Code("a  ".to_owned())]);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_without_a_panic(text in "[a-z#'\"\\\\`$(){}<>;&|\n\t -]{0,80}|\\PC{0,40}") {
            let parts = lines(&text);
            for part in parts {
                if let Line::Code(code) = part {
                    tokens(&code);
                }
            }
        }
    }
}
