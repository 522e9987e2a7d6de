//! The one loop between a walk and a sink.

use std::pin::pin;

use billing_model::{Mark, Sink, Stretch, Summary};
use futures::{Stream, StreamExt};

use crate::error::DrainError;

/// What a finished [`drain`] comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drained<O> {
    /// Count, span and exact sums of the entries that were written.
    pub summary: Summary,
    /// What the sink gave back.
    pub output: O,
}

/// Writes every entry of a walk into the sink, marks each place where the walk is complete ([`Sink::mark`]), and
/// finishes the sink when the walk ends.
///
/// One stretch is held at a time. To see the progress, inspect the stream.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// use billing_model::{Page, Stretch};
/// use std::convert::Infallible;
///
/// let page = Page::from_history_json(r#"{"nextCursor":null,"data":[{"timestamp":"2026-06-14T19:52:45.087Z",
///   "sku":"credit-purchase","pricePerUnitUsd":1,"units":25,"amount":25,"currency":"USD","notes":""}]}"#)?;
/// let stretch = Stretch { entries: page.entries, complete_until: Some("2026-06-15T00:00:00Z".parse()?) };
/// let walk = futures::stream::iter([Ok::<_, Infallible>(stretch)]);
/// let drained = billing_sink::drain(walk, Vec::new()).await?;
/// assert_eq!((drained.summary.entries, drained.output.len()), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`DrainError`] with the first error of the walk or of the sink. The sink is then dropped without `finish`, so nothing
/// that was written counts; a sink that keeps what was marked can go on another time.
pub async fn drain<P, E, S>(stretches: P, mut sink: S) -> Result<Drained<S::Output>, DrainError<E, S::Error>>
where
    P: Stream<Item = Result<Stretch, E>>,
    S: Sink,
{
    let mut stretches = pin!(stretches);
    let mut summary = Summary::default();
    let mut all_marked = true;
    while let Some(stretch) = stretches.next().await {
        let Stretch { entries, complete_until } = stretch.map_err(DrainError::Pages)?;
        sink.write(&entries).map_err(DrainError::Sink)?;
        summary.extend(&entries);
        all_marked &= entries.is_empty();
        if let Some(complete_until) = complete_until {
            sink.mark(&Mark { complete_until, written: &summary }).map_err(DrainError::Sink)?;
            all_marked = true;
        }
    }
    // A walk that has ended is complete even if it did not say so, because no entry of its last instant can follow.
    // This last mark tells the sink what all its entries come to.
    if let Some(last) = summary.last.filter(|_| !all_marked) {
        let mark = Mark { complete_until: last.next(), written: &summary };
        sink.mark(&mark).map_err(DrainError::Sink)?;
    }
    let output = sink.finish().map_err(DrainError::Sink)?;
    Ok(Drained { summary, output })
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_model::{Timestamp, UsageEntry};
    use billing_testkit::entry_at;
    use std::cell::RefCell;
    use std::fmt;
    use std::rc::Rc;

    #[derive(Debug, PartialEq)]
    struct Refused(&'static str);

    impl fmt::Display for Refused {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Refused {}

    /// A sink that writes down what happens to it, and refuses what it is told to refuse.
    struct Diary {
        refuse: &'static str,
        lines: Rc<RefCell<Vec<String>>>,
    }

    impl Diary {
        fn note(&self, line: String) -> Result<(), Refused> {
            let refused = !self.refuse.is_empty() && line.starts_with(self.refuse);
            self.lines.borrow_mut().push(line);
            if refused { Err(Refused(self.refuse)) } else { Ok(()) }
        }
    }

    impl Sink for Diary {
        type Output = &'static str;
        type Error = Refused;

        fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Refused> {
            self.note(format!("write {}", entries.len()))
        }

        fn mark(&mut self, mark: &Mark<'_>) -> Result<(), Refused> {
            let until_ns = mark.complete_until.unix_ns().unwrap();
            self.note(format!("mark {} before {until_ns}", mark.written.entries))
        }

        fn finish(self) -> Result<&'static str, Refused> {
            self.note("finish".to_owned()).map(|()| "done")
        }
    }

    /// Entries at the first nanoseconds, and how far they are complete.
    fn stretch(amounts: &[&str], complete_until_ns: Option<i64>) -> Stretch {
        let entries =
            amounts.iter().zip(0..).map(|(amount, ns)| entry_at(Timestamp::from_unix_ns(ns), amount));
        Stretch { entries: entries.collect(), complete_until: complete_until_ns.map(Timestamp::from_unix_ns) }
    }

    async fn check(
        stretches: Vec<Result<Stretch, Refused>>,
        refuse: &'static str,
        expect: Result<u64, DrainError<Refused, Refused>>,
        diary: &[&str],
    ) {
        let lines = Rc::default();
        let sink = Diary { refuse, lines: Rc::clone(&lines) };
        let found = drain(futures::stream::iter(stretches), sink).await;
        assert_eq!(found.map(|drained| drained.summary.entries), expect);
        assert_eq!(*lines.borrow(), diary);
    }

    #[tokio::test]
    async fn a_sink_is_finished_only_after_every_stretch() {
        let walk = || {
            vec![Ok(stretch(&["-1", "-1"], None)), Ok(stretch(&[], Some(7))), Ok(stretch(&["2.5"], Some(9)))]
        };
        let all = ["write 2", "write 0", "mark 2 before 7", "write 1", "mark 3 before 9", "finish"];
        check(walk(), "", Ok(3), &all).await;
        check(vec![], "", Ok(0), &["finish"]).await;

        let mut cut = walk();
        cut[1] = Err(Refused("cut"));
        check(cut, "", Err(DrainError::Pages(Refused("cut"))), &all[..1]).await;
        let sink = |what| Err(DrainError::Sink(Refused(what)));
        check(walk(), "write", sink("write"), &all[..1]).await;
        check(walk(), "mark", sink("mark"), &all[..3]).await;
        check(walk(), "finish", sink("finish"), &all).await;
    }

    #[tokio::test]
    async fn the_end_of_a_walk_is_a_mark() {
        let two = || Ok(stretch(&["-1", "-1"], None));
        check(vec![two()], "", Ok(2), &["write 2", "mark 2 before 2", "finish"]).await;
        check(vec![two()], "mark", Err(DrainError::Sink(Refused("mark"))), &["write 2", "mark 2 before 2"])
            .await;
        let nothing_more = vec![two(), Ok(stretch(&[], Some(5))), Ok(stretch(&[], None))];
        let diary = ["write 2", "write 0", "mark 2 before 5", "write 0", "finish"];
        check(nothing_more, "", Ok(2), &diary).await;
        check(vec![Ok(stretch(&[], None))], "", Ok(0), &["write 0", "finish"]).await;
    }

    #[tokio::test]
    async fn the_summary_counts_what_was_written() {
        let walk = [stretch(&["-1", "-1"], None), stretch(&["2.5"], None)].map(Ok::<_, Refused>);
        let drained = drain(futures::stream::iter(walk), Vec::new()).await.unwrap();
        let amounts: Vec<_> =
            drained.summary.amounts.iter().map(|(c, sums)| format!("{} {c}", sums.net())).collect();
        assert_eq!(amounts, ["0.5 USD"]);
        assert_eq!(drained.output.len(), 3);
    }
}
