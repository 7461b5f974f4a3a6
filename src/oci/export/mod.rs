//! Images for other tools: the same image gives the same bytes.

mod archive;
mod layout;
mod rootfs;
mod tar_writer;

use std::fs::Permissions;
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tempfile::NamedTempFile;

use crate::digest::Digest;

use super::{Descriptor, Flat, OciError, Ref, RefError, Selected, Store};

pub use rootfs::write_root;

/// Where an image goes, as `--to` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `oci:DIR[:REF]`: an OCI layout; other images in it stay.
    Oci(PathBuf, Option<Ref>),
    /// `oci-archive:FILE[:REF]`: a tar of an OCI layout.
    OciArchive(PathBuf, Option<Ref>),
    /// `docker-archive:FILE[:REF]`: what `docker load` reads.
    DockerArchive(PathBuf, Option<Ref>),
    /// `tar:FILE`: the root file system as one tar.
    Tar(PathBuf),
    /// `rootfs:DIR`: the root file system as files; needs root.
    Rootfs(PathBuf),
}

/// A text that names no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not of the form `KIND:PATH`.
    #[error(
        "`{0}` names no target: expected oci:DIR:REF, oci-archive:FILE, docker-archive:FILE, tar:FILE or rootfs:DIR"
    )]
    Form(String),
    /// A kind that does not exist.
    #[error("`{kind}` is no kind of target: did you mean `{nearest}`?")]
    Kind {
        /// As it was written.
        kind: String,
        /// The nearest one.
        nearest: &'static str,
    },
    /// A ref outside the grammar.
    #[error(transparent)]
    Ref(#[from] RefError),
}

const KINDS: [&str; 5] = ["oci", "oci-archive", "docker-archive", "tar", "rootfs"];

impl FromStr for Target {
    type Err = TargetError;

    /// Reads a target as skopeo writes them: the path ends at its first `:`.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let form = || TargetError::Form(text.to_owned());
        let (kind, rest) = text.split_once(':').ok_or_else(form)?;
        if rest.is_empty() || rest.starts_with(':') {
            return Err(form());
        }
        let split = || -> Result<(PathBuf, Option<Ref>), RefError> {
            match rest.split_once(':') {
                Some((path, name)) => Ok((path.into(), Some(Ref::new(name)?))),
                None => Ok((rest.into(), None)),
            }
        };
        match kind {
            "oci" => split().map(|(path, name)| Self::Oci(path, name)).map_err(Into::into),
            "oci-archive" => split().map(|(path, name)| Self::OciArchive(path, name)).map_err(Into::into),
            "docker-archive" => split().map(|(path, name)| Self::DockerArchive(path, name)).map_err(Into::into),
            "tar" => Ok(Self::Tar(rest.into())),
            "rootfs" => Ok(Self::Rootfs(rest.into())),
            other => {
                let score = |known: &str| (strsim::jaro_winkler(other, known) * 1000.0) as u32;
                let nearest = KINDS.into_iter().max_by_key(|known| score(known)).unwrap_or("oci");
                Err(TargetError::Kind { kind: other.to_owned(), nearest })
            }
        }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Its path.
    pub path: PathBuf,
    /// The ref that it has there.
    pub reference: Option<Ref>,
    /// The manifest or index that was exported.
    pub image: Descriptor,
}

/// Writes `image`, which the user called `name`, to a target. With `arch` only that one of an index; both the name of
/// the `arch` node and Go's are understood.
pub fn export(
    store: &Store,
    name: &str,
    image: &Descriptor,
    arch: Option<&str>,
    target: &Target,
) -> Result<Exported, OciError> {
    let own_name = || match name.parse::<Digest>() {
        Ok(_) => None,
        Err(_) => Ref::new(name).ok().map(|name| name.with_tag()),
    };
    let image = match arch {
        Some(arch) => one_of(store, name, image, arch)?.descriptor.bare(),
        None => image.bare(),
    };
    let alone = |what: &str| only(store, name, &image, what);
    let (path, reference) = match target {
        Target::Oci(path, to) => {
            let reference = to.clone().or_else(own_name);
            let Some(named) = &reference else { return Err(OciError::Nameless(path.clone())) };
            layout::copy(store, &image, path, named)?;
            (path, reference)
        }
        Target::OciArchive(path, to) => {
            let reference = to.clone().or_else(own_name);
            beside(path, |file| archive::oci(store, &image, reference.as_ref(), file))?;
            (path, reference)
        }
        Target::DockerArchive(path, to) => {
            let reference = to.clone().or_else(own_name);
            let one = alone("docker-archive")?;
            beside(path, |file| archive::docker(store, &one, reference.as_ref(), file))?;
            (path, reference)
        }
        Target::Tar(path) => {
            let one = alone("tar")?;
            beside(path, |file| tar_writer::flattened(store, &Flat::of(store, &one.manifest)?, file))?;
            (path, None)
        }
        Target::Rootfs(path) => {
            let one = alone("rootfs")?;
            write_root(store, &one.manifest, path)?;
            (path, None)
        }
    };
    Ok(Exported { path: path.clone(), reference, image })
}

