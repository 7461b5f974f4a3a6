//! All texts of a project and of what it imports.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::digest::Digest;
use crate::spec::{Log, Mistake, Node, Origin, Reader, SourceId, Sources, Span, parse};

use super::super::folder::{Folder, PARTS};
use super::super::{FileSource, Template};

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub sources: Sources,
    /// The project's own folder first.
    pub folders: Vec<Folder>,
    /// What messages put before the paths of each folder: `catalogue:`.
    prefixes: Vec<String>,
    /// Top-level nodes, each with the number of its folder.
    pub nodes: Vec<(usize, Node)>,
    pub imports: BTreeMap<String, Digest>,
    owners: HashMap<SourceId, usize>,
}

/// One folder that is to be read.
struct Wanted {
    name: String,
    root: Option<PathBuf>,
    /// The `import` node; none for the project.
    span: Option<Span>,
}

impl Gathered {
    /// Reads the project at `root` and its imports.
    pub fn read(root: &Path, log: &mut Log) -> Self {
        let mut gathered = Self::default();
        let mut seen: Vec<Option<PathBuf>> = Vec::new();
        let mut queue = vec![Wanted { name: String::new(), root: Some(root.to_owned()), span: None }];
        while let Some(wanted) = queue.pop() {
            let identity = wanted.root.as_deref().map(|root| root.canonicalize().unwrap_or_else(|_| root.to_owned()));
            if seen.contains(&identity) {
                continue;
            }
            seen.push(identity);
            queue.extend(gathered.add(wanted, log));
        }
        gathered
    }

    /// The folder that a text belongs to.
    pub fn owner(&self, span: Span) -> usize {
        self.owners.get(&span.source).copied().unwrap_or_default()
    }

    /// The folder that a text belongs to.
    pub fn folder(&self, span: Span) -> Option<&Folder> {
        self.folders.get(self.owner(span))
    }

    /// Reads one folder and gives the imports that it names.
    fn add(&mut self, wanted: Wanted, log: &mut Log) -> Vec<Wanted> {
        let folder = match &wanted.root {
            None => Ok(Folder::embedded()),
            Some(root) => Folder::on_disk(root).map_err(|error| error.to_string()),
        };
        let complain = |message: String| match wanted.span {
            Some(span) => Mistake::new("unreadable", span, message).label("imported here"),
            None => Mistake::nowhere("unreadable", message),
        };
        let folder = match folder {
            Ok(folder) => folder,
            Err(message) => {
                log.push(complain(message));
                return Vec::new();
            }
        };
        let (origin, prefix) = match (&wanted.span, &wanted.root) {
            (None, _) => (Origin::Project, String::new()),
            (Some(_), None) => (Origin::Import(wanted.name.clone()), "catalogue:".to_owned()),
            (Some(_), Some(_)) => {
                (Origin::Import(wanted.name.clone()), format!("{}/", wanted.name.trim_end_matches('/')))
            }
        };
        if wanted.span.is_some() {
            match folder.digest() {
                Ok(digest) => {
                    self.imports.insert(wanted.name.clone(), digest);
                }
                Err(message) => log.push(complain(message)),
            }
        }
        let number = self.folders.len();
        let mut texts = Vec::new();
        for (path, source) in folder.specs() {
            let text = source.read().map_err(|error| error.to_string());
            let text = text.and_then(|bytes| String::from_utf8(bytes.into_owned()).map_err(|error| error.to_string()));
            match text {
                Ok(text) => texts.push(self.sources.add(format!("{prefix}{path}"), text, origin.clone())),
                Err(cause) => log.push(complain(format!("cannot read {prefix}{path}: {cause}"))),
            }
        }
        self.owners.extend(texts.iter().map(|id| (*id, number)));
        let parsed: Vec<_> = texts.par_iter().map(|id| parse(*id, self.sources.text(*id))).collect();
        let root = folder.root.clone();
        self.folders.push(folder);
        self.prefixes.push(prefix);
        let mut imports = Vec::new();
        for (nodes, mistakes) in parsed {
            log.extend(mistakes);
            let wants = nodes.iter().filter(|node| *node.name == *"import");
            imports.extend(wants.filter_map(|node| import(node, &wanted.name, root.as_deref(), log)));
            self.nodes.extend(nodes.into_iter().map(|node| (number, node)));
        }
        imports
    }

    /// A file below templates/: of the folder that `span` belongs to, else of any that has it.
    pub fn template(&self, span: Span, path: &str) -> Result<FileSource, Mistake> {
        let own = self.file(span, "templates", path);
        own.or_else(|mistake| {
            let found = self.folders.iter().find_map(|folder| folder.file(&format!("templates/{path}")));
            found.cloned().ok_or(mistake)
        })
    }

    /// Every file below templates/, by its path there; the project's own before those of imports.
    pub fn templates(&self) -> BTreeMap<String, Template> {
        let mut all = BTreeMap::new();
        for (folder, prefix) in self.folders.iter().zip(&self.prefixes).rev() {
            for name in folder.files_below("templates") {
                let path = format!("templates/{name}");
                let template =
                    |source: &FileSource| Template { source: source.clone(), shown: format!("{prefix}{path}") };
                all.extend(folder.file(&path).map(|source| (name.to_owned(), template(source))));
            }
        }
        all
    }

    /// A file below a part of the folder that `span` belongs to: `keyrings/x.gpg` below `targets`.
    pub fn file(&self, span: Span, part: &str, path: &str) -> Result<FileSource, Mistake> {
        let folder = self.folder(span);
        if let Some(found) = folder.and_then(|folder| folder.file(&format!("{part}/{path}"))) {
            return Ok(found.clone());
        }
        let names = folder.map(|folder| folder.files_below(part)).into_iter().flatten();
        let help = crate::spec::did_you_mean(path, names)
            .unwrap_or_else(|| format!("the path is relative to {part}/ of the folder that holds this node"));
        Err(Mistake::new("no-file", span, format!("there is no file {part}/{path}")).label("not there").help(help))
    }
}

/// Reads `import "catalogue"` or `import "../folder"`. `from` is the name of the importing folder, empty for the project.
fn import(node: &Node, from: &str, root: Option<&Path>, log: &mut Log) -> Option<Wanted> {
    let mut reader = Reader::new(node, log);
    let value = reader.value("`catalogue` or a folder");
    let text: Option<String> = value.and_then(|value| reader.read(value));
    reader.finish();
    let (value, text) = (value?, text?);
    if text == "catalogue" {
        return Some(Wanted { name: text, root: None, span: Some(value.span) });
    }
    let refuse =
        |message: String, help: &str| Mistake::new("no-import", value.span, message).label("imported here").help(help);
    let Some(root) = root else {
        log.push(refuse("the catalogue in the binary cannot import a folder".to_owned(), "take the import away"));
        return None;
    };
    let folder = root.join(&text);
    if !PARTS.iter().any(|part| folder.join(part).is_dir()) {
        let message = format!("there is no project at {text}: it has neither specs/ nor layers/ nor targets/");
        log.push(refuse(
            message,
            "a folder is named relative to the project's root; the catalogue is `import \"catalogue\"`",
        ));
        return None;
    }
    let name = if from.is_empty() { text } else { format!("{}/{text}", from.trim_end_matches('/')) };
    Some(Wanted { name, root: Some(folder), span: Some(value.span) })
}
