//! Configuration: parsed once, every unknown key an error, every default in one commented file.

pub mod model;
