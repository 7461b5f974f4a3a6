//! Nodes to the values that the build works with.

mod arch;
mod distro;
mod image;
mod parts;
mod worth;

pub(super) use arch::arch;
pub(super) use distro::distro;
pub(super) use image::{Own, own};
