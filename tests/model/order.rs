//! What is exported, and how it is asked for.

use billing_csv::Columns;
use billing_http::{ApiKey, Client, Endpoint, RetryPolicy, Walk, WalkBuilder, Wire};
use billing_model::{Currency, TimeWindow, UsageEntry};
use billing_sink::Format;
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
    /// Each run asks for the time first, as for a window that ends now.
    pub(crate) asks_the_time: bool,
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
            // The waits are none, and few tries bring more ways around a fault into play.
            .retry(RetryPolicy { tries_before_narrowing: 2, ..RetryPolicy::default() })
            .sleep(|_| Box::pin(std::future::ready(())))
            .build()
            .unwrap()
    }

    /// The walk, before what a run adds to it.
    pub(crate) fn walk(&self) -> WalkBuilder {
        let walk = Walk::over(self.window).currency(self.currency.clone()).max_pages(MAX_PAGES);
        walk.endpoint(self.endpoint).page_size(self.page_size)
    }
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
    asks_the_time: bool,
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
    let format = select(vec![Format::Csv(Columns::WithApiKeyId), Format::Json, Format::Ndjson]);
    (any_borders(), page_size, currency, select(endpoints.to_vec()), any::<[bool; 3]>(), format).prop_map(
        |(borders, page_size, currency, endpoint, [is_csv, is_compressed, asks_the_time], format)| Draft {
            borders,
            page_size,
            currency,
            endpoint,
            is_csv,
            is_compressed,
            format,
            asks_the_time,
        },
    )
}

impl Draft {
    pub(crate) fn of(&self, ledger: &[UsageEntry]) -> Order {
        let Self { borders, page_size, currency, endpoint, is_csv, is_compressed, format, asks_the_time } =
            self.clone();
        let entries = u32::try_from(ledger.len()).unwrap();
        let page_size = match page_size {
            PageSize::Largest => None,
            PageSize::Of(size) => Some(size),
            PageSize::For(pages) => Some(entries.div_ceil(pages).max(1)),
        };
        Order {
            window: borders.of(ledger),
            currency,
            endpoint,
            // What the endpoint takes.
            page_size: page_size.map(|size| if endpoint == Endpoint::Usage { size } else { size.max(10) }),
            is_csv,
            is_compressed,
            format,
            asks_the_time,
        }
    }
}
