//! Today on one screen of a terminal: 80 columns, 24 lines.

use billing_model::{Day, Timestamp, Total, one_line};

use crate::elapsed::{elapsed_words, hours_and_minutes, seconds_between};
use crate::figures::{count, percent};
use crate::short_amount::short_amount;
use crate::sparkline::sparkline;
use crate::table::{Fitted, Room};
use crate::today::{CurrencyToday, ModelToday, Today};
use crate::wrapping::wrapped;

/// Currencies and models that are shown, so that all of it fits on the screen.
const MOST_CURRENCIES: usize = 4;
const MOST_MODELS: usize = 5;

/// The most characters of a currency and of a model.
const MOST_OF_A_CURRENCY: usize = 20;
const MOST_OF_A_MODEL: usize = 50;

/// Columns of the two lines of a currency behind its name: 24 hours and 14 days, each with a gap before it.
const LINES: usize = 2 + 24 + 2 + 14;

/// After so long without a sync it is said how one is made.
const SYNC_AGE_S: u64 = 3_600;

/// What gives way where there is no room, the first one first.
const GIVING_WAY: [&[&str]; 4] = [&["an hour"], &["7-day mean"], &["yesterday"], &["at this rate"]];

impl Today {
    /// The screen. `ascii` is for terminals that show nothing else. Amounts are rounded; their JSON has every digit.
    pub fn to_screen(&self, now: Timestamp, room: Room, ascii: bool) -> String {
        let words = |words: &str| match room.whole_names {
            true => words.to_owned(),
            false => wrapped(words, room.columns).join("\n"),
        };
        let mut screen = format!("{}\n\n", words(&self.heading(ascii)));
        if self.currencies.is_empty() {
            screen.push_str("Nothing was spent in the last 14 days.\n");
        } else {
            screen.push_str(&self.amounts(room, ascii));
        }
        screen.push_str(&format!("\n{}\n", words(&self.diem_line(now))));
        if !self.currencies.is_empty() {
            screen.push_str(&self.lines(room, ascii));
        }
        if !self.models.is_empty() {
            screen.push_str(&self.top_models(room));
        }
        if let Some(said) = self.sync_line(now) {
            screen.push_str(&format!("\n{}\n", words(&said)));
        }
        screen
    }

    fn heading(&self, ascii: bool) -> String {
        let dot = if ascii { "-" } else { "·" };
        let entries = match self.entries {
            1 => "1 entry".to_owned(),
            entries => format!("{} entries", count(entries)),
        };
        let accounts = match &self.source.accounts[..] {
            [] => String::new(),
            [one] => format!(" {dot} account {}", one_line(one, MOST_OF_A_CURRENCY)),
            several => format!(" {dot} {} accounts", several.len()),
        };
        format!("Today, {} {dot} {} {dot} {entries}{accounts}", self.day, self.time_zone)
    }

    fn amounts(&self, room: Room, ascii: bool) -> String {
        let head = ["spend", "today", "at this rate", "yesterday", "7-day mean", "an hour"];
        let mut rows = vec![head.map(str::to_owned)];
        let optional = |amount: &Option<Total>| amount.as_ref().map_or_else(|| "-".to_owned(), short_amount);
        rows.extend(self.shown_currencies().map(|of| {
            [
                one_line(&of.currency, MOST_OF_A_CURRENCY),
                short_amount(&of.today),
                optional(&of.at_this_rate),
                short_amount(&of.yesterday),
                short_amount(&of.seven_day_mean),
                optional(&of.per_hour),
            ]
        }));
        let Fitted { mut text, left_out } = Fitted::new(&rows, &GIVING_WAY, room);
        if !left_out.is_empty() {
            text.push_str(
                &wrapped(&format!("no room for: {}", left_out.join(", ")), room.columns).join("\n"),
            );
            text.push('\n');
        }
        if self.currencies.len() > MOST_CURRENCIES {
            let more = self.currencies.len() - self.shown_currencies().count();
            let ellipsis = if ascii { "..." } else { "…" };
            text.push_str(&format!("{ellipsis} and {more} more currencies: see --json\n"));
        }
        text
    }

    /// The currencies that are shown; one fewer, where a line says that there are more.
    fn shown_currencies(&self) -> impl Iterator<Item = &CurrencyToday> {
        let most = MOST_CURRENCIES - usize::from(self.currencies.len() > MOST_CURRENCIES);
        self.currencies.iter().take(most)
    }

    fn diem_line(&self, now: Timestamp) -> String {
        let used = short_amount(&self.diem.used);
        let (Some(left), Some(allocation)) = (&self.diem.left, &self.diem.allocation) else {
            return format!("DIEM  {used} used; no allocation: `billing accounts set --diem-allocation`");
        };
        let ends = Day::of(now).map_or(now, |day| Day(day.0 + 1).start());
        format!(
            "DIEM  {used} of {allocation} used, {} left until 00:00 UTC, in {} h",
            short_amount(left),
            hours_and_minutes(seconds_between(now, ends))
        )
    }

