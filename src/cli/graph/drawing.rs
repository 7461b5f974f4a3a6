//! The graph as SVG 1.1, without other tools: a column for each depth, a row for each image that nothing is built
//! from, parents in the middle of their children.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Graph, Node};
use crate::estate::Tier;
use crate::name::ImageName;

/// Sizes in pixels; the text is 13 pixels of a monospaced face, whose characters are about 8 wide.
const CHARACTER: usize = 8;
const ROW: usize = 36;
const BOX: usize = 26;
const GAP: usize = 48;
const MARGIN: usize = 12;

struct Place<'a> {
    node: &'a Node<'a>,
    depth: usize,
    /// The middle, from the top.
    y: usize,
}

/// A drawing.
pub(super) fn svg(graph: &Graph<'_>) -> String {
    let places = places(graph);
    let depths = places.values().map(|place| place.depth + 1).max().unwrap_or(0);
    let widths: Vec<usize> = (0..depths)
        .map(|depth| places.values().filter(|place| place.depth == depth).map(|place| width(place.node)).max().unwrap_or(0))
        .collect();
    let left = |depth: usize| MARGIN + widths.iter().take(depth).map(|width| width + GAP).sum::<usize>();
    let total = (left(depths) + MARGIN).saturating_sub(GAP).max(2 * MARGIN);
    let height = places.values().map(|place| place.y + ROW / 2).max().unwrap_or(0) + MARGIN;

    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{total}\" height=\"{height}\" viewBox=\"0 0 {total} {height}\" \
         font-family=\"monospace\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for place in places.values() {
        let Some(parent) = place.node.from.and_then(|from| places.get(from)) else { continue };
        let (x1, x2) = (left(parent.depth) + width(parent.node), left(place.depth));
        let middle = usize::midpoint(x1, x2);
        let _ = writeln!(
            text,
            "<path d=\"M{x1} {} C{middle} {} {middle} {} {x2} {}\" fill=\"none\" stroke=\"#888\"/>",
            parent.y, parent.y, place.y, place.y
        );
    }
    for place in places.values() {
        let Place { node, depth, y } = place;
        let (x, width, top) = (left(*depth), width(node), y - BOX / 2);
        let dashes = match node.tier {
            Some(Tier::Maintained) => "",
            Some(Tier::BestEffort) => " stroke-dasharray=\"6 3\"",
            Some(Tier::Unmaintained) | None => " stroke-dasharray=\"2 3\"",
        };
        let color = if node.wanted { "black" } else { "#888" };
        let tier = node.tier.map_or("unbuildable", Tier::as_str);
        let title = [node.summary.unwrap_or_default(), tier].join(" · ");
        let _ = writeln!(
            text,
            "<g><title>{}</title><rect x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{BOX}\" rx=\"4\" fill=\"#f6f8fa\" \
             stroke=\"{color}\"{dashes}/><text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"{color}\">{}</text></g>",
            escaped(title.trim_start_matches(" · ")),
            x + width / 2,
            y + 4,
            escaped(node.name.as_str()),
        );
    }
    text + "</svg>\n"
}

fn width(node: &Node<'_>) -> usize {
    node.name.as_str().len() * CHARACTER + 2 * MARGIN
}

/// Leaves take rows from the top; every parent, after its children, the middle between the first and the last.
fn places<'g>(graph: &'g Graph<'g>) -> BTreeMap<&'g ImageName, Place<'g>> {
    let rows = graph.rows();
    let mut places: BTreeMap<&ImageName, Place<'g>> = BTreeMap::new();
    let mut leaves = 0;
    for (depth, node) in &rows {
        if graph.below(Some(node.name)).is_empty() {
            places.insert(node.name, Place { node, depth: *depth, y: MARGIN + leaves * ROW + ROW / 2 });
            leaves += 1;
        }
    }
    for (depth, node) in rows.iter().rev() {
        let children = graph.below(Some(node.name));
        let ends = (children.first().and_then(|it| places.get(*it)), children.last().and_then(|it| places.get(*it)));
        if let (Some(first), Some(last)) = ends {
            let y = usize::midpoint(first.y, last.y);
            places.insert(node.name, Place { node, depth: *depth, y });
        }
    }
    places
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 has no other control characters.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
