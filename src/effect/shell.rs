//! The simple commands of a maintainer script, with their literal words: enough to read the arguments of
//! `update-alternatives` and its like from the text, never enough to run anything (POSIX.1-2017, 2.3 and 2.9).

/// One simple command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Command {
    words: Vec<Word>,
}

/// One word of a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Word {
    /// The text, quotes taken away. Expansions stay as they are written.
    pub text: String,
    /// Whether the shell would see this very text: no parameter, no substitution.
    pub literal: bool,
}

/// Words that stand before a command without being one.
const KEYWORDS: [&str; 12] =
    ["if", "then", "else", "elif", "do", "while", "until", "!", "{", "exec", "command", "time"];

impl Command {
    /// The program's name and what it is given, shell keywords before it left out.
    pub fn parts(&self) -> Option<(&str, &[Word])> {
        let skip = self.words.iter().take_while(|word| KEYWORDS.contains(&word.text.as_str())).count();
        let (program, arguments) = self.words.get(skip..)?.split_first()?;
        Some((program.text.as_str(), arguments))
    }

    /// What `program` is given, where this command is one of it; a path before the name does not matter.
    pub fn arguments_of(&self, program: &str) -> Option<&[Word]> {
        let (name, arguments) = self.parts()?;
        (name.rsplit('/').next() == Some(program)).then_some(arguments)
    }
}

/// The simple commands of `text`, in order. `DPKG_ROOT` is empty, as in every plain installation; comments
/// and here-documents are left out.
pub(super) fn commands(text: &str) -> Vec<Command> {
    Scanner {
        rest: text.chars().collect::<Vec<_>>().into_iter().peekable(),
        done: Vec::new(),
        command: Command::default(),
        word: None,
        quoted: false,
        heredocs: Vec::new(),
        heredoc_next: false,
    }
    .run()
}

struct Scanner {
    rest: std::iter::Peekable<std::vec::IntoIter<char>>,
    done: Vec<Command>,
    command: Command,
    word: Option<Word>,
    quoted: bool,
    heredocs: Vec<String>,
    heredoc_next: bool,
}

impl Scanner {
    fn run(mut self) -> Vec<Command> {
        while let Some(c) = self.rest.next() {
            match c {
                '\\' => match self.rest.next() {
                    Some('\n') | None => {}
                    Some(c) => self.put(c),
                },
                '\'' => {
                    self.open().quoted = true;
                    while let Some(c) = self.rest.next().filter(|c| *c != '\'') {
                        self.put(c);
                    }
                }
                '"' => {
                    self.open().quoted = true;
                    self.double_quoted();
                }
                '#' if self.word.is_none() => while self.rest.next_if(|c| *c != '\n').is_some() {},
                '$' => self.expansion(),
                '`' => self.substitution('`'),
                '\n' => {
                    self.end_command();
                    self.skip_heredocs();
                }
                ';' | '&' | '|' | '(' | ')' => self.end_command(),
                '<' if self.rest.next_if_eq(&'<').is_some() => {
                    self.end_word();
                    self.rest.next_if_eq(&'-');
                    self.heredoc_next = true;
                }
                c if c.is_whitespace() => self.end_word(),
                c => self.put(c),
            }
        }
        self.end_command();
        self.done
    }

    fn open(&mut self) -> &mut Self {
        self.word.get_or_insert_with(|| Word { text: String::new(), literal: true });
        self
    }

    fn put(&mut self, c: char) {
        self.word.get_or_insert_with(|| Word { text: String::new(), literal: true }).text.push(c);
    }

    fn put_expansion(&mut self, text: &str) {
        let word = self.word.get_or_insert_with(|| Word { text: String::new(), literal: true });
        word.text.push_str(text);
        word.literal = false;
    }

    fn double_quoted(&mut self) {
        while let Some(c) = self.rest.next() {
            match c {
                '"' => return,
                '$' => self.expansion(),
                '`' => self.substitution('`'),
                '\\' => match self.rest.next() {
                    Some('\n') | None => {}
                    Some(c @ ('$' | '`' | '"' | '\\')) => self.put(c),
                    Some(c) => {
                        self.put('\\');
                        self.put(c);
                    }
                },
                c => self.put(c),
            }
        }
    }

