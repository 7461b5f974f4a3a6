//! One table for a terminal and for Markdown.

use std::fmt::Write as _;

/// How it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Form {
    /// Columns.
    Text,
    /// Tables.
    Markdown,
}

/// A title with rows; all rows have as many cells as `head`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::cli) struct Section {
    pub(in crate::cli) title: String,
    /// 1 below the whole, 2 below that.
    pub(in crate::cli) depth: usize,
    pub(in crate::cli) head: &'static [&'static str],
    pub(in crate::cli) rows: Vec<Vec<String>>,
    /// Said below the rows.
    pub(in crate::cli) note: Option<String>,
}

/// All sections; `nothing differs` where there are none.
pub(in crate::cli) fn print(old: &str, new: &str, sections: &[Section], form: Form) -> String {
    let mut out = match form {
        Form::Text => String::new(),
        Form::Markdown => format!("## `{old}` → `{new}`\n\n"),
    };
    if sections.is_empty() {
        out.push_str("nothing differs\n");
    }
    for section in sections {
        match form {
            Form::Text => text(&mut out, section),
            Form::Markdown => markdown(&mut out, section),
        }
    }
    out
}

fn text(out: &mut String, section: &Section) {
    let indent = "  ".repeat(section.depth.saturating_sub(1));
    let _ = writeln!(out, "{indent}{}", section.title);
    let mut widths = vec![0; section.head.len()];
    for row in &section.rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &section.rows {
        let mut line = format!("{indent} ");
        for (width, cell) in widths.iter().zip(row) {
            let _ = write!(line, " {cell:width$}");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    if let Some(note) = &section.note {
        let _ = writeln!(out, "{indent}  {note}");
    }
}

fn markdown(out: &mut String, section: &Section) {
    let _ = writeln!(out, "{} {}\n", "#".repeat(section.depth + 2), section.title);
    if !section.rows.is_empty() {
        let _ = writeln!(out, "| {} |\n|{}", section.head.join(" | "), "---|".repeat(section.head.len()));
        for row in &section.rows {
            let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
        out.push('\n');
    }
    if let Some(note) = &section.note {
        let _ = writeln!(out, "{note}\n");
    }
}

/// `+`, `-` or `~`, and `old → new`, of something that may be on one side alone.
pub(in crate::cli) fn change(old: Option<&str>, new: Option<&str>) -> (String, String) {
    let (sign, text) = match (old, new) {
        (None, Some(new)) => ("+", new.to_owned()),
        (Some(old), None) => ("-", old.to_owned()),
        (Some(old), Some(new)) => ("~", format!("{old} → {new}")),
        (None, None) => ("~", String::new()),
    };
    (sign.to_owned(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections() -> Vec<Section> {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        vec![
            Section { title: "x86_64".into(), depth: 1, ..Section::default() },
            Section {
                title: "packages".into(),
                depth: 2,
                head: &["", "package", "version"],
                rows: vec![row(["+", "a", "1|2"]), row(["~", "longer", "1 → 2"])],
                note: Some("3 more".into()),
            },
        ]
    }

    #[test]
    fn a_terminal_gets_columns() {
        insta::assert_snapshot!(print("a", "b", &sections(), Form::Text), @r"
        x86_64
          packages
            + a      1|2
            ~ longer 1 → 2
            3 more
        ");
    }

    #[test]
    fn markdown_gets_tables() {
        insta::assert_snapshot!(print("a", "b", &sections(), Form::Markdown), @r"
        ## `a` → `b`

        ### x86_64

        #### packages

        |  | package | version |
        |---|---|---|
        | + | a | 1\|2 |
        | ~ | longer | 1 → 2 |

        3 more
        ");
    }

    #[test]
    fn no_difference_is_said() {
        assert_eq!(print("a", "b", &[], Form::Text), "nothing differs\n");
    }
}
