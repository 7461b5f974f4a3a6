//! KDL 2 text to tokens: enough to see how deep it nests and to lay it out anew (KDL 2.0.0, "Full Grammar").

/// How deep nodes and comments may nest. The KDL parser descends on the stack, so a limit stands before it.
pub const MAX_DEPTH: usize = 32;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// White space within a line.
    Space,
    /// One line's end.
    Newline,
    /// `// …`, without the line's end.
    LineComment,
    /// `/* … */`
    BlockComment,
    /// `/-`
    Slashdash,
    /// `\`, which lets a node go on in the next line.
    Continue,
    /// `{`
    Open,
    /// `}`
    Close,
    /// `;`
    Semicolon,
    /// `=`
    Equals,
    /// `(`
    OpenMark,
    /// `)`
    CloseMark,
    /// A text, a number, a word.
    Word,
}

/// A part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// Its first byte.
    pub start: usize,
}

/// Why a text has no tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LexError {
    pub start: usize,
    pub len: usize,
    pub message: &'static str,
    pub label: &'static str,
}

const fn newline(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{b}' | '\u{c}' | '\u{2028}' | '\u{2029}')
}

const fn space(c: char) -> bool {
    matches!(
        c,
        '\t' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}'
    )
}

/// Cuts a text into tokens; together they are the text.
pub(super) fn lex(text: &str) -> Result<Vec<Token<'_>>, LexError> {
    let mut tokens = Vec::new();
    let mut start = 0;
    let mut open: Vec<usize> = Vec::new();
    while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
        let (kind, len) = one(rest, start)?;
        let error = |message, label| Err(LexError { start, len, message, label });
        match kind {
            Kind::Open if open.len() == MAX_DEPTH => return error("nodes nest deeper than 32", "one too deep"),
            Kind::Open => open.push(start),
            Kind::Close if open.pop().is_none() => return error("this `}` closes nothing", "no `{` before it"),
            _ => {}
        }
        tokens.push(Token { kind, text: rest.get(..len).unwrap_or(rest), start });
        start += len;
    }
    match open.pop() {
        Some(start) => Err(LexError { start, len: 1, message: "this `{` is never closed", label: "begins here" }),
        None => Ok(tokens),
    }
}

/// The first token of a text that is not empty, by kind and length.
fn one(rest: &str, start: usize) -> Result<(Kind, usize), LexError> {
    let endless = |len, message| Err(LexError { start, len, message, label: "begins here" });
    let while_true = |test: fn(char) -> bool| rest.find(|c| !test(c)).unwrap_or(rest.len());
    let first = rest.chars().next().unwrap_or('\n');
    if space(first) {
        return Ok((Kind::Space, while_true(space)));
    }
    if rest.starts_with("\r\n") {
        return Ok((Kind::Newline, 2));
    }
    if newline(first) {
        return Ok((Kind::Newline, first.len_utf8()));
    }
    if rest.starts_with("//") {
        return Ok((Kind::LineComment, while_true(|c| !newline(c))));
    }
    if rest.starts_with("/*") {
        return match block_comment(rest) {
            Some(len) => Ok((Kind::BlockComment, len)),
            None => endless(2, "this comment has no end, or comments nest deeper than 32"),
        };
    }
    let single = match first {
        '{' => Some(Kind::Open),
        '}' => Some(Kind::Close),
        ';' => Some(Kind::Semicolon),
        '=' => Some(Kind::Equals),
        '(' => Some(Kind::OpenMark),
        ')' => Some(Kind::CloseMark),
        '\\' => Some(Kind::Continue),
        _ => None,
    };
    if let Some(kind) = single {
        return Ok((kind, 1));
    }
    if rest.starts_with("/-") {
        return Ok((Kind::Slashdash, 2));
    }
    let hashes = rest.bytes().take_while(|byte| *byte == b'#').count();
    let quoted = rest.get(hashes..).unwrap_or("");
    if quoted.starts_with('"') {
        let quotes = if quoted.starts_with("\"\"\"") { 3 } else { 1 };
        return match text_end(rest, hashes, quotes) {
            Some(len) => Ok((Kind::Word, len)),
            None => endless(hashes + quotes, "this text has no end"),
        };
    }
    let ends = |c: char| space(c) || newline(c) || "{};=()\\\"/#".contains(c);
    let body = rest.get(hashes..).unwrap_or("");
    let len = hashes + body.find(ends).unwrap_or(body.len());
    Ok((Kind::Word, len.max(first.len_utf8())))
}

fn block_comment(rest: &str) -> Option<usize> {
    let (mut here, mut nested) = (0, 0usize);
    loop {
        let rest = rest.get(here..)?;
        if rest.starts_with("/*") {
            nested += 1;
            here += 2;
        } else if rest.starts_with("*/") {
            nested -= 1;
            here += 2;
        } else {
            here += rest.chars().next()?.len_utf8();
        }
        match nested {
            0 => return Some(here),
            deep if deep > MAX_DEPTH => return None,
            _ => {}
        }
    }
}

/// Where a text with so many hashes and quotes ends.
fn text_end(rest: &str, hashes: usize, quotes: usize) -> Option<usize> {
    let end = format!("{}{}", "\"".repeat(quotes), "#".repeat(hashes));
    let begin = hashes + quotes;
    if hashes > 0 {
        return rest.get(begin..)?.find(&end).map(|at| begin + at + end.len());
    }
    let mut here = begin;
    loop {
        let rest = rest.get(here..)?;
        if rest.starts_with(&end) {
            return Some(here + end.len());
        }
        let mut chars = rest.chars();
        let first = chars.next()?;
        here += first.len_utf8();
        if first == '\\' {
            here += chars.next()?.len_utf8();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_and_comments_without_an_end_are_reported_where_they_begin() {
        assert_eq!(lex("a \"b").unwrap_err().start, 2);
        assert_eq!(lex("a #\"b\"").unwrap_err().message, "this text has no end");
        assert_eq!(lex("ä /* /* */").unwrap_err().start, 3);
        assert_eq!(lex("a { b { }").unwrap_err().start, 2);
        assert_eq!(lex("a { } }").unwrap_err().start, 6);
    }

    #[test]
    fn braces_inside_texts_and_comments_do_not_nest() {
        let text = "a \"{{{\" #\"}\"{{{\"# /* {{{ */ // {{{\n".repeat(20);
        assert!(lex(&text).is_ok());
        assert!(lex(&["a {".repeat(32), "}".repeat(32)].concat()).is_ok());
        assert_eq!(lex(&"a {".repeat(33)).unwrap_err().message, "nodes nest deeper than 32");
        assert!(lex(&"/*".repeat(1000)).is_err());
    }

    proptest! {
        #[test]
        fn tokens_together_are_the_text(text in "[a-z{}()=;\\\\\"/#*\\- \n\räß-]{0,60}") {
            if let Ok(tokens) = lex(&text) {
                let whole: String = tokens.iter().map(|token| token.text).collect();
                prop_assert_eq!(whole, text);
            }
        }
    }
}
