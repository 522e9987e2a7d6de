//! What a ledger said, as text: two ledgers that said the same have the same text.

use std::fmt::{Debug, Display};
use std::ops::ControlFlow;

use billing_ledger::{
    AccountId, Error, ErrorKind, Ledger, LendEntry, NumberedQuery, Position, WalkPage, WalkQuery,
};
use billing_model::Day;

use crate::story::Look;

/// Characters of a line that a failed test shows, from a little before the first that is another one.
const SHOWN: usize = 500;
const BEFORE: usize = 120;

/// The end of each key with which a server is asked. It records uses when it has time, and so not at the same step.
pub(crate) const SERVER: &str = "server";

/// Lines of what was said.
#[derive(Default)]
pub(crate) struct Said {
    lines: Vec<String>,
    /// Errors in the engine's words, which are its own: for whoever reads of a failure.
    words: Vec<String>,
}

impl Said {
    pub(crate) fn note(&mut self, what: impl Display, said: impl Debug) {
        self.lines.push(format!("{what}: {said:?}"));
    }

    /// Notes what came of a call: of an error its kind.
    pub(crate) fn outcome<T: Debug>(&mut self, what: impl Display, done: Result<T, Error>) {
        match done {
            Ok(done) => self.note(what, done),
            Err(error) => {
                self.words.push(format!("{what}: {error}"));
                self.note(what, error.kind());
            }
        }
    }

