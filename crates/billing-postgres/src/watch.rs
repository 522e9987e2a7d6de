//! Watches what the database says beside its answers.
//!
//! A commit waits for the standbys that the server has to wait for. When an administrator cancels that wait, the commit is answered as any
//! other one, and a warning says before it that no standby may have what was stored. Such a connection is ended at the warning, so that
//! whoever commits hears what is true: that the outcome is not known.

use std::future::poll_fn;

use deadpool_postgres::Connect;
use futures::future::BoxFuture;
use tokio::task::{JoinHandle, spawn};
use tokio_postgres::error::DbError;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Config, Error, Socket};

/// Connects, with TLS as it is said here, and watches the connection.
pub(crate) struct Watched<T>(pub(crate) T);

impl<T> Connect for Watched<T>
where
    T: MakeTlsConnect<Socket> + Clone + Sync + Send + 'static,
    T::Stream: Sync + Send,
    T::TlsConnect: Sync + Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn connect(&self, config: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        let (tls, config) = (self.0.clone(), config.clone());
        Box::pin(async move {
            let (client, mut connection) = config.connect(tls).await?;
            // It ends with the client, or with the connection: then each call on it fails.
            let task = spawn(async move {
                while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                    if matches!(&message, AsyncMessage::Notice(notice) if is_of_a_wait(notice)) {
                        break;
                    }
                }
            });
            Ok((client, task))
        })
    }
}

/// True for what is said of a wait for standbys. The warning has no code of its own, and its text is in the server's language, so it is
/// known by the function of the server that says it.
fn is_of_a_wait(notice: &DbError) -> bool {
    notice.routine() == Some("SyncRepWaitForLSN")
}
