//! Where the store and the cache are, unless told.

use std::path::{Path, PathBuf};

use super::{Failure, Global};

/// The project's folder, from where wharf stands upwards; where it stands if there is none.
fn project(global: &Global) -> PathBuf {
    let start = global.directory.clone().unwrap_or_else(|| PathBuf::from("."));
    crate::estate::find_root(&start).unwrap_or(start)
}

/// `--store`, else `.wharf/store` in the project.
pub fn store(global: &Global, told: Option<&Path>) -> PathBuf {
    told.map_or_else(|| project(global).join(".wharf/store"), Path::to_owned)
}

/// `--cache`, else `WHARF_CACHE`, else the user's cache folder (XDG base directories).
pub fn cache(told: Option<&Path>) -> Result<PathBuf, Failure> {
    use etcetera::BaseStrategy as _;
    if let Some(folder) = told {
        return Ok(folder.to_owned());
    }
    if let Some(folder) = std::env::var_os("WHARF_CACHE").filter(|value| !value.is_empty()) {
        return Ok(folder.into());
    }
    let base = etcetera::choose_base_strategy().map_err(|error| {
        Failure::from(
            miette::MietteDiagnostic::new(format!("there is no folder for the cache: {error}"))
                .with_help("name one with `--cache DIR` or `WHARF_CACHE`"),
        )
    })?;
    Ok(base.cache_dir().join("wharf"))
}
