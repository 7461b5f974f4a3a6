//! The catalogue's estates as each host gets them: `wharf units`, and what `show`, `list` and `check` say of them.

mod accepted;
mod cells;
mod documents;
mod golden;
mod grown;
mod hidden;
mod refused;
mod same;
mod shown;
pub mod world;
