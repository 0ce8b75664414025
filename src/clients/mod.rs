//! One thin typed client for each outside system. They decide nothing; what changes the world takes `&Controls`.

pub mod trouble;

pub use trouble::{Trouble, TroubleKind};
