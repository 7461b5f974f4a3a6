//! `wharf.lock`.
