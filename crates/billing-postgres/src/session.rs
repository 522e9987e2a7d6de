//! One connection while a call has it. Each statement is prepared once in the life of a connection.

use bytes::Bytes;
use deadpool_postgres::ClientWrapper;
use tokio_postgres::types::ToSql;
use tokio_postgres::{CopyInSink, Row, RowStream};

use crate::failure::Failure;

/// The values of a statement.
pub(crate) type Values<'v> = &'v [&'v (dyn ToSql + Sync)];

/// A connection that a call has to itself. Statements that are asked for at once, by `join`, are sent at once, and answered in their
/// order.
#[derive(Clone, Copy)]
pub(crate) struct Session<'c>(pub(crate) &'c ClientWrapper);

impl Session<'_> {
    /// All rows of a statement. It is for few rows: all of them are in memory.
    pub(crate) async fn rows(self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Failure> {
        let statement = self.0.prepare_cached(sql).await?;
        Ok(self.0.query(&statement, values).await?)
    }

    /// The only row of a statement.
    pub(crate) async fn row(self, sql: &str, values: Values<'_>) -> Result<Row, Failure> {
        let statement = self.0.prepare_cached(sql).await?;
        Ok(self.0.query_one(&statement, values).await?)
    }

    /// The row of a statement that has one or none.
    pub(crate) async fn row_if_any(self, sql: &str, values: Values<'_>) -> Result<Option<Row>, Failure> {
        let statement = self.0.prepare_cached(sql).await?;
        Ok(self.0.query_opt(&statement, values).await?)
    }

    /// The rows of a statement as they come. What is not read of them is passed over when the stream is dropped.
    pub(crate) async fn stream(self, sql: &str, values: Values<'_>) -> Result<RowStream, Failure> {
        let statement = self.0.prepare_cached(sql).await?;
        Ok(self.0.query_raw(&statement, values.iter().copied()).await?)
    }

    /// Runs a statement: how many rows it has changed.
    pub(crate) async fn execute(self, sql: &str, values: Values<'_>) -> Result<u64, Failure> {
        let statement = self.0.prepare_cached(sql).await?;
        Ok(self.0.execute(&statement, values).await?)
    }

    /// Runs statements without values.
    pub(crate) async fn run(self, sql: &str) -> Result<(), Failure> {
        Ok(self.0.batch_execute(sql).await?)
    }

    /// Begins to copy rows in.
    pub(crate) async fn copy_in(self, sql: &str) -> Result<CopyInSink<Bytes>, Failure> {
        let statement = self.0.prepare_cached(sql).await?;
        Ok(self.0.copy_in(&statement).await?)
    }
}
