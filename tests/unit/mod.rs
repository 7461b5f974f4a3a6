//! Units beside the truth: podman's own generator of two releases, and systemd.

mod manager;
mod odd;
mod roots;
