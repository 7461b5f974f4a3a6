//! Effects, through their one door: `effect::run` over a tree.

mod accounts;
mod databases;
mod oracle;
mod packages;
mod recorded;
mod stories;
mod world;
