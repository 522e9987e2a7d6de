//! Begins a walk over a window that depends on the present: fetches the first page, and settles the window by the clock of
//! the service that sent it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use billing_model::{Stretch, TimeWindow, Timestamp};
use futures::Stream;
use futures::future::{Either, select};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::client::{Client, at_unix_s};
use crate::error::{Error, ErrorKind};
use crate::planner::{LEAST_WINDOW, earlier, wider};
use crate::times::{Border, Times};
use crate::walk::RelativeWalk;
use crate::walker::Walker;
use crate::windows::Windows;

/// How much earlier than by the local clock a relative start is asked for. Clocks differ by seconds. A start that is a little
/// too early costs a few entries, and one that is a little too late costs a request.
const MARGIN: Duration = Duration::from_secs(30 * 60);

/// How much too early a start may have been asked for. When it is more, to ask for another first page is less work.
const MAX_TOO_EARLY: Duration = Duration::from_secs(24 * 60 * 60);

/// First pages that are asked for: by the local clock, by the service's, and once more should the first have been wrong.
const MAX_GUESSES: u32 = 3;

/// How far two clocks of a service may be apart.
const MAX_SKEW: Duration = Duration::from_secs(10 * 60);

/// A walk whose window is settled.
pub struct Begun {
    window: TimeWindow,
    service_time: Option<Timestamp>,
    windows: Windows,
}

impl RelativeWalk {
    /// Fetches the first page, and settles the window by the `Date` of the first answer from here on that has one, an error's
    /// too: no request is sent for the time alone. Where the client has other walks at the same time, it may be an answer to one of
    /// them, and of two answers that come at once it may be the second. What the service said before does not count: it was another present. `now` is the present by the local clock. It
    /// decides what the first page of the client is asked for, and the window only when the service does not tell the time.
    ///
    /// A window that does not depend on the present is settled without a request.
    ///
    /// # Errors
    /// As [`Client::page`]; [`ErrorKind::EmptyWindow`] as soon as the window turns out to be empty.
    pub async fn begin(self, client: &Client, now: Timestamp) -> Result<Begun, Error> {
        let Self { walk, times } = self;
        let settle = |now: Timestamp| {
            let now = now.floor_ms();
            times.window(now).map_err(|_| {
                let since = times.since.map_or(now, |since| since.at(now));
                let until = times.until.at(now);
                let message = format!("the window is empty: it begins at {since} and ends at {until}");
                Error::of(ErrorKind::EmptyWindow).with_message(message)
            })
        };
        if times.are_fixed() {
            let window = settle(now)?;
            let windows = Windows::new(client.clone(), walk.with_window(window));
            return Ok(Begun { window, service_time: None, windows });
        }
        let (began, mut dates, mut first) = (Instant::now(), client.dates(), None);
        // The time that this service told last is nearer to its clock than a local clock may be. It is only asked by.
        let mut present = client.present().unwrap_or(now);
        for _ in 0..MAX_GUESSES {
            let guess = guess(times, present);
            let guessed = walk.clone().with_window(guess);
            let mut walker = Walker::new(client.clone(), &guessed, guess, Arc::default());
            // The time comes with the headers, and the page may take much longer.
            let page = match first {
                Some(_) => Some(walker.next_page().await?),
                None => match select(pin!(walker.next_page()), pin!(next_told(&mut dates))).await {
                    Either::Left((page, _)) => Some(page?),
                    Either::Right((time, fetch)) => {
                        first = Some(time);
                        // The page is waited for only when it is one of the window. A window that is empty, or another than
                        // was guessed, is known already.
                        if covers(guess, settle(time)?) { Some(fetch.await?) } else { None }
                    }
                },
            };
            // The page may have come at once with its time.
            first = first.or_else(|| told_meanwhile(&mut dates));
            let latest = client.present();
            let service_time = first.zip(latest).map(|(first, latest)| told(first, latest, began.elapsed()));
            present = service_time.unwrap_or(now);
            let window = settle(present)?;
            if let Some(mut page) = page
                && covers(guess, window)
            {
                let walk = walk.with_window(window);
                walker.settle(window, &mut page);
                let windows = Windows::begun(client.clone(), walk, walker, page);
                return Ok(Begun { window, service_time, windows });
            }
        }
        let message =
            "the service's clock says another time with every answer, so that the window is not known";
        Err(Error::of(ErrorKind::Inconsistent).with_message(message))
    }
}

impl Begun {
    /// The window, which the present no longer moves.
    pub fn window(&self) -> TimeWindow {
        self.window
    }

    /// The service's own clock at the first answer since the walk began, to the second. `None` when it did not tell the time, or was not asked.
    pub fn service_time(&self) -> Option<Timestamp> {
        self.service_time
    }

    /// The window, as [`Walk::stretches`](crate::Walk::stretches).
    pub fn stretches(self) -> impl Stream<Item = Result<Stretch, Error>> + Send + use<> {
        self.windows.stretches()
    }
}

/// The time that the next answer tells.
async fn next_told(dates: &mut watch::Receiver<Option<u64>>) -> Timestamp {
    loop {
        if dates.changed().await.is_err() {
            // The sender is the client, which is at hand.
            std::future::pending::<()>().await;
        }
        if let Some(unix_s) = *dates.borrow_and_update() {
            return at_unix_s(unix_s);
        }
    }
}

/// The time that an answer told since the last look.
fn told_meanwhile(dates: &mut watch::Receiver<Option<u64>>) -> Option<Timestamp> {
    let is_news = dates.has_changed().unwrap_or(false);
    is_news.then(|| *dates.borrow_and_update())?.map(at_unix_s)
}

/// The present by the service's clock. The first answer has told it, unless the latest, which came at most `elapsed` later,
/// says something quite different: the first one may have been an error of a machine in between.
fn told(first: Timestamp, latest: Timestamp, elapsed: Duration) -> Timestamp {
    let is_same = earlier(first, MAX_SKEW) <= latest && earlier(latest, elapsed + MAX_SKEW) <= first;
    if is_same { first } else { latest }
}

/// The window that the first page is asked for: all that the real one may turn out to hold, as far as the local clock can
/// tell.
fn guess(times: Times, now: Timestamp) -> TimeWindow {
    let late = earlier(now, MARGIN);
    let since = times.since.map(|since| match since {
        // From there to the present it may be too short a window to ask for.
        Border::At(at) if late < at && at <= now => late,
        Border::At(at) => at,
        relative => relative.at(late),
    });
    let until = match times.until {
        Border::At(until) => Some(until),
        Border::Ago(_) | Border::Midnight(_) => None,
    };
    // Its start may be behind its end, and then it only has to tell the time.
    let too_late = since.zip(until).is_some_and(|(since, until)| until <= since);
    let since = if too_late { until.map(|until| earlier(until, LEAST_WINDOW)) } else { since };
    TimeWindow::new(since, until).unwrap_or(TimeWindow::ALL)
}

/// True when a walk over the guess brings all of the window, and not much more.
fn covers(guess: TimeWindow, window: TimeWindow) -> bool {
    match (guess.since(), wider(window.since(), window.until())) {
        (Some(asked), Some(since)) => asked <= since && earlier(since, MAX_TOO_EARLY) <= asked,
        (asked, since) => asked == since,
    }
}
