//! `releases/NAME.kdl`: which manifest each image is, written by `build`, read by what makes units.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::digest::Digest;
use crate::estate::ImageKey;
use crate::name::{ArchName, CellName, DistroName, ImageName, ReleaseName};
use crate::spec::{Log, Mistake, Mistakes, Origin, Reader, Sources, parse, unknown_child};

/// The release that is meant where none is named.
pub const CURRENT: &str = "current";

/// The manifests of images, by image, distro and arch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Release {
    /// The digest of each manifest.
    pub images: BTreeMap<ImageKey, Digest>,
    /// The releases of cells that stay on another one; a file has none.
    pub cells: BTreeMap<CellName, Self>,
}

impl Release {
    /// Where a release lies, relative to the project's root.
    pub fn path(name: &ReleaseName) -> String {
        format!("releases/{name}.kdl")
    }

    /// The release that holds in a cell, or outside of cells.
    pub fn of(&self, cell: Option<&CellName>) -> &Self {
        cell.and_then(|cell| self.cells.get(cell)).unwrap_or(self)
    }

    /// Reads a release; `name` is what messages call its file.
    pub fn read(name: &str, text: &str) -> Result<Self, Mistakes> {
        let mut sources = Sources::default();
        let id = sources.add(name.to_owned(), text.to_owned(), Origin::Project);
        let (nodes, mut log): (_, Log) = parse(id, text);
        let mut images = BTreeMap::new();
        for node in &nodes {
            if *node.name != *"image" {
                log.push(unknown_child(node, "a release", ["image"].into_iter()));
                continue;
            }
            let mut reader = Reader::new(node, &mut log);
            let image: Option<ImageName> = reader.argument("an image");
            let distro: Option<DistroName> = reader.required("distro", "distro=\"debian-trixie\"");
            let arch: Option<ArchName> = reader.required("arch", "arch=\"x86_64\"");
            let manifest: Option<Digest> = reader.required("manifest", "manifest=\"sha256:…\"");
            reader.finish();
            if let (Some(image), Some(distro), Some(arch), Some(manifest)) = (image, distro, arch, manifest)
                && images.insert(ImageKey { image, distro, arch }, manifest).is_some()
            {
                let mistake = Mistake::new("duplicate", node.span, "the image is named twice for one distro and arch");
                log.push(mistake.label("again here"));
            }
        }
        if log.is_empty() { Ok(Self { images, cells: BTreeMap::new() }) } else { Err(Mistakes::new(sources, log)) }
    }

    /// The text of it: a line an image, sorted, so that a change of one image is a change of one line.
    pub fn render(&self) -> String {
        let mut text = String::from("// Written by wharf: the manifests that units name. Keep it in git.\n");
        for (ImageKey { image, distro, arch }, manifest) in &self.images {
            let _ = writeln!(text, "image \"{image}\" distro=\"{distro}\" arch=\"{arch}\" manifest=\"{manifest}\"");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut release = Release::default();
        for (image, arch) in [("b", "x86_64"), ("a", "ppc64le"), ("a", "aarch64")] {
            let key = ImageKey {
                image: ImageName::new(image).unwrap(),
                distro: DistroName::new("debian-trixie").unwrap(),
                arch: ArchName::new(arch).unwrap(),
            };
            release.images.insert(key, Digest::of(image.as_bytes()));
        }
        let text = release.render();
        assert_eq!(Release::read("r", &text).unwrap(), release);
        assert!(text.find("\"a\"").unwrap() < text.find("\"b\"").unwrap());
    }

    #[test]
    fn mistakes_have_their_place() {
        let text = "image \"a\" distro=\"d\" arch=\"x86_64\" manifest=\"sha256:12\"\nimag \"b\"\n";
        let mistakes = Release::read("releases/current.kdl", text).unwrap_err();
        let all: Vec<String> = mistakes.iter().map(|mistake| mistake.message.clone()).collect();
        assert_eq!(all.len(), 2, "{all:?}");
    }
}
