//! For tests only: strange entries, and an upstream that follows a script.
//!
//! The upstream is a real server on a real socket, so a client under test goes through everything that it goes
//! through in life; the script says where the body is cut, which status comes when, and what the paging claims.

mod entries;

pub use entries::{any_decimal, any_entries, any_entry, any_timestamp, entry_at};
