//! The entries of a walk on their way into a sink: told, counted, and stopped where another run can go on.

use std::time::Duration;

use billing_http::Error;
use billing_model::Stretch;
use futures::{Stream, StreamExt, stream};
use tokio::time::{Instant, sleep_until};

use crate::event::Event;
use crate::notes::Notes;
use crate::stop::{Stop, Urgency};

/// How long a walk may take to come to a place from which it can go on. What it has by then is lost, and nothing else.
const GRACE: Duration = Duration::from_secs(30);

/// Why a walk did not come to its end.
#[derive(Debug)]
pub(crate) enum Broken {
    Stopped,
    Failed(Error),
}

/// What an earlier walk over the window had when entries arrived behind it, and what it said then.
#[derive(Debug, Default)]
pub(crate) struct Before {
    pub(crate) most: u64,
    pub(crate) moved: Option<Error>,
}

/// A walk whose entries pass.
pub(crate) struct Passing<'a, S, F> {
    pub(crate) stretches: S,
    pub(crate) stop: &'a Stop,
    pub(crate) notes: &'a Notes,
    pub(crate) observe: &'a F,
    pub(crate) before: &'a mut Before,
    /// Entries that earlier runs left.
    pub(crate) left: u64,
    /// Those that passed.
    pub(crate) passed: &'a mut u64,
}

/// Where a walk is.
struct State {
    /// True where another run can go on.
    is_complete: bool,
    /// When it ends at the latest; set when it is told to stop.
    until: Option<Instant>,
    has_ended: bool,
}

impl<S, F> Passing<'_, S, F>
where
    S: Stream<Item = Result<Stretch, Error>> + Unpin,
    F: Fn(&Event<'_>),
{
    /// The stretches, up to the first place after a stop from which a walk can go on.
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

    /// The error of an earlier walk, when this one ends with fewer entries. The service may have removed some meanwhile, or a
    /// copy that lags behind answers: what is there is not known to be the ledger.
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

    /// What becomes of a walk that hands these out and then nothing more, and is told to stop behind the first: `Some` of
    /// what passed and of what was told when it ends, by the clock after so many seconds.
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
        // At a place it ends, and what is ready is not taken.
        assert_eq!(stopped(&[true, true], soon).await, (1, vec!["came"], 0));
        let all = vec!["came", "stopping", "came", "came"];
        assert_eq!(stopped(&[false, false, true, true], soon).await, (3, all, 0));
        // One that does not come is not waited for for ever.
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
