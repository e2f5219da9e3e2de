//! Configuration: parsed once, every unknown key an error, every default in one commented file.
//!
//! Three layers, later wins: the embedded `default.toml`, one file, the environment. [`load`] is the only place of this
//! crate that reads the environment. It reports every problem that it can find, not only the first.

mod inspect;
mod layers;
mod load;
pub mod model;
mod names;
mod print;
mod problem;
pub mod reference;
mod shape;
mod validate;
mod variables;

pub use load::{Environment, Loaded, load, load_from};
pub use print::print;
pub use problem::{ConfigError, Problem};

/// The default configuration, every key of it commented.
pub const DEFAULT: &str = include_str!("config/default.toml");

/// The JSON Schema of a configuration, for editors.
pub fn schema() -> serde_json::Value {
    shape::schema()
}
