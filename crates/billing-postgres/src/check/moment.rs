//! One moment of the ledger: a transaction that only reads, and the rows that it sees.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::pin;

use billing_ledger::Error;
use deadpool_postgres::ClientWrapper;
use futures::TryStreamExt as _;
use tokio_postgres::Row;

use crate::connections::{Connections, Limit};
use crate::failure::Failure;
use crate::session::{Session, Values};

/// Every part of it sees the same state. Tables are read by their indexes, in the order of accounts at least: the plan may not sort a
/// whole table on the database's disk, and an index that lacks rows is found. A statement takes as long as it takes.
const BEGIN: &str = "
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL statement_timeout = 0; SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off";

/// The bytes of rows that are fetched at a time, about, and the most rows. What comes next may be much longer than what came last.
const BYTES_AT_ONCE: usize = 1 << 20;
const MOST_AT_ONCE: usize = 1024;
const FIRST_AT_ONCE: usize = 50;

/// A connection in its transaction, which ends with it.
pub(super) struct Moment<'c> {
    connections: &'c Connections,
    client: ClientWrapper,
    cursors: Cell<u64>,
    /// Statements that begin cursors from which nothing was fetched yet. They are sent together.
    begun: RefCell<String>,
}

impl<'c> Moment<'c> {
    pub(super) fn begin(connections: &'c Connections) -> Result<Self, Error> {
        let (client, begun) = (connections.take()?, RefCell::default());
        let moment = Self { connections, client, cursors: Cell::new(0), begun };
        connections.on(Limit::None, moment.session().run(BEGIN))?;
        Ok(moment)
    }

    fn session(&self) -> Session<'_> {
        Session(&self.client)
    }

    /// Waits on this thread for an answer.
    fn wait<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        // An error that is not made of the failure yet says more: damage is told by it.
        let mut failed = None;
        let done = self.connections.on(Limit::None, async {
            Ok(match work.await {
                Ok(done) => Some(done),
                Err(failure) => {
                    failed = Some(failure);
                    None
                }
            })
        })?;
        match (done, failed) {
            (Some(done), _) => Ok(done),
            (None, failure) => {
                Err(failure.unwrap_or_else(|| Failure::damaged("an answer was lost on its way")))
            }
        }
    }

    /// Runs statements without values.
    pub(super) fn run(&self, sql: &str) -> Result<(), Failure> {
        self.wait(self.session().run(sql))
    }

    /// The only row of a statement.
    pub(super) fn row(&self, sql: &str, values: Values<'_>) -> Result<Row, Failure> {
        self.wait(self.session().row(sql, values))
    }

    /// Passes over the rows of a statement.
    pub(super) fn each(
        &self,
        sql: &str,
        values: Values<'_>,
        mut take: impl FnMut(&Row) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.wait(async {
            let mut rows = pin!(self.session().stream(sql, values).await?);
            while let Some(row) = rows.try_next().await? {
                take(&row)?;
            }
            Ok(())
        })
    }

    /// Begins to read rows, beside others that are being read.
    pub(super) fn rows(&self, sql: &str) -> Rows<'_> {
        let name = format!("c{}", self.cursors.replace(self.cursors.get() + 1));
        self.begun.borrow_mut().push_str(&format!("DECLARE {name} NO SCROLL CURSOR FOR {sql};"));
        let (next, at_once) = (VecDeque::new(), FIRST_AT_ONCE);
        Rows { moment: self, name, next, at_once, is_done: false, count: 0 }
    }

    /// Up to so many rows of a cursor.
    fn fetch(&self, name: &str, at_once: usize) -> Result<Vec<Row>, Failure> {
        let begun = self.begun.take();
        self.wait(async {
            if !begun.is_empty() {
                self.session().run(&begun).await?;
            }
            // Nothing is prepared for it, so one answer does.
            Ok(self.client.query_typed(&format!("FETCH {at_once} FROM {name}"), &[]).await?)
        })
    }
}

/// The rows of a statement, some at a time. Any number of statements can be read side by side, on one connection.
pub(super) struct Rows<'m> {
    moment: &'m Moment<'m>,
    /// The name of the cursor.
    name: String,
    next: VecDeque<Row>,
    at_once: usize,
    is_done: bool,
    count: u64,
}

impl<'m> Rows<'m> {
    /// The next row, which stays the next one.
    pub(super) fn peek(&mut self) -> Result<Option<&Row>, Failure> {
        if self.next.is_empty() && !self.is_done {
            self.fetch()?;
        }
        Ok(self.next.front())
    }

    /// The next row.
    pub(super) fn next(&mut self) -> Result<Option<Row>, Failure> {
        self.peek()?;
        let row = self.next.pop_front();
        self.count += u64::from(row.is_some());
        Ok(row)
    }

    /// The account of the next row: its first column.
    pub(super) fn account(&mut self) -> Result<Option<i64>, Failure> {
        Ok(self.peek()?.map(|row| row.try_get(0)).transpose()?)
    }

    /// The next row if it is of this account.
    pub(super) fn peek_of(&mut self, account: i64) -> Result<Option<&Row>, Failure> {
        match self.account()? == Some(account) {
            true => self.peek(),
            false => Ok(None),
        }
    }

    /// The same, and the one behind it is the next then.
    pub(super) fn next_of(&mut self, account: i64) -> Result<Option<Row>, Failure> {
        match self.account()? == Some(account) {
            true => self.next(),
            false => Ok(None),
        }
    }

    /// How many rows were read.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    fn fetch(&mut self) -> Result<(), Failure> {
        let rows = self.moment.fetch(&self.name, self.at_once)?;
        self.is_done = rows.len() < self.at_once;
        let bytes: usize = rows.iter().map(Row::raw_size_bytes).sum();
        let wanted = BYTES_AT_ONCE / (bytes / rows.len().max(1)).max(1);
        self.at_once = wanted.clamp(1, MOST_AT_ONCE);
        self.next.extend(rows);
        Ok(())
    }
}
