//! Counts the pages that several connections can fetch in a given time.

use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Bench, PAGE_ENTRIES, numbered};
use crate::connection::{Connection, next_target};
use crate::figures::per_second;

/// How long a measurement is: thousands of our pages, and some hundred of the peer's.
const TIME: Duration = Duration::from_millis(2500);

/// Connections at the same time. One shows the time of a page, four show what two cores can do.
pub(super) const CONNECTIONS: [usize; 2] = [1, 4];

/// A walk over pages. Each call fetches the next page and returns the bytes of its body. After the last page it begins
/// anew.
pub(super) type Walk<'a> = Box<dyn FnMut() -> Result<usize> + Send + 'a>;

/// How such a walk begins.
pub(super) type Begin<'a> = &'a dyn Fn(&Bench) -> Result<Walk<'static>>;

/// The result of a measurement.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    pages: u64,
    bytes: u64,
    elapsed: Duration,
}

impl Load {
    pub(super) fn add(&mut self, other: Self) {
        self.pages += other.pages;
        self.bytes += other.bytes;
        self.elapsed += other.elapsed;
    }

    pub(super) fn pages_per_second(&self) -> u64 {
        per_second(self.pages, self.elapsed)
    }

    /// The mean size of a page in kilobytes, with one decimal place.
    pub(super) fn page_kilobytes(&self) -> String {
        let tenths = self.bytes / self.pages.max(1) / 100;
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

/// Begins so many walks and measures them side by side.
///
/// # Errors
/// When a walk cannot be begun, or a page cannot be fetched.
pub(super) fn run<'a>(connections: usize, begin: &dyn Fn() -> Result<Walk<'a>>) -> Result<Load> {
    let mut walks = begun(connections, begin)?;
    go_on(&mut walks, TIME)
}

/// Begins so many walks, each at its second page. The first page warms up what the later ones use.
///
/// # Errors
/// When a walk cannot be begun, or its first page cannot be fetched.
pub(super) fn begun<'a>(connections: usize, begin: &dyn Fn() -> Result<Walk<'a>>) -> Result<Vec<Walk<'a>>> {
    let mut walks = (0..connections).map(|_| begin()).collect::<Result<Vec<_>>>()?;
    walks.iter_mut().try_for_each(|walk| walk().map(drop))?;
    Ok(walks)
}

/// Measures walks side by side for a turn.
///
/// # Errors
/// When a page cannot be fetched.
pub(super) fn go_on(walks: &mut [Walk<'_>], time: Duration) -> Result<Load> {
    let start = Instant::now();
    let pages = thread::scope(|scope| {
        let go_on = |walk: &mut Walk<'_>| {
            let (mut pages, mut bytes) = (0, 0);
            while start.elapsed() < time {
                bytes += walk()? as u64;
                pages += 1;
            }
            Ok((pages, bytes))
        };
        let threads: Vec<_> = walks.iter_mut().map(|walk| scope.spawn(move || go_on(walk))).collect();
        joined(threads)
    })?;
    let elapsed = start.elapsed();
    let (pages, bytes) = pages.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    Ok(Load { pages, bytes, elapsed })
}

/// The results of all threads, or the first error.
///
/// # Errors
/// When one of them failed.
pub(crate) fn joined<T>(threads: Vec<ScopedJoinHandle<'_, Result<T>>>) -> Result<Vec<T>> {
    let ended: Vec<_> = threads.into_iter().map(ScopedJoinHandle::join).collect();
    ended.into_iter().map(|end| end.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
}

/// Our ledger by cursor.
///
/// # Errors
/// When the server cannot be reached.
pub(super) fn by_cursor(bench: &Bench) -> Result<Walk<'static>> {
    let mut connection = bench.connect()?;
    let mut target = first_by_cursor();
    Ok(Box::new(move || {
        let page = connection.get(&target)?;
        target = next_target(page.body()).unwrap_or_else(first_by_cursor);
        Ok(page.body().len())
    }))
}

/// Our ledger by page number.
///
/// # Errors
/// When the server cannot be reached.
pub(super) fn by_number(bench: &Bench) -> Result<Walk<'static>> {
    let (mut connection, last) = (bench.connect()?, bench.last_page());
    let mut page = 0;
    Ok(Box::new(move || {
        page = page % last + 1;
        connection.get(&numbered(page)).map(|page| page.body().len())
    }))
}

/// The targets of so many pages by cursor. Each can be fetched any number of times.
///
/// # Errors
/// When a page cannot be fetched.
pub(super) fn targets_by_cursor(connection: &mut Connection, count: usize) -> Result<Vec<String>> {
    let mut targets = vec![first_by_cursor()];
    while targets.len() < count
        && let Some(next) = targets
            .last()
            .map(|target| connection.get(target).map(|page| next_target(page.body())))
            .transpose()?
            .flatten()
    {
        targets.push(next);
    }
    Ok(targets)
}

fn first_by_cursor() -> String {
    format!("/billing/usage-history?pageSize={PAGE_ENTRIES}")
}