    fn expansion(&mut self) {
        match self.rest.peek() {
            Some('{') => {
                self.rest.next();
                let inner = self.nested('{', '}');
                let name = inner.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
                if name == "DPKG_ROOT" {
                    self.root();
                } else {
                    self.put_expansion(&format!("${{{inner}}}"));
                }
            }
            Some('(') => {
                self.rest.next();
                let inner = self.nested('(', ')');
                self.put_expansion(&format!("$({inner})"));
            }
            Some(c) if c.is_ascii_alphabetic() || *c == '_' => {
                let mut name = String::new();
                while let Some(c) = self.rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                }
                if name == "DPKG_ROOT" {
                    self.root();
                } else {
                    self.put_expansion(&format!("${name}"));
                }
            }
            Some(c) if c.is_ascii_digit() || "@*#?-$!".contains(*c) => {
                let text = format!("${c}");
                self.rest.next();
                self.put_expansion(&text);
            }
            _ => self.put('$'),
        }
    }

    /// `$DPKG_ROOT` in a plain installation: nothing.
    fn root(&mut self) {
        self.word.get_or_insert_with(|| Word { text: String::new(), literal: true });
    }

    /// Up to the bracket that closes, nested ones and quotes kept.
    fn nested(&mut self, open: char, close: char) -> String {
        let mut depth = 1;
        let mut inner = String::new();
        for c in self.rest.by_ref() {
            if c == open {
                depth += 1;
            } else if c == close {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            inner.push(c);
        }
        inner
    }

    fn substitution(&mut self, end: char) {
        let mut inner = String::new();
        while let Some(c) = self.rest.next().filter(|c| *c != end) {
            inner.push(c);
        }
        self.put_expansion(&format!("`{inner}`"));
    }

    fn end_word(&mut self) {
        let quoted = std::mem::take(&mut self.quoted);
        let Some(word) = self.word.take() else { return };
        if std::mem::take(&mut self.heredoc_next) {
            self.heredocs.push(word.text);
        } else if quoted || !word.text.is_empty() {
            self.command.words.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        let command = std::mem::take(&mut self.command);
        if !command.words.is_empty() {
            self.done.push(command);
        }
    }

    fn skip_heredocs(&mut self) {
        for end in std::mem::take(&mut self.heredocs) {
            while self.rest.peek().is_some() {
                let mut line = String::new();
                while let Some(c) = self.rest.next().filter(|c| *c != '\n') {
                    line.push(c);
                }
                if line.trim_start_matches('\t') == end {
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        commands(text)
            .iter()
            .map(|command| {
                command.words.iter().map(|w| if w.literal { w.text.clone() } else { format!("?{}", w.text) }).collect()
            })
            .collect()
    }

    #[test]
    fn continued_lines_are_one_command() {
        insta::assert_debug_snapshot!(words("case x in configure)\n tool --a \\\n   'b c' \"d\" || true\n;; esac # end"), @r#"
        [
            [
                "case",
                "x",
                "in",
                "configure",
            ],
            [
                "tool",
                "--a",
                "b c",
                "d",
            ],
            [
                "true",
            ],
            [
                "esac",
            ],
        ]
        "#);
    }

    #[test]
    fn dpkg_root_is_empty_and_other_variables_are_not_literal() {
        insta::assert_debug_snapshot!(
            words("systemd-sysusers ${DPKG_ROOT:+--root=\"$DPKG_ROOT\"} a.conf \"$DPKG_ROOT/etc/x\" $Y $(cat a b) ''"),
            @r#"
        [
            [
                "systemd-sysusers",
                "a.conf",
                "/etc/x",
                "?$Y",
                "?$(cat a b)",
                "",
            ],
        ]
        "#);
    }

    #[test]
    fn here_documents_hold_no_commands() {
        assert_eq!(words("cat <<'EOF' > x\nadduser y\nEOF\nnext"), [vec!["cat", ">", "x"], vec!["next"]]);
    }

    #[test]
    fn keywords_and_paths_before_a_program_do_not_hide_it() {
        let commands = commands("if /usr/bin/tool a; then");
        assert_eq!(commands[0].arguments_of("tool").unwrap()[0].text, "a");
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "[a-z$(){}`'\"\\\\<;|&# \n]{0,60}") {
            commands(&text);
        }
    }
}
