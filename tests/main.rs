//! All integration tests in one binary: one file per verb or module.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr
)]

mod archive;
mod archive_support;
mod build;
mod catalogue;
mod check;
mod cli;
mod config;
mod debs;
mod diff;
mod effect;
mod export;
mod fetch;
mod fetch_verb;
mod flake;
mod fmt;
mod fragment;
mod graph;
mod init;
mod lab;
mod layer;
mod list;
mod matrix;
mod openpgp;
mod oracle;
mod plan;
mod prune;
mod real;
mod sample;
mod scripts;
mod secrets;
mod show;
mod solver;
mod steps;
mod store;
mod support;
mod tree_oracle;
mod unit;
mod units;
mod views;
