//! The catalogue's estates as each host gets them: `wharf units`, and what `show`, `list` and `check` say of them.

mod accepted;
mod hidden;
mod same;
mod world;
