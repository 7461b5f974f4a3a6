//! Options that several verbs share: which images, where the cache and the store are, where packages come from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use clap::Args;
use etcetera::BaseStrategy as _;

use super::{Failure, Global, place};
use crate::build::{self, BuildError, Compilers, Memory, Request, Secrets, Stale, Workshop};
use crate::deb::AptSources;
use crate::deb::archive::{Access, Served, Settings};
use crate::estate::{Arch, Compression, Project};
use crate::fetch::{Area, Cache, Http, HttpSettings, Location, LocationError, Logins};
use crate::layer::Fragments;
use crate::lock::Lock;
use crate::name::ArchName;
use crate::progress::Progress;
use crate::spec::Mistakes;

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
    /// The cache's folder; `WHARF_CACHE`, else the user's cache folder, unless told
    #[arg(long = "cache", value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Fetch an archive from here first: `debian=http://mirror.example/debian`; may be given for each archive
    #[arg(long = "mirror", value_name = "ARCHIVE=URL")]
    mirrors: Vec<String>,
    /// Do not look at this machine's apt sources for a place to fetch from
    #[arg(long)]
    no_apt_sources: bool,
    /// Use only what the cache and folders hold
    #[arg(long)]
    offline: bool,
    /// How many threads work at once; as many as the machine has cores unless told
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
}

/// What it takes to lock and build, opened.
pub struct Tools {
    cache: Arc<Cache>,
    http: Http,
    settings: Settings,
    served: Served,
    threads: usize,
}

impl Sources {
    /// Opens the cache and reads where packages come from.
    pub fn open(&self) -> Result<Tools, Failure> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = self.jobs.map_or(cores, usize::from);
        if self.jobs.is_some() {
            // Only the first call counts; a verb makes one.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        }
        let host = if self.no_apt_sources { AptSources::default() } else { AptSources::read(Path::new("/etc/apt")) };
        let mut logins = own_logins()?;
        logins.extend(host.logins.clone());
        Ok(Tools {
            cache: Arc::new(Cache::open(&place::cache(self.cache.as_deref())?)?),
            http: Http::new(HttpSettings {
                offline: self.offline,
                environment_proxies: true,
                proxies: host.proxies.clone(),
                logins,
                ..HttpSettings::default()
            }),
            settings: Settings { mirrors: self.mirrors()?, host, now: jiff::Timestamp::now().as_second(), threads: 8 },
            served: Served::default(),
            threads,
        })
    }

    /// Addresses by archive: those of `--mirror`, else those of the user's `mirrors` file.
    fn mirrors(&self) -> Result<BTreeMap<String, Location>, Failure> {
        let mut mirrors = BTreeMap::new();
        if let Ok(base) = etcetera::choose_base_strategy() {
            let file = base.config_dir().join("wharf/mirrors");
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
                        mirrors.insert(archive.to_owned(), Location::parse(url)?);
                    }
                    _ => {
                        let message =
                            format!("`{}`, line {}: not an archive and an address", file.display(), number + 1);
                        let help = "one archive a line: `debian http://mirror.example/debian`";
                        return Err(Failure::with_help(message, help));
                    }
                }
            }
        }
        for text in &self.mirrors {
            let both = text.split_once('=').filter(|(archive, url)| !archive.is_empty() && !url.is_empty());
            let Some((archive, url)) = both else {
                let message = format!("`--mirror {text}` names no archive and address");
                return Err(Failure::with_help(message, "write it as `--mirror debian=http://mirror.example/debian`"));
            };
            mirrors.insert(archive.to_owned(), told(url)?);
        }
        Ok(mirrors)
    }
}

/// The user's own names and passwords; apt's are mostly for root's eyes.
fn own_logins() -> Result<Logins, Failure> {
    let Ok(base) = etcetera::choose_base_strategy() else { return Ok(Logins::default()) };
    let file = base.config_dir().join("wharf/auth.conf");
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(Logins::parse(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Logins::default()),
        Err(error) => Err(Failure::plain(format!("`{}` cannot be read: {error}", file.display()))),
    }
}

/// A place named on the command line: there a folder may be named from where the person stands.
fn told(text: &str) -> Result<Location, LocationError> {
    match std::path::absolute(text) {
        Ok(path) if path.is_dir() => Ok(Location::Folder(path)),
        _ => Location::parse(text),
    }
}

impl Tools {
    /// How archives are reached.
    pub fn access<'a>(&'a self, progress: &'a dyn Progress) -> Access<'a> {
        Access { http: &self.http, cache: &self.cache, settings: &self.settings, served: &self.served, progress }
    }

