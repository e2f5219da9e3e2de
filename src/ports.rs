//! What the pipeline needs of the world, as traits. The adapters implement them; the pipeline names no adapter.

pub mod conditions;
pub mod diagnosis;
pub mod events;
pub mod execution;
pub mod messages;
