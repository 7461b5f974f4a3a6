//! OCI images: config, manifest and index as documents with one spelling, the store, and what other tools are given
//! (OCI image-spec 1.1).

mod diff;
mod document;
mod error;
pub mod export;
mod flat;
mod record;
mod reference;
mod store;

pub use diff::{ArchDiff, FieldChange, FileChange, FileFacts, ImageDiff, LayerFacts, PackageChange, Side, diff};
pub use document::{
    Configuration, ContainerConfig, Descriptor, Healthcheck, History, Index, MAX_DOCUMENT, Manifest, Platform, RootFs,
    canonical, media,
};
pub use error::OciError;
pub use flat::{Flat, Meta, Node, NodeKind};
pub use record::{Annotations, Documents, ImageRecord, LayerRecord, container, created_text, index};
pub use reference::{Ref, RefError};
pub use store::{Fault, Pruned, Selected, Store, StoreError};
