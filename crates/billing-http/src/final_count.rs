//! The final count: what a walk came to, against what the service counts. Pure: it says what to ask the service, and takes
//! the answers.

use billing_model::{TimeWindow, Timestamp};

use crate::endpoint::Route;
use crate::planner::wider;
use crate::walker::{Before, End};

/// What the parts of a walk came to, added up one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    parts: u64,
    /// The end of the last part; there is none when nothing was walked.
    last: Option<End>,
    /// What the service sent from before the window, with the first part. The others begin where the one before them ends,
    /// and nothing lies in between.
    before: Before,
    /// True when not every part was walked by page number.
    by_cursor: bool,
    pages: u64,
}

impl Tally {
    /// Adds a part: what its walker came to, and the end of the ledger, when it has come there.
    pub(crate) fn add(&mut self, walked: Option<End>, end: Option<End>) {
        if let Some(walked) = walked {
            if self.parts == 0 {
                self.before = walked.before;
            }
            self.by_cursor |= walked.route == Route::UsageHistory;
            self.pages += walked.pages;
        }
        self.parts += 1;
        self.last = end;
    }

    /// True before the first part is over.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts == 0
    }

    /// Pages of the parts.
    pub(crate) fn pages(&self) -> u64 {
        self.pages
    }

    /// The endpoint that the walk ended on; `None` when nothing was walked. A walk that was in part by cursor has no total.
    pub(crate) fn route(&self) -> Option<Route> {
        let route = if self.by_cursor { Route::UsageHistory } else { Route::Usage };
        (self.parts > 0).then_some(route)
    }
}

/// A walk that is over, and what is to be found out of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FinalCount {
    pub(crate) route: Route,
    pub(crate) window: TimeWindow,
    /// Up to where an earlier run had walked the window, and how many entries it had.
    pub(crate) earlier: Option<(Timestamp, u64)>,
    /// Entries of this run.
    pub(crate) entries: u64,
    pub(crate) tally: Tally,
}

/// What to ask the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// How many entries come when the window is read once more.
    Window,
    /// How many entries it counts from here to the end of the window.
    Total { since: Option<Timestamp> },
    /// How many entries of that total lie at the end of the window or behind it: the service counts the whole millisecond in
    /// which the window ends.
    AtEnd { end: Timestamp, total: u64 },
    /// The same total once more.
    TotalAgain { since: Option<Timestamp>, total: u64 },
}

/// How a walk compares with the service's count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is what the service counts.
    Whole,
    /// The service does not say.
    Unknown,
    /// The service counts so many entries, and other ones came: some came or went behind the walk.
    Moved { total: u64, counted: u64 },
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Ask(Question),
    End(Verdict),
}

impl FinalCount {
    /// The first question, or the verdict where none is needed or none helps.
    pub(crate) fn first(&self) -> Step {
        let Tally { parts, last, .. } = self.tally;
        // One walker over all of the window has compared already.
        if parts == 1 && self.earlier.is_none() && last.is_some_and(|end| end.verified) {
            return Step::End(Verdict::Whole);
        }
        if self.route == Route::UsageHistory {
            return Step::End(Verdict::Unknown);
        }
        let (since, until) = (self.window.since(), self.window.until());
        match self.earlier {
            // A short window is asked for with what lies before it, which nobody has counted. So it is read once more.
            Some(_) if wider(since, until) != since => Step::Ask(Question::Window),
            // The service counts from a whole millisecond on. What the earlier run left out before the start was not noted,
            // and this run had nothing to walk.
            Some((from, _)) if !self.starts_on_a_ms() && until.is_some_and(|until| until <= from) => {
                Step::End(Verdict::Unknown)
            }
            _ => Step::Ask(Question::Total { since: self.counted().0 }),
        }
    }

    /// What follows an answer, which is `None` where the service does not say.
    pub(crate) fn after(&self, asked: Question, answer: Option<u64>) -> Step {
        let beyond = self.beyond();
        let counted = match asked {
            Question::Window => self.entries + self.earlier.map_or(0, |(_, entries)| entries),
            _ => self.counted().1,
        };
        let moved = |total| Verdict::Moved { total, counted: counted + beyond.unwrap_or(0) };
        let Some(answer) = answer else {
            return Step::End(match asked {
                // The walk has seen itself what lies at the end, and that was compared.
                Question::AtEnd { total, .. } if beyond.is_some() => moved(total),
                _ => Verdict::Unknown,
            });
        };
        let verdict = match asked {
            Question::Window if answer == counted => Verdict::Whole,
            Question::Window => Verdict::Moved { total: answer, counted },
            Question::Total { .. } if answer == counted + beyond.unwrap_or(0) => Verdict::Whole,
            Question::Total { .. } => match self.window.until() {
                // At the end entries may have come since the last part was walked. And where an earlier run walked
                // everything, nobody has counted them yet.
                Some(end) => return Step::Ask(Question::AtEnd { end, total: answer }),
                None => moved(answer),
            },
            // The two counts are of the same moment only if the total has not changed meanwhile.
            Question::AtEnd { total, .. } if total == counted + answer => {
                return Step::Ask(Question::TotalAgain { since: self.counted().0, total });
            }
            Question::TotalAgain { total, .. } if total == answer => Verdict::Whole,
            Question::AtEnd { total, .. } | Question::TotalAgain { total, .. } => moved(total),
        };
        Step::End(verdict)
    }

