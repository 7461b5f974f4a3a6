//! `wharf graph`: what is built from what.

mod drawing;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::filter::Filter;
use super::{Exit, Failure, Global, each, load_project};
use crate::build::{self, Request};
use crate::estate::{Project, Tier};
use crate::name::ImageName;
use crate::ui::Screen;

/// Arguments of `wharf graph`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  wharf graph\n  wharf graph openstack-base\n  wharf graph --svg > images.svg\n  \
                        wharf graph --dot | dot -Tpdf > images.pdf")]
pub struct Arguments {
    /// Only these images, what they are built from and what is built from them
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// Print it in Graphviz's language
    #[arg(long, conflicts_with_all = ["svg", "json"])]
    dot: bool,
    /// Print a drawing
    #[arg(long, conflicts_with = "json")]
    svg: bool,
}

/// Images by name, each with its parent.
#[derive(Debug, Default)]
struct Graph<'a> {
    nodes: BTreeMap<&'a ImageName, Node<'a>>,
    /// By parent; those without one, or whose parent is not shown, by none.
    children: BTreeMap<Option<&'a ImageName>, Vec<&'a ImageName>>,
}

#[derive(Debug, Clone, Serialize)]
struct Node<'a> {
    name: &'a ImageName,
    from: Option<&'a ImageName>,
    summary: Option<&'a str>,
    /// The tier that the image claims; none where it cannot be built anywhere.
    tier: Option<Tier>,
    wanted: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    images: Vec<Node<'a>>,
}

/// Prints the graph.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let project = load_project(global)?;
    let graph = graph(&project, &arguments)?;
    if global.json {
        screen.document(&Document { version: 1, images: graph.nodes.values().cloned().collect() });
    } else if arguments.dot {
        screen.out(&text::dot(&graph));
    } else if arguments.svg {
        screen.out(&drawing::svg(&graph));
    } else {
        screen.out(&text::tree(&graph));
    }
    Ok(Exit::Done)
}

fn graph<'p>(project: &'p Project, arguments: &Arguments) -> Result<Graph<'p>, Failure> {
    let request = Request { images: arguments.images.clone(), ..Request::default() };
    let names: BTreeSet<&ImageName> =
        build::select(project, &request).map_err(each)?.into_iter().map(|image| &image.name).collect();
    let entries = arguments.filter.entries(project)?;
    let asked = |name: &ImageName| {
        let up = |name| lineage(project, name).any(|ancestor| names.contains(ancestor));
        let down = || names.iter().any(|asked| lineage(project, asked).any(|ancestor| ancestor == name));
        arguments.images.is_empty() || up(name) || down()
    };
    let mut graph = Graph::default();
    for entry in entries.iter().filter(|entry| asked(&entry.spec.name)) {
        let spec = entry.spec;
        let tier = (!entry.builds.is_empty()).then_some(spec.tier);
        let (summary, wanted) = (spec.summary.as_deref(), entry.wanted);
        graph.nodes.insert(&spec.name, Node { name: &spec.name, from: spec.from.as_ref(), summary, tier, wanted });
    }
    for (name, node) in &graph.nodes {
        let parent = node.from.filter(|parent| graph.nodes.contains_key(parent));
        graph.children.entry(parent).or_default().push(name);
    }
    Ok(graph)
}

/// An image and what it is built from, upwards.
fn lineage<'p>(project: &'p Project, name: &'p ImageName) -> impl Iterator<Item = &'p ImageName> {
    let parent = |name: &&'p ImageName| project.specs.get(*name)?.from.as_ref();
    // A project has no circles; the bound is for the eye that has not seen the check.
    std::iter::successors(Some(name), parent).take(project.specs.len())
}

impl<'a> Graph<'a> {
    fn below(&self, parent: Option<&'a ImageName>) -> &[&'a ImageName] {
        self.children.get(&parent).map_or(&[], Vec::as_slice)
    }

    /// Every image with its depth, a parent before its children, siblings by name.
    fn rows(&self) -> Vec<(usize, &Node<'a>)> {
        let mut rows = Vec::new();
        let mut open: Vec<(usize, &ImageName)> = self.below(None).iter().rev().map(|name| (0, *name)).collect();
        while let Some((depth, name)) = open.pop() {
            let Some((name, node)) = self.nodes.get_key_value(name) else { continue };
            rows.push((depth, node));
            open.extend(self.below(Some(name)).iter().rev().map(|child| (depth + 1, *child)));
        }
        rows
    }
}
