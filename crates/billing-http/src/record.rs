//! Records a batch: all of it and once, or says that it is not stored, or that this is not known.

use billing_model::{BatchReceipt, ConflictingBatch, RefusedBatch};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};

use crate::answer::Answer;
use crate::batch::Batch;
use crate::call::{Accept, Body, Call, Repeat, Request};
use crate::client::{Client, Persistence};
use crate::error::{Error, ErrorKind};
use crate::reply::Failure;
use crate::retry::Class;
use crate::timer::Timer;

/// A batch that is stored, all of it, and durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// This call stored so many entries.
    Stored(u64),
    /// The batch, of so many entries, was there already, and was not stored again: it was sent before, perhaps by an earlier
    /// try of this call whose answer was lost.
    Repeated(u64),
}

impl Recorded {
    /// Entries of the batch.
    pub fn entries(self) -> u64 {
        match self {
            Self::Stored(entries) | Self::Repeated(entries) => entries,
        }
    }
}

impl Client {
    /// Records a batch by `POST /billing/usage`, which servers of this project have, with an ingest key; tries again as the
    /// policy has it. However often it is sent, the batch is stored once.
    ///
    /// ```
    /// use billing_http::{ApiKey, Batch, Client, IdempotencyKey, Recorded};
    /// # use billing_testkit::{Reply, Upstream, entry_at};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let upstream = Upstream::start(|_| Reply::json(201, r#"{"idempotencyKey":"batch-1","recorded":1}"#)).await;
    /// # let base_url = upstream.base_url();
    /// # let entry = entry_at("2026-06-14T19:52:45.087Z".parse()?, "-0.1");
    /// let client = Client::builder(base_url, ApiKey::new("ingest-key")?).build()?;
    /// let batch = Batch::new(IdempotencyKey::new("batch-1")?, &[entry]);
    /// assert_eq!(client.record(&batch).await?, Recorded::Stored(1));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Of these kinds nothing of the batch is stored:
    /// - [`ErrorKind::BatchRefused`]: it has rows that cannot be recorded. [`Error::refused_batch`] says which, and why.
    /// - [`ErrorKind::IdempotencyConflict`]: another batch was sent with this key before. The server names the key; a 409
    ///   without it may be a proxy's and settles nothing.
    /// - [`ErrorKind::AccountSynced`]: the account of the key is kept in step with a service and takes no batches, under any key.
    ///   Record into another account.
    /// - [`ErrorKind::BatchTooLarge`]: the server takes less at once. Send it as several, each under a key of its own.
    /// - any other kind but the next one.
    ///
    /// [`ErrorKind::OutcomeUnknown`] says that the batch may be stored or not: the connection was lost, or the server or a proxy
    /// failed, after the batch was sent, and so it went until the tries were used up. Send the same batch with the same key again,
    /// now or in a year; it is stored once. The cause is what came of the last try.
    pub async fn record(&self, batch: &Batch) -> Result<Recorded, Error> {
        let sent = self.send(batch, Persistence::Full, &mut Timer::default()).await;
        sent.map(|sent| sent.answer).map_err(settled)
    }
}

/// The error of a batch whose tries are used up.
fn settled(failure: Failure) -> Error {
    let Failure { error, in_doubt, .. } = failure;
    // Who gives these has looked under the key: an earlier try was not stored either.
    let is_last_word = matches!(
        error.kind(),
        ErrorKind::BatchRefused | ErrorKind::IdempotencyConflict | ErrorKind::AccountSynced
    );
    let is_known = !in_doubt || is_last_word;
    if is_known { error } else { error.into_unknown_outcome() }
}

impl Call for Batch {
    type Answer = Recorded;

    fn request(&self) -> Request<'_> {
        Request {
            method: Method::POST,
            path: "billing/usage",
            query: String::new(),
            shown_query: None,
            accept: Accept::Json,
            done: StatusCode::CREATED,
            repeat: Repeat::UnderKey(self.key()),
            body: Some(Body { media_type: self.format().media_type(), bytes: self.body().clone() }),
        }
    }

    fn read(&self, headers: &HeaderMap, body: Vec<u8>) -> Result<Recorded, Failure> {
        let BatchReceipt { idempotency_key, recorded } =
            Answer::from_json(body, BatchReceipt::from_json)?.value;
        let is_of_this =
            idempotency_key == self.key().as_str() && self.entries().is_none_or(|sent| sent == recorded);
        if !is_of_this {
            let message = "the receipt is that of another batch";
            return Err(Failure::new(Class::Fatal, Error::of(ErrorKind::Inconsistent).with_message(message)));
        }
        let is_repeated = headers.get("idempotency-replayed").is_some_and(|value| value == "true");
        Ok(if is_repeated { Recorded::Repeated(recorded) } else { Recorded::Stored(recorded) })
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> Option<Error> {
        match status {
            StatusCode::CONFLICT => {
                let conflict = ConflictingBatch::from_json(std::str::from_utf8(body).ok()?).ok()?;
                // Any other 409 is somebody's who has not looked under the key, such as a proxy's.
                let is_of_this = conflict.idempotency_key == self.key().as_str();
                is_of_this.then(|| match conflict.synced_with {
                    Some(_) => Error::of(ErrorKind::AccountSynced),
                    None => Error::of(ErrorKind::IdempotencyConflict),
                })
            }
            StatusCode::PAYLOAD_TOO_LARGE => Some(Error::of(ErrorKind::BatchTooLarge)),
            StatusCode::UNPROCESSABLE_ENTITY => {
                let refused = RefusedBatch::from_json(std::str::from_utf8(body).ok()?).ok()?;
                let rows = refused.to_bad_rows();
                let error = Error::of(ErrorKind::BatchRefused).with_message(refused.error.clone());
                Some(error.because(rows).with_refused_batch(refused))
            }
            _ => None,
        }
    }

    fn entries(&self, answer: &Recorded) -> Option<usize> {
        usize::try_from(answer.entries()).ok()
    }
}
