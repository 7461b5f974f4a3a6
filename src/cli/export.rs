//! `wharf export`.

use std::path::PathBuf;

use serde::Serialize;

use super::{Exit, Failure, Global, place};
use crate::digest::Digest;
use crate::oci::export::{Target, export};
use crate::oci::{Ref, Store};
use crate::ui::Screen;

/// Arguments of `wharf export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  wharf export keystone --arch x86_64 --to docker-archive:keystone.tar
  wharf export keystone:debian-trixie --to oci-archive:keystone.tar && podman load -i keystone.tar
  wharf export memcached --arch aarch64 --to tar:memcached.tar")]
pub struct Arguments {
    /// NAME:TAG, NAME (its `latest`), or a digest
    image: String,
    /// oci:DIR[:REF], oci-archive:FILE[:REF], docker-archive:FILE[:REF], tar:FILE or rootfs:DIR (as root)
    #[arg(long, value_name = "TARGET")]
    to: Target,
    /// Only this arch of an index
    #[arg(long)]
    arch: Option<String>,
    /// The store; `.wharf/store` in the project otherwise
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    digest: Digest,
    path: String,
    reference: Option<&'a Ref>,
}

/// Writes one image.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let store = Store::open_existing(&place::store(global, arguments.store.as_deref()))?;
    let image = store.resolve(&arguments.image)?;
    let done = export(&store, &arguments.image, &image, arguments.arch.as_deref(), &arguments.to)?;
    let path = done.path.display().to_string();
    if global.json {
        let document = Document { version: 1, digest: done.image.digest, path, reference: done.reference.as_ref() };
        screen.document(&document);
    } else {
        let named = done.reference.map(|name| format!(" as {name}")).unwrap_or_default();
        screen.say(&format!("wrote {} to {path}{named}", done.image.digest));
    }
    Ok(Exit::Done)
}
