//! What is exported: the service, the key, the window, and how entries are asked for.

use std::collections::BTreeMap;
use std::fmt;

use billing_http::{ApiKey, Border, Endpoint, Times, Walk, WalkBuilder};
use billing_model::{Currency, QueryError, TimeWindow};

/// An export: a window of the ledger that one key sees at one service. [Opened](Export::open) at a place, it is a
/// [`Job`](crate::Job).
#[derive(Clone, Debug)]
pub struct Export {
    pub(crate) service: String,
    pub(crate) times: Times,
    pub(crate) currency: Option<Currency>,
    pub(crate) asked: BTreeMap<String, String>,
    /// The key's fingerprint.
    pub(crate) fingerprint: String,
    endpoint: Endpoint,
    page_size: Option<u32>,
    concurrency: Option<u32>,
    max_pages: Option<u64>,
}

/// Builds an [`Export`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ExportBuilder {
    export: Export,
    /// What runs have to agree in beside what is known here.
    also_asked: BTreeMap<String, String>,
}

impl Export {
    /// An export of what the service below `base_url` has for a key, all of it up to now unless said otherwise. By both a run knows
    /// whether it may go on with what another one left, and a client of others is [refused](crate::Job::run). Of the key a
    /// fingerprint is kept.
    pub fn of(base_url: &str, key: &ApiKey) -> ExportBuilder {
        let export = Self {
            service: base_url.to_owned(),
            times: Times { since: None, until: Border::NOW },
            currency: None,
            asked: BTreeMap::new(),
            fingerprint: key.fingerprint(),
            endpoint: Endpoint::default(),
            page_size: None,
            concurrency: None,
            max_pages: None,
        };
        ExportBuilder { export, also_asked: BTreeMap::new() }
    }

    /// The walk over a window, or over times that still have to become a window.
    pub(crate) fn walk<W>(&self, window: W) -> WalkBuilder<W> {
        let walk = Walk::over(window)
            .endpoint(self.endpoint)
            .currency(self.currency.clone())
            .page_size(self.page_size);
        let walk = match self.concurrency {
            Some(walkers) => walk.concurrency(walkers),
            None => walk,
        };
        match self.max_pages {
            Some(pages) => walk.max_pages(pages),
            None => walk,
        }
    }
}

impl ExportBuilder {
    /// The window to export. Without an end it ends now.
    pub fn over(self, window: TimeWindow) -> Self {
        let until = window.until().map_or(Border::NOW, Border::At);
        self.over_times(Times { since: window.since().map(Border::At), until })
    }

    /// A window that depends on the present. The run that begins the export settles it by the service's clock. Runs that
    /// continue the export keep it.
    pub fn over_times(mut self, times: Times) -> Self {
        self.export.times = times;
        self
    }

    /// Only entries charged in this currency.
    pub fn currency(mut self, currency: impl Into<Option<Currency>>) -> Self {
        self.export.currency = currency.into();
        self
    }

    /// The endpoint to use. See [`WalkBuilder::endpoint`].
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.export.endpoint = endpoint;
        self
    }

    /// Entries on a page. See [`WalkBuilder::page_size`].
    pub fn page_size(mut self, size: impl Into<Option<u32>>) -> Self {
        self.export.page_size = size.into();
        self
    }

    /// Requests at the same time. See [`WalkBuilder::concurrency`].
    pub fn concurrency(mut self, walkers: u32) -> Self {
        self.export.concurrency = Some(walkers);
        self
    }

    /// The most pages that a walk may have. See [`WalkBuilder::max_pages`].
    pub fn max_pages(mut self, pages: u64) -> Self {
        self.export.max_pages = Some(pages);
        self
    }

    /// Adds an argument that has to be the same in all runs that continue this one, or replaces the text of `base-url`,
    /// `since`, `until`, `currency` or `endpoint`. A program that fetches pages as text/csv, which may lack a field,
    /// should add that. The argument is kept, so it must not hold a secret.
    pub fn asked(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.also_asked.insert(name.into(), value.into());
        self
    }

    /// Makes the export, if its endpoint can answer it. Nothing is sent.
    ///
    /// # Errors
    /// [`QueryError`] with every fault.
    pub fn build(self) -> Result<Export, QueryError> {
        let Self { mut export, also_asked } = self;
        export.walk(export.times).build()?;
        let until = Some(export.times.until).filter(|until| *until != Border::NOW);
        let all = [
            ("base-url", Some(export.service.trim_end_matches('/').to_owned())),
            ("fingerprint of the API key", Some(export.fingerprint.clone())),
            ("since", export.times.since.map(|border| Text(border).to_string())),
            ("until", until.map(|border| Text(border).to_string())),
            ("currency", export.currency.as_ref().map(ToString::to_string)),
            ("endpoint", Some(export.endpoint.to_string())),
        ];
        export.asked = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        export.asked.extend(also_asked);
        Ok(export)
    }
}

/// A border of the window as text that is kept. The same border always has the same text.
struct Text(Border);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Border::At(at) => at.fmt(f),
            Border::Ago(span) => write!(f, "{} ns before the present", span.as_nanos()),
            Border::Midnight(days) => write!(f, "midnight {days} days before the present"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn asked(builder: ExportBuilder) -> Vec<String> {
        builder.build().unwrap().asked.iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[test]
    fn what_decides_the_entries_is_asked() {
        let key = ApiKey::new("key").unwrap();
        let print = format!("fingerprint of the API key: {}", key.fingerprint());
        let of = || Export::of("http://localhost/api/v1/", &key);
        let base_url = "base-url: http://localhost/api/v1";
        assert_eq!(asked(of()), [base_url, "endpoint: auto", &print]);
        let window = TimeWindow::new(
            Some("2026-06-01T00:00:00Z".parse().unwrap()),
            Some("2026-07-01T00:00:00Z".parse().unwrap()),
        );
        assert_eq!(
            asked(of().over(window.unwrap()).currency(Currency::Usd).page_size(10).concurrency(2)),
            [
                base_url,
                "currency: USD",
                "endpoint: auto",
                &print,
                "since: 2026-06-01T00:00:00.000Z",
                "until: 2026-07-01T00:00:00.000Z"
            ]
        );
        let times = Times { since: Some(Border::Ago(Duration::from_secs(1))), until: Border::Midnight(2) };
        assert_eq!(
            asked(of().over_times(times).asked("since", "a while ago").asked("wire", "csv"))[3..],
            ["since: a while ago", "until: midnight 2 days before the present", "wire: csv"]
        );
        assert_eq!(asked(of().over_times(times))[3], "since: 1000000000 ns before the present");
    }
}
