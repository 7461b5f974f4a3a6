//! Options that several verbs share: which images, where the cache and the store are, where packages come from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use etcetera::BaseStrategy as _;

use super::Failure;
use crate::build::Request;
use crate::estate::{Arch, Project};
use crate::fetch::{Cache, Http, HttpSettings};
use crate::name::ArchName;

/// Which images.
#[derive(Debug, Clone, Args)]
pub struct Images {
    /// Images; all wanted ones where none is named
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
    /// Only for these distros
    #[arg(long = "distro", value_name = "DISTRO", value_delimiter = ',')]
    distros: Vec<String>,
    /// Only for these arches
    #[arg(long = "arch", value_name = "ARCH", value_delimiter = ',')]
    arches: Vec<String>,
}

impl Images {
    /// As a request.
    pub fn request(&self) -> Request {
        Request { images: self.images.clone(), distros: self.distros.clone(), arches: self.arches.clone() }
    }
}

/// Where the cache is and where packages come from.
#[derive(Debug, Clone, Args)]
pub struct Sources {
    /// The cache's folder [default: wharf in the user's cache folder]
    #[arg(long = "cache", value_name = "DIR", env = "WHARF_CACHE", hide_env_values = true)]
    cache: Option<PathBuf>,
    /// Fetch an archive from here first; may be given for each archive
    #[arg(long = "mirror", value_name = "ARCHIVE=URL")]
    mirrors: Vec<String>,
    /// Use only what the cache and folders hold
    #[arg(long)]
    offline: bool,
    /// How many threads work at once [default: the machine's]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

impl Sources {
    /// The cache, opened.
    pub fn cache(&self) -> Result<Cache, Failure> {
        let folder = match &self.cache {
            Some(folder) => folder.clone(),
            None => base()?.cache_dir().join("wharf"),
        };
        Ok(Cache::open(&folder)?)
    }

    /// The HTTP client.
    pub fn http(&self) -> Http {
        Http::new(HttpSettings { offline: self.offline, ..HttpSettings::default() })
    }

    /// Addresses by archive: those of `--mirror`, else those of the user's `mirrors` file.
    pub fn mirrors(&self) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        let mut mirrors: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for text in &self.mirrors {
            let Some((archive, url)) =
                text.split_once('=').filter(|(archive, url)| !archive.is_empty() && !url.is_empty())
            else {
                let message = format!("`--mirror {text}` names no archive and address");
                return Err(Failure::with_help(message, "write it as `--mirror debian=http://mirror.example/debian`"));
            };
            mirrors.entry(archive.to_owned()).or_default().push(url.to_owned());
        }
        let file = base()?.config_dir().join("wharf/mirrors");
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failure::plain(format!("`{}` cannot be read: {error}", file.display()))),
        };
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            match (words.next(), words.next(), words.next()) {
                (None, ..) => {}
                (Some(archive), Some(url), None) => {
                    mirrors.entry(archive.to_owned()).or_default().push(url.to_owned());
                }
                _ => {
                    let message = format!("`{}`, line {}: not an archive and an address", file.display(), number + 1);
                    return Err(Failure::with_help(
                        message,
                        "one archive a line: `debian http://mirror.example/debian`",
                    ));
                }
            }
        }
        Ok(mirrors)
    }

    /// Sets how many threads work at once, for this process.
    pub fn set_jobs(&self) {
        if let Some(jobs) = self.jobs {
            // Only the first call counts; a verb makes one.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(usize::from(jobs)).build_global();
        }
    }
}

fn base() -> Result<impl etcetera::BaseStrategy, Failure> {
    etcetera::choose_base_strategy().map_err(|_| {
        Failure::with_help(
            "the user's home folder is not known",
            "set HOME, or name folders by `--cache` and `--store`",
        )
    })
}

/// Where the store is.
#[derive(Debug, Clone, Args)]
pub struct StoreOption {
    /// The store's folder [default: .wharf/store in the project]
    #[arg(long = "store", value_name = "DIR")]
    store: Option<PathBuf>,
}

impl StoreOption {
    /// The folder.
    pub fn folder(&self, project: &Project) -> PathBuf {
        self.store.clone().unwrap_or_else(|| project.root.join(".wharf/store"))
    }
}

/// Seconds since 1970: the clock is read here and nowhere below.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// The arch of this machine among the project's.
pub fn host_arch(project: &Project) -> Option<&Arch> {
    let name = match std::env::consts::ARCH {
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        name => name,
    };
    project.arches.get(&ArchName::new(name).ok()?)
}
