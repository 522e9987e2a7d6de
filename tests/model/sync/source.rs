//! The source: a service whose ledger changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use billing_model::{Currency, Day, OtherFields, TimeWindow, Timestamp, Total, UsageEntry, parse_decimal};
use billing_testkit::{Book, Reluctant, Reply, Request, Upstream, entry_at};

use crate::fault::Fault;
use crate::sync::story::{Change, Lot, Place, Run};

/// The present at first.
const FIRST_S: u64 = 1_780_272_000;

/// Entries that a source has at most: more would only take time.
const MOST: usize = 12_000;

const AMOUNTS: [&str; 5] = ["-1", "-0.0023000000000000004", "-8e-7", "5", "-2"];

pub(crate) struct Source {
    book: Book,
    vanished: Vec<UsageEntry>,
    now_s: u64,
    faults: Vec<(usize, Fault)>,
    meanwhile: Option<(usize, Change)>,
    is_reluctant: bool,
    requests: usize,
    /// What it had since a run began, the present state last.
    states: Vec<Vec<UsageEntry>>,
    /// Entries of a lot at most.
    most_of_a_lot: usize,
}

/// Starts a source. A burst of entries should have a hundred pages at the most.
pub(crate) async fn serve(page_size: u32) -> (Upstream, Arc<Mutex<Source>>) {
    let source = Arc::new(Mutex::new(Source {
        book: Book::new(Vec::new()),
        vanished: Vec::new(),
        now_s: FIRST_S,
        faults: Vec::new(),
        meanwhile: None,
        is_reluctant: false,
        requests: 0,
        states: Vec::new(),
        most_of_a_lot: if page_size < 100 { 150 } else { usize::MAX },
    }));
    let shared = Arc::clone(&source);
    (Upstream::start(move |request| shared.lock().unwrap().answer(request)).await, source)
}

impl Source {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_unix_ns(i64::try_from(self.now_s * 1_000_000_000).unwrap())
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now_s = self.now_s.saturating_add_signed(seconds);
    }

    /// What it has.
    pub(crate) fn entries(&self) -> Vec<UsageEntry> {
        self.book.entries(TimeWindow::ALL, None)
    }

    /// Begins a run: this is what comes between.
    pub(crate) fn begin(&mut self, run: &Run) {
        (self.faults, self.meanwhile) = (run.faults.clone(), run.meanwhile.clone());
        (self.is_reluctant, self.requests) = (run.is_reluctant, 0);
        self.states = vec![self.entries()];
    }

    /// Ends a run: nothing comes between any more. Returns what it had since the beginning.
    pub(crate) fn end(&mut self) -> Vec<Vec<UsageEntry>> {
        (self.faults, self.meanwhile, self.is_reluctant) = (Vec::new(), None, false);
        std::mem::take(&mut self.states)
    }

    pub(crate) fn change(&mut self, change: &Change) {
        let entries = self.entries();
        let those = |from: &proptest::sample::Index, count: usize| {
            let from = if entries.is_empty() { 0 } else { from.index(entries.len()) };
            from..from + count
        };
        let key = format!("key-{}", entries.len() % 3);
        match change {
            Change::Add(lot) => {
                let new = self.lot(lot, &entries);
                self.book.record(new);
            }
            Change::Amounts(from, count) => self.each(those(from, *count), |entry| {
                let at = AMOUNTS.iter().position(|text| parse_decimal(text).unwrap() == entry.amount);
                entry.amount = parse_decimal(AMOUNTS[(at.unwrap_or(0) + 1) % AMOUNTS.len()]).unwrap();
            }),
            Change::Keys(from, count) => self.each(those(from, *count), |entry| {
                entry.api_key_id =
                    if entry.api_key_id.as_ref() == Some(&key) { None } else { Some(key.clone()) };
            }),
            Change::Fields(from, count) => self.each(those(from, *count), |entry| {
                entry.other_fields = match entry.other_fields {
                    None => OtherFields::from_json(r#"{"region":"eu"}"#).unwrap(),
                    Some(_) => None,
                };
            }),
            Change::Vanish(from, count) => {
                let (those, mut number) = (those(from, *count), 0);
                let vanished = &mut self.vanished;
                self.book.change(|entry| {
                    number += 1;
                    let is_kept = !those.contains(&(number - 1));
                    if !is_kept {
                        vanished.push(entry.clone());
                    }
                    is_kept
                });
            }
            Change::Return => self.book.record(std::mem::take(&mut self.vanished)),
        }
    }

    fn each(&mut self, those: std::ops::Range<usize>, mut change: impl FnMut(&mut UsageEntry)) {
        let mut number = 0;
        self.book.change(|entry| {
            if those.contains(&number) {
                change(entry);
            }
            number += 1;
            true
        });
    }

    fn lot(&self, lot: &Lot, entries: &[UsageEntry]) -> Vec<UsageEntry> {
        let now_ns = self.now().unix_ns().unwrap();
        let from_ns = match &lot.place {
            Place::Ago(ms) => now_ns - ms * 1_000_000,
            Place::With(_) if entries.is_empty() => now_ns - 1_000_000,
            Place::With(index) => index.get(entries).timestamp.unix_ns().unwrap(),
        };
        let count =
            i64::try_from(lot.entries.min(self.most_of_a_lot).min(MOST.saturating_sub(entries.len())));
        // No entry is of the future.
        let at_ns = |number: i64| (from_ns + number * lot.apart_ms * 1_000_000).min(now_ns - 1);
        let currency = [Currency::Usd, Currency::Diem, Currency::BundledCredits][lot.kind % 3].clone();
        let entry = |number| UsageEntry {
            currency: currency.clone(),
            api_key_id: lot.kind.is_multiple_of(2).then(|| "key-0".to_owned()),
            ..entry_at(Timestamp::from_unix_ns(at_ns(number)), AMOUNTS[lot.kind])
        };
        (0..count.unwrap()).map(entry).collect()
    }

    fn answer(&mut self, request: &Request) -> Reply {
        self.requests += 1;
        let requests = self.requests;
        if let Some((_, change)) = self.meanwhile.take_if(|(at, _)| *at <= requests) {
            self.change(&change);
            let entries = self.entries();
            self.states.push(entries);
        }
        let is_due = |(at, fault): &(usize, Fault)| *at <= requests && fault.fits(request);
        let fault = self.faults.iter().position(is_due).map(|at| self.faults.remove(at).1);
        let reply = if request.path.ends_with("/usage-analytics") {
            self.analytics()
        } else if self.is_reluctant && Reluctant::new(self.book.clone()).hangs(request) {
            Reply::error(500, "took too long")
        } else {
            self.book.answer(request)
        };
        let reply = match fault {
            Some(fault) => fault.strike(reply, false, Some(self.now_s)),
            None => reply,
        };
        reply.dated(self.now_s)
    }

    /// The sums of all days.
    fn analytics(&self) -> Reply {
        let mut days = BTreeMap::<Day, [Total; 2]>::new();
        for entry in self.entries().iter().filter(|entry| entry.amount.is_negative()) {
            let sums = days.entry(Day::of(entry.timestamp).unwrap()).or_default();
            sums[usize::from(entry.currency == Currency::Diem)].add(entry.amount);
        }
        let day = |(day, [usd, diem]): (Day, [Total; 2])| {
            format!(r#"{{"date":"{day}","USD":{},"DIEM":{}}}"#, -usd, -diem)
        };
        let by_date = days.into_iter().map(day).collect::<Vec<_>>().join(",");
        Reply::json(200, format!(r#"{{"lookback":"x","byDate":[{by_date}],"byModel":[],"byKey":[]}}"#))
    }
}
