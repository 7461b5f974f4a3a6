//! KDL laid out in one style: four spaces, at most one blank line, comments kept. Values stay as they are written.

use super::lex::{Kind, Token, lex};
use super::{Mistake, SourceId, parse};

const INDENT: &str = "    ";
/// A block that was written in one line stays there while it fits.
const WIDTH: usize = 120;

/// Lays a text out anew. Its meaning stays; the mistakes are those of its syntax.
pub fn format(source: SourceId, text: &str) -> Result<String, Vec<Mistake>> {
    let (nodes, mistakes) = parse(source, text);
    let mistakes: Vec<Mistake> = mistakes.into_iter().filter(|mistake| mistake.code == "syntax").collect();
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let Ok(tokens) = lex(text) else { return Err(Vec::new()) };
    let items = Items { tokens: tokens.iter().filter(|token| token.text != "\u{feff}").peekable() }.read(true);
    let mut result = String::with_capacity(text.len());
    write(&items, 0, &mut result);
    // The layout is only white space; whoever finds a text for which this does not hold keeps that text as it was.
    if parse(source, &result).0 == nodes { Ok(result) } else { Ok(text.to_owned()) }
}

/// What stands between braces, or in a file.
#[derive(Debug, Default)]
struct Block {
    items: Vec<Item>,
    /// It was written in one line.
    inline: bool,
}

#[derive(Debug)]
enum Item {
    Blank,
    Comment(String),
    Node { parts: Vec<Piece>, comment: Option<(usize, String)> },
}

#[derive(Debug)]
enum Piece {
    Word(String),
    Block {
        hidden: bool,
        block: Block,
    },
    /// The node goes on in the next line behind a `\\`, perhaps with a comment.
    Break(Option<String>),
    /// A comment up to the line's end behind which the node goes on all the same: behind `/-`.
    Comment(String),
}

struct Items<'t, 'a, I: Iterator<Item = &'t Token<'a>>>
where
    'a: 't,
{
    tokens: std::iter::Peekable<I>,
}

impl<'t, 'a, I: Iterator<Item = &'t Token<'a>>> Items<'t, 'a, I> {
    /// Reads up to the brace that closes the block, or to the end.
    fn read(&mut self, top: bool) -> Block {
        let mut block = Block { items: Vec::new(), inline: !top };
        let mut lines = 0;
        while let Some(token) = self.tokens.peek().copied() {
            match token.kind {
                Kind::Newline => {
                    self.tokens.next();
                    block.inline = false;
                    lines += 1;
                }
                Kind::Space | Kind::Semicolon => {
                    self.tokens.next();
                }
                Kind::Close => {
                    self.tokens.next();
                    if !top {
                        break;
                    }
                }
                Kind::LineComment => {
                    self.tokens.next();
                    block.inline = false;
                    block.blank(&mut lines);
                    block.items.push(Item::Comment(token.text.trim_end().to_owned()));
                }
                _ => {
                    block.blank(&mut lines);
                    let items = self.node();
                    block.inline &= !items.iter().any(Item::spreads);
                    block.items.extend(items);
                }
            }
        }
        block
    }

    fn node(&mut self) -> Vec<Item> {
        let mut parts: Vec<Piece> = Vec::new();
        let mut comment = None;
        // Whether the next word belongs to the last one: behind `=`, `(` and `/-`.
        let mut glue = false;
        let mut marked = false;
        let mut spaces = 0;
        while let Some(token) = self.tokens.peek().copied() {
            match token.kind {
                Kind::Newline | Kind::Semicolon | Kind::Close if !glue => break,
                Kind::Close => break,
                Kind::LineComment if !glue => {
                    self.tokens.next();
                    comment = Some((spaces.max(1), token.text.trim_end().to_owned()));
                    break;
                }
                _ => {}
            }
            self.tokens.next();
            let mut add = |text: &str, glued: bool| match parts.last_mut() {
                Some(Piece::Word(last)) if glued => last.push_str(text),
                _ => parts.push(Piece::Word(text.to_owned())),
            };
            match token.kind {
                Kind::Space => {
                    spaces = token.text.chars().count();
                    continue;
                }
                Kind::Newline | Kind::Semicolon | Kind::Close => continue,
                Kind::Equals | Kind::CloseMark => {
                    add(token.text, true);
                    glue = true;
                    marked = false;
                }
                Kind::OpenMark => {
                    add(token.text, glue);
                    (glue, marked) = (true, true);
                }
                Kind::Slashdash => {
                    add(token.text, false);
                    glue = true;
                }
                Kind::Word => {
                    add(token.text, glue);
                    glue = marked;
                }
                Kind::BlockComment => {
                    add(token.text, false);
                    // A comment alone on its line is not part of a node.
                    let ends = self.tokens.peek().is_none_or(|next| next.kind == Kind::Newline);
                    if ends
                        && !glue
                        && let [Piece::Word(only)] = parts.as_slice()
                    {
                        return vec![Item::Comment(only.clone())];
                    }
                }
                Kind::LineComment => parts.push(Piece::Comment(token.text.trim_end().to_owned())),
                Kind::Continue => parts.push(Piece::Break(self.rest_of_line())),
                Kind::Open => {
                    let hidden = glue && matches!(parts.last(), Some(Piece::Word(last)) if last == "/-");
                    if hidden {
                        parts.pop();
                    }
                    parts.push(Piece::Block { hidden, block: self.read(false) });
                    glue = false;
                }
            }
            spaces = 0;
        }
        // Nothing goes on behind these: their comments end the node's line, or get lines of their own.
        let mut comments: Vec<(usize, String)> = comment.into_iter().collect();
        while let Some(Piece::Break(_)) = parts.last() {
            if let Some(Piece::Break(Some(text))) = parts.pop() {
                comments.insert(0, (1, text));
            }
        }
        let mut comments = comments.into_iter();
        let first = comments.next();
        let node = Item::Node { parts, comment: first };
        std::iter::once(node).chain(comments.map(|(_, text)| Item::Comment(text))).collect()
    }

