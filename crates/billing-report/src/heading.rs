//! The lines above the figures of a report, and the notes below them.

use billing_model::{Day, Timestamp, one_line};

use crate::dimension::Dimension;
use crate::figures::{self, Places, counted};
use crate::naming::Naming;
use crate::report::{Report, Source, Span};
use crate::zone::{Local, Zone};

/// The most characters of a path, a pattern or a note.
const MOST_CHARS: usize = 400;

/// The most files and accounts that are named. Of others there is a number.
const MOST_NAMED: usize = 3;

impl Report {
    /// What the report is of: `Spend by day and model, 2026-05-01 to 2026-06-30, UTC`.
    pub(crate) fn title(&self) -> String {
        let window = self.span(&self.meta.window);
        format!("{}, {window}, {}", self.subject(), one_line(&self.meta.time_zone, MOST_CHARS))
    }

    /// What its rows are: `Spend by day and model`.
    pub(crate) fn subject(&self) -> String {
        let word = |dimension: &Dimension| match dimension {
            Dimension::Key => "API key",
            dimension => dimension.as_str(),
        };
        let by: Vec<&str> = self.meta.by.iter().map(word).collect();
        format!("Spend by {}", by.join(" and "))
    }

    /// The lines below the title: the source of the entries, the filter, the span compared with, and whether more may come.
    pub(crate) fn heading(&self) -> Vec<String> {
        let meta = &self.meta;
        let mut entries = counted(meta.entries, "entry", "entries");
        match meta.source.text() {
            none if none.is_empty() => {}
            source => entries.push_str(&format!(" from {source}")),
        }
        let mut lines = vec![entries];
        lines.extend(self.choice().map(|choice| format!("only {choice}")));
        lines.extend(meta.previous.as_ref().map(|span| format!("compared with {}", self.span(span))));
        lines.extend(self.open_end());
        lines
    }

