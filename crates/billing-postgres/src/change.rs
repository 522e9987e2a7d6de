//! Entries that are taken out, amended and put in, in one transaction.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;

use billing_engine::Draft;
use billing_ledger::{AccountId, Amendment, Block, Change, Error, ErrorKind, LendRemoved, Position, Removed};
use billing_model::{EntryDigest, OtherFields, Timestamp, UsageEntry, WholeDigest, WholeSet};
use futures::TryStreamExt as _;

use crate::connections::Limit;
use crate::coverage;
use crate::failure::Failure;
use crate::intake::{self, Intake};
use crate::ledger::PostgresLedger;
use crate::row::{self, COLUMNS, Scratch, signed};
use crate::session::Session;
use crate::text;

/// Entries that are looked at by one statement.
const AT_ONCE: usize = 20_000;

const _: () = assert!(AT_ONCE as u64 == Block::MOST_ENTRIES, "what one statement takes out is a block");

/// What becomes of the sums and blocks of entries that were there before a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// They are brought in line with the change.
    InLine,
    /// They are made anew afterwards.
    MadeAnew,
}

impl PostgresLedger {
    pub(crate) fn change(&self, change: &Change) -> Result<(), Error> {
        self.connections().write(Limit::None, async |session| {
            let mut intake = Intake::new(change.account, begin(session, change).await?);
            mend(session, change, &mut intake, Kept::InLine).await?;
            put_in(session, change, &mut intake).await?;
            intake::close(session, &mut [intake]).await
        })
    }

    pub(crate) fn removed(&self, account: AccountId, lend: &mut LendRemoved<'_>) -> Result<(), Error> {
        self.connections().read(Limit::None, async |session| {
            let found = session.row_if_any("SELECT FROM accounts WHERE id = $1", &[&account.0]).await?;
            found.map(drop).ok_or_else(|| Failure::unknown_account(account))?;
            let sql = format!(
                "SELECT {COLUMNS}, removed_ns FROM removed
                 CROSS JOIN LATERAL (
                     SELECT removed_ns FROM blocks WHERE account = removed.account AND first_sequence = removal
                 ) AS removals
                 WHERE account = $1 ORDER BY removal, timestamp_ns, sequence"
            );
            let mut rows = pin!(session.stream(&sql, &[&account.0]).await?);
            let mut scratch = Scratch::default();
            while let Some(row) = rows.try_next().await? {
                let position = row::position(&row)?;
                let removed_at = Timestamp::from_unix_ns(row.try_get("removed_ns")?);
                lend(Removed { position, removed_at }, row::lend(&row, position, &mut scratch)?)?;
            }
            Ok(())
        })
    }
}

/// Locks the account of a change, and refuses one that was made for another state of it: the account's next number.
pub(crate) async fn begin(session: Session<'_>, change: &Change) -> Result<u64, Failure> {
    let next = intake::lock(session, change.account).await?;
    let next = next.ok_or_else(|| Failure::unknown_account(change.account))?;
    if let Some(seen) = change.seen.filter(|seen| *seen != next) {
        let detail = format!("it was made for the state {seen}, and the state is {next}");
        return Err(Failure::Kind(ErrorKind::Outdated, detail));
    }
    // A change may be of one entry or of millions, so its statements are planned for what they are given.
    session.run("SET LOCAL plan_cache_mode = force_custom_plan").await?;
    Ok(next)
}

/// Takes entries out and amends others, in an account that is locked.
pub(crate) async fn mend(
    session: Session<'_>,
    change: &Change,
    intake: &mut Intake,
    kept: Kept,
) -> Result<(), Failure> {
    let removed_ns = change.at.unix_ns().ok_or_else(|| Error::timestamp(change.at))?;
    for positions in change.remove.chunks(AT_ONCE) {
        take_out(session, intake, positions, removed_ns, kept).await?;
    }
    // When an entry is amended twice, the last amendment counts.
    let last: BTreeMap<Position, &Amendment> =
        change.amend.iter().map(|amendment| (amendment.position, amendment)).collect();
    let amend: Vec<_> = last.into_values().collect();
    for amendments in amend.chunks(AT_ONCE) {
        self::amend(session, intake, amendments, kept).await?;
    }
    Ok(())
}

