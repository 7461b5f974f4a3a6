//! Units beside the truth: podman's own generator of two releases, and systemd.

mod golden;
mod keys;
mod manager;
mod meanings;
mod odd;
mod podman;
pub mod roots;
mod samples;
pub mod verify;
