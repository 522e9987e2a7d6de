//! Entries arrive behind the walk: the window is walked again, and the file has the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use billing_export::{Cause, Error, Event, Found, Notes, Place};
use billing_format::Format;
use billing_http::{Client, Endpoint, ErrorKind};
use billing_model::UsageEntry;
use billing_sink::{FileSink, Plain};
use billing_testkit::{Book, Reply, Request, entry_at};

use crate::support::{self, Diary, entries_in, now, second, seconds};

fn late(second_at: i64) -> Vec<UsageEntry> {
    vec![entry_at(second(second_at), "-7")]
}

#[track_caller]
fn moved<S: std::fmt::Debug>(error: &Error<S>) {
    assert!(matches!(error.cause(), Cause::Service(error) if error.kind() == ErrorKind::Moved), "{error:?}");
}

#[tokio::test]
async fn a_window_that_grew_behind_the_walk_is_walked_again() {
    let place = support::Place::with_late_entry().await;
    let (export, diary) = (place.export().endpoint(Endpoint::Usage).build().unwrap(), Diary::default());
    let job = export.open(place.file()).unwrap();
    let exported = job.run(&place.client(), now, |event| diary.note(event)).await.unwrap();
    exported.output.close().unwrap();
    assert_eq!(entries_in(&place.path()), place.ledger());
    assert_eq!((exported.summary.entries, exported.added.entries), (61, 61));
    assert_eq!(place.names(), ["june.ndjson"]);
    assert_eq!(
        diary.lines(),
        [
            &format!("settled {}, false", support::june()),
            "begun after 0",
            "again 2",
            "begun after 0",
            "finished 61"
        ]
    );
}

/// The notes of the first walk are dropped: they are not about what is in the file.
#[tokio::test]
async fn half_a_character_is_counted_in_the_last_walk_only() {
    let half = UsageEntry { notes: "half".to_owned(), ..entry_at(second(0), "-0.1") };
    let change = |n: usize, request: &Request, book: &mut Book| {
        if n == 4 {
            book.record(late(0));
        }
        let reply = book.answer(request);
        let body = String::from_utf8_lossy(reply.body()).replace("half", "\\ud83d");
        Some(reply.with_body(body))
    };
    let place = support::Place::changing([vec![half], seconds(60)].concat(), change).await;
    let (notes, diary) = (Notes::default(), Diary::default());
    let noting = notes.clone();
    let client = Client::builder(place.upstream.base_url(), support::key());
    let client = client.observer(move |event| noting.observe(event)).build().unwrap();
    let export = place.export().endpoint(Endpoint::Usage).build().unwrap();
    let job = export.open(place.file()).unwrap().noted_in(&notes);
    let exported = job.run(&client, now, |event| diary.note(event)).await.unwrap();
    assert!(diary.lines().contains(&"again 2".to_owned()), "{:?}", diary.lines());
    assert_eq!((exported.half_characters, exported.summary.entries), (1, 62));
    exported.output.close().unwrap();
    let job = export.open(place.file()).unwrap().noted_in(&notes);
    let exported = job.run(&client, now, |_| ()).await.unwrap();
    assert_eq!((exported.half_characters, exported.summary.entries), (1, 62), "of another run");
    exported.output.close().unwrap();
}

/// The first run is cut off. The second one finds that entries arrived in the part that the first one walked.
#[tokio::test]
async fn what_an_earlier_run_left_is_walked_again_too() {
    let place = support::Place::of(seconds(60)).await;
    let (export, stop) =
        (place.export().endpoint(Endpoint::Usage).build().unwrap(), billing_export::Stop::default());
    let job = export.open(place.file()).unwrap().stopped_by(&stop);
    let client = place.client();
    let stopped = job.run(&client, now, |event| {
        if matches!(event, Event::Came { so_far: 20.., .. }) {
            stop.soon();
        }
    });
    assert!(stopped.await.unwrap_err().kept().is_some());
    place.book.lock().unwrap().record(late(0));
    let diary = Diary::default();
    let job = export.open(place.file()).unwrap();
    let exported = job.run(&place.client(), now, |event| diary.note(event)).await.unwrap();
    exported.output.close().unwrap();
    assert!(diary.lines().contains(&"again 2".to_owned()), "{:?}", diary.lines());
    assert!(!exported.is_resumed, "nothing of the first run is in it");
    assert_eq!(entries_in(&place.path()), place.ledger());
}

#[tokio::test]
async fn a_window_that_keeps_growing_is_given_up_and_nothing_of_it_kept() {
    let arrive = |_: usize, _: &Request, book: &mut Book| {
        book.record(late(0));
        None
    };
    let place = support::Place::changing(seconds(60), arrive).await;
    let (export, diary) = (place.export().endpoint(Endpoint::Usage).build().unwrap(), Diary::default());
    let job = export.open(place.file()).unwrap();
    let error = job.run(&place.client(), now, |event| diary.note(event)).await.unwrap_err();
    moved(&error);
    assert_eq!(error.kept(), None);
    assert!(error.is_kept_known(), "there is nothing");
    assert_eq!(diary.lines()[2..], ["again 2", "begun after 0", "again 3", "begun after 0"]);
    assert!(place.names().is_empty(), "{:?}", place.names());
}

/// When a copy of the service lags behind, a repeated walk may have fewer entries without any other sign of it.
#[tokio::test]
async fn a_second_walk_with_less_in_it_is_not_believed() {
    let lags = Arc::new(AtomicBool::new(false));
    let (looked_at, mut behind) = (Arc::clone(&lags), Book::new(seconds(50)));
    let change = move |n: usize, request: &Request, book: &mut Book| -> Option<Reply> {
        if n == 4 {
            book.record(late(0));
        }
        looked_at.load(Ordering::Relaxed).then(|| behind.answer(request))
    };
    let place = support::Place::changing(seconds(60), change).await;
    let export = place.export().endpoint(Endpoint::Usage).build().unwrap();
    let walked_again = |event: &Event<'_>| {
        if let Event::Again { .. } = event {
            lags.store(true, Ordering::Relaxed);
        }
    };
    let job = export.open(place.file()).unwrap();
    moved(&job.run(&place.client(), now, walked_again).await.unwrap_err());
    assert!(place.names().is_empty(), "{:?}", place.names());
}

/// A stream, from which nothing can be taken back.
struct Pipe;

impl Place for Pipe {
    type Sink = FileSink<Plain<Vec<u8>>>;

    fn open(&self, _: &BTreeMap<String, String>, _: bool) -> Result<Found<Self::Sink>, billing_sink::Error> {
        let sink = |_, _| Ok(FileSink::new(Format::Ndjson, Plain(Vec::new())));
        Ok(Found::new(sink).passing())
    }
}

#[tokio::test]
async fn what_went_through_a_pipe_is_not_sent_again() {
    let place = support::Place::with_late_entry().await;
    let (export, diary) = (place.export().endpoint(Endpoint::Usage).build().unwrap(), Diary::default());
    let job = export.open(Pipe).unwrap();
    assert!(!job.takes_back());
    let error = job.run(&place.client(), now, |event| diary.note(event)).await.unwrap_err();
    moved(&error);
    assert!(error.added() > 0 && error.kept().is_none());
    assert_eq!(diary.lines().len(), 2, "{:?}", diary.lines());
}
