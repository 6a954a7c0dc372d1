//! Connections that can end badly on purpose. A [`Line`] is a TCP stream until its [`Ending`] is set; then it lets nothing
//! of the HTTP server's answer through, says its last words instead, and ends. It knows nothing of HTTP.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// How a connection ends.
#[derive(Debug)]
enum LastWords {
    /// With a TCP reset.
    Reset,
    /// In order, after these bytes.
    Say(Vec<u8>),
}

/// The handle by which a request's handler ends the connection that it came on. The end comes when the server writes its
/// answer, so the handler must return one, of any kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending(Arc<OnceLock<LastWords>>);

impl Ending {
    /// The connection will be reset.
    pub(super) fn reset(&self) {
        // Set already means that the connection ends already.
        let _ = self.0.set(LastWords::Reset);
    }

    /// The connection will close after these bytes.
    pub(super) fn say(&self, bytes: Vec<u8>) {
        let _ = self.0.set(LastWords::Say(bytes));
    }
}

impl Connected<IncomingStream<'_, Door>> for Ending {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().ending.clone()
    }
}

/// Accepts connections.
#[derive(Debug)]
pub(super) struct Door(pub(super) TcpListener);

impl Listener for Door {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Without it the answer's last packet may wait for an acknowledgement; a failure costs speed only.
        let _ = stream.set_nodelay(true);
        let line = Line {
            stream,
            ending: Ending::default(),
            said: 0,
        };
        (line, address)
    }

    fn local_addr(&self) -> Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    ending: Ending,
    /// How much of the last words is said.
    said: usize,
}

impl Line {
    /// Ends the connection, if it is to end.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self.ending.0.get() {
            None => Poll::Ready(Ok(())),
            Some(LastWords::Reset) => {
                // The reset follows when the server drops the stream.
                self.stream.set_zero_linger()?;
                Poll::Ready(Err(ErrorKind::ConnectionReset.into()))
            }
            Some(LastWords::Say(words)) => {
                while let Some(rest) = words.get(self.said..).filter(|rest| !rest.is_empty()) {
                    let stream = Pin::new(&mut self.stream);
                    self.said += ready!(stream.poll_write(cx, rest))?;
                }
                Poll::Ready(Err(Error::from(ErrorKind::ConnectionAborted)))
            }
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        ready!(self.poll_end(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        ready!(self.poll_end(cx))?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
