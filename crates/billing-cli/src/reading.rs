//! Reads for a report what a ledger has: sums of days where they say enough, and entries. It is the state of one moment.

mod builder;
mod walk;

use std::ops::ControlFlow;

use billing_ledger::{AccountId, Error, ErrorKind, Filter, Ledger, Rollup, Snapshot, WalkQuery};
use billing_model::{Currency, Day, LentEntry, NumberText, TimeWindow, Total, ValueError, is_credit};
use billing_report::{DaySum, Reading};

use builder::Builder;
use walk::Walk;

/// How often it is tried in calls of their own, before each account is read in one call.
const MOST_TRIES: u32 = 3;

/// A copy of a builder that has nothing yet, which was lent what it asks for, of these accounts.
///
/// Each account is as it was at one moment. Where it takes several calls to read one, and an account has changed meanwhile, all is
/// read again. A ledger that changes each time is read in one call an account, which takes longer. An API key or other fields that a
/// sync amends meanwhile may be there as they were or as they are.
///
/// # Errors
/// Those of the ledger; [`ErrorKind::UnknownAccount`] for an account that was removed meanwhile.
pub(crate) fn read<B: Builder>(ledger: &dyn Ledger, accounts: &[AccountId], empty: &B) -> Result<B, Error> {
    let reading = empty.reading();
    let is_one_call = reading.sums.len() + reading.entries.len() == 1;
    for _ in 0..MOST_TRIES {
        let before = snapshots(ledger, accounts)?;
        let mut builder = empty.clone();
        let read = accounts.iter().zip(&before).try_for_each(|(account, snapshot)| {
            let from = Reader { ledger, account: *account, snapshot: *snapshot };
            from.lend_all(&reading, empty, &mut builder)
        });
        match read {
            // Entries were taken out of a window while its parts were read.
            Err(error) if error.kind() == ErrorKind::WalkOutdated => {}
            Err(error) => return Err(error),
            // What is stored, taken out or shown gets numbers, so an account of the same snapshot has not changed in between.
            Ok(()) if snapshots(ledger, accounts)? == before || is_one_call => return Ok(builder),
            Ok(()) => {}
        }
    }
    read_at_once(ledger, accounts, &reading, empty)
}

/// The same, each account in one call. A call reads the state of one moment, whatever is stored meanwhile, so this always ends. An
/// entry of a day whose sum is asked for is lent as the sum of itself.
fn read_at_once<B: Builder>(
    ledger: &dyn Ledger,
    accounts: &[AccountId],
    reading: &Reading,
    empty: &B,
) -> Result<B, Error> {
    let filter = Filter { window: hull(reading), currency: empty.currency().cloned() };
    let mut builder = empty.clone();
    for account in accounts {
        let walk = Walk { ledger, account: *account, filter: &filter };
        walk.lend(None, &mut |entry| {
            let has_sum = |day: &Day| {
                reading.sums.iter().any(|days| days.is_none_or(|days| days.position(*day).is_some()))
            };
            if let Some(day) = Day::of(entry.timestamp).filter(has_sum) {
                add_as_sum(&mut builder, day, entry)?;
            }
            if reading.entries.iter().any(|window| window.contains(entry.timestamp)) {
                builder.add_lent(entry)?;
            }
            Ok(())
        })?;
    }
    Ok(builder)
}

/// The shortest span that has all that is read.
fn hull(reading: &Reading) -> TimeWindow {
    let of_days = reading.sums.iter().map(|days| {
        let days = days.map(|days| (days.first.start(), Day(days.last.0 + 1).start()));
        days.unzip()
    });
    let of_entries = reading.entries.iter().map(|window| (window.since(), window.until()));
    let (since, until): (Vec<_>, Vec<_>) = of_days.chain(of_entries).unzip();
    // No start comes before all others, and no end after all others.
    let since = since.into_iter().min().flatten();
    let until = until.into_iter().collect::<Option<Vec<_>>>().and_then(|ends| ends.into_iter().max());
    TimeWindow::new(since, until).unwrap_or_default()
}

