//! The whole program as an operator meets it: the real binary, a real terminal, a simulated site in a process of its own.
//!
//! One test binary for all of it, so that it is linked once.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod asleep;
mod bad_input;
mod demo;
mod headless;
mod init;
mod keys;
mod monitor;
mod newcomer;
mod pictures;
mod readme;
mod rehearse;
mod resume;
mod rights;
mod second_person;
mod secrets;
mod storm;
mod support;
mod talkative;
mod terminal;
mod trouble;
mod two_operators;
mod ways;
