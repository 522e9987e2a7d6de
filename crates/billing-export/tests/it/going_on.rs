//! A run that continues what another one left.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use billing_export::{Event, Export, Notes, Stop};
use billing_http::{ApiKey, Border, Client, Endpoint, Route, Times};
use billing_model::{Currency, TimeWindow};
use billing_sink::ErrorKind;
use billing_testkit::{Book, Request};

use crate::support::{Diary, Place, entries_in, key, now, second, seconds};

#[tokio::test]
async fn stopped_behind_any_stretch_it_ends_with_the_bytes_of_a_run_that_was_not() {
    let place = Place::of(seconds(60)).await;
    let (export, client) = (place.export().build().unwrap(), place.client());
    let straight = export.open(place.file()).unwrap().run(&client, now, |_| ()).await.unwrap();
    straight.output.close().unwrap();
    let expected = fs::read(place.path()).unwrap();
    assert_eq!(entries_in(&place.path()), place.ledger());
    let mut was_complete = false;
    for most in 0.. {
        fs::remove_file(place.path()).unwrap();
        let stop = Stop::default();
        let stretches = AtomicI64::new(0);
        let job = export.open(place.file()).unwrap().stopped_by(&stop);
        let stopped = job.run(&client, now, |event| match event {
            Event::Begun { .. } if most == 0 => stop.now(),
            Event::Came { .. } if stretches.fetch_add(1, Ordering::Relaxed) + 1 == most => stop.now(),
            _ => {}
        });
        let kept = match stopped.await {
            Ok(exported) => {
                exported.output.close().unwrap();
                was_complete = true;
                None
            }
            Err(error) => {
                assert!(error.is_stopped() && !place.path().exists());
                assert_eq!(error.kept().map(|kept| kept.entries), Some(error.added()).filter(|_| most > 0));
                error.kept()
            }
        };
        if was_complete {
            assert!(most > 5, "there are six pages");
            break;
        }
        let asked_before = place.starts().len();
        let diary = Diary::default();
        let job = export.open(place.file()).unwrap();
        assert_eq!(job.left().and_then(|left| left.complete_until), kept.map(|kept| kept.complete_until));
        let exported = job.run(&client, now, |event| diary.note(event)).await.unwrap();
        let there = kept.map_or(0, |kept| kept.entries);
        assert_eq!((exported.added.entries, exported.summary.entries), (60 - there, 60));
        assert_eq!(exported.is_resumed, kept.is_some());
        exported.output.close().unwrap();
        assert_eq!(fs::read(place.path()).unwrap(), expected, "stopped behind {most} stretches");
        let lines = diary.lines();
        assert_eq!(lines[lines.len() - 2..], [format!("begun after {there}"), "finished 60".to_owned()]);
        assert_eq!(lines.len() == 2, kept.is_some(), "what is settled is not settled again: {lines:?}");
        if let Some(kept) = kept {
            // After the last stretch there is nothing left to ask for.
            let is_left = Some(kept.complete_until) < crate::support::june().until();
            let expected: Vec<_> = is_left.then(|| kept.complete_until.to_string()).into_iter().collect();
            assert_eq!(place.starts()[asked_before..], expected);
        }
    }
}

/// The run that begins the export settles "now" by the service's clock, for all runs that continue it.
#[tokio::test]
async fn the_window_stays_what_the_first_run_settled() {
    let clock = Arc::new(AtomicI64::new(1_780_272_000 + 30));
    let shared = Arc::clone(&clock);
    let dated = move |_: usize, request: &Request, book: &mut Book| {
        Some(book.answer(request).dated(u64::try_from(shared.load(Ordering::Relaxed)).unwrap()))
    };
    let place = Place::changing(seconds(60), dated).await;
    let times = Times { since: Some(Border::At(second(0))), until: Border::NOW };
    let (export, stop) = (place.export().over_times(times).build().unwrap(), Stop::default());
    let settled = TimeWindow::new(Some(second(0)), Some(second(30))).unwrap();
    let stops = |event: &Event<'_>| match event {
        Event::Settled { window, service_time } => {
            assert_eq!((*window, *service_time), (settled, Some(second(30))));
        }
        Event::Came { .. } => stop.soon(),
        _ => {}
    };
    // The local clock is wrong by years.
    let local = || "2031-01-01T00:00:00Z".parse().unwrap();
    let job = export.open(place.file()).unwrap().stopped_by(&stop);
    let kept = job.run(&place.client(), local, stops).await.unwrap_err().kept().unwrap();
    assert!(kept.entries < 30);
    clock.fetch_add(20, Ordering::Relaxed);
    let job = export.open(place.file()).unwrap();
    let exported = job.run(&place.client(), local, |_| ()).await.unwrap();
    exported.output.close().unwrap();
    assert_eq!((exported.window, exported.summary.entries), (settled, 30));
    assert_eq!(entries_in(&place.path()), place.ledger()[..30]);
}

