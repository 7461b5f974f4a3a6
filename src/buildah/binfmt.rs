//! Whether this machine's kernel runs programs of an arch (binfmt_misc: Documentation/admin-guide/binfmt-misc.rst).

use std::fs;
use std::path::Path;

use super::BuildahError;
use crate::estate::Arch;

/// Where the kernel lists its handlers.
const HANDLERS: &str = "/proc/sys/fs/binfmt_misc";

/// What a handler's file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handler {
    /// It serves containers.
    Good,
    /// It is turned off.
    Disabled,
    /// It was registered without the flag F: its interpreter is looked for inside of the image.
    NotFixed,
}

impl Handler {
    fn read(text: &str) -> Self {
        // F: the interpreter is opened once, outside.
        let fixed = text.lines().any(|line| line.strip_prefix("flags: ").is_some_and(|flags| flags.contains('F')));
        match text.lines().next() {
            Some("enabled") if fixed => Self::Good,
            Some("enabled") => Self::NotFixed,
            _ => Self::Disabled,
        }
    }
}

/// Why programs of `arch` do not run here; none where they do. `host` is this machine's arch.
pub fn lacks(arch: &Arch, host: Option<&Arch>) -> Option<BuildahError> {
    if host.is_some_and(|host| host.name == arch.name) {
        return None;
    }
    lacks_in(Path::new(HANDLERS), arch)
}

fn lacks_in(handlers: &Path, arch: &Arch) -> Option<BuildahError> {
    // `qemu-aarch64-static` is the program, `qemu-aarch64` what its packages call the handler.
    let name = arch.qemu.strip_suffix("-static").unwrap_or(&arch.qemu);
    let why = match fs::read_to_string(handlers.join(name)).map(|text| Handler::read(&text)) {
        Ok(Handler::Good) => return None,
        Ok(Handler::Disabled) => "is turned off",
        Ok(Handler::NotFixed) => "is registered without the flag F, so an image would have to hold its interpreter",
        Err(_) => "is not registered",
    };
    Some(BuildahError::Handler { arch: arch.name.to_string(), handler: name.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_has_to_be_on_and_fixed() {
        let text = |state: &str, flags: &str| {
            format!(
                "{state}\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: {flags}\noffset 0\nmagic 7f45\n"
            )
        };
        assert_eq!(Handler::read(&text("enabled", "POF")), Handler::Good);
        assert_eq!(Handler::read(&text("enabled", "PO")), Handler::NotFixed);
        assert_eq!(Handler::read(&text("disabled", "POF")), Handler::Disabled);
        assert_eq!(Handler::read(""), Handler::Disabled);
    }

    #[test]
    fn what_is_missing_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let arch = crate::effect::fixture::arch("aarch64");
        let mut said = Vec::new();
        said.push(lacks_in(folder.path(), &arch).unwrap().to_string());
        let path = folder.path().join(arch.qemu.trim_end_matches("-static"));
        fs::write(&path, "enabled\nflags: OC\n").unwrap();
        said.push(lacks_in(folder.path(), &arch).unwrap().to_string());
        fs::write(&path, "enabled\nflags: OCF\n").unwrap();
        assert!(lacks_in(folder.path(), &arch).is_none());
        insta::assert_snapshot!(said.join("\n"), @"
        programs of aarch64 do not run here: the handler `qemu-aarch64` is not registered
        programs of aarch64 do not run here: the handler `qemu-aarch64` is registered without the flag F, so an image would have to hold its interpreter
        ");
    }
}
