//! As many pages as several connections get in a time.

use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Bench, PAGE_ENTRIES, numbered};
use crate::connection::{Connection, next_target};
use crate::figures::per_second;

/// How long walks go at a time: thousands of our pages, and of the peer's some hundred.
const TIME: Duration = Duration::from_millis(2500);

/// How many connections ask at the same time: one shows the time of a page, four what two cores have to give.
pub(super) const CONNECTIONS: [usize; 2] = [1, 4];

/// A pass over pages: each call asks for the next one and gives the bytes of its body. At the end it begins anew.
pub(super) type Walk<'a> = Box<dyn FnMut() -> Result<usize> + Send + 'a>;

/// How such a pass begins.
pub(super) type Begin<'a> = &'a dyn Fn(&Bench) -> Result<Walk<'static>>;

/// What a load got.
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

    /// Kilobytes of a page, on the average, to the tenth.
    pub(super) fn page_kilobytes(&self) -> String {
        let tenths = self.bytes / self.pages.max(1) / 100;
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

/// Lets so many walks go side by side.
///
/// # Errors
/// When one of them cannot be begun, or a page is not had.
pub(super) fn run<'a>(connections: usize, begin: &dyn Fn() -> Result<Walk<'a>>) -> Result<Load> {
    let mut walks = begun(connections, begin)?;
    go_on(&mut walks, TIME)
}

/// So many walks, each at its second page: the first one warms up what all later ones use.
///
/// # Errors
/// When one of them cannot be begun, or its first page is not had.
pub(super) fn begun<'a>(connections: usize, begin: &dyn Fn() -> Result<Walk<'a>>) -> Result<Vec<Walk<'a>>> {
    let mut walks = (0..connections).map(|_| begin()).collect::<Result<Vec<_>>>()?;
    walks.iter_mut().try_for_each(|walk| walk().map(drop))?;
    Ok(walks)
}

/// Lets walks go on side by side for a time.
///
/// # Errors
/// When a page is not had.
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

/// What all threads found, or what the first of them complained about.
///
/// # Errors
/// When one of them failed.
pub(super) fn joined<T>(threads: Vec<ScopedJoinHandle<'_, Result<T>>>) -> Result<Vec<T>> {
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

/// The targets of so many pages by cursor, which can be asked for as often as one likes.
///
/// # Errors
/// When a page is not had.
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