/// The arch of an image that is called so.
pub fn one_of(store: &Store, name: &str, image: &Descriptor, arch: &str) -> Result<Selected, OciError> {
    let mut arches = store.arches(image)?;
    match arches.iter().position(|one| one.arch == arch || one.platform.architecture == arch) {
        Some(index) => Ok(arches.swap_remove(index)),
        None => Err(OciError::NoSuchArch {
            image: name.to_owned(),
            arch: arch.to_owned(),
            arches: arches.into_iter().map(|one| one.arch).collect(),
        }),
    }
}

fn only(store: &Store, name: &str, image: &Descriptor, target: &str) -> Result<Selected, OciError> {
    let mut arches = store.arches(image)?;
    match arches.len() {
        1 => Ok(arches.swap_remove(0)),
        _ => Err(OciError::ManyArches {
            image: name.to_owned(),
            arches: arches.into_iter().map(|one| one.arch).collect(),
            target: target.to_owned(),
        }),
    }
}

/// What a writer of a file writes to; it can go back to fill in a size.
type Out<'a> = BufWriter<&'a mut NamedTempFile>;

/// Writes a file beside its name and renames it: a kill leaves the old one.
fn beside(path: &Path, write: impl FnOnce(&mut Out<'_>) -> Result<(), OciError>) -> Result<(), OciError> {
    let wrong = |source| OciError::Write { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(wrong)?;
    let mut out = BufWriter::with_capacity(1 << 17, &mut file);
    write(&mut out)?;
    out.into_inner().map_err(|error| wrong(error.into_error()))?;
    file.persist(path).map_err(|error| wrong(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Target, String> {
        text.parse().map_err(|error: TargetError| error.to_string())
    }

    #[test]
    fn wrong_targets_are_told_what_is_right() {
        insta::assert_snapshot!(read("/tmp/x").unwrap_err(), @"`/tmp/x` names no target: expected oci:DIR:REF, oci-archive:FILE, docker-archive:FILE, tar:FILE or rootfs:DIR");
        insta::assert_snapshot!(read("oci:").unwrap_err(), @"`oci:` names no target: expected oci:DIR:REF, oci-archive:FILE, docker-archive:FILE, tar:FILE or rootfs:DIR");
        insta::assert_snapshot!(read("docker-arhive:x").unwrap_err(), @"`docker-arhive` is no kind of target: did you mean `docker-archive`?");
        insta::assert_snapshot!(read("oci:dir:a b").unwrap_err(), @"`a b` cannot name an image in a store: it may hold ASCII letters, digits and `-._:@+/` only");
    }

    #[test]
    fn targets_are_read_as_skopeo_writes_them() {
        let name = |text| Some(Ref::new(text).unwrap());
        assert_eq!(read("oci:a/b"), Ok(Target::Oci("a/b".into(), None)));
        assert_eq!(read("oci:a/b:c:d"), Ok(Target::Oci("a/b".into(), name("c:d"))));
        assert_eq!(read("oci-archive:x.tar:c:d"), Ok(Target::OciArchive("x.tar".into(), name("c:d"))));
        assert_eq!(read("docker-archive:x.tar"), Ok(Target::DockerArchive("x.tar".into(), None)));
        assert_eq!(read("tar:a:b"), Ok(Target::Tar("a:b".into())));
        assert_eq!(read("rootfs:/r"), Ok(Target::Rootfs("/r".into())));
    }
}
