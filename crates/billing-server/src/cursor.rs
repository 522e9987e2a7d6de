//! Page tokens: opaque to clients, signed, bound to an account and to a short life.
//!
//! A token carries all that its page needs, so that the server keeps nothing between two requests:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version |
//! | 8 | time of issue, nanoseconds of Unix time |
//! | 8 | snapshot of the ledger at the first page: its end |
//! | 8 + 8 | in version 2 alone: what else that snapshot leaves out, from one number to another |
//! | 8 + 8 | position of the last entry served: its timestamp, its sequence |
//! | any | the query string of the first page |
//! | 16 | HMAC-SHA256, cut to 128 bits, over the account and all of the above |
//!
//! A walk that began while an import was under way has version 2, and all others have version 1. Numbers are
//! big-endian; the whole is URL-safe base64 without padding.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use billing_ledger::{AccountId, Position, Sequences, Snapshot};
use billing_model::{Cursor, HistoryQuery, HistoryRequest, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::error::Error;

/// Each layout has its own number, so that a token is never read by the wrong layout.
const PLAIN: u8 = 1;
/// With the numbers of an import.
const WITHOUT_IMPORT: u8 = 2;

const TAG_LEN: usize = 16;

/// Where a walk stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Continuation {
    /// The filters of the first page.
    pub(crate) query: HistoryQuery,
    /// The ledger as the first page saw it.
    pub(crate) snapshot: Snapshot,
    /// The last entry that was served.
    pub(crate) position: Position,
}

/// Issues tokens and reads those that it issued.
pub(crate) struct Cursors {
    mac: Hmac<Sha256>,
    ttl: Duration,
}

impl Cursors {
    /// Signs with a key derived from the ledger's secret, so that every server of one ledger reads the same tokens.
    pub(crate) fn new(secret: &[u8; 32], ttl: Duration) -> Self {
        let key = hmac(secret).chain_update(b"billing-server cursor").finalize().into_bytes();
        Self { mac: hmac(&key.into()), ttl }
    }

    /// The token that goes on from `continuation`.
    pub(crate) fn issue(
        &self,
        account: AccountId,
        now: Timestamp,
        continuation: &Continuation,
    ) -> Result<Cursor, Error> {
        let Continuation { query, snapshot, position } = continuation;
        let Snapshot { end, without } = snapshot;
        let mut token = vec![if without.is_some() { WITHOUT_IMPORT } else { PLAIN }];
        token.extend_from_slice(&unix_ns(now).to_be_bytes());
        token.extend_from_slice(&end.to_be_bytes());
        if let Some(Sequences { first, last }) = without {
            token.extend_from_slice(&first.to_be_bytes());
            token.extend_from_slice(&last.to_be_bytes());
        }
        token.extend_from_slice(&position.timestamp_ns.to_be_bytes());
        token.extend_from_slice(&position.sequence.to_be_bytes());
        token.extend_from_slice(HistoryRequest::First(query.clone()).query_string().as_bytes());
        let tag = self.sign(account, &token).finalize().into_bytes();
        token.extend_from_slice(&tag[..TAG_LEN]);
        URL_SAFE_NO_PAD.encode(token).parse().map_err(Error::internal)
    }

    /// Where a walk goes on with this token.
    ///
    /// # Errors
    /// [`Error::Cursor`] unless the token is unchanged, was issued to this account, and is not older than the time to
    /// live.
    pub(crate) fn read(
        &self,
        account: AccountId,
        now: Timestamp,
        cursor: &Cursor,
    ) -> Result<Continuation, Error> {
        let token = URL_SAFE_NO_PAD.decode(cursor.as_str()).map_err(|_| Error::Cursor)?;
        let (signed, tag) = token.split_last_chunk::<TAG_LEN>().ok_or(Error::Cursor)?;
        // The signature is compared in constant time. Nothing of a token is used before that.
        self.sign(account, signed).verify_truncated_left(tag).map_err(|_| Error::Cursor)?;
        let (issued_ns, continuation) = parse(signed).ok_or(Error::Cursor)?;
        // When the clock was set back, the age would be negative: it counts as zero.
        let age_ns = u64::try_from(unix_ns(now).saturating_sub(issued_ns)).unwrap_or(0);
        if Duration::from_nanos(age_ns) > self.ttl {
            return Err(Error::Cursor);
        }
        Ok(continuation)
    }

