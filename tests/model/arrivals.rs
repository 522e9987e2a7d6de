//! The ledger changes while it is walked: the file is the ledger at one moment, or there is none.

use billing_http::{Endpoint, ErrorKind};
use billing_model::{TimeWindow, Timestamp, UsageEntry};
use billing_testkit::{Book, entry_at};
use proptest::prelude::*;

use crate::export::{any_life, entries_in, export};
use crate::fault::{Script, any_script};
use crate::ledger::{Place, any_ledger, any_near};
use crate::order::any_draft;
use crate::service::{Change, Service, serve};

/// The notes of entries that arrive, by which they are known.
const ARRIVED: &str = "arrived";

/// What happens to a ledger, where in time, and before which request. A ledger does not both grow and shrink: by a
/// total, a client cannot see that one entry came and another one went.
#[derive(Clone, Debug)]
enum Happenings {
    Arrivals(Vec<(usize, Vec<Place>)>),
    Expiries(Vec<(usize, Place)>),
}

fn any_happenings() -> impl Strategy<Value = Happenings> {
    let lots = prop::collection::vec(any_near(), 1..4);
    prop_oneof![
        2 => prop::collection::vec((2usize..16, lots), 1..5).prop_map(Happenings::Arrivals),
        1 => prop::collection::vec((2usize..16, any_near()), 1..3).prop_map(Happenings::Expiries),
    ]
}

impl Happenings {
    /// As they happen to this ledger, the borders of the window among their places.
    fn of(&self, ledger: &[UsageEntry], window: TimeWindow) -> Vec<(usize, Change)> {
        let borders = [window.since(), window.until()].into_iter().flatten().map(|at| entry_at(at, "0"));
        let often = ledger.len() / 4 + 1;
        let places: Vec<_> =
            ledger.iter().cloned().chain(borders.flat_map(|border| vec![border; often])).collect();
        let arrived =
            |place: &Place| UsageEntry { notes: ARRIVED.to_owned(), ..entry_at(place.of(&places), "-7") };
        match self {
            Self::Arrivals(lots) => {
                let arrive = |lot: &Vec<Place>| Change::Arrive(lot.iter().map(arrived).collect());
                lots.iter().map(|(request, lot)| (*request, arrive(lot))).collect()
            }
            Self::Expiries(expiries) => {
                let expire = |place: &Place| Change::Expire(place.of(&places));
                expiries.iter().map(|(request, place)| (*request, expire(place))).collect()
            }
        }
    }
}

/// The widest window that a service may answer: it reads borders to the millisecond, its end is inclusive, and for a
/// short window twenty minutes are asked for.
pub(crate) fn around(window: TimeWindow) -> TimeWindow {
    let short =
        window.until().and_then(|until| Some(Timestamp::from_unix_ns(until.unix_ns()? - 1_200_000_000_000)));
    let since = window.since().map(|since| short.map_or(since, |short| since.min(short)).floor_ms());
    let until = window.until().map(|until| until.ceil_ms().next());
    TimeWindow::new(since, until).unwrap()
}

fn is_subsequence(part: &[UsageEntry], whole: &[UsageEntry]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|entry| whole.any(|other| other == entry))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_file_is_the_ledger_at_one_moment(
        ledger in any_ledger(),
        draft in any_draft(&[Endpoint::Usage, Endpoint::UsageHistory]),
        happenings in any_happenings(),
        script in any_script(),
        life in any_life(),
    ) {
        // Only faults that pass. Lasting faults are tested on a ledger that does not change.
        let script =
            Script { is_old: false, broken_cursor: None, is_reluctant: false, slow_beyond: None, ..script };
        let mut order = draft.of(&ledger.0);
        order.is_csv = false;
        if life.runs.len() > 1 || !script.is_bearable() {
            // Who goes on with a window that begins within a millisecond cannot tell what was left out before.
            let since = order.window.since().map(Timestamp::floor_ms);
            order.window = TimeWindow::new(since, order.window.until()).unwrap();
        }
        let changes = happenings.of(&ledger.0, order.window);
        let service = Service::new(&ledger.0, &order, script.clone()).changing(changes);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (file, service, by_number, by_cursor) = runtime.block_on(async {
            let (upstream, service) = serve(service).await;
            let file = export(&order, &life, &upstream, |error| script.excuses(error)).await;
            let requests = upstream.requests();
            let by_number = requests.iter().any(|request| request.path.ends_with("/usage"));
            let by_cursor = requests.iter().any(|request| request.path.ends_with("usage-history"));
            (file, service, by_number, by_cursor)
        });
        let service = service.lock().unwrap();
        let entries = |book: &Book, window| book.entries(window, order.currency.as_ref());
        let first = Book::new(ledger.0.clone());
        let walked = match file {
            Ok(file) => entries_in(&file),
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::Moved, "{:?}", error);
                let around = around(order.window);
                let has_moved = entries(&first, around) != entries(&service.kept, around);
                prop_assert!(has_moved, "nothing moved, and yet: {error}");
                let has_grown = matches!(happenings, Happenings::Arrivals(_));
                prop_assert!(by_number || !has_grown, "what arrives does not disturb cursors: {error}");
                return Ok(());
            }
        };
        let has_ended = script.ends_at.is_some_and(|end| end <= service.requests);
        if !by_cursor && !has_ended {
            // The service said how many there are at the end, or a request before it; and requests of walkers that were called
            // back may come after that.
            // Any of the runs may have been the last: one that was to be cut off may come to its end before that.
            let called_back = life.runs.iter().map(|run| run.concurrency as usize - 1).max().unwrap_or(0);
            let is_late = |(request, _): &&(usize, Book)| request + called_back >= service.requests;
            let before = service.changed.iter().filter(is_late).map(|(_, book)| book);
            let mut known = before.chain([&service.kept]).map(|book| entries(book, order.window));
            prop_assert!(known.any(|known| known == walked), "{} entries", walked.len());
        } else {
            // Entries that were there all the time come once, entries that were there for a time at most once, and all
            // in order.
            prop_assert!(is_subsequence(&walked, &entries(&service.book, order.window)));
            let has_stayed = |entry: &UsageEntry| {
                entry.notes != ARRIVED && service.kept_from.is_none_or(|from| from <= entry.timestamp)
            };
            let mut stayed = entries(&first, order.window);
            stayed.retain(has_stayed);
            prop_assert_eq!(walked.into_iter().filter(has_stayed).collect::<Vec<_>>(), stayed);
        }
    }
}
