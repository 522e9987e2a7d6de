//! The command-line tool `billing`.
fn main() {}
