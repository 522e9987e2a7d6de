//! Benchmarks. They stand in `speed/`; `docs/performance.md` says how they are run and what they found.