/// Lends an entry as the sum of a day that has it alone.
fn add_as_sum<B: Builder>(builder: &mut B, day: Day, entry: &LentEntry<'_>) -> Result<(), ValueError> {
    let [amount, units] = [entry.amount, entry.units].map(NumberText::to_decimal);
    let (amount, units) = (amount?, units?);
    builder.add_sum(&DaySum {
        day,
        sku: entry.sku,
        currency: &Currency::from(entry.currency),
        api_key_id: entry.api_key_id,
        is_credit: is_credit(amount),
        entries: 1,
        amount: &Total::from(amount),
        units: &Total::from(units),
    });
    Ok(())
}

/// The present state of each account. The first page of a walk gives it.
fn snapshots(ledger: &dyn Ledger, accounts: &[AccountId]) -> Result<Vec<Snapshot>, Error> {
    let filter = Filter::default();
    let snapshot = |account: &AccountId| {
        let query = WalkQuery { account: *account, filter: &filter, snapshot: None, after: None, limit: 1 };
        Ok(ledger.page_by_position(&query, &mut |_, _| Ok(()))?.snapshot)
    };
    accounts.iter().map(snapshot).collect()
}

/// An account that is read in calls of their own.
struct Reader<'r> {
    ledger: &'r dyn Ledger,
    account: AccountId,
    snapshot: Snapshot,
}

impl Reader<'_> {
    fn lend_all<B: Builder>(&self, reading: &Reading, empty: &B, builder: &mut B) -> Result<(), Error> {
        for days in &reading.sums {
            let days = days.map(|days| (days.first, days.last));
            self.ledger.rollups(self.account, days, &mut |sum| {
                builder.add_sum(&day_sum(&sum));
                ControlFlow::Continue(())
            })?;
        }
        for window in &reading.entries {
            let filter = Filter { window: *window, currency: empty.currency().cloned() };
            let walk = Walk { ledger: self.ledger, account: self.account, filter: &filter };
            walk.read(self.snapshot, empty, builder)?;
        }
        Ok(())
    }
}