    /// What stands behind a `\` up to the line's end: a comment, or nothing.
    fn rest_of_line(&mut self) -> Option<String> {
        let mut comment: Option<String> = None;
        while let Some(token) = self.tokens.peek().copied() {
            match token.kind {
                Kind::Space => {}
                Kind::LineComment | Kind::BlockComment => {
                    let text = token.text.trim_end();
                    comment = Some(comment.map_or(text.to_owned(), |before| format!("{before} {text}")));
                }
                Kind::Newline => {
                    self.tokens.next();
                    break;
                }
                _ => break,
            }
            self.tokens.next();
        }
        comment
    }
}

impl Block {
    /// A blank line where the source had one, but not at the beginning.
    fn blank(&mut self, lines: &mut usize) {
        let needed = if self.items.is_empty() { usize::MAX } else { 2 };
        // A comment at the end of a node's line leaves that line's end to be counted.
        if *lines >= needed {
            self.items.push(Item::Blank);
        }
        *lines = 0;
    }
}

impl Item {
    /// Whether it needs more than one line.
    fn spreads(&self) -> bool {
        match self {
            Self::Blank => true,
            Self::Comment(_) => true,
            Self::Node { parts, comment } => {
                comment.is_some()
                    || parts.iter().any(|part| match part {
                        Piece::Word(word) => word.contains(['\n', '\r']),
                        Piece::Block { block, .. } => !block.inline,
                        Piece::Break(_) | Piece::Comment(_) => true,
                    })
            }
        }
    }
}

fn write(block: &Block, depth: usize, out: &mut String) {
    for item in &block.items {
        match item {
            Item::Blank => out.push('\n'),
            Item::Comment(text) => {
                indent(depth, out);
                out.push_str(text);
                out.push('\n');
            }
            Item::Node { parts, comment } => {
                indent(depth, out);
                node(parts, depth, out);
                if let Some((spaces, comment)) = comment {
                    out.push_str(&" ".repeat(*spaces));
                    out.push_str(comment);
                }
                out.push('\n');
            }
        }
    }
}

fn node(parts: &[Piece], depth: usize, out: &mut String) {
    let mut lead = "";
    for part in parts {
        match part {
            Piece::Word(word) => {
                out.push_str(lead);
                out.push_str(word);
                lead = " ";
            }
            Piece::Break(comment) => {
                out.push_str(lead);
                out.push('\\');
                if let Some(comment) = comment {
                    out.push(' ');
                    out.push_str(comment);
                }
                out.push('\n');
                indent(depth + 1, out);
                lead = "";
            }
            Piece::Comment(comment) => {
                out.push_str(lead);
                out.push_str(comment);
                out.push('\n');
                indent(depth + 1, out);
                lead = "";
            }
            Piece::Block { hidden, block } => {
                out.push_str(lead);
                out.push_str(if *hidden { "/-" } else { "" });
                braces(block, depth, out);
                lead = " ";
            }
        }
    }
}

fn braces(block: &Block, depth: usize, out: &mut String) {
    if block.items.is_empty() {
        out.push_str("{}");
        return;
    }
    if let Some(line) = block.inline.then(|| one_line(block)) {
        let used = out.chars().rev().take_while(|c| *c != '\n').count();
        if used + line.chars().count() <= WIDTH {
            out.push_str(&line);
            return;
        }
    }
    out.push_str("{\n");
    write(block, depth + 1, out);
    indent(depth, out);
    out.push('}');
}

fn one_line(block: &Block) -> String {
    let mut nodes = Vec::new();
    for item in &block.items {
        let mut line = String::new();
        if let Item::Node { parts, .. } = item {
            one_line_node(parts, &mut line);
        }
        nodes.push(line);
    }
    format!("{{ {} }}", nodes.join("; "))
}

fn one_line_node(parts: &[Piece], out: &mut String) {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        match part {
            Piece::Word(word) => out.push_str(word),
            Piece::Block { hidden, block } => {
                out.push_str(if *hidden { "/-" } else { "" });
                out.push_str(&if block.items.is_empty() { "{}".to_owned() } else { one_line(block) });
            }
            Piece::Break(_) | Piece::Comment(_) => {}
        }
    }
}