    fn sign(&self, account: AccountId, token: &[u8]) -> Hmac<Sha256> {
        self.mac.clone().chain_update(account.0.to_be_bytes()).chain_update(token)
    }
}

/// An HMAC under a key of 32 bytes.
fn hmac(key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC fills a key up with zeros to a block anyway. A whole block cannot have a wrong length.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    Hmac::new(&block.into())
}

/// Time of issue and content of a token whose signature is right.
fn parse(signed: &[u8]) -> Option<(i64, Continuation)> {
    let (&version, rest) = signed.split_first()?;
    let (issued_ns, rest) = rest.split_first_chunk()?;
    let (end, rest) = rest.split_first_chunk()?;
    let (without, rest) = match version {
        PLAIN => (None, rest),
        WITHOUT_IMPORT => {
            let (first, rest) = rest.split_first_chunk()?;
            let (last, rest) = rest.split_first_chunk()?;
            let sequences = Sequences { first: u64::from_be_bytes(*first), last: u64::from_be_bytes(*last) };
            (Some(sequences), rest)
        }
        _ => return None,
    };
    let (timestamp_ns, rest) = rest.split_first_chunk()?;
    let (sequence, query) = rest.split_first_chunk()?;
    let HistoryRequest::First(query) = HistoryRequest::parse(std::str::from_utf8(query).ok()?).ok()? else {
        return None;
    };
    let position =
        Position { timestamp_ns: i64::from_be_bytes(*timestamp_ns), sequence: u64::from_be_bytes(*sequence) };
    let snapshot = Snapshot { end: u64::from_be_bytes(*end), without };
    Some((i64::from_be_bytes(*issued_ns), Continuation { query, snapshot, position }))
}

