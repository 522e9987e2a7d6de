//! Whether a key that is new opens the account that is held.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use billing_http::Client;
use billing_ledger::{AccountId, Ledger};
use billing_model::{EntryDigest, Timestamp};
use futures::StreamExt;

use crate::error::Cause;
use crate::held;
use crate::records::Records;
use crate::run::{Asking, blocking};
use crate::span::Span;

/// Entries that are compared, the latest ones: a few pages.
const COMPARED: u64 = 1_000;

/// Compares the latest of what is held with what the client's key gives. Another account has none of these entries; the same one has
/// them, but for those that changed since. So half of them are enough, and none of none. Entries that came since are no sign of another
/// account where they were still to come: from `final_before` on.
pub(crate) async fn check(
    client: &Client,
    asking: Asking,
    ledger: &Arc<dyn Ledger>,
    account: AccountId,
    records: &Records,
    final_before: Option<Timestamp>,
) -> Result<(), Cause> {
    let Some(span) = latest(records) else { return Ok(()) };
    let reading = Arc::clone(ledger);
    let held = blocking(move || held::read(&*reading, account, span)).await?;
    let mut waiting: HashMap<EntryDigest, u64> = HashMap::new();
    for entry in &held.entries {
        *waiting.entry(entry.digest).or_default() += 1;
    }
    let (all, mut found, mut common) = (held.entries.len() as u64, 0, 0);
    let mut stretches = pin!(asking.walk(span.window()).build()?.stretches(client));
    while let Some(stretch) = stretches.next().await {
        for entry in &stretch?.entries {
            found += u64::from(final_before.is_none_or(|before| entry.timestamp < before));
            if let Some(left) = waiting.get_mut(&EntryDigest::of(entry)).filter(|left| **left > 0) {
                *left -= 1;
                common += 1;
            }
        }
        // Another account may have much more there.
        if found > all.saturating_mul(2) + COMPARED {
            break;
        }
    }
    match common * 2 >= all.max(found) {
        true => Ok(()),
        false => Err(Cause::OtherKey { held: all, common }),
    }
}

/// The span of the latest records that adjoin and have enough entries together, or of all that adjoin. What lies in a gap is not held,
/// so it says nothing of a key.
fn latest(records: &Records) -> Option<Span> {
    let until = records.until()?;
    let (mut since, mut entries) = (Some(until), 0);
    for record in records.iter().rev() {
        if since != Some(record.until) || entries >= COMPARED {
            break;
        }
        since = record.since;
        entries += record.entries();
    }
    Span::new(since, until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::SyncJob;
    use billing_http::ApiKey;
    use billing_model::UsageEntry;
    use billing_testkit::{Book, MemoryLedger, OwnedLedger as _, Upstream, entry_at};

    /// So many minutes after the first entry.
    fn minute(minutes: i64) -> Timestamp {
        Timestamp::from_unix_ns(1_780_272_000_000_000_000 + minutes * 60_000_000_000)
    }

    /// The present.
    const NOW: i64 = 10_000;

    /// An entry a minute, from one to another.
    fn entries(from: i64, to: i64, amount: &str) -> Vec<UsageEntry> {
        (from..to).map(|at| entry_at(minute(at), amount)).collect()
    }

    /// What becomes of a ledger of one key's entries, when another key gives these. Its entries are taken over where it is
    /// the same account.
    async fn renewed(ours: Vec<UsageEntry>, theirs: Vec<UsageEntry>) -> Result<(), Cause> {
        let mut books = [Book::new(ours.clone()), Book::new(theirs.clone())];
        let now_s = u64::try_from(minute(NOW).unix_ns().unwrap() / 1_000_000_000).unwrap();
        let upstream = Upstream::start(move |request| {
            let book = usize::from(request.header("authorization") == "Bearer new");
            books[book].answer(request).dated(now_s)
        })
        .await;
        let client =
            |key: &str| Client::builder(upstream.base_url(), ApiKey::new(key).unwrap()).build().unwrap();
        let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new().unwrap());
        let account = ledger.create_account("copy").unwrap();
        let sync = SyncJob::of(Arc::clone(&ledger), account);
        sync.run(&client("old"), || minute(NOW), |_| ()).await.unwrap();
        let synced = sync.run(&client("new"), || minute(NOW), |_| ()).await;
        let held: Vec<_> =
            ledger.placed_entries(account).unwrap().into_iter().map(|(_, entry)| entry).collect();
        let source = ledger.source(account).unwrap().unwrap();
        match synced {
            Ok(_) => {
                assert_eq!(source.key_fingerprint, client("new").key_fingerprint());
                Ok(())
            }
            Err(error) => {
                assert_eq!(source.key_fingerprint, client("old").key_fingerprint());
                assert_eq!(held, ours, "nothing was changed");
                Err(error.into_cause())
            }
        }
    }

    #[tokio::test]
    async fn a_renewed_key_opens_the_same_account() {
        let ours = entries(0, 40, "-1");
        for theirs in [
            ours.clone(),
            // More by now, some changed, some gone: half of all are the same.
            [ours.clone(), entries(NOW - 40, NOW, "-2")].concat(),
            [&ours[..20], &entries(20, 40, "-2")].concat(),
            ours[..20].to_vec(),
        ] {
            renewed(ours.clone(), theirs).await.unwrap();
        }
    }

    #[tokio::test]
    async fn the_key_of_another_account_is_refused() {
        let ours = entries(0, 40, "-1");
        for (theirs, is_common) in [
            (entries(0, 40, "-2"), 0),
            (Vec::new(), 0),
            ([&ours[..19], &entries(19, 40, "-2")].concat(), 19),
            ([&ours[..], &entries(0, 41, "-2")].concat(), 40),
            // Far more than was held, of which not all is walked.
            (entries(0, 9_000, "-2"), 0),
        ] {
            match renewed(ours.clone(), theirs).await {
                Err(Cause::OtherKey { held: 40, common }) => assert_eq!(common, is_common),
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn of_many_entries_the_latest_are_compared() {
        let ours = entries(0, 9_000, "-1");
        renewed(ours.clone(), [entries(0, 4_000, "-2"), ours[4_000..].to_vec()].concat()).await.unwrap();
        let other = [ours[..4_000].to_vec(), entries(4_000, 9_000, "-2")].concat();
        assert!(matches!(renewed(ours, other).await, Err(Cause::OtherKey { common: 0, .. })));
    }

    #[tokio::test]
    async fn an_account_without_entries_is_any_that_had_none() {
        renewed(Vec::new(), Vec::new()).await.unwrap();
        let other = renewed(Vec::new(), entries(0, 40, "-1")).await;
        assert!(matches!(other, Err(Cause::OtherKey { held: 0, common: 0 })));
    }

    /// Entries that came late made a renewed key another account's, for ever.
    #[tokio::test]
    async fn entries_that_were_still_to_come_are_no_sign_of_another_account() {
        renewed(Vec::new(), entries(NOW - 10, NOW, "-1")).await.unwrap();
        let ours = entries(NOW - 40, NOW - 30, "-1");
        renewed(ours.clone(), [ours, entries(NOW - 14, NOW, "-2")].concat()).await.unwrap();
        // What had come by then says something.
        let other = renewed(entries(NOW - 10, NOW, "-1"), entries(NOW - 10, NOW, "-2")).await;
        assert!(matches!(other, Err(Cause::OtherKey { held: 10, common: 0 })));
    }
}
