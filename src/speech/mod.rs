//! Speech to text, and the models for it.

pub mod models;
