//! Tables: columns for people and for `grep`, and markdown.

use comfy_table::{ContentArrangement, Table, presets};

/// Columns two spaces apart, a line each, never wrapped, so that a line is an item.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|cell| one_line(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A table as GitHub and GitLab read it.
pub fn markdown(header: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let escaped = |cell: &String| one_line(cell).replace('\\', "\\\\").replace('|', "\\|");
    let mut text = line(&header.iter().map(|cell| title(cell)).collect::<Vec<_>>());
    text += &format!("|{}\n", "---|".repeat(header.len()));
    for row in rows {
        text += &line(&row.iter().map(escaped).collect::<Vec<_>>());
    }
    text
}

/// Capitals are for terminals.
fn title(cell: &str) -> String {
    if cell.chars().any(|c| c.is_ascii_lowercase()) { cell.to_owned() } else { cell.to_lowercase() }
}

fn one_line(text: &str) -> String {
    text.split(['\n', '\r', '\t']).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        vec![vec!["a".into(), "x|y\nz".into()], vec!["longer".into(), String::new()]]
    }

    #[test]
    fn a_line_is_an_item() {
        assert_eq!(table(&["NAME", "WHAT"], &rows()), "NAME    WHAT\na       x|y z\nlonger\n");
        assert_eq!(table(&["NAME"], &[]), "NAME\n");
    }

    #[test]
    fn markdown_keeps_its_columns() {
        assert_eq!(
            markdown(&["NAME", "what"], &rows()),
            "| name | what |\n|---|---|\n| a | x\\|y z |\n| longer |  |\n"
        );
    }
}
