//! `arch` nodes.

use std::borrow::Cow;

use crate::name::ArchName;
use crate::spec::{Log, Mistake, Node, Reader, Span, unknown_child};

use super::super::super::{Arch, LoaderCache, Tier};
use super::super::shape::Holder;

/// An arch and its tier.
pub(in super::super) fn arch(
    name: ArchName,
    span: Span,
    nodes: &[Cow<'_, Node>],
    log: &mut Log,
) -> Option<(Arch, Option<Tier>)> {
    let (mut oci, mut debian, mut triplet, mut qemu, mut loader, mut tier) = (None, None, None, None, None, None);
    for node in nodes {
        if Holder::Arch.shape(&node.name).is_none() {
            log.push(unknown_child(node, "arch", Holder::Arch.names()));
            continue;
        }
        let mut reader = Reader::new(node, log);
        match node.name.value.as_str() {
            "oci" => oci = reader.argument::<String>("Go's name for it, as `amd64`"),
            "debian" => debian = reader.argument::<String>("Debian's name for it, as `amd64`"),
            "triplet" => triplet = reader.argument::<String>("its triplet, as `x86_64-linux-gnu`"),
            "qemu" => qemu = reader.argument::<String>("a program, as `qemu-x86_64-static`"),
            "tier" => tier = reader.argument::<Tier>("a tier"),
            _ => loader = loader_cache(&mut reader),
        }
        reader.finish();
    }
    let given = |name: &str| nodes.iter().any(|node| *node.name == *name);
    for lacking in ["oci", "debian", "triplet", "qemu", "loader"] {
        if !given(lacking) {
            let message = format!("arch `{name}` has no `{lacking}`");
            log.push(Mistake::new("missing", span, message).label(format!("`{lacking}` is missing")));
        }
    }
    let arch = Arch { name, oci: oci?, debian: debian?, triplet: triplet?, qemu: qemu?, loader: loader? };
    Some((arch, tier))
}

fn loader_cache(reader: &mut Reader<'_, '_>) -> Option<LoaderCache> {
    let interpreter = reader.argument("the loader's path");
    let flags = reader.required("flags", "flags=0x0303, as glibc's dl-cache.h has it");
    let machine = reader.required("machine", "machine=62, the e_machine of its objects");
    let mut hwcaps = Vec::new();
    for child in reader.children(&["hwcaps"]) {
        let mut inner = Reader::new(child, reader.log());
        hwcaps.extend(inner.arguments::<String>("names below glibc-hwcaps/"));
        inner.finish();
    }
    Some(LoaderCache { flags: flags?, machine: machine?, interpreter: interpreter?, hwcaps })
}
