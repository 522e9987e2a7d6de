//! Sends a reply as it was told to be sent, and ends the connection so.

use std::io;
use std::time::Duration;

use bytes::Buf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::reply::{Ending, Reply};

/// Sends a reply. True when the connection goes on after it. What the client sends meanwhile is kept in the buffer: it is
/// the next request.
pub(crate) async fn deliver(reply: &Reply, stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<bool> {
    if !reply.wait.is_zero() && !stays(stream, buffer, reply.wait).await? {
        return Ok(false);
    }
    let (head, body) = reply.wire();
    let mut bytes = head.chain(body);
    match reply.pause {
        // One call for both: the body of a ready page is not copied.
        None => stream.write_all_buf(&mut bytes).await?,
        Some(pause) => {
            while bytes.has_remaining() {
                // Without a pause, too, the client sees each byte alone.
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

/// Waits for so long. False when the client leaves before: nobody waits for that reply any more.
async fn stays(stream: &mut TcpStream, buffer: &mut Vec<u8>, wait: Duration) -> io::Result<bool> {
    let end = Instant::now() + wait;
    while let Ok(read) = timeout_at(end, stream.read_buf(buffer)).await {
        if read? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
