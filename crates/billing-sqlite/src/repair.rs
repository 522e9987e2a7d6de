//! Makes anew what is kept of a window beside its entries, after somebody else has written to the ledger.
//!
//! It goes around a change, in its transaction. Before it, numbers go on behind those of all rows, entries with numbers that they
//! cannot have get new ones, and what is kept of the window's days is removed. After it, everything is made of the entries that are
//! there then. Where rows stand says nothing here: an entry of a block may be at any time, so all rows of the account are looked at.

use billing_engine::Span;
use billing_engine::repair::{Days, Parts};
use billing_ledger::{AccountId, Amendment, Change, Position};
use billing_model::TimeWindow;
use rusqlite::Connection;

use crate::intake::Intake;
use crate::row::signed;
use crate::snapshot::Present;

mod blocks;
mod numbers;
mod recorded;
mod strays;
mod sums;

use numbers::Numbers;
use strays::{Found, Rules};

/// No ledger comes to such a number. A row that has it, or a greater one, is somebody else's.
const NEVER_GIVEN: i64 = 1 << 62;

/// The highest next number that can be gone on with.
const LAST_NEXT: u64 = 3 << 61;

/// A repair that is under way.
pub(crate) struct Repair {
    account: AccountId,
    present: Present,
    days: Days,
    parts: Parts,
    numbers: Numbers,
    remove: Vec<Position>,
    amend: Vec<Amendment>,
}

impl Repair {
    /// Begins a change of an account as it is now, and the intake for it.
    pub(crate) fn begin(
        writer: &Connection,
        present: Present,
        change: &Change,
        window: TimeWindow,
    ) -> rusqlite::Result<(Self, Intake)> {
        let account = change.account;
        let seen_end = signed(present.snapshot().end);
        let mut numbers = all_numbers(writer, account, present)?;
        let present = Present { next_sequence: behind_all(writer, account, present, &numbers)?, ..present };
        let mut intake = Intake::new(account, present.next_sequence);
        blocks::forget_impossible(writer, account, signed(present.next_sequence))?;
        let span = Span::of(window);
        let rules = Rules::of(writer, account, present, seen_end)?;
        let Found { remove, amend, left } = rules.settle(writer, &mut intake, &mut numbers, change, span)?;
        let days = Days::of(window, &remove, &amend, change);
        sums::clear(&days, writer, account)?;
        let mut parts = blocks::parts(writer, account, signed(intake.next_sequence()))?;
        left.into_iter().for_each(|number| parts.touch(number));
        let amended = amend.iter().map(|amendment| &amendment.position);
        remove.iter().chain(amended).for_each(|position| parts.touch(signed(position.sequence)));
        if let Some(span) = span {
            parts.touch_span(span);
            blocks::touch_rows(&mut parts, writer, account, span)?;
        }
        Ok((Self { account, present, days, parts, numbers, remove, amend }, intake))
    }

    /// The account as the change finds it.
    pub(crate) fn present(&self) -> Present {
        self.present
    }

    /// What the change takes out, by the places where it stands now, with what nobody could see.
    pub(crate) fn remove(&self) -> &Vec<Position> {
        &self.remove
    }

    pub(crate) fn amend(&self) -> &Vec<Amendment> {
        &self.amend
    }

    /// Adds the entries that are left to what comes in, so that the sums have both.
    pub(crate) fn add_kept(&mut self, writer: &Connection, intake: &mut Intake) -> rusqlite::Result<()> {
        sums::add_kept(&self.days, writer, self.present, intake)
    }

    /// Makes blocks, coarse counts and balances anew, when everything else is stored.
    pub(crate) fn finish(self, writer: &Connection, removed_ns: i64) -> rusqlite::Result<()> {
        let hidden = self.present.hidden();
        blocks::make_anew(&self.parts, writer, self.account, &self.numbers, removed_ns, hidden)?;
        blocks::close_gaps(writer)?;
        sums::sum_up(&self.days, writer, self.account)
    }
}

/// The numbers that rows of the account have.
fn all_numbers(writer: &Connection, account: AccountId, present: Present) -> rusqlite::Result<Numbers> {
    let mut select = writer.prepare(
        "SELECT sequence FROM entries WHERE account = ?1 AND sequence NOT BETWEEN ?2 AND ?3
         UNION ALL SELECT sequence FROM removed WHERE account = ?1",
    )?;
    let (first, last) = present.hidden();
    let mut rows = select.query((account.0, first, last))?;
    let mut numbers = Numbers::default();
    while let Some(row) = rows.next()? {
        numbers.add(row.get(0)?);
    }
    Ok(numbers)
}

/// The number behind all that rows of the account have, and the account itself. Otherwise an entry could get one that is taken.
fn behind_all(
    writer: &Connection,
    account: AccountId,
    present: Present,
    numbers: &Numbers,
) -> rusqlite::Result<u64> {
    let others: Option<i64> = writer.query_row(
        "SELECT MAX(number) FROM (
            SELECT MAX(removal) AS number FROM removed WHERE account = ?1 AND removal < ?2
            UNION ALL SELECT MAX(first_sequence) FROM blocks WHERE account = ?1 AND first_sequence < ?2
            UNION ALL SELECT MAX(last_sequence) FROM unused WHERE account = ?1 AND last_sequence < ?2
            UNION ALL SELECT MAX(last_sequence) FROM imports WHERE account = ?1
         )",
        (account.0, NEVER_GIVEN),
        |row| row.get(0),
    )?;
    let highest = others.max(numbers.last_below(NEVER_GIVEN)).and_then(|number| u64::try_from(number).ok());
    let next = Some(present.next_sequence).filter(|next| *next <= LAST_NEXT).unwrap_or_default();
    Ok(next.max(highest.map_or(0, |highest| highest + 1)))
}
