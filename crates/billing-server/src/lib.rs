//! The billing API over a ledger of its own: what Venice.ai answers, from our side.
//!
//! It serves every account of a [`Ledger`](billing_ledger::Ledger): the ledger by page number and by cursor, as JSON and
//! as CSV, sums by day, model and key, and the balance; and it takes new entries, in batches that are durable before they
//! are acknowledged and stored once however often they are sent. `/openapi.json` says it to programs and `/docs` to
//! people; `docs/upstream-api.md` has the contract that it follows.
//!
//! [`router`] is the API as axum has it, and [`serve`] a whole server: with TLS, limits on connections and requests, and
//! an end that lets requests finish. It reads no clock but the one it is given and no environment, and it never logs or
//! repeats a key. Every answer that is no success is JSON with an `error`.
//!
//! Beyond the contract there is `POST /api/v1/billing/usage`, and a CSV page has `apiKeyId` as a last column when the
//! request says `Prefer: include=apiKeyId`: the documented columns have no room for it, and an exact copy needs it.
//!
//! ```
//! use std::sync::Arc;
//!
//! use axum::{body, http::Request};
//! use billing_ledger::{KeyKind, Ledger};
//! use billing_model::Timestamp;
//! use billing_server::{Config, router};
//! use billing_sqlite::SqliteLedger;
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let now = || Timestamp::from_unix_ns(1_783_502_130_123_000_000);
//! # let directory = tempfile::tempdir()?;
//! let ledger = SqliteLedger::open_or_create(&directory.path().join("ledger.db"))?;
//! let account = ledger.create_account("default")?;
//! let (_, key) = ledger.create_key(account, KeyKind::Admin, "books", now())?;
//!
//! let request = Request::get("/api/v1/billing/usage?limit=50")
//!     .header("authorization", format!("Bearer {}", key.expose()))
//!     .body(body::Body::empty())?;
//! let answer = router(Arc::new(ledger), Config::new(now)).oneshot(request).await?;
//! assert_eq!(answer.status(), 200);
//!
//! let body = body::to_bytes(answer.into_body(), 1 << 20).await?;
//! assert_eq!(std::str::from_utf8(&body)?, r#"{"data":[],"pagination":{"limit":50,"page":1,"total":0,"totalPages":0}}"#);
//! # Ok(())
//! # }
//! ```

mod config;
mod error;
mod origin;

mod router;
mod routes;
mod server;

mod service;

mod accept;
mod ahead;
mod answer;
mod authorization;
mod cursor;
mod life;
mod pages;
mod pool_gauges;
mod prefer;
mod whole_body;

mod analytics;

mod browsers;

mod budget;
mod ingest;
mod recorder;
mod row_rules;
mod turns;

mod connection;
mod conversation;
mod exchange;
mod holding;
mod leftovers;
mod limits;
mod metrics;
mod refusal;
mod slots;
mod standing;
mod tls;
mod traffic;
mod trouble;

mod docs_page;
mod openapi;

pub use config::{Config, UsageEndpoint};
pub use origin::{Origin, OriginError};
pub use router::router;
pub use server::{Listeners, serve};
pub use tls::{Tls, TlsError};
