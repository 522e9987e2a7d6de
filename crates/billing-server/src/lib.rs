//! The billing API over a ledger of its own: what Venice.ai answers, from our side.
//!
//! Two routes, `GET /api/v1/billing/usage` (by page number) and `GET /api/v1/billing/usage-history` (by cursor), as
//! JSON and as CSV, for every account of a [`Ledger`](billing_store::Ledger). `docs/upstream-api.md` has the contract.
//!
//! It reads; entries come into the ledger by an import. It speaks plain HTTP: beyond one machine, TLS, rates and
//! limits on connections belong to a proxy before it. It has no clock and no configuration file, and it never logs or
//! repeats a key.
//!
//! Beyond the contract, a CSV page has `apiKeyId` as a last column when the request says `Prefer: include=apiKeyId`:
//! the documented columns have no room for it, and an exact copy needs it.
//!
//! ```
//! use axum::{body, http::Request};
//! use billing_model::Timestamp;
//! use billing_server::{Config, router};
//! use billing_store::{KeyKind, Ledger};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let now = || Timestamp::from_unix_ns(1_783_502_130_123_000_000);
//! # let directory = tempfile::tempdir()?;
//! let ledger = Ledger::open_or_create(&directory.path().join("ledger.db"))?;
//! let account = ledger.create_account("default")?;
//! let (_, key) = ledger.create_key(account, KeyKind::Admin, now())?;
//!
//! let request = Request::get("/api/v1/billing/usage?limit=50")
//!     .header("authorization", format!("Bearer {}", key.expose()))
//!     .body(body::Body::empty())?;
//! let answer = router(ledger, Config::new(now)).oneshot(request).await?;
//! assert_eq!(answer.status(), 200);
//!
//! let body = body::to_bytes(answer.into_body(), 1 << 20).await?;
//! assert_eq!(std::str::from_utf8(&body)?, r#"{"data":[],"pagination":{"limit":50,"page":1,"total":0,"totalPages":0}}"#);
//! # Ok(())
//! # }
//! ```

mod config;
mod error;

mod accept;
mod authorization;
mod prefer;

mod answer;
mod cursor;

mod router;
mod service;

pub use config::Config;
pub use router::{router, serve};
