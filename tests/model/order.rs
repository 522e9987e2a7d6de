//! What is exported, and how it is asked for.

use std::time::Duration;

use billing_csv::Columns;
use billing_export::Export;
use billing_format::Format;
use billing_http::{ApiKey, Border, Client, Endpoint, RetryPolicy, Times, Walk, WalkBuilder, Wire};
use billing_model::{Currency, TimeWindow, Timestamp, UsageEntry};
use billing_testkit::Upstream;
use proptest::prelude::*;
use proptest::sample::select;

use crate::ledger::{Borders, any_borders, any_currency};

/// Many times more than any of these walks needs: one that goes wild fails, and does not hang.
const MAX_PAGES: u64 = 5_000;

/// An export: a window, and the way to it.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) window: TimeWindow,
    pub(crate) currency: Option<Currency>,
    pub(crate) endpoint: Endpoint,
    pub(crate) page_size: Option<u32>,
    pub(crate) is_csv: bool,
    pub(crate) is_compressed: bool,
    pub(crate) format: Format,
    /// Set when the window ends now, by the service's clock.
    pub(crate) relative: Option<Relative>,
}

/// How a window depends on the present.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relative {
    /// It begins some time ago.
    is_both: bool,
    /// How much the clock of whoever asks is late.
    late_s: i64,
}

fn any_relative() -> impl Strategy<Value = Option<Relative>> {
    let late_s = select(vec![0, 0, 2, -2, 3600, -3600, 200_000, -200_000, 300_000_000, -300_000_000]);
    prop::option::of((any::<bool>(), late_s).prop_map(|(is_both, late_s)| Relative { is_both, late_s }))
}

impl Order {
    /// A client that asks so, and whose waits take no time.
    pub(crate) fn client(&self, upstream: &Upstream) -> Client {
        let wire = match self.is_csv {
            true => Wire::Csv(|body| billing_csv::decode(body).map_err(Into::into)),
            false => Wire::Json,
        };
        Client::builder(upstream.base_url(), ApiKey::new("key").unwrap())
            .wire(wire)
            .compression(self.is_compressed)
            // Waits take no time, and few tries bring more of the ways around a fault into play.
            .retry(RetryPolicy { tries_before_narrowing: 2, ..RetryPolicy::default() })
            .sleep(|_| Box::pin(std::future::ready(())))
            .build()
            .unwrap()
    }

    /// The walk, before what a run adds to it.
    pub(crate) fn walk<W>(&self, window: W) -> WalkBuilder<W> {
        let walk = Walk::over(window).currency(self.currency.clone()).max_pages(MAX_PAGES);
        walk.endpoint(self.endpoint).page_size(self.page_size)
    }

    /// The same as an export.
    pub(crate) fn export(&self, upstream: &Upstream, concurrency: u32) -> Export {
        let export = Export::of(&upstream.base_url(), &ApiKey::new("key").unwrap())
            .currency(self.currency.clone())
            .max_pages(MAX_PAGES)
            .endpoint(self.endpoint)
            .page_size(self.page_size)
            .concurrency(concurrency);
        let export = match (self.times(), self.window.until()) {
            (Some(times), _) => export.over_times(times),
            (None, Some(_)) => export.over(self.window),
            // Of an export the end is settled before anything is handed out; this one lies behind every entry.
            (None, None) => export.over_times(Times {
                since: self.window.since().map(Border::At),
                until: Border::At(last_instant()),
            }),
        };
        export.build().unwrap()
    }

    /// The window as it depends on the present, which the service tells.
    fn times(&self) -> Option<Times> {
        let Relative { is_both, .. } = self.relative?;
        let until = self.window.until()?;
        let ago = |since: Timestamp| {
            let span_ns = until.unix_ns().unwrap() - since.unix_ns().unwrap();
            Border::Ago(Duration::from_nanos(u64::try_from(span_ns).unwrap()))
        };
        let since = self.window.since().map(|since| if is_both { ago(since) } else { Border::At(since) });
        Some(Times { since, until: Border::NOW })
    }

    /// The present by the service's clock, when the window depends on it.
    pub(crate) fn now_s(&self) -> Option<u64> {
        let now_ns = self.relative.and(self.window.until())?.unix_ns()?;
        u64::try_from(now_ns / 1_000_000_000).ok()
    }

    /// The present by the clock of whoever asks.
    pub(crate) fn local_clock(&self) -> Timestamp {
        let late_s = self.relative.map_or(0, |relative| relative.late_s);
        let now_ns = self.window.until().and_then(Timestamp::unix_ns).unwrap_or_default();
        Timestamp::from_unix_ns(now_ns - late_s * 1_000_000_000)
    }
}

/// Later than every entry of every ledger.
fn last_instant() -> Timestamp {
    "2200-01-01T00:00:00Z".parse().unwrap()
}

/// An order, of no ledger yet.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    borders: Borders,
    page_size: PageSize,
    currency: Option<Currency>,
    endpoint: Endpoint,
    is_csv: bool,
    is_compressed: bool,
    format: Format,
    relative: Option<Relative>,
}

#[derive(Clone, Debug)]
enum PageSize {
    Largest,
    Of(u32),
    /// Such that the ledger has so many pages.
    For(u32),
}

/// Any order that goes to one of these endpoints first.
pub(crate) fn any_draft(endpoints: &[Endpoint]) -> impl Strategy<Value = Draft> + use<> {
    let page_size = prop_oneof![
        1 => Just(PageSize::Largest),
        1 => (1u32..30).prop_map(PageSize::Of),
        6 => (1u32..40).prop_map(PageSize::For),
    ];
    let currency = prop_oneof![3 => Just(None), 1 => any_currency()];
    let format = select(vec![Format::Csv(Columns::All), Format::Json, Format::Ndjson]);
    let wire = (any::<[bool; 2]>(), format);
    (any_borders(), page_size, currency, select(endpoints.to_vec()), wire, any_relative()).prop_map(
        |(borders, page_size, currency, endpoint, ([is_csv, is_compressed], format), relative)| Draft {
            borders,
            page_size,
            currency,
            endpoint,
            is_csv,
            is_compressed,
            format,
            relative,
        },
    )
}

impl Draft {
    pub(crate) fn of(&self, ledger: &[UsageEntry]) -> Order {
        let Self { borders, page_size, currency, endpoint, is_csv, is_compressed, format, relative } =
            self.clone();
        let entries = u32::try_from(ledger.len()).unwrap();
        let page_size = match page_size {
            PageSize::Largest => None,
            PageSize::Of(size) => Some(size),
            PageSize::For(pages) => Some(entries.div_ceil(pages).max(1)),
        };
        let window = borders.of(ledger);
        // The clock of a service has whole seconds.
        let now = window.until().map(Timestamp::floor_s);
        let ends_now = relative.and(now).and_then(|now| TimeWindow::new(window.since(), Some(now)).ok());
        Order {
            window: ends_now.unwrap_or(window),
            currency,
            endpoint,
            // What the endpoint takes.
            page_size: page_size.map(|size| if endpoint == Endpoint::Usage { size } else { size.max(10) }),
            // Text/csv has no place for fields that nobody documented.
            is_csv: is_csv && ledger.iter().all(|entry| entry.other_fields.is_none()),
            is_compressed,
            format,
            relative: relative.filter(|_| ends_now.is_some()),
        }
    }
}
