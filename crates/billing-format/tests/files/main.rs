//! Files as people have them: what is read, what is refused and why, and what is warned of. Each kind of file is tried
//! with both line ends, with and without a byte order mark, plain and compressed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod damage;
mod forms;
mod notices;
mod refused;
mod support;
