//! Begins a walk over a window that depends on the present: fetches the first page, and settles the window by the clock of
//! the service that sent it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use billing_model::{Stretch, TimeWindow, Timestamp};
use futures::Stream;
use futures::future::{Either, select};
use tokio::time::Instant;

use crate::client::Client;
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
    /// Fetches the first page, and settles the window by the `Date` of the first answer that has one, an error's too: no
    /// request is sent for the time alone. `now` is the present by the local clock. It decides what the first page is asked
    /// for, and the window only when the service does not tell the time.
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
        // The time that this service told last is nearer to its clock than the local clock is, however long ago that was.
        let mut now = client.present().unwrap_or(now);
        for _ in 0..MAX_GUESSES {
            let guess = guess(times, now);
            let guessed = walk.clone().with_window(guess);
            let mut walker = Walker::new(client.clone(), &guessed, guess, Arc::default());
            let began = Instant::now();
            // The time comes with the headers, and the page may take much longer.
            let page = match client.first_time() {
                Some(_) => Some(walker.next_page().await?),
                None => match select(pin!(walker.next_page()), pin!(client.first_told())).await {
                    Either::Left((page, _)) => Some(page?),
                    // The page is waited for only when it is one of the window. A window that is empty, or another than was
                    // guessed, is known already.
                    Either::Right((time, fetch)) if covers(guess, settle(time)?) => Some(fetch.await?),
                    Either::Right(_) => None,
                },
            };
            let service_time = told(client, began.elapsed());
            now = service_time.unwrap_or(now);
            let window = settle(now)?;
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

    /// The service's own clock at the first answer, to the second. `None` when it did not tell the time, or was not asked.
    pub fn service_time(&self) -> Option<Timestamp> {
        self.service_time
    }

    /// The window, as [`Walk::stretches`](crate::Walk::stretches).
    pub fn stretches(self) -> impl Stream<Item = Result<Stretch, Error>> + Send + use<> {
        self.windows.stretches()
    }
}

/// The present by the service's clock. The first answer has told it, unless the page, which came `elapsed` later, says
/// something quite different: the first answer may have been an error of a machine in between.
fn told(client: &Client, elapsed: Duration) -> Option<Timestamp> {
    let (first, latest) = (client.first_time()?, client.present()?);
    let is_same = earlier(first, MAX_SKEW) <= latest && earlier(latest, elapsed + MAX_SKEW) <= first;
    Some(if is_same { first } else { latest })
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
