//! `wharf secrets`.

mod keys;
mod make;
mod words;
mod world;
