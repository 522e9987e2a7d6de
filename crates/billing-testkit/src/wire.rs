//! HTTP/1.1 from a client's side, as it stands on the wire: what a client library would not let a test send or see.
//!
//! A [`Request`] is written down, or any other bytes are, malformed ones too. A [`Connection`] sends them and reads the
//! [`Answer`]s, one after the other. It keeps to one buffer, so a benchmark that only reads bytes has no other cost.
//!
//! ```
//! use billing_testkit::wire::{Connection, Request};
//! use billing_testkit::{Reply, Upstream};
//! # fn main() -> std::io::Result<()> {
//! # let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
//! let upstream = runtime.block_on(Upstream::start(|_| Reply::json(200, "{}")));
//! let mut connection = Connection::to(&upstream.base_url())?;
//! let answer = connection.ask(&Request::get("/api/v1/billing/balance").bearing("a-key"))?;
//! assert_eq!((answer.status, answer.text()), (200, "{}"));
//! # Ok(())
//! # }
//! ```

mod answer;
mod connection;
mod request;

pub use answer::Answer;
pub use connection::Connection;
pub use request::Request;