    /// From where on the service's count is to be compared with what came, and how many entries that are.
    fn counted(&self) -> (Option<Timestamp>, u64) {
        match self.earlier {
            Some((_, earlier)) if self.starts_on_a_ms() => (self.window.since(), earlier + self.entries),
            // Of this run alone: the earlier one did not note what it left out before a start within a millisecond.
            _ => (self.tally.before.since, self.tally.before.entries + self.entries),
        }
    }

    /// Entries at the end of the window, which the service counts too; `None` when they are not known. Of a walk that was
    /// over before it began nothing is known.
    fn beyond(&self) -> Option<u64> {
        self.tally.last.and_then(|end| end.beyond)
    }

    fn starts_on_a_ms(&self) -> bool {
        self.window.since().is_none_or(|since| since == since.floor_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many microseconds after the start of a day.
    fn at(us: i64) -> Timestamp {
        Timestamp::from_unix_ns(1_750_032_000_000_000_000 + us * 1_000)
    }

    const HOUR_US: i64 = 3_600_000_000;

    /// The walk of a row of the table: its window, what was walked earlier, and what its parts came to.
    #[derive(Clone, Copy)]
    struct Row {
        since_us: i64,
        until_us: Option<i64>,
        earlier: Option<(i64, u64)>,
        route: Route,
        entries: u64,
        tally: Tally,
    }

    fn part(route: Route, before: u64, beyond: Option<u64>, verified: bool) -> End {
        let before = Before { since: Some(at(-7_000)), entries: before };
        End { before, beyond, pages: 3, route, verified }
    }

    /// Two parts by page number, the first with so much before the window and the last with so much at its end.
    fn two_parts(before: u64, beyond: Option<u64>) -> Tally {
        let mut tally = Tally::default();
        tally.add(Some(part(Route::Usage, before, Some(9), false)), None);
        let last = part(Route::Usage, 9, beyond, false);
        tally.add(Some(last), Some(last));
        tally
    }

    fn one_part(end: End) -> Tally {
        let mut tally = Tally::default();
        tally.add(Some(end), Some(end));
        tally
    }

    /// What it is, the walk, the service's answers, and then the questions that were asked and the verdict.
    type Case<'a> = (&'a str, Row, &'a [Option<u64>], &'a [Question], Verdict);

    /// The questions that a walk leads to when they are answered so, and the verdict.
    fn asked(row: Row, answers: &[Option<u64>]) -> (Vec<Question>, Verdict) {
        let Row { since_us, until_us, earlier, route, entries, tally } = row;
        let window = TimeWindow::new(Some(at(since_us)), until_us.map(at)).unwrap();
        let earlier = earlier.map(|(us, entries)| (at(us), entries));
        let count = FinalCount { route, window, earlier, entries, tally };
        let (mut step, mut questions, mut answers) = (count.first(), Vec::new(), answers.iter());
        loop {
            match step {
                Step::Ask(question) => {
                    questions.push(question);
                    step = count.after(question, *answers.next().unwrap());
                }
                Step::End(verdict) => {
                    assert_eq!(answers.next(), None);
                    return (questions, verdict);
                }
            }
        }
    }

    #[test]
    fn a_walk_is_whole_when_the_service_counts_what_it_has() {
        use Question::{AtEnd, Total, TotalAgain, Window};
        use Verdict::{Moved, Unknown, Whole};
        let end = at(HOUR_US);
        // 100 entries of this run over an hour, in two parts; 2 before the window and 1 at its end were counted.
        let walk = Row {
            since_us: 0,
            until_us: Some(HOUR_US),
            earlier: None,
            route: Route::Usage,
            entries: 100,
            tally: two_parts(2, Some(1)),
        };
        let unseen = Row { tally: two_parts(2, None), ..walk };
        let resumed = Row { earlier: Some((HOUR_US / 2, 50)), ..walk };
        let was_over = Row { earlier: Some((HOUR_US, 50)), entries: 0, tally: Tally::default(), ..walk };
        let mid_ms = |row| Row { since_us: 300, ..row };
        let short = |row| Row { until_us: Some(60_000_000), ..row };
        let verified = one_part(part(Route::Usage, 0, Some(0), true));
        let mut of_a_part = two_parts(2, Some(1));
        of_a_part.last = verified.last;
        let unverified = one_part(part(Route::Usage, 0, Some(0), false));
        let by_cursor = Row { route: Route::UsageHistory, ..walk };
        // What was asked for with the window's first part, and the window itself.
        let first = Total { since: Some(at(-7_000)) };
        let again = |total| TotalAgain { since: Some(at(-7_000)), total };
        let own = Total { since: Some(at(0)) };
        let own_again = |total| TotalAgain { since: Some(at(0)), total };
        let at_end = |total| AtEnd { end, total };
        let table: [Case<'_>; 26] = [
            ("one walker has compared", Row { tally: verified, ..walk }, &[], &[], Whole),
            ("one walker has not", Row { tally: unverified, ..walk }, &[Some(100)], &[first], Whole),
            ("one walker, of a part only", Row { tally: verified, ..resumed }, &[Some(150)], &[own], Whole),
            (
                "the last walker has compared, its part",
                Row { tally: of_a_part, ..walk },
                &[Some(102)],
                &[first],
                Whole,
            ),
            ("by cursor there is no total", by_cursor, &[], &[], Unknown),
            ("as many, with those around the window", walk, &[Some(103)], &[first], Whole),
            ("the service does not say", walk, &[None], &[first], Unknown),
            (
                "one more, and not at the end",
                walk,
                &[Some(104), Some(1)],
                &[first, at_end(104)],
                Moved { total: 104, counted: 103 },
            ),
            (
                "one less",
                walk,
                &[Some(102), Some(1)],
                &[first, at_end(102)],
                Moved { total: 102, counted: 103 },
            ),
            (
                "one more at the end",
                walk,
                &[Some(104), Some(2), Some(104)],
                &[first, at_end(104), again(104)],
                Whole,
            ),
            (
                "and another meanwhile",
                walk,
                &[Some(104), Some(2), Some(105)],
                &[first, at_end(104), again(104)],
                Moved { total: 104, counted: 103 },
            ),
            (
                "and then it does not say",
                walk,
                &[Some(104), Some(2), None],
                &[first, at_end(104), again(104)],
                Unknown,
            ),
            (
                "the end cannot be read, and was seen",
                walk,
                &[Some(104), None],
                &[first, at_end(104)],
                Moved { total: 104, counted: 103 },
            ),
            ("the end was not seen, and nothing is there", unseen, &[Some(102)], &[first], Whole),
            (
                "the end was not seen, and has two",
                unseen,
                &[Some(104), Some(2), Some(104)],
                &[first, at_end(104), again(104)],
                Whole,
            ),
            (
                "the end was not seen, and is not the reason",
                unseen,
                &[Some(104), Some(1)],
                &[first, at_end(104)],
                Moved { total: 104, counted: 102 },
            ),
            (
                "the end cannot be read, and was not seen",
                unseen,
                &[Some(104), None],
                &[first, at_end(104)],
                Unknown,
            ),
            (
                "without an end",
                Row { until_us: None, ..walk },
                &[Some(104)],
                &[first],
                Moved { total: 104, counted: 103 },
            ),
            ("two runs", resumed, &[Some(151)], &[own], Whole),
            (
                "two runs, and one has vanished",
                resumed,
                &[Some(150), Some(1)],
                &[own, at_end(150)],
                Moved { total: 150, counted: 151 },
            ),
            (
                "the earlier run had it all",
                was_over,
                &[Some(51), Some(1), Some(51)],
                &[own, at_end(51), own_again(51)],
                Whole,
            ),
            ("two runs over a short window", short(resumed), &[Some(150)], &[Window], Whole),
            (
                "the same, and it has another",
                short(resumed),
                &[Some(151)],
                &[Window],
                Moved { total: 151, counted: 150 },
            ),
            ("the same, and the endpoint is gone", short(resumed), &[None], &[Window], Unknown),
            (
                "a start within a millisecond, of this run alone",
                mid_ms(resumed),
                &[Some(103)],
                &[first],
                Whole,
            ),
            ("and nothing was left to walk", mid_ms(was_over), &[], &[], Unknown),
        ];
        for (name, row, answers, questions, verdict) in table {
            assert_eq!(asked(row, answers), (questions.to_vec(), verdict), "{name}");
        }
    }

    #[test]
    fn a_tally_has_the_start_of_its_first_part_and_the_end_of_its_last() {
        let mut tally = Tally::default();
        assert_eq!((tally.is_empty(), tally.route(), tally.pages()), (true, None, 0));
        tally.add(Some(part(Route::Usage, 2, Some(9), false)), None);
        assert_eq!((tally.is_empty(), tally.route(), tally.pages()), (false, Some(Route::Usage), 3));
        let last = part(Route::UsageHistory, 5, Some(1), false);
        tally.add(Some(last), Some(last));
        assert_eq!((tally.route(), tally.pages()), (Some(Route::UsageHistory), 6), "in part by cursor");
        assert_eq!(tally.before.entries, 2);
        assert_eq!(tally.last.and_then(|end| end.beyond), Some(1));
    }
}
