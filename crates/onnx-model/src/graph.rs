//! Walking and editing a graph.

mod attributes;
mod build;
mod describe;
mod edit;
mod index;
mod names;
mod order;
mod reads;

pub use build::node;
pub use describe::describe;
pub use edit::{remove_unused, sort_topologically};
pub use index::GraphIndex;
pub use names::Names;
pub use reads::reads_of;

pub(crate) use attributes::{attribute_type, used_fields};
pub(crate) use order::topological_order;
pub(crate) use reads::subgraphs;

#[cfg(test)]
mod tests;
