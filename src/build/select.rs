//! Which images a verb works on.

use std::collections::BTreeSet;

use miette::Diagnostic;

use crate::estate::{Image, ImageKey, Project};
use crate::name::{ArchName, DistroName, ImageName};
use crate::spec::did_you_mean;

/// What a person asked for; empty means all.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Names of images; all wanted ones where there is none.
    pub images: Vec<String>,
    /// Names of distros.
    pub distros: Vec<String>,
    /// Names of arches.
    pub arches: Vec<String>,
}

/// Something that was asked for is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum SelectError {
    /// A name that nothing has.
    #[error("there is no {what} `{name}`")]
    #[diagnostic(code(wharf::select::unknown))]
    Unknown {
        /// `image`, `distro`, `arch`.
        what: &'static str,
        /// As it was given.
        name: String,
        /// The nearest ones.
        #[help]
        help: String,
    },
    /// The image exists, but not there.
    #[error("`{image}` is not built for {place}")]
    #[diagnostic(code(wharf::select::not_there))]
    NotThere {
        /// The image.
        image: ImageName,
        /// The distros and arches that were asked for.
        place: String,
        /// Why, or where it is built.
        #[help]
        help: String,
    },
}

/// The images that `request` means, in order; every mistake of the request otherwise.
pub fn select<'a>(project: &'a Project, request: &Request) -> Result<Vec<&'a Image>, Vec<SelectError>> {
    let mut mistakes = Vec::new();
    let known: BTreeSet<&ImageName> =
        project.images.keys().chain(project.unbuildable.keys()).map(|key| &key.image).collect();
    let distros = names::<DistroName>(&request.distros, "distro", project.distros.keys(), &mut mistakes);
    let arches = names::<ArchName>(&request.arches, "arch", project.arches.keys(), &mut mistakes);
    let images = names::<ImageName>(&request.images, "image", known.into_iter(), &mut mistakes);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let here = |key: &ImageKey| {
        (distros.is_empty() || distros.contains(&key.distro)) && (arches.is_empty() || arches.contains(&key.arch))
    };
    let chosen = |key: &ImageKey| match request.images.is_empty() {
        true => project.wanted.contains(&key.image),
        false => images.contains(&key.image),
    };
    let found: Vec<&Image> =
        project.images.iter().filter(|(key, _)| chosen(key) && here(key)).map(|(_, image)| image).collect();
    for name in &images {
        if !found.iter().any(|image| image.name == *name) {
            mistakes.push(not_there(project, name, request, here));
        }
    }
    if mistakes.is_empty() { Ok(found) } else { Err(mistakes) }
}

fn not_there(project: &Project, image: &ImageName, request: &Request, here: impl Fn(&ImageKey) -> bool) -> SelectError {
    let reason = project.unbuildable.iter().find(|(key, _)| key.image == *image && here(key));
    let elsewhere: Vec<String> = project
        .images
        .keys()
        .filter(|key| key.image == *image)
        .map(|key| format!("{} on {}", key.arch, key.distro))
        .collect();
    let help = match reason {
        Some((_, reason)) => format!("it cannot be built there: {reason}"),
        None if elsewhere.is_empty() => "no distro and arch of this project can build it".to_owned(),
        None => format!("it is built for {}", elsewhere.join(", ")),
    };
    let place: Vec<String> = [&request.arches, &request.distros]
        .into_iter()
        .filter(|names| !names.is_empty())
        .map(|names| names.join(" or "))
        .collect();
    SelectError::NotThere {
        image: image.clone(),
        place: if place.is_empty() { "anything".to_owned() } else { place.join(" on ") },
        help,
    }
}

fn names<'a, T>(
    given: &[String],
    what: &'static str,
    known: impl Iterator<Item = &'a T>,
    mistakes: &mut Vec<SelectError>,
) -> BTreeSet<T>
where
    T: AsRef<str> + Ord + Clone + 'a,
{
    let known: Vec<&T> = known.collect();
    let mut found = BTreeSet::new();
    for name in given {
        match known.iter().find(|known| AsRef::<str>::as_ref(**known) == name.as_str()) {
            Some(known) => {
                found.insert((*known).clone());
            }
            None => {
                let help = nearest(name, known.iter().map(|known| AsRef::<str>::as_ref(*known)));
                mistakes.push(SelectError::Unknown { what, name: name.clone(), help });
            }
        }
    }
    found
}

/// What to say about a name that is not known.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    did_you_mean(name, known.iter().copied()).unwrap_or_else(|| match known.len() {
        0 => "the project has none".to_owned(),
        1..=12 => format!("there are: {}", known.join(", ")),
        _ => "`wharf list` shows what there is".to_owned(),
    })
}
