//! The project's own chores, behind `cargo xtask`: the gate, the house rules, the benchmarks.
//!
//! ```text
//! cargo xtask ci              every check that a change must pass, in order
//! cargo xtask tidy            the rules of the house alone
//! cargo xtask conformance     the server held to its own document
//! cargo xtask clients         real clients against our server
//! cargo xtask bench [FILTER]  the benchmarks
//! cargo xtask picture         the picture in README.md
//! cargo xtask dist            a release, packed
//! ```
//!
//! It starts the tools that do the work and judges what they say; it builds nothing itself, and no crate of the
//! product knows it. It is a library too, so that its own tests and the house rules are part of a plain `cargo test`:
//! they stand in `tests/e2e/tidy.rs`, and those of what is packed, which need the program, in `tests/e2e/packages.rs`.

pub mod gate;
pub mod overheard;
pub mod slowest;

pub mod tidy;

pub mod conformance;

pub mod clients;

pub mod bench;

pub mod dist;
pub mod picture;

pub mod command;
pub mod python;
pub mod readme;
pub mod workspace;

mod deadline;
mod manifest;
mod server;