/// A sum of a ledger, as reports take it.
fn day_sum<'a>(sum: &Rollup<'a>) -> DaySum<'a> {
    DaySum {
        day: sum.day,
        sku: sum.sku,
        currency: sum.currency,
        api_key_id: sum.api_key_id,
        is_credit: sum.is_credit,
        entries: sum.entries,
        amount: sum.amount,
        units: sum.units,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::Relaxed;

    use billing_model::Timestamp;
    use billing_report::{Diem, LastSync, Meta, Question, Report, ReportBuilder, Source, TodayBuilder};
    use billing_sample::History;
    use billing_sqlite::SqliteLedger;
    use billing_testkit::entry_at;

    use super::*;

    pub(super) const ENTRIES: usize = 1_500;

    pub(super) fn ledger() -> (tempfile::TempDir, SqliteLedger, AccountId) {
        let directory = tempfile::tempdir().unwrap();
        let ledger = SqliteLedger::open_or_create(&directory.path().join("ledger.db")).unwrap();
        let account = ledger.create_account("read").unwrap();
        let mut import = ledger.import(account).unwrap();
        import.write(&History::new(5, ENTRIES as u64).collect::<Vec<_>>()).unwrap();
        import.finish().unwrap();
        (directory, ledger, account)
    }

    fn report(builder: ReportBuilder) -> Report {
        builder.finish(Meta::default())
    }

    fn window(since: Option<&str>, until: Option<&str>) -> TimeWindow {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        TimeWindow::new(since.map(at), until.map(at)).unwrap()
    }

    /// A builder during whose first sums somebody else stores an entry of June 2, whose sum is read, and one of June 3, which is read
    /// as an entry after it.
    #[derive(Clone)]
    struct Disturbed {
        report: ReportBuilder,
        ledger: SqliteLedger,
        account: AccountId,
        left: Arc<AtomicU32>,
    }

    impl Disturbed {
        fn store(&self) {
            let mut import = self.ledger.import(self.account).unwrap();
            let stored = ["2026-06-02T10:00:00Z", "2026-06-03T10:00:00Z"];
            import.write(&stored.map(|at| entry_at(at.parse().unwrap(), "-1"))).unwrap();
            import.finish().unwrap();
        }
    }

    impl Builder for Disturbed {
        fn reading(&self) -> Reading {
            self.report.question().reading()
        }

        fn currency(&self) -> Option<&Currency> {
            None
        }

        fn add_sum(&mut self, sum: &DaySum<'_>) {
            if self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
                self.store();
            }
            self.report.add_sum(sum);
        }

        fn add_lent(&mut self, entry: &LentEntry<'_>) -> Result<(), ValueError> {
            self.report.add_lent(entry)
        }

        fn merge(&mut self, other: Self) {
            self.report.merge(other.report);
        }
    }

    /// The entries of June 2 and of June 3 that are read, and how often another two were stored meanwhile.
    fn read_while_disturbed(times: u32) -> (u64, u64, u32) {
        let (directory, ledger, _) = ledger();
        let account = ledger.create_account("disturbed").unwrap();
        let window = window(Some("2026-06-02T00:00:00Z"), Some("2026-06-03T12:00:00Z"));
        let question = Question { window, ..Question::new("day".parse().unwrap()) };
        let empty = Disturbed {
            report: ReportBuilder::new(question),
            ledger: SqliteLedger::open(&directory.path().join("ledger.db")).unwrap(),
            account,
            left: Arc::new(AtomicU32::new(times)),
        };
        empty.store();
        let read = read(&ledger, &[account], &empty).unwrap();
        let stored = times - read.left.load(Relaxed);
        let report = report(read.report);
        let entries = |row: usize| report.rows[row].sums.entries;
        (entries(0), entries(1), stored)
    }

    #[test]
    fn a_report_is_of_one_moment_whatever_is_stored_meanwhile() {
        assert_eq!(read_while_disturbed(0), (1, 1, 0));
        assert_eq!(read_while_disturbed(1), (2, 2, 1));
        // It changes each time that it is read, and is read in one call at last.
        let (of_sums, of_entries, stored) = read_while_disturbed(1_000);
        assert_eq!(of_sums, of_entries);
        assert!(stored > MOST_TRIES, "{stored}");
    }

    #[test]
    fn one_call_says_what_several_say() {
        let (_directory, ledger, account) = ledger();
        for (window, previous) in [
            (window(Some("2026-03-02T07:00:00Z"), Some("2026-05-05T05:00:00Z")), None),
            (window(None, Some("2026-05-05T05:00:00Z")), None),
            (window(Some("2026-03-02T07:00:00Z"), None), None),
            (window(None, None), None),
            (
                window(Some("2026-05-01T00:00:00Z"), None),
                Some(window(Some("2026-04-01T00:00:00Z"), Some("2026-04-07T05:00:00Z"))),
            ),
        ] {
            for (by, currency) in [("day,model", None), ("key", Some("DIEM".into())), ("hour", None)] {
                let mut question = Question { window, previous, ..Question::new(by.parse().unwrap()) };
                question.filter.currency = currency;
                let empty = ReportBuilder::new(question);
                let several = read(&ledger, &[account], &empty).unwrap();
                let one = read_at_once(&ledger, &[account], &empty.question().reading(), &empty).unwrap();
                assert_eq!(report(one), report(several), "{window} {by}");
            }
        }
        for zone in ["UTC", "Europe/Berlin"] {
            let now = "2026-05-05T05:00:00Z".parse().unwrap();
            let empty = TodayBuilder::new(now, zone.parse().unwrap());
            let said =
                |builder: TodayBuilder| builder.finish(Source::default(), Diem::default(), LastSync::None);
            let several = said(read(&ledger, &[account], &empty).unwrap());
            let one = read_at_once(&ledger, &[account], &Builder::reading(&empty), &empty).unwrap();
            assert_eq!(said(one), several, "{zone}");
        }
    }

    #[test]
    fn an_account_that_is_removed_meanwhile_is_missed() {
        let (_directory, ledger, account) = ledger();
        let gone = ledger.create_account("gone").unwrap();
        ledger.remove_account(gone).unwrap();
        let empty = ReportBuilder::new(Question::new("day".parse().unwrap()));
        let error = read(&ledger, &[account, gone], &empty).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownAccount);
    }
}