#[tokio::test]
async fn another_export_does_not_go_on_with_it() {
    let place = Place::of(seconds(60)).await;
    let stop = Stop::default();
    let job = place.export().build().unwrap().open(place.file()).unwrap().stopped_by(&stop);
    let stops = |event: &Event<'_>| {
        if let Event::Came { .. } = event {
            stop.soon()
        }
    };
    let kept = job.run(&place.client(), now, stops).await.unwrap_err().kept();
    let base_url = place.upstream.base_url();
    let other_key = ApiKey::new("other-key").unwrap();
    let window = TimeWindow::new(Some(second(0)), Some(second(40))).unwrap();
    for other in [
        Export::of(&base_url, &other_key).over(crate::support::june()),
        Export::of("http://127.0.0.1:1/api/v1", &key()).over(crate::support::june()),
        place.export().over(window),
        place.export().currency(Currency::Usd),
        place.export().endpoint(Endpoint::Usage),
        place.export().asked("wire", "csv"),
    ] {
        let error = other.build().unwrap().open(place.file()).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OtherArguments, "{error}");
    }
    let error = place.export().build().unwrap().open(place.file().gzip(true)).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OtherArguments);
    // Page size and concurrency do not matter.
    let same = place.export().page_size(20).concurrency(3).build().unwrap();
    let left = same.open(place.file()).unwrap().left().cloned();
    assert_eq!(left.map(|left| left.summary.entries), kept.map(|kept| kept.entries));
    // `open_anew` begins anew whatever is there.
    let anew = place.export().currency(Currency::Usd).build().unwrap();
    let job = anew.open_anew(place.file()).unwrap();
    assert!(job.left().is_none());
    let exported = job.run(&place.client(), now, |_| ()).await.unwrap();
    exported.output.close().unwrap();
    assert_eq!((exported.added.entries, exported.is_resumed), (60, false));
}

/// A run was killed after it had renamed the file and before it ended: the next run does the last step and fetches
/// nothing.
#[tokio::test]
async fn a_file_that_was_written_is_only_closed() {
    let place = Place::of(seconds(60)).await;
    let export = place.export().build().unwrap();
    let exported = export.open(place.file()).unwrap().run(&place.client(), now, |_| ()).await.unwrap();
    let sha256 = exported.output.sha256_hex();
    drop(exported);
    assert_eq!(place.names(), ["june.ndjson", "june.ndjson.checkpoint"]);
    let requests = place.upstream.requests().len();
    let exported = export.open(place.file()).unwrap().run(&place.client(), now, |_| ()).await.unwrap();
    assert!(exported.was_written && exported.is_resumed);
    assert_eq!((exported.summary.entries, exported.added.entries), (60, 0));
    assert_eq!(exported.output.sha256_hex(), sha256);
    exported.output.close().unwrap();
    assert_eq!(place.upstream.requests().len(), requests);
    assert_eq!(place.names(), ["june.ndjson"]);
}

/// A program can run jobs as tasks, and then looks at their results.
#[tokio::test]
async fn a_job_is_a_task_and_knows_what_the_client_noted() {
    let place = Place::of(seconds(60)).await;
    let notes = Notes::default();
    let noting = notes.clone();
    let client = Client::builder(place.upstream.base_url(), key());
    let client = client.observer(move |event| noting.observe(event)).build().unwrap();
    let export = place.export().endpoint(Endpoint::Usage).build().unwrap();
    let job = export.open(place.file()).unwrap().noted_in(&notes);
    let exported = tokio::spawn(async move { job.run(&client, now, |_| ()).await }).await.unwrap().unwrap();
    assert_eq!((exported.endpoint, exported.service_total), (Some(Route::Usage), Some(60)));
    assert_eq!(exported.traffic.requests, place.upstream.requests().len() as u64);
    exported.output.close().unwrap();
}