/// Puts entries in, and records what is walked.
pub(crate) async fn put_in(
    session: Session<'_>,
    change: &Change,
    intake: &mut Intake,
) -> Result<(), Failure> {
    let mut copy = intake::copy(session);
    intake.store_packed(&mut copy, session, &change.add).await?;
    copy.end().await?;
    coverage::cover(session, change.account, &change.cover).await
}

/// Takes entries out, and makes a block of them that gets a sequence number of the account. By this number a walk knows whether it
/// began before the removal.
async fn take_out(
    session: Session<'_>,
    intake: &mut Intake,
    positions: &[Position],
    removed_ns: i64,
    kept: Kept,
) -> Result<(), Failure> {
    let removal = intake.take_sequence();
    let mut block = Draft::new(removal, Some(removed_ns));
    let (timestamps, sequences) = columns_of(positions.iter());
    // Each is looked up by itself: the database must never choose to pass over all entries.
    let sql = format!(
        "WITH gone AS (
             DELETE FROM entries WHERE ctid = ANY (ARRAY(
                 SELECT found.ctid FROM unnest($2::bigint[], $3::bigint[]) AS named (timestamp_ns, sequence)
                 CROSS JOIN LATERAL (
                     SELECT ctid FROM entries
                     WHERE account = $1 AND timestamp_ns = named.timestamp_ns AND sequence = named.sequence LIMIT 1
                 ) AS found
             )) AND account = $1 RETURNING {COLUMNS}
         )
         INSERT INTO removed (account, removal, {COLUMNS}) SELECT $1, $4, {COLUMNS} FROM gone RETURNING {COLUMNS}"
    );
    let mut rows =
        pin!(session.stream(&sql, &[&intake.account().0, &timestamps, &sequences, &signed(removal)]).await?);
    let (mut scratch, mut found) = (Scratch::default(), 0);
    let mut left: HashMap<Position, usize> = HashMap::new();
    positions.iter().for_each(|position| *left.entry(*position).or_default() += 1);
    while let Some(row) = rows.try_next().await? {
        let position = row::position(&row)?;
        let entry = row::owned(&row, &mut scratch)?;
        if kept == Kept::InLine {
            intake.subtract(&entry, position.timestamp_ns);
        }
        block.add(&intake.share(&entry, position));
        if left.remove(&position) == Some(1) {
            found += 1;
        }
    }
    if found != positions.len() {
        let first = positions.iter().find(|position| left.contains_key(position)).or(positions.first());
        return Err(unknown(first.copied()));
    }
    intake.close_block(&block);
    if intake.is_full() { intake.store_sums(session).await } else { Ok(()) }
}

