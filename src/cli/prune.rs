//! `wharf prune`.

use std::path::PathBuf;

use serde::Serialize;

use super::{Exit, Failure, Global, place};
use crate::digest::Digest;
use crate::fetch::{Cache, CachePruned};
use crate::oci::{Pruned, Ref, Store};
use crate::ui::{Screen, size};

/// Arguments of `wharf prune`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --store and --cache: both, where they are.
From the store goes what no ref reaches. The cache names nothing that it could not fetch or make again: from it go
half-written files and, with --keep, the files that are oldest until the rest fits.

Examples:
  wharf prune --dry-run
  wharf prune --cache --keep 5G
  wharf prune --store --drop keystone:latest")]
pub struct Arguments {
    /// Prune the store; `.wharf/store` in the project unless told
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    store: Option<Option<PathBuf>>,
    /// Prune the cache; `WHARF_CACHE`, else the user's cache folder, unless told
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    cache: Option<Option<PathBuf>>,
    /// What the cache may hold: 0, 500M, 5G, …
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    keep: Option<u64>,
    /// Take this ref out of the store first
    #[arg(long, value_name = "REF")]
    drop: Vec<Ref>,
    /// Say what would go, take nothing
    #[arg(long)]
    dry_run: bool,
}

/// Reads `5G`, `500MiB`, `1024`: powers of 1024.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text.get(digits.len()..).unwrap_or_default().trim_end_matches(['B', 'b']).trim_end_matches('i');
    let power = match unit.to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return Err("expected a number and K, M, G or T, as in 5G".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "expected a number and K, M, G or T, as in 5G".to_owned())?;
    number.checked_mul(1 << (10 * power)).ok_or_else(|| "this is more than 2^64 bytes".to_owned())
}

#[derive(Serialize)]
struct Document {
    version: u32,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<StoreDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<CacheDocument>,
}

#[derive(Serialize)]
struct StoreDocument {
    path: String,
    freed: u64,
    kept: u64,
    refs: Vec<Ref>,
    blobs: Vec<Blob>,
    scratch: u64,
}

#[derive(Serialize)]
struct Blob {
    digest: Digest,
    size: u64,
}

#[derive(Serialize)]
struct CacheDocument {
    path: String,
    freed: u64,
    kept: u64,
    files: usize,
}

/// Prunes the store, the cache, or both.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let Arguments { store, cache, keep, drop, dry_run } = arguments;
    let both = store.is_none() && cache.is_none();
    let mut document = Document { version: 1, dry_run, store: None, cache: None };
    let waiting = |what: &'static str| move || screen.say(&format!("waiting until nobody else uses the {what}"));
    if both || store.is_some() {
        let path = place::store(global, store.clone().flatten().as_deref());
        if store.is_some() || !drop.is_empty() || path.join("oci-layout").exists() {
            let pruned = Store::prune(&path, &drop, dry_run, &waiting("store"))?;
            document.store = Some(of_store(path.display().to_string(), pruned));
        }
    }
    if both || cache.is_some() {
        let path = place::cache(cache.flatten().as_deref())?;
        if path.exists() {
            let pruned = Cache::prune(&path, keep, dry_run, &waiting("cache"))?;
            document.cache = Some(of_cache(path.display().to_string(), &pruned));
        }
    }
    if global.json {
        screen.document(&document);
    } else {
        report(&document, screen);
    }
    Ok(Exit::Done)
}

fn of_store(path: String, pruned: Pruned) -> StoreDocument {
    StoreDocument {
        path,
        freed: pruned.bytes(),
        kept: pruned.kept,
        scratch: pruned.scratch.iter().map(|(_, size)| size).sum(),
        refs: pruned.refs,
        blobs: pruned.blobs.into_iter().map(|(digest, size)| Blob { digest, size }).collect(),
    }
}

fn of_cache(path: String, pruned: &CachePruned) -> CacheDocument {
    CacheDocument { path, freed: pruned.bytes(), kept: pruned.kept, files: pruned.files.len() }
}

fn report(document: &Document, screen: &Screen) {
    let would = if document.dry_run { "would free" } else { "freed" };
    if let Some(store) = &document.store {
        for name in &store.refs {
            screen.out(&format!("ref {name}\n"));
        }
        for blob in &store.blobs {
            screen.out(&format!("{} {}\n", blob.digest, size(blob.size)));
        }
        screen.say(&format!("store: {would} {}, {} stay", size(store.freed), size(store.kept)));
    }
    if let Some(cache) = &document.cache {
        screen.say(&format!("cache: {would} {} in {} files, {} stay", size(cache.freed), cache.files, size(cache.kept)));
    }
    if document.store.is_none() && document.cache.is_none() {
        screen.say("there is neither a store nor a cache: nothing to take away");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(bytes("0"), Ok(0));
        assert_eq!(bytes("5G"), Ok(5 << 30));
        assert_eq!(bytes("5GiB"), Ok(5 << 30));
        assert_eq!(bytes("3kb"), Ok(3 << 10));
        for bad in ["", "G", "-1", "5X", "1.5G", "99999999T", "5 G"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
