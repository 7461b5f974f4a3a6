//! Debian itself.
