//! The runbook: what is planned, what happened, what may happen next. Pure; no IO, no async, no outside types.

pub mod approval;
pub mod check;
pub mod council;
pub mod decision;
pub mod event;
pub mod finding;
pub mod fold;
pub mod formula;
pub mod gate;
pub mod ink;
pub mod lever;
pub mod milestone;
pub mod moved;
pub mod names;
mod outage;
pub mod people;
pub mod plan;
pub mod setting;
pub mod shape;
pub mod situation;
pub mod sql;
pub mod state;
pub mod text;
pub mod timeline;
pub mod tone;
pub mod topology;
pub mod witness;
