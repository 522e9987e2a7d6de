//! The last step of `cargo test`: rustdoc reads this file when it looks for documentation tests, and nothing else does.

billing_left_out::say!();
