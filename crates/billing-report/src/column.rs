//! The columns of a table of a report.

use billing_model::Total;

use crate::dimension::Dimension;
use crate::figures::{self, Places};
use crate::row::Row;
use crate::sparkline;
use crate::sums::Sums;

/// Columns of a terminal that a bar has at most.
const BAR: u32 = 10;

/// The places of a price per million tokens: the lowest ones are some cents.
const PRICE: Places = Places::THREE;

/// Points of a short trend.
const SHORT_TREND: usize = 8;

/// A column, by what its cells say of their rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Label(Dimension),
    Entries,
    Requests,
    /// All tokens, where there is no room for their kinds.
    Tokens,
    Input,
    Cached,
    CacheWrite,
    Output,
    Price,
    Spend,
    Credits,
    Net,
    Share,
    Usd,
    Previous,
    Change,
    /// A bar as long as the spend, for rows by time.
    Bar,
    /// The trend in a few points.
    ShortTrend,
    Trend,
}

impl Column {
    /// The columns behind the labels, from left to right.
    pub(crate) const FIGURES: [Self; 18] = [
        Self::Entries,
        Self::Requests,
        Self::Tokens,
        Self::Input,
        Self::Cached,
        Self::CacheWrite,
        Self::Output,
        Self::Price,
        Self::Credits,
        Self::Net,
        Self::Spend,
        Self::Usd,
        Self::Share,
        Self::Previous,
        Self::Change,
        Self::Bar,
        Self::ShortTrend,
        Self::Trend,
    ];

    /// The kinds of tokens.
    pub(crate) const KINDS: [Self; 4] = [Self::Input, Self::Cached, Self::CacheWrite, Self::Output];

    pub(crate) fn head(self) -> &'static str {
        match self {
            Self::Label(dimension) => dimension.as_str(),
            Self::Entries => "entries",
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Input => "input",
            Self::Cached => "cached",
            Self::CacheWrite => "cache write",
            Self::Output => "output",
            Self::Price => "price/1M",
            Self::Spend => "spend",
            Self::Credits => "credits",
            Self::Net => "net",
            Self::Share => "share",
            Self::Usd => "USD",
            Self::Previous => "before",
            Self::Change => "change",
            Self::Bar => "",
            Self::ShortTrend | Self::Trend => "trend",
        }
    }

    /// True for figures, which stand to the right.
    pub(crate) fn is_figure(self) -> bool {
        !matches!(self, Self::Label(_) | Self::Bar | Self::ShortTrend | Self::Trend)
    }

    /// True when the column says something of a row.
    pub(crate) fn says(self, row: &Row) -> bool {
        let sums = &row.sums;
        match self {
            Self::Label(_) | Self::Entries | Self::Spend => true,
            Self::Requests => sums.requests.is_some(),
            Self::Tokens | Self::Price => !sums.tokens.all().is_zero(),
            Self::Input => !sums.tokens.input.is_zero(),
            Self::Cached => !sums.tokens.cached_input.is_zero(),
            Self::CacheWrite => !sums.tokens.cache_write.is_zero(),
            Self::Output => !sums.tokens.output.is_zero(),
            Self::Credits | Self::Net => !sums.credits.is_zero(),
            Self::Share => row.share.is_some(),
            Self::Usd => row.usd.is_some(),
            Self::Previous | Self::Change => row.previous.is_some(),
            Self::Bar => sums.spend.is_positive(),
            Self::ShortTrend | Self::Trend => row.trend.iter().any(Total::is_positive),
        }
    }
}

/// How the figures of a table are shown.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    money: Places,
    usd: Places,
    highest: Total,
    /// Rows stand against others of the span before.
    has_counterparts: bool,
    ascii: bool,
}

impl Scale {
    /// The scale of these rows and their total.
    pub(crate) fn new(rows: &[Row], total: Option<&Row>, by: &[Dimension], ascii: bool) -> Self {
        let all = || rows.iter().chain(total);
        let money = money_places(all());
        Self {
            money,
            usd: Places::of(all().filter_map(|row| row.usd.as_ref())),
            // The rest is of many rows, beside which a single one would have no bar.
            highest: rows
                .iter()
                .filter(|row| row.rest.is_none())
                .map(|row| &row.sums.spend)
                .max()
                .cloned()
                .unwrap_or_default(),
            has_counterparts: by.contains(&Dimension::Day)
                || by.iter().filter(|dimension| dimension.follows_from_day()).count() < 2,
            ascii,
        }
    }

    /// An amount of the currency.
    pub(crate) fn money(&self, amount: &Total) -> String {
        self.money.show(amount)
    }

