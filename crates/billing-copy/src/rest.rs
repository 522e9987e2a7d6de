//! What a ledger keeps beside its entries and blocks: receipts, files, keys, sources, what was walked.

use std::ops::ControlFlow;

use billing_ledger::{AccountId, CopiedFile, CopiedReceipt, CopyFrom, CopyInto, Coverage, Outline, Source};

use crate::error::Error;
use crate::event::Event;
use crate::lot::Lot;
use crate::piped::piped;

/// Receipts or files of one transaction.
const MOST_ROWS: usize = 10_000;

/// Receipts that came so long before the latest one are not copied again. It is more than any pass takes; where a clock went back further,
/// the comparison finds it out, and all are copied.
const AGAIN_NS: i64 = 24 * 3_600 * 1_000_000_000;

/// Copies the receipts that the target does not have, or lately had: all of them where `is_all` says so.
pub(crate) fn copy_receipts(
    from: &dyn CopyFrom,
    into: &dyn CopyInto,
    observe: &dyn Fn(&Event),
    is_all: bool,
) -> Result<(), Error> {
    let last = into.last_receipt_ns().map_err(Error::target)?.filter(|_| !is_all);
    let since_ns = last.map_or(i64::MIN, |last| last.saturating_sub(AGAIN_NS));
    let mut copied = 0;
    piped(
        |hand| {
            let mut rows = Vec::with_capacity(MOST_ROWS);
            let mut is_wanted = ControlFlow::Continue(());
            from.receipts_to_copy(since_ns, &mut |receipt: CopiedReceipt| {
                rows.push(receipt);
                if rows.len() == MOST_ROWS && is_wanted.is_continue() {
                    is_wanted = hand(std::mem::take(&mut rows));
                }
                Ok(())
            })
            .map_err(Error::source)?;
            let _ = hand(rows);
            Ok(())
        },
        |rows| {
            copied += rows.len() as u64;
            into.put_receipts(&rows).map_err(Error::target)?;
            observe(&Event::Receipts { receipts: copied });
            Ok(())
        },
    )
}

/// Copies the files that the target does not have.
pub(crate) fn copy_files(from: &dyn CopyFrom, into: &dyn CopyInto) -> Result<(), Error> {
    piped(
        |hand| {
            let mut rows = Vec::new();
            from.files_to_copy(&mut |file: CopiedFile| {
                rows.push(file);
                if rows.len() == MOST_ROWS {
                    let _ = hand(std::mem::take(&mut rows));
                }
                Ok(())
            })
            .map_err(Error::source)?;
            let _ = hand(rows);
            Ok(())
        },
        |rows| into.put_files(&rows).map_err(Error::target),
    )
}

/// Copies keys, sources and what was walked, as they are now.
pub(crate) fn copy_keys(from: &dyn CopyFrom, into: &dyn CopyInto, outline: &Outline) -> Result<(), Error> {
    let keys = from.keys_to_copy().map_err(Error::source)?;
    let sources = sources(from, outline).map_err(Error::source)?;
    into.put_keys(&keys, &sources).map_err(Error::target)?;
    for account in &outline.accounts {
        let records = coverage(from, account.id).map_err(Error::source)?;
        into.put_coverage(account.id, &records).map_err(Error::target)?;
    }
    Ok(())
}

/// What of keys, sources and walks differs, in words; `None` when nothing does.
pub(crate) fn different_key(
    from: &dyn CopyFrom,
    ours: &dyn CopyFrom,
    outline: &Outline,
) -> Result<Option<&'static str>, Error> {
    if from.keys_to_copy().map_err(Error::source)? != ours.keys_to_copy().map_err(Error::target)? {
        return Ok(Some("the keys"));
    }
    if sources(from, outline).map_err(Error::source)? != sources(ours, outline).map_err(Error::target)? {
        return Ok(Some("the sources of accounts"));
    }
    for account in &outline.accounts {
        let theirs = coverage(from, account.id).map_err(Error::source)?;
        if theirs != coverage(ours, account.id).map_err(Error::target)? {
            return Ok(Some("the records of what was walked"));
        }
    }
    Ok(None)
}

/// Whose sums differ, in words; `None` when nobody's do. The copy's are made of its entries.
pub(crate) fn different_sums(
    from: &dyn CopyFrom,
    ours: &dyn CopyFrom,
    outline: &Outline,
) -> Result<Option<String>, Error> {
    for account in &outline.accounts {
        let (theirs, kept) = (sums(from, account.id), sums(ours, account.id));
        if theirs.map_err(Error::source)? != kept.map_err(Error::target)? {
            return Ok(Some(format!("the sums by day of account {}", account.id.0)));
        }
    }
    let (theirs, kept) = (from.ledger().accounts(), ours.ledger().accounts());
    let is_same = theirs.map_err(Error::source)? == kept.map_err(Error::target)?;
    Ok(if is_same { None } else { Some("the balances of accounts".to_owned()) })
}

fn sums(ledger: &dyn CopyFrom, account: AccountId) -> Result<Lot, billing_ledger::Error> {
    let mut sums = Lot::default();
    ledger.ledger().rollups(account, None, &mut |rollup| {
        sums.add_rollup(&rollup);
        ControlFlow::Continue(())
    })?;
    Ok(sums)
}

/// The receipts and the files of a ledger.
pub(crate) fn lots(ledger: &dyn CopyFrom) -> Result<(Lot, Lot), billing_ledger::Error> {
    let (mut receipts, mut files) = (Lot::default(), Lot::default());
    ledger.receipts_to_copy(i64::MIN, &mut |receipt| {
        receipts.add_receipt(&receipt);
        Ok(())
    })?;
    ledger.files_to_copy(&mut |file| {
        files.add_file(&file);
        Ok(())
    })?;
    Ok((receipts, files))
}

fn sources(
    ledger: &dyn CopyFrom,
    outline: &Outline,
) -> Result<Vec<(AccountId, Source)>, billing_ledger::Error> {
    let mut sources = Vec::new();
    for account in &outline.accounts {
        sources.extend(ledger.ledger().source(account.id)?.map(|source| (account.id, source)));
    }
    Ok(sources)
}

fn coverage(ledger: &dyn CopyFrom, account: AccountId) -> Result<Vec<Coverage>, billing_ledger::Error> {
    let mut records = Vec::new();
    ledger.ledger().coverage(account, &mut |record| {
        records.push(record.clone());
        ControlFlow::Continue(())
    })?;
    Ok(records)
}
