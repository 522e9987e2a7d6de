//! A client that lives longer than one job.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use billing_export::{Cause, Event, ExportFile, Kept, Manifest, Stop};
use billing_format::Format;
use billing_http::{ApiKey, Border, Client, Times, Traffic};
use billing_model::{TimeWindow, Timestamp};
use billing_testkit::{Book, Reply, Request};

use crate::support::{Place, entries_in, key, now, second, seconds};

/// A service whose clock a test moves, in seconds of June.
async fn clocked(clock: &Arc<AtomicI64>) -> Place {
    let clock = Arc::clone(clock);
    let dated = move |_: usize, request: &Request, book: &mut Book| {
        let unix_s = clock.load(Ordering::Relaxed) + 1_780_272_000;
        let reply = book.answer(request);
        Some(if unix_s > 0 { reply.dated(u64::try_from(unix_s).unwrap()) } else { reply })
    };
    Place::changing(seconds(4000), dated).await
}

/// What a job that ends now settles.
async fn settled(place: &Place, client: &Client, since: Border, file: &str) -> TimeWindow {
    let times = Times { since: Some(since), until: Border::NOW };
    let export = place.export().page_size(1000).over_times(times).build().unwrap();
    let file = ExportFile::new(place.path().with_file_name(file), Format::Ndjson);
    let exported = export.open(file).unwrap().run(client, now, |_| ()).await.unwrap();
    exported.output.close().unwrap();
    exported.window
}

/// Named after what broke: the first answer that the client ever had settled the windows of ten minutes.
#[tokio::test]
async fn a_poller_got_the_window_of_its_first_job() {
    let clock = Arc::new(AtomicI64::new(0));
    let place = clocked(&clock).await;
    let client = place.client();
    let mut since = second(0);
    for present in [600, 601, 840, 1130, 3000, 3001] {
        clock.store(present, Ordering::Relaxed);
        let window = settled(&place, &client, Border::At(since), &format!("at-{present}")).await;
        assert_eq!(window, TimeWindow::new(Some(since), Some(second(present))).unwrap());
        let ago = Border::Ago(Duration::from_secs(60));
        let window = settled(&place, &client, ago, &format!("ago-{present}")).await;
        assert_eq!(window, TimeWindow::new(Some(second(present - 60)), Some(second(present))).unwrap());
        since = second(present);
    }
}

/// What the service said before is not the present.
#[tokio::test]
async fn a_service_that_tells_the_time_no_more_leaves_the_present_to_the_local_clock() {
    let clock = Arc::new(AtomicI64::new(600));
    let place = clocked(&clock).await;
    let client = place.client();
    let since = Border::At(second(0));
    let until = |until: Timestamp| TimeWindow::new(Some(second(0)), Some(until)).unwrap();
    assert_eq!(settled(&place, &client, since, "a").await, until(second(600)));
    clock.store(i64::MIN / 2, Ordering::Relaxed);
    assert_eq!(settled(&place, &client, since, "b").await, until(now()));
}

/// Jobs side by side: each window ends at an answer that came while its job ran.
#[tokio::test]
async fn jobs_at_once_end_at_a_time_since_they_began() {
    let clock = Arc::new(AtomicI64::new(600));
    let place = clocked(&clock).await;
    let client = place.client();
    let since = Border::At(second(0));
    settled(&place, &client, since, "a").await;
    clock.store(900, Ordering::Relaxed);
    let (b, c) = tokio::join!(
        settled(&place, &client, since, "b"),
        settled(&place, &client, Border::At(second(600)), "c")
    );
    assert_eq!((b.until(), c.until()), (Some(second(900)), Some(second(900))));
}

/// Named after what broke: the file had the entries of two.
#[tokio::test]
async fn a_client_of_another_service_or_key_was_taken() {
    let (place, other) = (Place::of(seconds(60)).await, Place::of(seconds(7)).await);
    let (base_url, other_url) = (place.upstream.base_url(), other.upstream.base_url());
    let (export, stop) = (place.export().build().unwrap(), Stop::default());
    let client = |base_url: &str, key: ApiKey| Client::builder(base_url, key).build().unwrap();
    let elsewhere = client(&other_url, key());
    let another = client(&base_url, ApiKey::new("other-key").unwrap());
    let refused = async |client: &Client, kept: Option<Kept>| {
        let requests = place.upstream.requests().len();
        let names = place.names();
        let error = export.open(place.file()).unwrap().run(client, now, |_| ()).await.unwrap_err();
        assert_eq!((error.kept(), error.is_settled()), (kept, false));
        assert_eq!((place.upstream.requests().len(), place.names()), (requests, names));
        error
    };
    for kept in [false, true] {
        let kept = match kept {
            false => None,
            true => {
                // In another spelling it is the same service.
                let spelled = base_url.replace("http:", "HTTP:") + "/";
                let job = export.open(place.file()).unwrap().stopped_by(&stop);
                let stops = |event: &Event<'_>| {
                    if let Event::Came { .. } = event {
                        stop.soon();
                    }
                };
                let error = job.run(&client(&spelled, key()), now, stops).await.unwrap_err();
                assert!(error.is_stopped());
                error.kept()
            }
        };
        let error = refused(&elsewhere, kept).await;
        let expected = format!("the export is of {base_url}, and the client of {other_url}/");
        assert!(matches!(error.cause(), Cause::OtherService { .. }), "{error:?}");
        assert_eq!(error.to_string(), expected);
        let error = refused(&another, kept).await;
        assert!(matches!(error.cause(), Cause::OtherKey), "{error:?}");
    }
    assert!(other.upstream.requests().is_empty());
    let exported = export.open(place.file()).unwrap().run(&place.client(), now, |_| ()).await.unwrap();
    exported.output.close().unwrap();
    assert_eq!(entries_in(&place.path()), place.ledger());
}

/// Named after what broke: each job had the requests of all before it, and said so in its manifest.
#[tokio::test]
async fn a_job_counted_what_the_client_sent_before_it() {
    // Each job's second request fails once.
    let fails = |n: usize, _: &Request, _: &mut Book| (n % 8 == 2).then(|| Reply::error(500, "once"));
    let place = Place::changing(seconds(60), fails).await;
    let (export, client) = (place.export().build().unwrap(), place.client());
    for job in 1..=3 {
        let exported = export.open(place.file()).unwrap().run(&client, now, |_| ()).await.unwrap();
        assert_eq!(place.upstream.requests().len(), job * 8);
        assert_eq!(exported.traffic, Traffic { requests: 8, retries: 1 });
        Manifest::new(&place.path(), &exported, &exported.output, "test").write(&place.path()).unwrap();
        exported.output.close().unwrap();
        let manifest = fs::read_to_string(Manifest::path_of(&place.path())).unwrap();
        assert!(
            manifest.contains(r#""requests": 8,"#) && manifest.contains(r#""retries": 1,"#),
            "{manifest}"
        );
        fs::remove_file(place.path()).unwrap();
    }
}
