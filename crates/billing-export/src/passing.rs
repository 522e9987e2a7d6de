//! Passes the entries of a walk on to the sink. On the way it tells and counts them, and it ends the walk after a stop,
//! at a place where another run can continue.

use std::time::Duration;

use billing_http::Error;
use billing_model::Stretch;
use futures::{Stream, StreamExt, stream};
use tokio::time::{Instant, sleep_until};

use crate::event::Event;
use crate::notes::Notes;
use crate::stop::{Stop, Urgency};

/// How long a stopped walk may take to reach a place where another run can continue. After that the entries since the
/// last such place are lost, and the next run fetches them again.
const GRACE: Duration = Duration::from_secs(30);

/// Why a walk did not come to its end.
#[derive(Debug)]
pub(crate) enum Broken {
    Stopped,
    Failed(Error),
}

/// What earlier walks over the window had, each of which ended because entries arrived behind it.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// The most entries that one of them had, and the error of the latest one.
    pub(crate) most: u64,
    pub(crate) moved: Option<Error>,
}

/// A walk, and what its entries need on their way to the sink.
pub(crate) struct Passing<'a, S, F> {
    pub(crate) stretches: S,
    pub(crate) stop: &'a Stop,
    pub(crate) notes: &'a Notes,
    pub(crate) observe: &'a F,
    pub(crate) before: &'a mut Before,
    /// Entries that earlier runs left.
    pub(crate) left: u64,
    /// Entries that this walk has passed on.
    pub(crate) passed: &'a mut u64,
}

/// How far a walk is.
///
/// The walk runs until it ends by itself, or until it is told to stop. After a stop (`until` is set) it goes on to the
/// next place where another run can continue. A second, urgent stop or the end of the grace time ends it anywhere.
struct State {
    /// True where another run can continue.
    is_complete: bool,
    /// When a stopped walk ends at the latest; `None` before a stop.
    until: Option<Instant>,
    has_ended: bool,
}

impl<S, F> Passing<'_, S, F>
where
    S: Stream<Item = Result<Stretch, Error>> + Unpin,
    F: Fn(&Event<'_>),
{
    /// The stretches, up to the first place after a stop where another run can continue.
    pub(crate) fn stretches(self) -> impl Stream<Item = Result<Stretch, Broken>> {
        let state = State { is_complete: true, until: None, has_ended: false };
        stream::unfold((self, state), |(mut passing, mut state)| async move {
            let next = passing.next(&mut state).await?;
            Some((next, (passing, state)))
        })
    }

    async fn next(&mut self, state: &mut State) -> Option<Result<Stretch, Broken>> {
        if state.has_ended {
            return None;
        }
        loop {
            if state.until.is_some() && state.is_complete {
                break;
            }
            let (until, least) = (state.until, state.until.map_or(Urgency::Soon, |_| Urgency::Now));
            let late = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = late => break,
                () = self.stop.said(least) => {
                    if state.until.is_some() {
                        break;
                    }
                    state.until = Some(Instant::now() + GRACE);
                    if !state.is_complete {
                        (self.observe)(&Event::Stopping);
                    }
                }
                stretch = self.stretches.next() => return match stretch {
                    Some(Ok(stretch)) => {
                        state.is_complete = stretch.complete_until.is_some();
                        self.passes(&stretch);
                        Some(Ok(stretch))
                    }
                    Some(Err(error)) => {
                        state.has_ended = true;
                        Some(Err(Broken::Failed(error)))
                    }
                    None => {
                        state.has_ended = true;
                        self.has_fewer().map(|error| Err(Broken::Failed(error)))
                    }
                },
            }
        }
        state.has_ended = true;
        Some(Err(Broken::Stopped))
    }

    fn passes(&mut self, stretch: &Stretch) {
        *self.passed += stretch.entries.len() as u64;
        self.notes.handed_out(stretch);
        (self.observe)(&Event::Came {
            entries: &stretch.entries,
            so_far: self.left + *self.passed,
            complete_until: stretch.complete_until,
        });
    }

    /// The error of the earlier walk, when this one ends with fewer entries than an earlier one had. Then it is not
    /// known to be whole: the service may have removed entries meanwhile, or a copy that lags behind may have answered.
    fn has_fewer(&mut self) -> Option<Error> {
        let has_fewer = *self.passed < self.before.most;
        self.before.moved.take_if(|_| has_fewer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_testkit::entry_at;
    use std::sync::Mutex;

    fn stretch(complete: bool) -> Result<Stretch, Error> {
        let entry = entry_at("2026-06-14T19:52:45.087Z".parse().unwrap(), "-0.1");
        let complete_until = complete.then(|| entry.timestamp.next());
        Ok(Stretch { entries: vec![entry], complete_until })
    }

    /// Runs a walk that hands out these stretches and then nothing more, and that is told to stop after the first one.
    /// Returns how many stretches passed, which events were told, and after how many seconds the walk ended.
    async fn stopped(stretches: &[bool], says: impl Fn(&Stop)) -> (usize, Vec<&'static str>, u64) {
        let (stop, told) = (Stop::default(), Mutex::new(Vec::new()));
        let observe = |event: &Event<'_>| {
            let mut told = told.lock().unwrap();
            told.push(match event {
                Event::Came { .. } => "came",
                Event::Stopping => "stopping",
                _ => "?",
            });
            if told.len() == 1 {
                says(&stop);
            }
        };
        let walk: Vec<_> = stretches.iter().map(|complete| stretch(*complete)).collect();
        let began = Instant::now();
        let (mut before, mut passed) = (Before::default(), 0);
        let passing = Passing {
            stretches: stream::iter(walk).chain(stream::pending()),
            stop: &stop,
            notes: &Notes::default(),
            observe: &observe,
            before: &mut before,
            left: 0,
            passed: &mut passed,
        };
        let ends: Vec<_> = passing.stretches().collect().await;
        assert!(matches!(ends.last(), Some(Err(Broken::Stopped))), "{ends:?}");
        let told = told.lock().unwrap().clone();
        (ends.len() - 1, told, began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_lets_the_walk_come_to_a_place_for_a_while() {
        let soon = |stop: &Stop| stop.soon();
        // The walk ends at once where another run can continue. The stretch that is ready is not taken.
        assert_eq!(stopped(&[true, true], soon).await, (1, vec!["came"], 0));
        let all = vec!["came", "stopping", "came", "came"];
        assert_eq!(stopped(&[false, false, true, true], soon).await, (3, all, 0));
        // When no such place comes, the walk ends after the grace time.
        assert_eq!(stopped(&[false, false], soon).await, (2, vec!["came", "stopping", "came"], 30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_at_once_waits_for_nothing() {
        let twice = |stop: &Stop| {
            stop.now();
            stop.soon();
        };
        assert_eq!(stopped(&[false, true], twice).await, (1, vec!["came", "stopping"], 0));
    }
}
