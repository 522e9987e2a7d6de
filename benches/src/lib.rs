//! Benchmarks, and code that several of them use. `docs/performance.md` says how they are run and has their results.

mod cursor;

pub use cursor::next_cursor;