/// Outside the years of a ledger, the clock stands still.
fn unix_ns(now: Timestamp) -> i64 {
    now.unix_ns().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_model::Currency;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const SECRET: [u8; 32] = *b"a secret that only this test has";

    fn cursors() -> Cursors {
        Cursors::new(&SECRET, DAY)
    }

    fn noon() -> Timestamp {
        "2026-07-08T12:00:00Z".parse().unwrap()
    }

    fn longest() -> Continuation {
        let query = HistoryQuery::builder()
            .currency(Currency::BundledCredits)
            .since("2026-05-01T00:00:00.000000001Z".parse::<Timestamp>().unwrap())
            .until("2026-05-01T00:00:00.000000002Z".parse::<Timestamp>().unwrap())
            .page_size(1000)
            .build()
            .unwrap();
        let position = Position { timestamp_ns: i64::MIN, sequence: u64::MAX };
        let without = Some(Sequences { first: 1 << 40, last: u64::MAX });
        Continuation { query, snapshot: Snapshot { end: u64::MAX, without }, position }
    }

    /// A walk during which no import was under way.
    fn plain() -> Continuation {
        Continuation { snapshot: Snapshot { end: 7, without: None }, ..longest() }
    }

    fn refused(result: Result<Continuation, Error>) -> bool {
        matches!(result, Err(Error::Cursor))
    }

    #[test]
    fn the_longest_token_is_short_and_comes_back_whole() {
        let cursor = cursors().issue(AccountId(7), noon(), &longest()).unwrap();
        assert!(cursor.as_str().len() <= 300, "{}", cursor.as_str().len());
        assert_eq!(cursors().read(AccountId(7), noon(), &cursor).unwrap(), longest());
        let cursor = cursors().issue(AccountId(7), noon(), &plain()).unwrap();
        assert_eq!(cursors().read(AccountId(7), noon(), &cursor).unwrap(), plain());
    }

    /// This token was issued before there was another version.
    #[test]
    fn a_token_of_version_1_is_read() {
        let query = HistoryRequest::First(plain().query).query_string();
        let content = [
            &[1][..],
            &unix_ns(noon()).to_be_bytes(),
            &7u64.to_be_bytes(),
            &i64::MIN.to_be_bytes(),
            &u64::MAX.to_be_bytes(),
            query.as_bytes(),
        ]
        .concat();
        let tag = cursors().sign(AccountId(7), &content).finalize().into_bytes();
        let token = URL_SAFE_NO_PAD.encode([&content, &tag[..TAG_LEN]].concat()).parse().unwrap();
        assert_eq!(cursors().read(AccountId(7), noon(), &token).unwrap(), plain());
    }

    #[test]
    fn a_token_with_any_bit_flipped_is_refused() {
        let cursor = cursors().issue(AccountId(7), noon(), &longest()).unwrap();
        let flips = |bytes: &[u8]| {
            let bytes = bytes.to_vec();
            (0..bytes.len() * 8).map(move |bit| {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                flipped
            })
        };
        for token in flips(&URL_SAFE_NO_PAD.decode(cursor.as_str()).unwrap()) {
            let cursor = URL_SAFE_NO_PAD.encode(token).parse().unwrap();
            assert!(refused(cursors().read(AccountId(7), noon(), &cursor)), "{cursor}");
        }
        // A flip in the text itself: most are not even a cursor.
        for text in flips(cursor.as_str().as_bytes()) {
            if let Some(cursor) = String::from_utf8(text).ok().and_then(|text| text.parse().ok()) {
                assert!(refused(cursors().read(AccountId(7), noon(), &cursor)), "{cursor}");
            }
        }
    }

    #[test]
    fn a_token_of_another_length_is_refused() {
        let cursor = cursors().issue(AccountId(7), noon(), &longest()).unwrap();
        let text = cursor.as_str();
        for end in 1..text.len() {
            assert!(refused(cursors().read(AccountId(7), noon(), &text[..end].parse().unwrap())));
        }
        for more in ["A", "AA", "AAAA"] {
            let longer = format!("{text}{more}").parse().unwrap();
            assert!(refused(cursors().read(AccountId(7), noon(), &longer)));
        }
    }

    #[test]
    fn a_foreign_token_is_refused() {
        let cursor = cursors().issue(AccountId(7), noon(), &longest()).unwrap();
        assert!(refused(cursors().read(AccountId(8), noon(), &cursor)));
        let other_ledger = Cursors::new(&[0; 32], DAY);
        assert!(refused(other_ledger.read(AccountId(7), noon(), &cursor)));
    }

    #[test]
    fn a_rightly_signed_token_of_another_version_or_shape_is_refused() {
        let cursors = cursors();
        let issued = cursors.issue(AccountId(7), noon(), &plain()).unwrap();
        let issued = URL_SAFE_NO_PAD.decode(issued.as_str()).unwrap();
        let signed = &issued[..issued.len() - TAG_LEN];
        let next_version = [&[WITHOUT_IMPORT + 1], &signed[1..]].concat();
        let not_its_version = [&[WITHOUT_IMPORT], &signed[1..]].concat();
        let with_cursor = [&signed[..33], b"cursor=abc"].concat();
        let not_text = [&signed[..33], b"\xff"].concat();
        for content in [&b""[..], &signed[..20], &next_version, &not_its_version, &with_cursor, &not_text] {
            let tag = cursors.sign(AccountId(7), content).finalize().into_bytes();
            let token = URL_SAFE_NO_PAD.encode([content, &tag[..TAG_LEN]].concat()).parse().unwrap();
            assert!(refused(cursors.read(AccountId(7), noon(), &token)), "{content:?}");
        }
    }

    #[test]
    fn a_token_lives_for_its_time_by_the_given_clock() {
        let cursor = cursors().issue(AccountId(7), noon(), &longest()).unwrap();
        let read_at = |at: &str| cursors().read(AccountId(7), at.parse().unwrap(), &cursor);
        assert!(read_at("2026-07-09T12:00:00Z").is_ok());
        assert!(refused(read_at("2026-07-09T12:00:00.000000001Z")));
        assert!(refused(read_at("9999-01-01T00:00:00Z")));
        assert!(read_at("2026-07-07T12:00:00Z").is_ok(), "the clock was set back");
    }
}
