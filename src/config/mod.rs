//! Configuration: the schema, and the layers that fill it.

mod schema;

pub use schema::{Audio, BreakerOverride, Config, Endpoint, Journal, Safety, Speech, Store, Stt, Terminal};