    /// The same with nothing in the cache but the packages of a lock, and the folder that holds it, which goes when dropped.
    pub fn anew(self, lock: &Lock) -> Result<(Self, tempfile::TempDir), Failure> {
        const PREFIX: &str = "verify-";
        let root = self.cache.root();
        let wrong = |error: std::io::Error| Failure::plain(format!("the cache {}: {error}", root.display()));
        for entry in std::fs::read_dir(root).map_err(wrong)?.filter_map(Result::ok) {
            let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
            // One that was killed; whoever works there holds the lock.
            let free = || std::fs::File::open(entry.path().join("lock")).is_ok_and(|lock| lock.try_lock().is_ok());
            if is_ours && free() {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let place = tempfile::Builder::new().prefix(PREFIX).tempdir_in(root).map_err(wrong)?;
        let cache = Cache::open(place.path())?;
        let packages = lock.targets.values().flat_map(|target| {
            target.packages.values().chain(target.own.values().flat_map(std::collections::BTreeMap::values))
        });
        for package in packages {
            // What is missing is fetched.
            let _ =
                std::fs::hard_link(self.cache.path(Area::Deb, &package.sha256), cache.path(Area::Deb, &package.sha256));
        }
        Ok((Self { cache: Arc::new(cache), ..self }, place))
    }

    /// Fragments of one compression.
    pub fn fragments(&self, compression: Compression) -> Fragments {
        Fragments::new(Arc::clone(&self.cache), compression)
    }

    /// What a build works with.
    pub fn workshop<'a>(
        &'a self,
        project: &'a Project,
        lock: &'a Lock,
        fragments: &'a Fragments,
        progress: &'a dyn Progress,
    ) -> Workshop<'a> {
        Workshop {
            compilers: Compilers::default(),
            memory: Memory::default(),
            engine: OnceLock::new(),
            steps: self.cache.root().join("steps"),
            secrets: Secrets::new(),
            project,
            lock,
            access: self.access(progress),
            fragments,
            threads: self.threads,
            host: host_arch(project),
        }
    }

    /// What this machine's apt sources have that could not be read.
    pub fn problems(&self) -> &[String] {
        &self.settings.host.problems
    }
}

/// Where the store is.
#[derive(Debug, Clone, Args)]
pub struct StoreOption {
    /// The store's folder; `.wharf/store` in the project unless told
    #[arg(long = "store", value_name = "DIR")]
    store: Option<PathBuf>,
}

impl StoreOption {
    /// The folder.
    pub fn folder(&self, global: &Global) -> PathBuf {
        place::store(global, self.store.as_deref())
    }
}

/// The arch of this machine among the project's.
pub fn host_arch(project: &Project) -> Option<&Arch> {
    let name = match std::env::consts::ARCH {
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        name => name,
    };
    project.arches.get(&ArchName::new(name).ok()?)
}

/// Build errors as reports: those about a line of a spec with that line.
pub fn failure(project: Project, errors: Vec<BuildError>) -> Failure {
    let mut reports = Vec::new();
    let mut mistakes = Vec::new();
    for error in errors {
        match error {
            BuildError::Spec(mistake) => mistakes.push(*mistake),
            error => reports.push(miette::Report::new(error)),
        }
    }
    let mut all = Mistakes::new(project.sources, mistakes).reports();
    all.extend(reports);
    Failure { reports: all, code: 1 }
}

/// Refuses a lock whose lines of some images follow from other specs.
pub fn refuse_outdated(stale: &[Stale]) -> Result<(), Failure> {
    let outdated: Vec<&Stale> = stale.iter().filter(|stale| stale.is_outdated()).collect();
    let Some(Stale { image, distro, arch, why }) = outdated.first() else { return Ok(()) };
    let more = outdated.len() - 1;
    let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    let message = format!("wharf.lock is stale: `{image}` for {distro} on {arch}: {why}{more}");
    Err(Failure::with_help(message, "`wharf lock` brings it up to date; `git diff wharf.lock` then shows what moved"))
}

/// Refuses a lock that follows from other imports, filters or another codec than the project has.
pub fn refuse_drift(project: &Project, lock: &Lock) -> Result<(), Failure> {
    let drift = build::drift(project, lock);
    let Some(first) = drift.first() else { return Ok(()) };
    let more = if drift.len() == 1 { String::new() } else { format!(" (and {} more)", drift.len() - 1) };
    let help = "`wharf lock` takes it up and moves no package that the specs do not move; `git diff wharf.lock` then shows what changed";
    Err(Failure::with_help(format!("wharf.lock is stale: {first}{more}"), help))
}

/// Reads `wharf.lock` beside the specs; none where there is none.
pub fn read_lock(project: &Project) -> Result<Option<Lock>, Failure> {
    let path = project.root.join("wharf.lock");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.parse::<Lock>()?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::plain(format!("`{}` cannot be read: {error}", path.display()))),
    }
}

/// Writes `wharf.lock` beside and renames it, unless it says the same already.
pub fn write_lock(project: &Project, lock: &Lock) -> Result<bool, Failure> {
    write_text(&project.root.join("wharf.lock"), &lock.to_string())
}

/// Writes a text that everyone who reads the specs may read: beside, then renamed, unless it is there already.
pub fn write_text(path: &Path, text: &str) -> Result<bool, Failure> {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(false);
    }
    let write = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut file = tempfile::Builder::new().prefix(&format!(".{name}-")).tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        // A temporary file is its owner's alone.
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| Failure::plain(format!("`{}` cannot be written: {error}", path.display())))?;
    Ok(true)
}
