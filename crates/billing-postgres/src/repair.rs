//! Makes anew what is kept of a window beside its entries, after somebody else has written to the database.
//!
//! It goes around a change, in its transaction. Before it, numbers go on behind those of all rows, entries with numbers that they cannot
//! have get new ones, and what is kept of the window's days is removed. After it, everything is made of the entries that are there then.
//! Where rows stand says nothing here: an entry of a block may be at any time, so all rows of the account are looked at.

use billing_engine::Span;
use billing_engine::repair::{Days, Parts};
use billing_ledger::{AccountId, Amendment, Change, Error, Position};
use billing_model::TimeWindow;

use crate::change::{self, Kept};
use crate::connections::Limit;
use crate::failure::Failure;
use crate::intake::{self, Intake};
use crate::ledger::PostgresLedger;
use crate::row::{count, signed};
use crate::session::Session;

mod days;
mod numbers;
mod parts;
mod recorded;
mod strays;

use strays::{Found, Rules};

/// No ledger comes to such a number. A row that has it, or a greater one, is somebody else's.
const NEVER_GIVEN: i64 = 1 << 62;

/// The highest next number that can be gone on with.
const LAST_NEXT: u64 = 3 << 61;

/// Blocks of other accounts may get other numbers. Whoever has stored blocks holds the accounts that it needs, so nobody waits for the
/// account of a repair and has what that waits for.
const LOCK_BLOCKS: &str = "LOCK TABLE billing.blocks IN SHARE ROW EXCLUSIVE MODE";

/// The advisory lock of repairs: `repair` as a number. Two at once would each have written to blocks, and wait for the other to lock them.
const REPAIR_LOCK: i64 = 0x7265_7061_6972;

impl PostgresLedger {
    pub(crate) fn repair(&self, change: &Change, window: TimeWindow) -> Result<(), Error> {
        let removed_ns = change.at.unix_ns().ok_or_else(|| Error::timestamp(change.at))?;
        self.connections().write(Limit::None, async |session| {
            let account = change.account;
            // One after the other, before anything is locked. The lock ends with the transaction.
            session.row("SELECT pg_advisory_xact_lock($1)", &[&REPAIR_LOCK]).await?;
            let end = change::begin(session, change).await?;
            let next = behind_all(session, account, end).await?;
            let mut intake = Intake::new(account, next);
            forget_impossible(session, account, next).await?;
            let span = Span::of(window);
            let rules = Rules::of(session, account, signed(end), signed(next)).await?;
            let Found { remove, amend, left } = rules.settle(session, &mut intake, change, span).await?;
            let days = Days::of(window, &remove, &amend, change);
            days::clear(&days, session, account).await?;
            let mut parts = parts::of(session, account, signed(intake.next_sequence())).await?;
            touch(&mut parts, &left, &remove, &amend);
            if let Some(span) = span {
                parts.touch_span(span);
                parts::touch_rows(&mut parts, session, account, span).await?;
            }

            let change = Change { remove, amend, ..change.clone() };
            change::mend(session, &change, &mut intake, Kept::MadeAnew).await?;
            days::add_kept(&days, session, &mut intake).await?;
            change::put_in(session, &change, &mut intake).await?;
            let anew = parts::make_anew(&parts, session, account, removed_ns).await?;
            session.run(LOCK_BLOCKS).await?;
            intake::close(session, &mut [intake]).await?;
            anew.store(session).await?;
            parts::close_gaps(session, account).await?;
            days::sum_up(&days, session, account).await
        })
    }
}

/// Notes which blocks are made anew.
fn touch(parts: &mut Parts, left: &[i64], remove: &[Position], amend: &[Amendment]) {
    left.iter().for_each(|number| parts.touch(*number));
    let amended = amend.iter().map(|amendment| &amendment.position);
    remove.iter().chain(amended).for_each(|position| parts.touch(signed(position.sequence)));
}

/// The number behind all that rows of the account have, and the account itself. Otherwise an entry could get one that is taken.
async fn behind_all(session: Session<'_>, account: AccountId, end: u64) -> Result<u64, Failure> {
    let sql = "SELECT COALESCE(MAX(number), -1) + 1 FROM (
             SELECT MAX(sequence) AS number FROM entries WHERE account = $1 AND sequence < $2
             UNION ALL SELECT MAX(sequence) FROM removed WHERE account = $1 AND sequence < $2
             UNION ALL SELECT MAX(removal) FROM removed WHERE account = $1 AND removal < $2
             UNION ALL SELECT MAX(first_sequence) FROM blocks WHERE account = $1 AND first_sequence < $2
             UNION ALL SELECT MAX(last_sequence) FROM unused WHERE account = $1 AND last_sequence < $2
         ) AS highest WHERE number >= 0";
    let behind = count(&session.row(sql, &[&account.0, &NEVER_GIVEN]).await?, 0)?;
    let next = if end <= LAST_NEXT { end } else { 0 };
    Ok(next.max(behind))
}

/// Removes the blocks whose first number is none.
async fn forget_impossible(session: Session<'_>, account: AccountId, next: u64) -> Result<(), Failure> {
    let sql = "DELETE FROM blocks WHERE account = $1 AND (first_sequence < 0 OR first_sequence >= $2)";
    session.execute(sql, &[&account.0, &signed(next)]).await.map(drop)
}
