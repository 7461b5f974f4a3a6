//! wharf compiles an estate: KDL in, OCI images and container units out.
//!
//! The map, top to bottom. A module stands above all that it uses; nothing looks up.
//!
//! | module | noun |
//! |---|---|
//! | [`cli`] | one file per verb; only this floor and [`ui`] print |
//! | [`ui`] | progress, tables, diagnostics |
//! | [`trial`] | images' own tests, run under podman, and their report |
//! | [`build`] | which images, in which order; the orchestrator of lock and build |
//! | [`apply`] | walk a plan: leases, images, stages, waves, confirmations |
//! | [`plan`](mod@plan) | desired less observed: what changes, why, in which order |
//! | [`lab`] | hosts to rehearse on, in namespaces of this machine |
//! | [`host`] | hosts: the way to them, what they are, what they are given |
//! | [`desired`] | what each host shall have: units, files, secrets' names |
//! | [`release`] | `releases/NAME.kdl`: which manifest each image is |
//! | [`buildah`] | drive buildah: run steps fenced in, take what they changed |
//! | [`podman`] | drive podman: pull from the store, run, exec |
//! | [`unit`](mod@unit) | Quadlet and systemd units: meanings, and their text for each podman |
//! | [`registry`] | the read-only registry that hosts pull through |
//! | [`oci`] | config, manifest, index, the store, exports |
//! | [`layer`] | fragments and layers: deterministic tar, compression, the fragment cache |
//! | [`effect`] | what a maintainer script would have done; one file per effect |
//! | [`tree`] | the file tree of an image before it is bytes |
//! | [`deb`] | Debian: archive, control files, versions, .deb files, scripts, solving |
//! | [`fetch`] | HTTP, and the cache on disk that many processes share |
//! | [`lock`] | `wharf.lock` |
//! | [`secrets`] | an estate's secrets: the age file, values made by rule |
//! | [`config`] | configuration files: templates, INI, YAML, JSON, overrides, secrets in them |
//! | [`estate`] | inheritance, conditions, variables: specs resolved; which service runs where |
//! | [`spec`] | KDL to typed specs, a span on every value |
//! | [`progress`] | how long work says how far it is |
//! | [`path`], [`name`], [`digest`], [`version`] | the values that all others share |
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)
)]

pub mod apply;
pub mod build;
pub mod buildah;
pub mod cli;
pub mod config;
pub mod deb;
pub mod desired;
pub mod digest;
pub mod effect;
pub mod estate;
pub mod fetch;
pub mod host;
pub mod lab;
pub mod layer;
pub mod lock;
pub mod name;
pub mod oci;
pub mod path;
pub mod plan;
pub mod podman;
pub mod progress;
pub mod registry;
pub mod release;
pub mod secrets;
pub mod spec;
pub mod tree;
pub mod trial;
pub mod ui;
pub mod unit;
pub mod version;