    /// A line by hour and one by day for each currency, side by side. Where there is no room for both, the days give way.
    fn lines(&self, room: Room, ascii: bool) -> String {
        let names = self.shown_currencies().map(|of| one_line(&of.currency, MOST_OF_A_CURRENCY));
        let names: Vec<_> = names.collect();
        let width = names.iter().map(|name| console::measure_text_width(name)).max().unwrap_or(0).max(4);
        let has_days = room.columns >= width + LINES || room.whole_names;
        let head = if has_days { "   14 days" } else { "" };
        let mut text = format!("\n{:width$}  00    by hour    23{head}\n", "");
        for (of, name) in self.shown_currencies().zip(names) {
            let pad = " ".repeat(width - console::measure_text_width(&name));
            let (hours, days) = (sparkline(&of.hours, ascii), sparkline(&of.days, ascii));
            let days = if has_days { format!("  {days}") } else { String::new() };
            text.push_str(format!("{name}{pad}  {hours}{days}").trim_end());
            text.push('\n');
        }
        text
    }

    fn top_models(&self, room: Room) -> String {
        let mut rows = vec![["top models", "spend", "", "share"].map(str::to_owned)];
        rows.extend(self.top().into_iter().map(|model| {
            [
                one_line(&model.model, MOST_OF_A_MODEL),
                short_amount(&model.spend),
                one_line(&model.currency, MOST_OF_A_CURRENCY),
                model.share.as_ref().map_or_else(|| "-".to_owned(), percent),
            ]
        }));
        format!("\n{}", Fitted::new(&rows, &[&["share"]], room).text)
    }

    /// The models that are shown. Each currency has its first one before any has its second, because nothing says which currency is
    /// worth more.
    fn top(&self) -> Vec<&ModelToday> {
        let mut ranked: Vec<(usize, usize, &ModelToday)> = Vec::new();
        let (mut rank, mut currency) = (0, 0);
        for (place, model) in self.models.iter().enumerate() {
            rank += 1;
            if place > 0 && self.models[place - 1].currency != model.currency {
                (rank, currency) = (0, currency + 1);
            }
            ranked.push((rank, currency, model));
        }
        ranked.sort_by_key(|(rank, currency, _)| (*rank, *currency));
        ranked.truncate(MOST_MODELS);
        ranked.sort_by_key(|(rank, currency, _)| (*currency, *rank));
        ranked.into_iter().map(|(_, _, model)| model).collect()
    }