    /// Which entries, if not all: `DIEM, model claude-*`. A key is named where its name is known.
    pub(crate) fn choice(&self) -> Option<String> {
        let filter = &self.meta.filter;
        let line = |text: &String| one_line(text, MOST_CHARS);
        let key = |id: &String| Naming::new(self).named(Dimension::Key, id).text();
        let parts = [
            filter.currency.as_ref().map(line),
            filter.model.as_ref().map(|model| format!("model {}", line(model))),
            filter.key.as_ref().map(|id| format!("key {}", key(id))),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// That entries may still come, and from when on; `None` for a report that is final.
    pub(crate) fn open_end(&self) -> Option<String> {
        match &self.meta.provisional_from {
            _ if self.meta.is_final => None,
            Some(from) => {
                let from = self.end(Some(from)).text();
                Some(format!("not final: entries from {from} on may still come"))
            }
            None => Some("not final: entries may still come".to_owned()),
        }
    }

    /// The notes below the figures, a sentence or two each.
    pub(crate) fn notes(&self, mut is_rounded: bool) -> Vec<String> {
        let meta = &self.meta;
        let mut notes = Vec::new();
        if let Some(usd) = &meta.usd {
            let rates = usd.rates.iter();
            let rates = rates.map(|(currency, usd)| format!("{} {usd}", one_line(currency, MOST_CHARS)));
            let places = Places::of(std::iter::once(&usd.spend));
            is_rounded |= places.cut(&usd.spend);
            let rates: Vec<String> = rates.collect();
            let mut note = format!(
                "USD by a stated table: {}. In all {} USD.",
                rates.join(", "),
                places.show(&usd.spend)
            );
            if !usd.unrated.is_empty() {
                let unrated = usd.unrated.iter().map(|name| one_line(name, MOST_CHARS));
                note.push_str(&format!(" Without a rate: {}.", unrated.collect::<Vec<_>>().join(", ")));
            }
            notes.push(note);
        }
        notes.extend(self.cut_spans());
        notes.extend(self.mismatches());
        notes.extend(meta.notes.iter().map(|note| one_line(note, MOST_CHARS)));
        if is_rounded {
            notes.push("Amounts are rounded for show. CSV and JSON have every digit.".to_owned());
        }
        notes
    }

    /// How many entries have an amount that is not price times units; `None` where there are none.
    pub(crate) fn mismatches(&self) -> Option<String> {
        let (Some(mismatched @ 1..), Some(compared)) = (self.meta.mismatched, self.meta.compared) else {
            return None;
        };
        let have = if mismatched == 1 { "has an amount" } else { "have amounts" };
        let which = match compared {
            1 => "1 entry".to_owned(),
            _ => format!("{} of {}", figures::count(mismatched), counted(compared, "entry", "entries")),
        };
        Some(format!("{which} {have} other than price times units, summed as charged."))
    }

    /// A span as the clocks of the report's zone show it: `2026-05-01 to 2026-06-30`, of which both are inside.
    pub(crate) fn span(&self, span: &Span) -> String {
        let (since, until) = (self.end(span.since.as_deref()), self.end(span.until.as_deref()));
        match (since, until) {
            (End::Open, End::Open) => "all time".to_owned(),
            (End::Midnight { day, .. }, End::Open) => format!("since {day}"),
            (since, End::Open) => format!("since {}", since.text()),
            (End::Open, End::Midnight { day_before, .. }) => format!("up to {day_before}"),
            (End::Open, until) => format!("before {}", until.text()),
            (End::Midnight { day, .. }, End::Midnight { day_before, .. }) if day == day_before => day,
            (End::Midnight { day, .. }, End::Midnight { day_before, .. }) => format!("{day} to {day_before}"),
            // A time of the day at one end calls for one at the other.
            (since, until) => format!("{} to {}", since.text(), until.text()),
        }
    }

    fn end(&self, text: Option<&str>) -> End {
        let Some(text) = text else { return End::Open };
        let (Ok(zone), Ok(at)) = (self.meta.time_zone.parse::<Zone>(), text.parse::<Timestamp>()) else {
            // Of a report from elsewhere.
            return End::Other(one_line(text, MOST_CHARS));
        };
        let Local { day, second } = zone.local(at);
        if zone.start_of(day) == at {
            return End::Midnight { day: day.to_string(), day_before: Day(day.0 - 1).to_string() };
        }
        let minutes = second / 60;
        let second = match second % 60 {
            0 => String::new(),
            second => format!(":{second:02}"),
        };
        End::Other(format!("{day} {:02}:{:02}{second}", minutes / 60, minutes % 60))
    }
}

/// An end of a span.
enum End {
    Open,
    /// The first instant of a day, which need not be at 00:00.
    Midnight {
        day: String,
        day_before: String,
    },
    Other(String),
}

impl End {
    fn text(self) -> String {
        match self {
            Self::Open => String::new(),
            Self::Midnight { day, .. } => day + " 00:00",
            Self::Other(text) => text,
        }
    }
}

/// The dimensions that have a column in a table. The currency has none, because each currency has a table of its own, unless the
/// rows are by currency alone.
pub(crate) fn label_columns(by: &[Dimension]) -> Vec<Dimension> {
    match by {
        [Dimension::Currency] => by.to_vec(),
        by => by.iter().copied().filter(|dimension| *dimension != Dimension::Currency).collect(),
    }
}

impl Source {
    /// The ledger or the files, and the accounts: `ledger.db, account default`.
    pub(crate) fn text(&self) -> String {
        let place = match &self.ledger {
            Some(ledger) => one_line(ledger, MOST_CHARS),
            None => listed(&self.files),
        };
        let accounts = match &self.accounts[..] {
            [] => String::new(),
            [account] => format!("account {}", one_line(account, MOST_CHARS)),
            accounts => format!("accounts {}", listed(accounts)),
        };
        let parts = [place, accounts].into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(", ")
    }
}

fn listed(names: &[String]) -> String {
    let mut named: Vec<String> =
        names.iter().take(MOST_NAMED).map(|name| one_line(name, MOST_CHARS)).collect();
    if let Some(more @ 1..) = names.len().checked_sub(MOST_NAMED) {
        named.push(format!("{more} more"));
    }
    match named.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up;

    #[test]
    fn a_window_is_read_off_the_clocks_of_its_zone() {
        for (zone, since, until, expect) in [
            ("UTC", "", "", "all time"),
            ("UTC", "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z", "2026-06-01 to 2026-06-30"),
            ("UTC", "2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z", "2026-06-01"),
            ("UTC", "2026-06-01T00:00:00Z", "", "since 2026-06-01"),
            ("UTC", "2026-06-01T08:00:00Z", "", "since 2026-06-01 08:00"),
            ("UTC", "", "2026-07-01T00:00:00Z", "up to 2026-06-30"),
            ("UTC", "", "2026-07-01T00:00:01Z", "before 2026-07-01 00:00:01"),
            ("UTC", "2026-06-01T00:00:00Z", "2026-06-01T09:30:00Z", "2026-06-01 00:00 to 2026-06-01 09:30"),
            ("Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "2026-10-25"),
            (
                "Europe/Berlin",
                "2026-06-01T00:00:00Z",
                "2026-07-01T00:00:00Z",
                "2026-06-01 02:00 to 2026-07-01 02:00",
            ),
            // The clocks went from 00:00 to 01:00, so the day began at one.
            ("America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z", "2018-11-04"),
            ("Mars/Olympus", "2026-06-01T00:00:00Z", "once", "2026-06-01T00:00:00Z to once"),
        ] {
            let mut report = made_up::empty();
            let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            report.meta.time_zone = zone.to_owned();
            report.meta.window = Span { since: text(since), until: text(until) };
            assert_eq!(report.title(), format!("Spend by day, {expect}, {zone}"));
        }
    }

    #[test]
    fn a_key_that_is_asked_for_is_named_where_its_name_is_known() {
        let mut report = made_up::keys();
        for (id, expect) in [
            ("1e2feb89-414c-443c-9027-c4d1c386bbc4", "key laptop"),
            ("77aa0000-414c-443c-9027-c4d1c386bbc4", "key ci (77aa0000…)"),
            ("unknown", "key unknown"),
        ] {
            report.meta.filter.key = Some(id.to_owned());
            assert_eq!(report.choice().as_deref(), Some(expect));
        }
    }

    /// The head of the page says of the window, the choice and the source what the head of a table says.
    #[test]
    fn a_page_begins_as_a_table_does() {
        for report in [made_up::models(), made_up::days_and_models()] {
            let page = report.to_html();
            let said =
                [Some(report.subject()), Some(report.meta.source.text()), report.open_end(), report.choice()];
            for said in said.into_iter().flatten().chain([report.span(&report.meta.window)]) {
                assert!(page.contains(&said), "{said}");
            }
        }
    }

    #[test]
    fn a_source_is_said_in_few_words() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (ledger, accounts, files, expect) in [
            (Some("l.db"), &["a"][..], &[][..], "l.db, account a"),
            (Some("l.db"), &["a", "b"], &[], "l.db, accounts a and b"),
            (None, &[], &["a", "b", "c"], "a, b and c"),
            (None, &[], &["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
            (None, &[], &[], ""),
        ] {
            let source =
                Source { ledger: ledger.map(str::to_owned), accounts: names(accounts), files: names(files) };
            assert_eq!(source.text(), expect);
        }
    }
}