/// Amends entries, each named once, in the order of their positions.
async fn amend(
    session: Session<'_>,
    intake: &mut Intake,
    amend: &[&Amendment],
    kept: Kept,
) -> Result<(), Failure> {
    let account = intake.account();
    let (timestamps, sequences) = columns_of(amend.iter().map(|amendment| &amendment.position));
    let sql = format!(
        "SELECT {COLUMNS} FROM unnest($2::bigint[], $3::bigint[]) AS named (at_ns, number)
         CROSS JOIN LATERAL (
             SELECT {COLUMNS} FROM entries WHERE account = $1 AND timestamp_ns = at_ns AND sequence = number LIMIT 1
         ) AS found"
    );
    let mut found = HashMap::new();
    {
        let mut rows = pin!(session.stream(&sql, &[&account.0, &timestamps, &sequences]).await?);
        let mut scratch = Scratch::default();
        while let Some(row) = rows.try_next().await? {
            found.insert(row::position(&row)?, row::owned(&row, &mut scratch)?);
        }
    }
    let (mut keys, mut others, mut digests) = (Vec::new(), Vec::new(), BTreeMap::new());
    for Amendment { position, api_key_id, other_fields } in amend {
        let was = found.remove(position).ok_or_else(|| unknown(Some(*position)))?;
        if kept == Kept::InLine {
            let digest = EntryDigest::of(&was);
            intake.subtract(&was, position.timestamp_ns);
            let was_whole = whole(digest, &was);
            let is = UsageEntry { api_key_id: api_key_id.clone(), other_fields: other_fields.clone(), ..was };
            intake.add(&is, position.timestamp_ns);
            digests.insert(signed(position.sequence), (was_whole, whole(digest, &is)));
        }
        keys.push(api_key_id.as_deref().map(text::kept));
        others.push(other_fields.as_ref().map(|other| text::kept(other.as_str())));
    }
    let sql = "UPDATE entries SET api_key_id = coming.api_key_id, other_fields = coming.other_fields FROM (
             SELECT found.ctid AS row, named.api_key_id, named.other_fields
             FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[])
                 AS named (timestamp_ns, sequence, api_key_id, other_fields)
             CROSS JOIN LATERAL (
                 SELECT ctid FROM entries
                 WHERE account = $1 AND timestamp_ns = named.timestamp_ns AND sequence = named.sequence LIMIT 1
             ) AS found
         ) AS coming WHERE entries.ctid = coming.row AND entries.account = $1";
    session.execute(sql, &[&account.0, &timestamps, &sequences, &keys, &others]).await?;
    amend_blocks(session, account, digests).await?;
    if intake.is_full() { intake.store_sums(session).await } else { Ok(()) }
}

/// Brings the digests of blocks in line with amended entries, by their numbers. An entry without a block is a fault of the ledger.
async fn amend_blocks(
    session: Session<'_>,
    account: AccountId,
    mut digests: BTreeMap<i64, (WholeDigest, WholeDigest)>,
) -> Result<(), Failure> {
    let (mut firsts, mut sets) = (Vec::new(), Vec::new());
    while let Some(sequence) = digests.first_key_value().map(|(sequence, _)| *sequence) {
        let sql = "SELECT first_sequence, entries, whole_set FROM (
                 SELECT first_sequence, entries, whole_set, removed_ns FROM blocks
                 WHERE account = $1 AND first_sequence <= $2 ORDER BY first_sequence DESC LIMIT 1
             ) AS nearest WHERE removed_ns IS NULL AND first_sequence + entries > $2";
        let block = session.row_if_any(sql, &[&account.0, &sequence]).await?;
        let block = block.ok_or_else(|| {
            Failure::damaged(format!("the entry with the number {sequence} is in no block"))
        })?;
        let (first, entries): (i64, i64) = (block.try_get(0)?, block.try_get(1)?);
        let mut whole_set: WholeSet = block.try_get::<_, &str>(2)?.parse()?;
        let beyond = digests.split_off(&first.saturating_add(entries));
        for (was, is) in digests.into_values() {
            whole_set.remove(was);
            whole_set.add(is);
        }
        firsts.push(first);
        sets.push(whole_set.to_string());
        digests = beyond;
    }
    let sql = "UPDATE blocks SET whole_set = coming.whole_set
         FROM unnest($2::bigint[], $3::text[]) AS coming (first_sequence, whole_set)
         WHERE blocks.account = $1 AND blocks.first_sequence = coming.first_sequence";
    session.execute(sql, &[&account.0, &firsts, &sets]).await.map(drop)
}

fn whole(digest: EntryDigest, entry: &UsageEntry) -> WholeDigest {
    digest.whole(entry.api_key_id.as_deref(), entry.other_fields.as_ref().map(OtherFields::as_str))
}

fn columns_of<'p>(positions: impl Iterator<Item = &'p Position>) -> (Vec<i64>, Vec<i64>) {
    positions.map(|position| (position.timestamp_ns, signed(position.sequence))).unzip()
}

fn unknown(position: Option<Position>) -> Failure {
    let detail = position.map(|Position { timestamp_ns, sequence }| {
        format!("{}, number {sequence}", Timestamp::from_unix_ns(timestamp_ns))
    });
    Failure::Kind(ErrorKind::UnknownEntry, detail.unwrap_or_default())
}
