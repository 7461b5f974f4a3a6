//! Nodes to the values that the build works with.

mod arch;
mod distro;
mod hosts;
mod image;
mod parts;
mod secret;
mod service;
mod steps;
mod worth;

pub(super) use arch::arch;
pub(super) use distro::distro;
pub(super) use hosts::estate;
pub(super) use image::{Own, own};
pub(super) use service::{Events, Order, Quorum, Start, UndoWord, service};
