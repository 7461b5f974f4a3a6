//! An architecture that images are built for.

use crate::name::ArchName;

/// An `arch` node, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arch {
    /// The name in specs and on the command line: `x86_64`.
    pub name: ArchName,
    /// The `architecture` of the OCI image config (Go's GOARCH): `amd64`.
    pub oci: String,
    /// Debian's name for it: `amd64`.
    pub debian: String,
    /// The multiarch triplet: `x86_64-linux-gnu`.
    pub triplet: String,
    /// The program that runs its binaries elsewhere: `qemu-x86_64-static`.
    pub qemu: String,
    /// What the dynamic loader's cache needs to know.
    pub loader: LoaderCache,
}

/// What `/etc/ld.so.cache` needs to know of an architecture (glibc, sysdeps/*/ldconfig.h and dl-cache.h).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoaderCache {
    /// The flags word of each entry: `0x0303` on x86_64.
    pub flags: u32,
    /// `e_machine` of its objects: 62 on x86_64.
    pub machine: u16,
    /// The loader itself, as programs name it in PT_INTERP: `/lib64/ld-linux-x86-64.so.2`.
    pub interpreter: String,
    /// Sub-directories of `glibc-hwcaps/` that its loader may use, weakest first: `x86-64-v2`.
    pub hwcaps: Vec<String>,
}
