//! Copies entries into a table, piece by piece: the database stores one piece while the next one is being made.

use std::borrow::Cow;
use std::pin::Pin;

use billing_ledger::{AccountId, Position};
use billing_model::UsageEntry;
use bytes::{Bytes, BytesMut};
use futures::SinkExt as _;
use tokio_postgres::CopyInSink;

use crate::failure::Failure;
use crate::row::{self, HEADER, TRAILER};
use crate::session::Session;

/// How many bytes are sent at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Room for the rows of a piece and the one that is too long for it, mostly.
const ROOM_BYTES: usize = PIECE_BYTES + (4 << 10);

/// A copy that begins with its first entry. While it is under way, its connection takes nothing else.
pub(crate) struct EntryCopy<'c> {
    session: Session<'c>,
    sql: Cow<'static, str>,
    sink: Option<Pin<Box<CopyInSink<Bytes>>>>,
    rows: BytesMut,
}

impl<'c> EntryCopy<'c> {
    /// A copy by this statement, which has the columns of [`row::COPY`].
    pub(crate) fn new(session: Session<'c>, sql: Cow<'static, str>) -> Self {
        Self { session, sql, sink: None, rows: BytesMut::new() }
    }

    /// Copies an entry.
    pub(crate) async fn write(
        &mut self,
        account: AccountId,
        position: Position,
        entry: &UsageEntry,
    ) -> Result<(), Failure> {
        if self.sink.is_none() {
            self.sink = Some(Box::pin(self.session.copy_in(&self.sql).await?));
            self.rows.reserve(ROOM_BYTES);
            self.rows.extend_from_slice(HEADER);
        }
        row::write(&mut self.rows, account, position, entry);
        if self.rows.len() >= PIECE_BYTES {
            self.send().await?;
            self.rows.reserve(ROOM_BYTES);
        }
        Ok(())
    }

    /// Ends the copy, if one is under way. The next entry begins another one.
    pub(crate) async fn end(&mut self) -> Result<(), Failure> {
        if self.sink.is_none() {
            return Ok(());
        }
        self.rows.extend_from_slice(TRAILER);
        self.send().await?;
        if let Some(mut sink) = self.sink.take() {
            sink.as_mut().finish().await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Failure> {
        if let Some(sink) = &mut self.sink {
            sink.feed(self.rows.split().freeze()).await?;
        }
        Ok(())
    }
}
