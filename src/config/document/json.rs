//! JSON to values (RFC 8259), with lines, in order, numbers as they are written, and no key twice.

use std::sync::Arc;

use super::{MAX_DEPTH, Malformed, Map, Node, Place, Value};

const QUOTE_SECRET: &str = "write `{{ secret(…)|quote }}` in the template";

struct Reader<'a> {
    name: &'a Arc<str>,
    text: &'a str,
    at: usize,
    line: usize,
    line_start: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn wrong(&self, message: impl Into<String>) -> Malformed {
        let before = self.text.get(self.line_start..self.at).unwrap_or("");
        Malformed::at(self.line, before.chars().count() + 1, message)
    }

    /// What stands here, for messages.
    fn found(&self) -> String {
        match self.rest().chars().next() {
            Some(c) => format!("`{}`", c.escape_debug()),
            None => "the end".to_owned(),
        }
    }

    fn blanks(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => {
                    self.line += 1;
                    self.line_start = self.at + 1;
                }
                b' ' | b'\t' | b'\r' => {}
                _ => return,
            }
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        if taken {
            self.at += 1;
        }
        taken
    }

    fn value(&mut self, depth: usize) -> Result<Node, Malformed> {
        if depth > MAX_DEPTH {
            return Err(self.wrong(format!("lists and mappings nest deeper than {MAX_DEPTH}")));
        }
        self.blanks();
        let place = Place::line(self.name, self.line);
        let value = match self.peek() {
            Some(b'{') => Value::Map(self.map(depth)?),
            Some(b'[') => Value::List(self.list(depth)?),
            Some(b'"') => Value::Text(super::unescaped(self.string()?)),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            _ => self.word()?,
        };
        Ok(Node::new(value, place))
    }

    fn word(&mut self) -> Result<Value, Malformed> {
        let end = self.rest().find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest().len());
        let word = self.rest().get(..end).unwrap_or("");
        let value = match word {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "" if self.rest().starts_with(crate::config::secret::MARKS) => {
                return Err(self.wrong("a secret stands here outside of a text").help(QUOTE_SECRET));
            }
            "" => return Err(self.wrong(format!("expected a value, found {}", self.found()))),
            _ => {
                let known = ["null", "true", "false"];
                let help = crate::spec::did_you_mean(&word.to_lowercase(), known);
                let error = self.wrong(format!("expected a value, found `{word}`"));
                return Err(error.help(help.unwrap_or_else(|| "a text needs double quotes".to_owned())));
            }
        };
        self.at += end;
        Ok(value)
    }

    fn map(&mut self, depth: usize) -> Result<Map, Malformed> {
        let mut map = Map::new();
        self.at += 1;
        self.blanks();
        if self.take(b'}') {
            return Ok(map);
        }
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                let error = self.wrong(format!("expected a key in double quotes, found {}", self.found()));
                return Err(if self.peek() == Some(b'}') { error.help("no comma stands before `}`") } else { error });
            }
            let start = (self.at, self.line, self.line_start);
            let key = self.string()?;
            self.blanks();
            if !self.take(b':') {
                return Err(self.wrong(format!("expected `:`, found {}", self.found())));
            }
            let node = self.value(depth + 1)?;
            if map.insert(Value::Text(key.clone()), node).is_err() {
                (self.at, self.line, self.line_start) = start;
                let first = map.get(&key).and_then(|node| node.place.number());
                let error = self.wrong(format!("the key `{key}` stands twice in one mapping"));
                return Err(Malformed { first, ..error });
            }
            self.blanks();
            if self.take(b'}') {
                return Ok(map);
            }
            if !self.take(b',') {
                return Err(self.wrong(format!("expected `,` or `}}`, found {}", self.found())));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Malformed> {
        let mut list = Vec::new();
        self.at += 1;
        self.blanks();
        if self.take(b']') {
            return Ok(list);
        }
        loop {
            self.blanks();
            if self.peek() == Some(b']') {
                return Err(self.wrong("expected a value, found `]`").help("no comma stands before `]`"));
            }
            list.push(self.value(depth + 1)?);
            self.blanks();
            if self.take(b']') {
                return Ok(list);
            }
            if !self.take(b',') {
                return Err(self.wrong(format!("expected `,` or `]`, found {}", self.found())));
            }
        }
    }

    fn number(&mut self) -> Result<String, Malformed> {
        let end = self.rest().find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
        let text = self.rest().get(..end.unwrap_or(self.rest().len())).unwrap_or("");
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (unsigned, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let good = digits(whole)
            && (whole == "0" || !whole.starts_with('0'))
            && fraction.is_none_or(digits)
            && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)));
        if !good {
            return Err(self.wrong(format!("`{text}` is no number of JSON")).help("a text needs double quotes"));
        }
        self.at += text.len();
        Ok(text.to_owned())
    }

    fn string(&mut self) -> Result<String, Malformed> {
        let (at, line, line_start) = (self.at, self.line, self.line_start);
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                (self.at, self.line, self.line_start) = (at, line, line_start);
                return Err(self.wrong("the text has no end"));
            };
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(out);
                }
                '\\' => out.push(self.escape()?),
                c if c < ' ' => {
                    let error = self.wrong(format!("`{}` cannot stand in a text as it is", c.escape_debug()));
                    return Err(if c == '\n' { error.help("end the text with `\"`, or write `\\n`") } else { error });
                }
                c => {
                    out.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Malformed> {
        let c = match self.text.as_bytes().get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.wrong("no such escape in JSON").help("a backslash itself is written `\\\\`")),
        };
        self.at += 2;
        Ok(c)
    }

    fn unit(&self, at: usize) -> Option<u32> {
        let hex = self.text.get(at..at + 6)?.strip_prefix("\\u")?;
        hex.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(hex, 16).ok())?
    }

    fn unicode(&mut self) -> Result<char, Malformed> {
        let wrong = || self.wrong("expected `\\u` and four hex digits of a character");
        let first = self.unit(self.at).ok_or_else(wrong)?;
        if let Some(c) = char::from_u32(first) {
            self.at += 6;
            return Ok(c);
        }
        let second = self.unit(self.at + 6).filter(|unit| (0xdc00..0xe000).contains(unit));
        let pair = second.filter(|_| (0xd800..0xdc00).contains(&first));
        let code = pair.map(|second| 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
        let c = code.and_then(char::from_u32).ok_or_else(wrong)?;
        self.at += 12;
        Ok(c)
    }
}

pub(super) fn parse(name: &Arc<str>, text: &str) -> Result<Node, Malformed> {
    let mut reader = Reader { name, text, at: 0, line: 1, line_start: 0 };
    let root = reader.value(0)?;
    reader.blanks();
    if reader.at < text.len() {
        return Err(reader.wrong(format!("expected the end, found {}", reader.found())));
    }
    Ok(root)
}