    /// The first line that is another one, in both, if there is one.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        let lines = self.lines.len().max(other.lines.len());
        let at = (0..lines).find(|at| self.lines.get(*at) != other.lines.get(*at))?;
        let [one, other_line] =
            [self, other].map(|said| said.lines.get(at).map_or("nothing", String::as_str));
        let same = one.chars().zip(other_line.chars()).take_while(|(one, other)| one == other).count();
        let shown = |line: &str, said: &Self| {
            let start: String = line.chars().take(BEFORE).collect();
            let rest: String = line.chars().skip(same.saturating_sub(BEFORE)).take(SHOWN).collect();
            format!("{start} … {rest}\n    errors: {:?}", said.words)
        };
        Some(format!("  one: {}\n  other: {}", shown(one, self), shown(other_line, other)))
    }

    /// Notes everything that a ledger says of its accounts, keys and blocks.
    pub(crate) fn whole(&mut self, ledger: &dyn Ledger, after: u64) {
        self.outcome("accounts", ledger.accounts());
        let keys = ledger.keys().map(|mut keys| {
            for key in keys.iter_mut().filter(|key| key.last_six == SERVER) {
                key.last_used_at = None;
            }
            keys
        });
        self.outcome("keys", keys);
        let mut blocks = Vec::new();
        let done = ledger.blocks(after, &mut |block| {
            blocks.push(block.number);
            self.lines.push(format!("{block:?}"));
            ControlFlow::Continue(())
        });
        self.outcome("blocks", done);
        for number in blocks {
            self.entries(format_args!("entries of block {number}"), |lend| {
                ledger.block_entries(number, lend)
            });
        }
    }

    /// Notes what a ledger says of an account.
    pub(crate) fn account(&mut self, ledger: &dyn Ledger, account: AccountId, look: &Look) {
        let Look { filter, order, limit, page, days: (first, last), enough, .. } = look;
        let ask = |page| NumberedQuery { account, filter, order: *order, limit: *limit, page };
        let total = ledger.page_by_number(&ask(u32::MAX), &mut |_, _| Ok(()));
        let pages = u32::try_from(total.unwrap_or_default().div_ceil(u64::from(*limit))).unwrap();
        let page = u32::try_from(page.index(usize::try_from(pages).unwrap() + 2) + 1).unwrap();
        for page in [page, 1, pages.max(1)] {
            let what = format!("page {page} of {limit} {order} {filter:?}");
            self.entries(what, |lend| ledger.page_by_number(&ask(page), lend));
        }
        self.walk(ledger, account, look);
        let days = (Day((*first).min(*last)), Day((*first).max(*last)));
        for days in [None, Some(days)] {
            self.lent(format_args!("sums of {days:?}"), |lines| {
                ledger.rollups(account, days, &mut |sum| {
                    lines.push(format!("{sum:?}"));
                    goes_on(lines.len() != *enough)
                })
            });
        }
        // They come by day, and those of one day in any order.
        let mut charges = Vec::new();
        let done = ledger.charges(account, days, &mut |charge| {
            charges.push((charge.day, format!("{charge:?}")));
            ControlFlow::Continue(())
        });
        self.note("charges come by day", charges.is_sorted_by_key(|(day, _)| *day));
        charges.sort_unstable();
        self.lines.extend(charges.into_iter().map(|(_, line)| line));
        self.outcome(format_args!("charges of {days:?}"), done);
        for day in [days.0, days.1, Day(0)] {
            self.outcome(format_args!("funds of {day}"), ledger.funds(account, day));
        }
        self.lent("taken out", |lines| {
            ledger.removed(account, &mut |removed, entry| {
                lines.push(format!("{removed:?} {entry:?}"));
                Ok(())
            })
        });
        self.lent("coverage", |lines| {
            ledger.coverage(account, &mut |record| {
                lines.push(format!("{record:?}"));
                ControlFlow::Continue(())
            })
        });
        self.outcome("source", ledger.source(account));
        self.outcome("has files", ledger.has_imported_files(account));
        let descriptions = ledger.key_descriptions(account);
        self.outcome(
            "keys of it",
            descriptions.map(|keys| keys.into_iter().collect::<std::collections::BTreeMap<_, _>>()),
        );
        // Whoever is lent entries may have enough, and hears of their own error.
        let mut lent = 0;
        let done = ledger.page_by_number(&ask(1), &mut |_, _| {
            lent += 1;
            if lent > *enough { Err(Error::new(ErrorKind::Exists, "enough")) } else { Ok(()) }
        });
        self.outcome(format_args!("{lent} of a page"), done);
    }

    /// Notes a whole walk.
    fn walk(&mut self, ledger: &dyn Ledger, account: AccountId, look: &Look) {
        let (mut snapshot, mut after) = (None, None);
        loop {
            let query =
                WalkQuery { account, filter: &look.filter, snapshot, after, limit: look.limit.max(4) };
            let page = self.page(ledger, &query);
            match page {
                Some(WalkPage { snapshot: seen, next: Some(next) }) => {
                    (snapshot, after) = (Some(seen), Some(next));
                }
                _ => return,
            }
        }
    }

    /// Notes a page of a walk, and returns where it stands.
    pub(crate) fn page(&mut self, ledger: &dyn Ledger, query: &WalkQuery<'_>) -> Option<WalkPage> {
        let mut found = None;
        self.entries(format_args!("page after {:?}", query.after), |lend| {
            let page = ledger.page_by_position(query, lend)?;
            found = Some(page);
            Ok(page)
        });
        found
    }

    /// Notes entries that are lent, and what the call returned.
    fn entries<T: Debug>(
        &mut self,
        what: impl Display,
        call: impl FnOnce(&mut LendEntry<'_>) -> Result<T, Error>,
    ) {
        self.lent(what, |lines| {
            call(&mut |position: Position, entry| {
                lines.push(format!("{position:?} {entry:?}"));
                Ok(())
            })
        });
    }

    /// Notes what is lent, and what the call returned. What was lent before an error is nobody's promise.
    fn lent<T: Debug>(
        &mut self,
        what: impl Display,
        call: impl FnOnce(&mut Vec<String>) -> Result<T, Error>,
    ) {
        let mut lines = Vec::new();
        let done = call(&mut lines);
        if done.is_ok() {
            self.lines.append(&mut lines);
        }
        self.outcome(what, done);
    }
}

fn goes_on(does: bool) -> ControlFlow<()> {
    if does { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}