    /// A cell of a figure. Labels have none.
    pub(crate) fn cell(&self, row: &Row, column: Column) -> String {
        let sums = &row.sums;
        let money = |amount: &Total| self.money.show(amount);
        match column {
            Column::Label(_) => String::new(),
            Column::Entries => figures::count(sums.entries),
            Column::Requests => sums.requests.map(figures::count).unwrap_or_default(),
            Column::Tokens => figures::tokens(&sums.tokens.all()),
            Column::Input => figures::tokens(&sums.tokens.input),
            Column::Cached => figures::tokens(&sums.tokens.cached_input),
            Column::CacheWrite => figures::tokens(&sums.tokens.cache_write),
            Column::Output => figures::tokens(&sums.tokens.output),
            Column::Price => price(sums),
            Column::Spend => money(&sums.spend),
            Column::Credits => money(&sums.credits),
            Column::Net => money(&sums.net()),
            Column::Share => row.share.as_ref().map(figures::percent).unwrap_or_default(),
            Column::Usd => row.usd.as_ref().map(|usd| self.usd.show(usd)).unwrap_or_default(),
            Column::Previous => row.previous.as_ref().map(|sums| money(&sums.spend)).unwrap_or_default(),
            // Where no row can have one, none is new.
            Column::Change if !self.has_counterparts && row.previous.is_none() => String::new(),
            Column::Change => change(sums, row.previous.as_deref()),
            Column::Bar if row.rest.is_some() => String::new(),
            Column::Bar => sparkline::bar(&sums.spend, &self.highest, BAR, self.ascii),
            Column::ShortTrend => {
                sparkline::sparkline(&sparkline::in_fewer(&row.trend, SHORT_TREND), self.ascii)
            }
            Column::Trend => sparkline::sparkline(&row.trend, self.ascii),
        }
    }

    /// True when a row has an amount with more digits than are shown.
    pub(crate) fn cuts(&self, row: &Row) -> bool {
        self.money.cut(&row.sums.spend)
            || self.money.cut(&row.sums.credits)
            || row.usd.as_ref().is_some_and(|usd| self.usd.cut(usd))
            || row.previous.as_ref().is_some_and(|sums| self.money.cut(&sums.spend))
    }
}

/// The places of all amounts of the currency of these rows.
pub(crate) fn money_places<'a>(rows: impl Iterator<Item = &'a Row> + Clone) -> Places {
    let spend = rows.clone().map(|row| &row.sums.spend);
    let before = rows.clone().filter_map(|row| row.previous.as_ref()).map(|sums| &sums.spend);
    let spend = spend.chain(before);
    // A refund of next to nothing is no reason to show more digits of all that was spent.
    match spend.clone().all(Total::is_zero) {
        true => Places::of(rows.map(|row| &row.sums.credits)),
        false => Places::of(spend),
    }
}

/// What a million tokens cost on the whole, as it is shown; nothing without tokens.
pub(crate) fn price(sums: &Sums) -> String {
    match sums.price_per_million_tokens() {
        None => String::new(),
        // It is rounded, and of what is next to nothing it would be nothing.
        Some(price) if price.is_zero() && !sums.token_spend.is_zero() => {
            PRICE.next_to_nothing(sums.token_spend.is_positive() == sums.tokens.all().is_positive())
        }
        Some(price) => PRICE.show(&price),
    }
}

fn change(now: &Sums, before: Option<&Sums>) -> String {
    match before {
        Some(before) => figures::change(&now.spend, &before.spend),
        None => figures::change(&now.spend, &Total::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up::row;

    #[test]
    fn a_price_of_next_to_nothing_is_said_to_be_so() {
        // Entries, input, cached, written, output, spend.
        for (sums, expect) in [
            ("1 1000000 0 0 0 0.555 0", "0.555"),
            ("1 1000000000000000 0 0 0 0.555 0", "<0.001"),
            ("1 1000000000000000 0 0 0 -0.555 0", ">-0.001"),
            ("1 1000000000 0 0 0 0.555 0", "0.001"),
            ("1 1000000000 0 0 0 0 0", "0.000"),
            ("1 0 0 0 0 0.555 0", ""),
        ] {
            let rows = [row("sku", "USD", &["a"], sums)];
            assert_eq!(Scale::new(&rows, None, &[], false).cell(&rows[0], Column::Price), expect, "{sums}");
        }
    }

    #[test]
    fn a_row_is_new_only_where_it_could_have_a_counterpart() {
        let now = row("week", "USD", &["2026-06-01"], "1 0 0 0 0 2 0");
        let before = Row { previous: Some(now.sums.clone().into()), ..now.clone() };
        for (by, expect) in [
            (&[Dimension::Week][..], ["new", "0.0%"]),
            (&[Dimension::Day, Dimension::Weekday], ["new", "0.0%"]),
            (&[Dimension::Week, Dimension::Hour], ["new", "0.0%"]),
            // A total has one all the same.
            (&[Dimension::Week, Dimension::Weekday], ["", "0.0%"]),
        ] {
            let scale = Scale::new(std::slice::from_ref(&now), None, by, false);
            assert_eq!([&now, &before].map(|row| scale.cell(row, Column::Change)), expect, "{by:?}");
        }
    }

    #[test]
    fn the_rest_sets_no_scale_for_the_bars_of_rows() {
        let bar = |spend: &str| row("day", "USD", &["2026-06-01"], &format!("1 0 0 0 0 {spend} 0"));
        let rows = [bar("2"), bar("1"), Row { rest: Some(9), ..bar("200") }];
        let scale = Scale::new(&rows, None, &[], true);
        let bars = rows.each_ref().map(|row| scale.cell(row, Column::Bar));
        assert_eq!(bars, ["##########", "#####", ""]);
    }
}
