//! Files as people have them: what is read of them, what is refused and why, and what is warned of. Each kind of file comes
//! with both line ends, with a byte order mark and without, plain and compressed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod damage;
mod forms;
mod notices;
mod refused;
mod support;
