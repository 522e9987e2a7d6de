//! What `cargo test` does last: rustdoc reads this when it looks for documentation tests, and nothing else does.

billing_left_out::say!();
