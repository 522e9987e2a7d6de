//! Sends a reply as it was told to be sent, and ends the connection so.

use std::io;

use bytes::Buf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::reply::{Ending, Reply};

/// Sends a reply. True when the connection goes on after it.
pub(crate) async fn deliver(reply: &Reply, stream: &mut TcpStream) -> io::Result<bool> {
    if !reply.wait.is_zero() {
        tokio::time::sleep(reply.wait).await;
    }
    let (head, body) = reply.wire();
    let mut bytes = head.chain(body);
    match reply.pause {
        // One call for both: the body of a ready page is not copied.
        None => stream.write_all_buf(&mut bytes).await?,
        Some(pause) => {
            while bytes.has_remaining() {
                // Also without a pause the client gets to see the byte alone.
                tokio::task::yield_now().await;
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                stream.write_u8(bytes.get_u8()).await?;
            }
        }
    }
    match reply.ending {
        Ending::GoesOn => return Ok(true),
        Ending::Closed => {}
        // Closing a socket that may not linger sends a reset.
        Ending::Reset => stream.set_zero_linger()?,
        Ending::Stalled => while stream.read(&mut [0; 64]).await? > 0 {},
    }
    Ok(false)
}