    fn sync_line(&self, now: Timestamp) -> Option<String> {
        if self.is_first_sync_pending {
            return Some(
                "the first sync of an account has not ended: `billing sync` goes on with it".to_owned(),
            );
        }
        let synced: Timestamp = self.synced.as_deref()?.parse().ok()?;
        let age = seconds_between(synced, now);
        let how = if age < SYNC_AGE_S { "" } else { ": `billing sync` brings what is new" };
        Some(format!("last synced {} ago{how}", elapsed_words(age)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Diem, Source};

    const NOW: &str = "2026-06-15T21:09:00Z";

    fn totals(texts: &str) -> Vec<Total> {
        texts.split_whitespace().map(|text| text.parse().unwrap()).collect()
    }

    fn currency(name: &str, today: &str) -> CurrencyToday {
        let rate: Total = today.parse().unwrap();
        CurrencyToday {
            currency: name.to_owned(),
            today: rate.clone(),
            yesterday: "8.6700001".parse().unwrap(),
            seven_day_mean: "7.785".parse().unwrap(),
            per_hour: rate.divided_by(&"21.15".parse().unwrap(), 12),
            at_this_rate: rate.times("24".parse().unwrap()).divided_by(&"21.15".parse().unwrap(), 12),
            hours: totals("1 2 0 0 0 0 0 0 3 4 5 6 7 8 7 6 5 4 3 2 1 1 0 0"),
            days: totals("1 2 3 4 5 6 7 8 1 2 3 4 5 6"),
        }
    }

    fn model(model: &str, currency: &str, spend: &str, share: &str) -> ModelToday {
        let (spend, share) = (spend.parse().unwrap(), share.parse().ok());
        ModelToday { model: model.to_owned(), currency: currency.to_owned(), spend, share }
    }

    fn today() -> Today {
        let mut diem = Diem::default();
        diem.add(Some("10".parse().unwrap()), &"-4.2".parse().unwrap());
        Today {
            schema: "billing-today/1",
            created: NOW.to_owned(),
            source: Source { accounts: vec!["default".to_owned()], ..Source::default() },
            time_zone: "UTC".to_owned(),
            day: "2026-06-15".to_owned(),
            synced: Some("2026-06-15T18:00:00Z".to_owned()),
            is_first_sync_pending: false,
            entries: 5_454,
            currencies: vec![currency("DIEM", "4.2"), currency("USD", "1204.5678")],
            models: vec![
                model("zai-org-glm-5-1", "DIEM", "4.2", "1"),
                model("claude-opus-4-8", "USD", "1200", "0.9962"),
                model("qwen3-235b", "USD", "4.0000001", "0.003321"),
                model("mistral", "USD", "0.5", "0.000415"),
                model("tiny", "USD", "0.0000001", "0"),
                model("left out", "USD", "0.00000001", "0"),
            ],
            diem,
            diem_resets: "2026-06-16T00:00:00.000Z".to_owned(),
        }
    }

    fn screen(today: &Today, columns: usize) -> String {
        today.to_screen(NOW.parse().unwrap(), Room { columns, whole_names: false }, false)
    }

    #[test]
    fn today_is_one_screen() {
        insta::assert_snapshot!(screen(&today(), 80), @"
        Today, 2026-06-15 · UTC · 5,454 entries · account default

        spend    today  at this rate  yesterday  7-day mean  an hour
        DIEM      4.20          4.77       8.67        7.78     0.20
        USD    1204.57       1366.89       8.67        7.78    56.95

        DIEM  4.20 of 10 used, 5.80 left until 00:00 UTC, in 2:51 h

              00    by hour    23   14 days
        DIEM  ▁▂      ▃▄▅▆▇█▇▆▅▄▃▂▁▁    ▁▂▃▄▅▆▇█▁▂▃▄▅▆
        USD   ▁▂      ▃▄▅▆▇█▇▆▅▄▃▂▁▁    ▁▂▃▄▅▆▇█▁▂▃▄▅▆

        top models           spend         share
        zai-org-glm-5-1       4.20  DIEM  100.0%
        claude-opus-4-8    1200.00  USD    99.6%
        qwen3-235b            4.00  USD     0.3%
        mistral               0.50  USD    <0.1%
        tiny             <0.000001  USD     0.0%

        last synced 3 h ago: `billing sync` brings what is new
        ");
        let nothing = Today {
            currencies: Vec::new(),
            models: Vec::new(),
            diem: Diem::default(),
            entries: 0,
            synced: None,
            is_first_sync_pending: true,
            ..today()
        };
        insta::assert_snapshot!(screen(&nothing, 80), @"
        Today, 2026-06-15 · UTC · 0 entries · account default

        Nothing was spent in the last 14 days.

        DIEM  0 used; no allocation: `billing accounts set --diem-allocation`

        the first sync of an account has not ended: `billing sync` goes on with it
        ");
    }

    #[test]
    fn today_fits_a_narrow_terminal() {
        let screen = screen(&today(), 40);
        assert!(screen.lines().all(|line| console::measure_text_width(line) <= 40), "{screen}");
        insta::assert_snapshot!(screen, @"
        Today, 2026-06-15 · UTC · 5,454 entries
          · account default

        spend    today  at this rate  yesterday
        DIEM      4.20          4.77       8.67
        USD    1204.57       1366.89       8.67
        no room for: 7-day mean, an hour

        DIEM  4.20 of 10 used, 5.80 left until
          00:00 UTC, in 2:51 h

              00    by hour    23
        DIEM  ▁▂      ▃▄▅▆▇█▇▆▅▄▃▂▁▁
        USD   ▁▂      ▃▄▅▆▇█▇▆▅▄▃▂▁▁

        top models           spend         share
        zai-org-glm-5-1       4.20  DIEM  100.0%
        claude-opus-4-8    1200.00  USD    99.6%
        qwen3-235b            4.00  USD     0.3%
        mistral               0.50  USD    <0.1%
        tiny             <0.000001  USD     0.0%

        last synced 3 h ago: `billing sync`
          brings what is new
        ");
    }

    /// Whatever is in the ledger, it fits; and no figure is cut in a narrow terminal.
    #[test]
    fn the_most_that_is_shown_fits_a_screen() {
        let names =
            ["USD", "a\u{1b}[2Jb\u{202e}c", "模型模型模型模型模型模型模型", "EARNED_CREDITS", "VCU", "<b>"];
        let mut today =
            Today { currencies: names.map(|name| currency(name, "1234567.891")).to_vec(), ..today() };
        today.diem = Diem::default();
        today.models = names.map(|name| model(&name.repeat(40), name, "12.5", "0.5")).to_vec();
        for columns in [80, 140, 40] {
            let screen = screen(&today, columns);
            assert!(screen.lines().count() <= 23 + 6 * usize::from(columns < 80), "{screen}");
            assert!(screen.contains("1234567.89") && !screen.contains(['\u{1b}', '\u{202e}']), "{screen}");
            let widest = screen.lines().map(console::measure_text_width).max().unwrap();
            // The name of a currency takes what it takes, and a figure too.
            assert!(widest <= columns.max(20 + 2 + 5 + 2 + 28), "{widest}: {screen}");
        }
    }
}
