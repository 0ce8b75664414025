//! Watches the site: one task for each source, each at its own cadence, none of which can hold up another. They change
//! nothing.

pub mod cadence;
pub mod sample;
pub mod testimony;

pub use cadence::{Cadence, Pace};
pub use sample::{Reading, Sample, Source};
pub use testimony::{Tone, tone};
