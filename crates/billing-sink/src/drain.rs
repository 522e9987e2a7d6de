//! The one loop between pages and a sink.

use std::pin::pin;

use billing_model::{Page, Summary};
use futures::{Stream, StreamExt};

use crate::error::DrainError;
use crate::sink::Sink;

/// What a finished [`drain`] comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drained<O> {
    /// Count, span and exact sums of the entries that were written.
    pub summary: Summary,
    /// What the sink gave back.
    pub output: O,
}

/// Writes every entry of every page into the sink, and finishes it when the pages end.
///
/// One page is held at a time. Whoever wants to see the progress inspects the stream.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// use billing_model::Page;
/// use std::convert::Infallible;
///
/// let page = Page::from_history_json(r#"{"nextCursor":null,"data":[{"timestamp":"2026-06-14T19:52:45.087Z",
///   "sku":"credit-purchase","pricePerUnitUsd":1,"units":25,"amount":25,"currency":"USD","notes":""}]}"#)?;
/// let pages = futures::stream::iter([Ok::<_, Infallible>(page)]);
/// let drained = billing_sink::drain(pages, Vec::new()).await?;
/// assert_eq!((drained.summary.entries, drained.output.len()), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`DrainError`] with the first error of the pages or of the sink. The sink is then dropped without `finish`, so
/// nothing that was written counts.
pub async fn drain<P, E, S>(pages: P, mut sink: S) -> Result<Drained<S::Output>, DrainError<E, S::Error>>
where
    P: Stream<Item = Result<Page, E>>,
    S: Sink,
{
    let mut pages = pin!(pages);
    let mut summary = Summary::default();
    while let Some(page) = pages.next().await {
        let entries = page.map_err(DrainError::Pages)?.entries;
        sink.write(&entries).map_err(DrainError::Sink)?;
        summary.extend(&entries);
    }
    let output = sink.finish().map_err(DrainError::Sink)?;
    Ok(Drained { summary, output })
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_model::{Paging, Timestamp, UsageEntry};
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

    impl Sink for Diary {
        type Output = &'static str;
        type Error = Refused;

        fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Refused> {
            self.lines.borrow_mut().push(format!("write {}", entries.len()));
            if self.refuse == "write" { Err(Refused("write")) } else { Ok(()) }
        }

        fn finish(self) -> Result<&'static str, Refused> {
            self.lines.borrow_mut().push("finish".to_owned());
            if self.refuse == "finish" { Err(Refused("finish")) } else { Ok("done") }
        }
    }

    fn page(amounts: &[&str]) -> Page {
        let entries =
            amounts.iter().zip(0..).map(|(amount, ns)| entry_at(Timestamp::from_unix_ns(ns), amount));
        Page { entries: entries.collect(), paging: Paging::ByCursor(None), warning: None }
    }

    async fn check(
        pages: Vec<Result<Page, Refused>>,
        refuse: &'static str,
        expect: Result<u64, DrainError<Refused, Refused>>,
        diary: &[&str],
    ) {
        let lines = Rc::default();
        let sink = Diary { refuse, lines: Rc::clone(&lines) };
        let found = drain(futures::stream::iter(pages), sink).await;
        assert_eq!(found.map(|drained| drained.summary.entries), expect);
        assert_eq!(*lines.borrow(), diary);
    }

    #[tokio::test]
    async fn a_sink_is_finished_only_after_every_page() {
        let pages = || vec![Ok(page(&["-1", "-1"])), Ok(page(&[])), Ok(page(&["2.5"]))];
        check(pages(), "", Ok(3), &["write 2", "write 0", "write 1", "finish"]).await;
        check(vec![], "", Ok(0), &["finish"]).await;

        let mut cut = pages();
        cut[1] = Err(Refused("cut"));
        check(cut, "", Err(DrainError::Pages(Refused("cut"))), &["write 2"]).await;
        check(pages(), "write", Err(DrainError::Sink(Refused("write"))), &["write 2"]).await;
        let all = ["write 2", "write 0", "write 1", "finish"];
        check(pages(), "finish", Err(DrainError::Sink(Refused("finish"))), &all).await;
    }

    #[tokio::test]
    async fn the_summary_counts_what_was_written() {
        let pages = [page(&["-1", "-1"]), page(&["2.5"])].map(Ok::<_, Refused>);
        let drained = drain(futures::stream::iter(pages), Vec::new()).await.unwrap();
        let amounts: Vec<_> =
            drained.summary.amounts.iter().map(|(c, sums)| format!("{} {c}", sums.net())).collect();
        assert_eq!(amounts, ["0.5 USD"]);
        assert_eq!(drained.output.len(), 3);
    }
}
