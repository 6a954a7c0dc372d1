//! Connections that can be reset or closed by a fault. A [`FaultConnection`] is a TCP stream until its [`EndHandle`] is
//! set; from then on it discards what the HTTP server writes, and closes. This module knows nothing about HTTP.

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
enum EndKind {
    /// With a TCP reset.
    Reset,
    /// With an orderly close after these bytes.
    CloseAfter(Vec<u8>),
}

/// The handle with which a request handler ends its connection. The connection ends when the server writes the answer,
/// so the handler must return an answer of any kind.
#[derive(Debug, Clone, Default)]
pub(super) struct EndHandle(Arc<OnceLock<EndKind>>);

impl EndHandle {
    /// Resets the connection.
    pub(super) fn reset(&self) {
        // An error means that the connection is ending already.
        let _ = self.0.set(EndKind::Reset);
    }

    /// Writes these bytes, then closes the connection.
    pub(super) fn close_after(&self, bytes: Vec<u8>) {
        let _ = self.0.set(EndKind::CloseAfter(bytes));
    }
}

impl Connected<IncomingStream<'_, FaultListener>> for EndHandle {
    fn connect_info(stream: IncomingStream<'_, FaultListener>) -> Self {
        stream.io().ending.clone()
    }
}

#[derive(Debug)]
pub(super) struct FaultListener(pub(super) TcpListener);

impl Listener for FaultListener {
    type Io = FaultConnection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (FaultConnection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Without it the answer's last packet may wait for an acknowledgement. An error only makes the connection
        // slower.
        let _ = stream.set_nodelay(true);
        let connection = FaultConnection {
            stream,
            ending: EndHandle::default(),
            written: 0,
        };
        (connection, address)
    }

    fn local_addr(&self) -> Result<SocketAddr> {
        self.0.local_addr()
    }
}

#[derive(Debug)]
pub(super) struct FaultConnection {
    stream: TcpStream,
    ending: EndHandle,
    /// How many of the bytes before the close have been written.
    written: usize,
}

impl FaultConnection {
    /// Ends the connection if the handle is set.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self.ending.0.get() {
            None => Poll::Ready(Ok(())),
            Some(EndKind::Reset) => {
                // The reset follows when the server drops the stream.
                self.stream.set_zero_linger()?;
                Poll::Ready(Err(ErrorKind::ConnectionReset.into()))
            }
            Some(EndKind::CloseAfter(bytes)) => {
                while let Some(rest) = bytes.get(self.written..).filter(|rest| !rest.is_empty()) {
                    let stream = Pin::new(&mut self.stream);
                    self.written += ready!(stream.poll_write(cx, rest))?;
                }
                Poll::Ready(Err(Error::from(ErrorKind::ConnectionAborted)))
            }
        }
    }
}

impl AsyncRead for FaultConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for FaultConnection {
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
