//! What containers need of podman before they start: volumes, networks, pods, images.

mod image;
mod network;
mod pod;
mod volume;

pub use image::ImageUnit;
pub use network::{Network, NetworkParts, Subnet};
pub use pod::{ExitPolicy, Pod};
pub use volume::{Volume, VolumeParts};