fn indent(depth: usize, out: &mut String) {
    out.push_str(&INDENT.repeat(depth));
}

#[cfg(test)]
mod tests {
    use super::super::{Node, Origin, Sources};
    use super::*;
    use proptest::prelude::*;

    fn source() -> SourceId {
        Sources::default().add("x.kdl".to_owned(), String::new(), Origin::Project)
    }

    fn laid_out(text: &str) -> String {
        format(source(), text).unwrap()
    }

    fn nodes(text: &str) -> Vec<Node> {
        parse(source(), text).0
    }

    #[test]
    fn a_text_that_is_no_kdl_is_refused() {
        assert_eq!(format(source(), "a \"b").unwrap_err().len(), 1);
    }

    #[test]
    fn the_style() {
        let text = "// first\n\n\n\nimage   \"a\"   { \n\tpackages \"x\"   \"y\";env  A = \"b\"   C=1\n\n\n\n// why\n\
                    /* and\n why */\ntest \"t\" {run \"a\" ;expect  \"b\"  }   // trailing\n  when arch=\"x\" {}\n\n}\n\n\
                    (replace) image b{}\n/- image c { d }\nlong \\  // why\n   \"b\" /* c */ \"d\"\n";
        insta::assert_snapshot!(laid_out(text), @r#"
        // first

        image "a" {
            packages "x" "y"
            env A="b" C=1

            // why
            /* and
         why */
            test "t" { run "a"; expect "b" }   // trailing
            when arch="x" {}
        }

        (replace)image b {}
        /-image c { d }
        long \ // why
            "b" /* c */ "d"
        "#);
    }

    #[test]
    fn a_line_that_grows_too_long_is_opened() {
        let text = format!("image \"a\" {{ packages \"{}\"; packages \"{}\" }}\n", "x".repeat(60), "y".repeat(60));
        assert_eq!(laid_out(&text).lines().count(), 4);
    }

    #[test]
    fn texts_of_several_lines_stay() {
        let text = "file \"/x\" \"\"\"\n    a\n      b\n    \"\"\"\nnext #\"\"\"\n{ \"\n\"\"\"#\n";
        assert_eq!(laid_out(text), text);
    }

    /// What the property below once found.
    #[test]
    fn a_comment_behind_a_continued_line_stays_and_twice_is_once() {
        for text in ["n {n {n \\\n  // c\n}\n}\n", "n {n {n \\\n \\ // c\n /*c*/\n}\n}\n"] {
            let once = laid_out(text);
            assert_eq!(nodes(&once), nodes(text));
            assert_eq!(once.matches('c').count(), text.matches('c').count());
            assert_eq!(laid_out(&once), once);
        }
    }

    fn kdl() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            Just("a".to_owned()),
            Just("\"b c\"".to_owned()),
            Just("k=1".to_owned()),
            Just("k = \"v\"".to_owned()),
            Just("#true".to_owned()),
            Just("#\"r\"#".to_owned()),
            Just("/*c*/".to_owned()),
            Just("/-x".to_owned()),
            Just("/- k=2".to_owned()),
            Just("(t)5".to_owned()),
            Just("\\\n".to_owned()),
            Just("\\ // c\n".to_owned()),
            Just("\"\"\"\n  m\n  \"\"\"".to_owned()),
        ];
        let gap = prop_oneof![Just(" "), Just("  "), Just("\t")];
        let words = proptest::collection::vec((gap, word), 0..4)
            .prop_map(|words| words.into_iter().map(|(gap, word)| format!("{gap}{word}")).collect::<String>());
        let end = prop_oneof![
            Just("\n"),
            Just(";"),
            Just(" ; "),
            Just("  // c\n"),
            Just("\n\n\n"),
            Just("\n// c\n"),
            Just("\r\n"),
            Just("\n/* c */\n"),
        ];
        let head = prop_oneof![Just("n"), Just("\"n n\""), Just("/-n"), Just("(m)n"), Just("/* c */ n")];
        let leaf =
            (head.clone(), words.clone(), end.clone()).prop_map(|(head, words, end)| format!("{head}{words}{end}"));
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let hidden = prop_oneof![4 => Just(""), 1 => Just("/-")];
            (head.clone(), words.clone(), hidden, proptest::collection::vec(inner, 0..4), end.clone()).prop_map(
                |(head, words, hidden, inner, end)| format!("{head}{words} {hidden}{{{}}}{end}", inner.concat()),
            )
        })
    }

    proptest! {
        #[test]
        fn the_meaning_and_the_comments_stay_and_twice_is_once(texts in proptest::collection::vec(kdl(), 0..5)) {
            let text = texts.concat();
            let Ok(once) = format(source(), &text) else { return Ok(()) };
            prop_assert_eq!(nodes(&once), nodes(&text));
            prop_assert_eq!(once.matches("c").count(), text.matches("c").count());
            prop_assert_eq!(&laid_out(&once), &once);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a-z{}()=;\\\\\"/#*\\- \n]{0,60}") {
            let _ = format(source(), &text);
        }
    }
}
