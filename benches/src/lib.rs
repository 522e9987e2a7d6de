//! Benchmarks, and what several of them need. `docs/performance.md` says how they are run and what they found.

mod cursor;

pub use cursor::next_cursor;
