//! `/etc/nsswitch.conf`, which libc-bin's postinst (base-files' before trixie) copies from its default.

use crate::tree::{Tree, TreeError};

use super::{Context, at};

/// Where the default is: libc-bin since trixie, base-files and libc-bin before.
const DEFAULTS: [&str; 2] = ["/usr/share/libc-bin/nsswitch.conf", "/usr/share/base-files/nsswitch.conf"];

/// Copies the default, unless the image brings the file itself.
pub(super) fn run(tree: &mut Tree, context: &Context<'_>) -> Result<(), TreeError> {
    let Ok(path) = at("/etc/nsswitch.conf") else { return Ok(()) };
    if context.calls_for("nsswitch").next().is_none() || tree.lookup(&path).is_some() {
        return Ok(());
    }
    for default in DEFAULTS {
        let Ok(default) = at(default) else { continue };
        if let Some(bytes) = tree.read(&default)? {
            tree.insert(&path, context.file("nsswitch", bytes))?;
            return Ok(());
        }
    }
    Ok(())
}
