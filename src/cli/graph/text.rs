//! The graph as text: a tree for people, Graphviz's language for its tools.

use std::fmt::Write as _;

use super::{Graph, Node};
use crate::estate::Tier;

/// A tree, each image with its summary.
pub(super) fn tree(graph: &Graph<'_>) -> String {
    let rows = graph.rows();
    let mut lines: Vec<(String, &Node<'_>)> = Vec::with_capacity(rows.len());
    // At each depth, whether something of that depth still follows.
    let mut more: Vec<bool> = Vec::new();
    for (depth, node) in rows.iter().rev() {
        more.resize(depth + 1, false);
        let bars = more.iter().take(*depth).skip(1).map(|more| if *more { "│  " } else { "   " });
        let mut line: String = bars.collect();
        if let Some(follows) = more.last_mut().filter(|_| *depth > 0) {
            line.push_str(if *follows { "├─ " } else { "└─ " });
            *follows = true;
        }
        lines.push((line + node.name.as_str(), node));
    }
    let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (line, node) in lines.iter().rev() {
        let gap = " ".repeat(width.saturating_sub(line.chars().count()) + 2);
        let notes = note(node);
        let end = [node.summary.unwrap_or_default(), notes.as_str()].join(" ");
        let _ = writeln!(text, "{}", format!("{line}{gap}{}", end.trim()).trim_end());
    }
    text
}

/// What is not as usual: `(best-effort, not wanted)`.
fn note(node: &Node<'_>) -> String {
    let tier = match node.tier {
        None => Some("unbuildable"),
        Some(Tier::Maintained) => None,
        Some(tier) => Some(tier.as_str()),
    };
    let notes: Vec<&str> = tier.into_iter().chain((!node.wanted).then_some("not wanted")).collect();
    if notes.is_empty() { String::new() } else { format!("({})", notes.join(", ")) }
}

/// Graphviz's language: tiers are line styles, images that the project does not want are grey.
pub(super) fn dot(graph: &Graph<'_>) -> String {
    let mut text = "digraph images {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n".to_owned();
    for node in graph.nodes.values() {
        let style = match node.tier {
            Some(Tier::Maintained) => "solid",
            Some(Tier::BestEffort) => "dashed",
            Some(Tier::Unmaintained) | None => "dotted",
        };
        let color = if node.wanted { "" } else { ", color=gray, fontcolor=gray" };
        let tooltip = node.summary.map(|summary| format!(", tooltip={}", quoted(summary))).unwrap_or_default();
        let _ = writeln!(text, "  {} [style={style}{color}{tooltip}];", quoted(node.name.as_str()));
    }
    for node in graph.nodes.values() {
        if let Some(from) = node.from.filter(|from| graph.nodes.contains_key(from)) {
            let _ = writeln!(text, "  {} -> {};", quoted(from.as_str()), quoted(node.name.as_str()));
        }
    }
    text + "}\n"
}

fn quoted(text: &str) -> String {
    let inner: String = text
        .chars()
        .map(|c| match c {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            c if c.is_control() => " ".to_owned(),
            c => c.to_string(),
        })
        .collect();
    format!("\"{inner}\"")
}
