//! The entries of a window, read one after the other or in parts side by side.

use std::num::NonZeroUsize;
use std::thread;

use billing_ledger::{AccountId, Error, ErrorKind, Filter, Ledger, NumberedQuery, Snapshot, WalkQuery};
use billing_model::{LentEntry, SortOrder, TimeWindow, Timestamp};

use super::builder::Builder;

/// From so many entries on, a window is read in parts side by side. Below, starting a thread and joining two builders costs more
/// than it saves.
const LEAST_OF_PARTS: u64 = 50_000;

/// The entries of an account that a filter lets through.
pub(super) struct Walk<'w> {
    pub(super) ledger: &'w dyn Ledger,
    pub(super) account: AccountId,
    pub(super) filter: &'w Filter,
}

impl Walk<'_> {
    /// Lends the entries to a builder, in parts where there are many.
    ///
    /// # Errors
    /// As [`Walk::read_parts`].
    pub(super) fn read<B: Builder>(
        &self,
        snapshot: Snapshot,
        empty: &B,
        builder: &mut B,
    ) -> Result<(), Error> {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let most = u32::try_from(cores.min(self.ledger.concurrent_reads())).unwrap_or(1);
        let parts = self.parts(most, LEAST_OF_PARTS)?;
        match parts[..] {
            [_] => self.lend(None, &mut |entry| Ok(builder.add_lent(entry)?)),
            _ => self.read_parts(&parts, snapshot, empty, builder),
        }
    }

    /// The window in so many parts of about as many entries each. Fewer entries than `least` are one part.
    fn parts(&self, most: u32, least: u64) -> Result<Vec<TimeWindow>, Error> {
        let whole = vec![self.filter.window];
        // One core reads in one part, and need not count.
        if most < 2 {
            return Ok(whole);
        }
        let (entries, _) = self.nth(1)?;
        if entries < least {
            return Ok(whole);
        }
        let mut parts = Vec::new();
        let mut since = self.filter.window.since();
        for part in 1..most {
            let number = u32::try_from(entries * u64::from(part) / u64::from(most)).unwrap_or(u32::MAX);
            let (_, border) = self.nth(number)?;
            // Where many entries are of one instant there is no border between them, and a part is left out.
            if let Some(border) = border
                && let Ok(part) = TimeWindow::new(since, Some(border))
            {
                parts.push(part);
                since = Some(border);
            }
        }
        match TimeWindow::new(since, self.filter.window.until()) {
            Ok(rest) => parts.push(rest),
            Err(_) => return Ok(whole),
        }
        Ok(parts)
    }

    /// How many entries there are, and the instant of the one with this number in the order of time, from 1.
    fn nth(&self, number: u32) -> Result<(u64, Option<Timestamp>), Error> {
        let query = NumberedQuery {
            account: self.account,
            filter: self.filter,
            order: SortOrder::Asc,
            limit: 1,
            page: number,
        };
        let mut at = None;
        let entries = self.ledger.page_by_number(&query, &mut |_, entry| {
            at = Some(entry.timestamp);
            Ok(())
        })?;
        Ok((entries, at))
    }

    /// Each part has a thread and a builder of its own. No entry is in two parts, and all parts are of the moment of the snapshot.
    ///
    /// # Errors
    /// Those of the ledger; [`ErrorKind::WalkOutdated`] when entries were taken out since.
    fn read_parts<B: Builder>(
        &self,
        parts: &[TimeWindow],
        snapshot: Snapshot,
        empty: &B,
        builder: &mut B,
    ) -> Result<(), Error> {
        let read = |part: &TimeWindow| {
            let filter = Filter { window: *part, currency: self.filter.currency.clone() };
            let mut builder = empty.clone();
            let walk = Walk { ledger: self.ledger, account: self.account, filter: &filter };
            walk.lend(Some(snapshot), &mut |entry| Ok(builder.add_lent(entry)?))?;
            Ok::<_, Error>(builder)
        };
        let done: Vec<_> = thread::scope(|scope| {
            let others: Vec<_> = parts.iter().skip(1).map(|part| scope.spawn(move || read(part))).collect();
            let first = parts.first().map(read);
            let panicked = || Error::new(ErrorKind::Aborted, "a thread that read the ledger has failed");
            let others = others.into_iter().map(|other| other.join().unwrap_or_else(|_| Err(panicked())));
            first.into_iter().chain(others.collect::<Vec<_>>()).collect()
        });
        for other in done {
            builder.merge(other?);
        }
        Ok(())
    }

    /// Lends the entries, of the moment of a snapshot or of the present.
    pub(super) fn lend(
        &self,
        snapshot: Option<Snapshot>,
        lend: &mut dyn FnMut(&LentEntry<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let query =
            WalkQuery { account: self.account, filter: self.filter, snapshot, after: None, limit: u32::MAX };
        self.ledger.page_by_position(&query, &mut |_, entry| lend(&entry)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use billing_ledger::Change;
    use billing_report::{Meta, Question, Report, ReportBuilder};
    use billing_sample::History;
    use billing_sqlite::SqliteLedger;

    use super::*;
    use crate::reading::tests::{ENTRIES, ledger};

    fn builder() -> ReportBuilder {
        ReportBuilder::new(Question { requests: true, ..Question::new("hour,model".parse().unwrap()) })
    }

    fn snapshot(ledger: &SqliteLedger, account: AccountId) -> Snapshot {
        super::super::snapshots(ledger, &[account]).unwrap()[0]
    }

    fn report(builder: ReportBuilder) -> Report {
        builder.finish(Meta::default())
    }

    #[test]
    fn parts_side_by_side_are_read_as_the_whole() {
        let (_directory, ledger, account) = ledger();
        for currency in [None, Some("DIEM".into())] {
            let filter = Filter { currency, ..Filter::default() };
            let walk = Walk { ledger: &ledger, account, filter: &filter };
            let mut whole = builder();
            walk.lend(None, &mut |entry| Ok(whole.add_lent(entry)?)).unwrap();
            let whole = report(whole);
            for most in 2..6 {
                let parts = walk.parts(most, 2).unwrap();
                assert_eq!(parts.len(), most as usize);
                assert!(parts.windows(2).all(|two| two[0].until() == two[1].since()), "{parts:?}");
                let (first, last) = (parts.first().unwrap(), parts.last().unwrap());
                assert_eq!((first.since(), last.until()), (None, None));
                let mut found = builder();
                walk.read_parts(&parts, snapshot(&ledger, account), &builder(), &mut found).unwrap();
                assert_eq!(report(found), whole);
            }
        }
    }

    #[test]
    fn few_entries_and_those_of_one_instant_are_one_part() {
        let (_directory, ledger, account) = ledger();
        let filter = Filter::default();
        let walk = Walk { ledger: &ledger, account, filter: &filter };
        assert_eq!(walk.parts(4, ENTRIES as u64 + 1).unwrap().len(), 1);
        assert_eq!(walk.parts(1, 0).unwrap().len(), 1);
        let one = ledger.create_account("one instant").unwrap();
        let mut import = ledger.import(one).unwrap();
        let entry = History::new(5, 1).next().unwrap();
        import.write(&vec![entry; 9]).unwrap();
        import.finish().unwrap();
        let walk = Walk { account: one, ..walk };
        let mut found = builder();
        let parts = walk.parts(4, 2).unwrap();
        walk.read_parts(&parts, snapshot(&ledger, one), &builder(), &mut found).unwrap();
        assert_eq!(report(found).meta.entries, 9);
    }

    #[test]
    fn what_is_taken_out_while_parts_are_read_is_noticed() {
        let (_directory, ledger, account) = ledger();
        let filter = Filter::default();
        let walk = Walk { ledger: &ledger, account, filter: &filter };
        let (parts, before) = (walk.parts(2, 2).unwrap(), snapshot(&ledger, account));
        let mut last = None;
        let query = WalkQuery { account, filter: &filter, snapshot: None, after: None, limit: u32::MAX };
        ledger
            .page_by_position(&query, &mut |position, _| {
                last = Some(position);
                Ok(())
            })
            .unwrap();
        let at = "2026-07-01T00:00:00Z".parse().unwrap();
        ledger.change(&Change { remove: last.into_iter().collect(), ..Change::of(account, at) }).unwrap();
        let error = walk.read_parts(&parts, before, &builder(), &mut builder()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WalkOutdated);
        let mut found = builder();
        walk.read_parts(&parts, snapshot(&ledger, account), &builder(), &mut found).unwrap();
        assert_eq!(report(found).meta.entries, ENTRIES as u64 - 1);
    }
}
