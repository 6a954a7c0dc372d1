//! The HTTP server of the live page. It only reads, and nothing that a viewer does or fails to do reaches the run.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_io_timeout::TimeoutStream;

use super::address::ServeAddress;
use super::answers::{self, Served};
use super::frames::Frames;
use super::run::LiveRun;
use crate::domain::local_url::local_url;

/// The most connections at once. More wait until one ends. There are more than viewers, so that a scraper has its answer.
const MOST_CONNECTIONS: usize = 400;

/// The most streams of frames at once. More are refused.
const MOST_VIEWERS: usize = 300;

/// How long a connection may take to send a request, or be idle before one.
const LONGEST_REQUEST: Duration = Duration::from_secs(5);

/// How long a viewer may read nothing of what is sent to it.
const LONGEST_WRITE: Duration = Duration::from_secs(30);

/// The time between two frames.
const EVERY: Duration = Duration::from_secs(1);

/// How long viewers have to fetch the run's end.
const LAST_FRAME: Duration = Duration::from_millis(500);

/// Where and how the page is served.
#[derive(Debug, Clone)]
pub(crate) struct ServeSettings {
    pub(crate) address: ServeAddress,
    /// Whether it may be an address that other computers can reach.
    pub(crate) allow_remote: bool,
}

/// Why the page is not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// Other computers can reach the address.
    #[error(
        "--serve {0} listens on {1}, which other computers can reach: they could read device IDs, ARNs and error messages, \
         without a password. Give --allow-remote if that is intended, or serve on 127.0.0.1:{port}",
        port = .1.port()
    )]
    NotLoopback(ServeAddress, SocketAddr),
    /// The port is in use.
    #[error(
        "--serve {0}: the port is in use, perhaps by another run; choose another one, or 0 for any free one"
    )]
    InUse(ServeAddress),
    /// The address is not one of this computer.
    #[error(
        "--serve {address}: this computer cannot listen there: {source}; give an address of this computer, such as \
         127.0.0.1:8080"
    )]
    Bind {
        address: ServeAddress,
        source: std::io::Error,
    },
}

/// A page that is served. It ends with [`LiveServer::close`], or when this value is dropped.
#[derive(Debug)]
pub(crate) struct LiveServer {
    url: String,
    frames: Arc<Frames>,
    closing: watch::Sender<bool>,
    /// Ends when the server has.
    has_closed: oneshot::Receiver<()>,
}

impl LiveServer {
    /// Listens, and serves the page of this run on a thread of its own: whatever viewers do, the run has its threads.
    pub(crate) fn start(settings: &ServeSettings, run: Arc<LiveRun>) -> Result<Self, ServeError> {
        let refused = |source| refused(&settings.address, source);
        let listener = listen(settings)?;
        let address = listener.local_addr().map_err(refused)?;
        let (closing, is_closing) = watch::channel(false);
        let (closed, has_closed) = oneshot::channel();
        let frames = Arc::new(Frames::new(Arc::clone(&run)));
        let served = Served {
            frames: Arc::clone(&frames),
            address: settings.address.clone(),
            viewers: Arc::new(Semaphore::new(MOST_VIEWERS)),
            is_closing,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(refused)?;
        let thread = std::thread::Builder::new().name("live page".to_owned());
        let serving = move || {
            runtime.block_on(serve(listener, run, served));
            // The run may have ended without waiting.
            let _ = closed.send(());
        };
        thread.spawn(serving).map_err(refused)?;
        Ok(Self {
            url: format!("{}/", local_url(address)),
            frames,
            closing,
            has_closed,
        })
    }

    /// The page's URL for this computer.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Sends the viewers a last frame, and ends.
    pub(crate) async fn close(self) {
        self.frames.refresh();
        self.closing.send_replace(true);
        // A viewer that has not fetched it by then does not get it.
        let _ = tokio::time::timeout(2 * LAST_FRAME, self.has_closed).await;
    }
}

/// Serves until the server closes, or is dropped.
async fn serve(listener: std::net::TcpListener, run: Arc<LiveRun>, served: Served) {
    // An error would mean that the runtime has no reactor.
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let (frames, is_closing) = (Arc::clone(&served.frames), served.is_closing.clone());
    let tick = async {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            run.sample();
            frames.refresh();
        }
    };
    tokio::select! {
        () = tick => {}
        () = accept(listener, router(served), is_closing) => {}
    }
}

fn refused(address: &ServeAddress, source: std::io::Error) -> ServeError {
    let address = address.clone();
    match source.kind() {
        ErrorKind::AddrInUse => ServeError::InUse(address),
        _ => ServeError::Bind { address, source },
    }
}

fn listen(settings: &ServeSettings) -> Result<std::net::TcpListener, ServeError> {
    let address = &settings.address;
    let refused = |source| refused(address, source);
    let resolved = address.resolve().map_err(refused)?;
    let is_remote = |one: &&SocketAddr| !one.ip().to_canonical().is_loopback();
    let remote = resolved.iter().find(is_remote);
    if let Some(remote) = remote.filter(|_| !settings.allow_remote) {
        return Err(ServeError::NotLoopback(address.clone(), *remote));
    }
    let listener = std::net::TcpListener::bind(&*resolved).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    Ok(listener)
}

fn router(served: Served) -> Router {
    let check = axum::middleware::from_fn_with_state(served.clone(), answers::checked);
    Router::new()
        .route("/", get(answers::page))
        .route("/events", get(answers::events))
        .route("/status.json", get(answers::status))
        .route("/metrics", get(answers::metrics))
        .route("/favicon.ico", get(answers::no_icon))
        .fallback(answers::not_found)
        .layer(check)
        .with_state(served)
}

/// Serves connections until the server closes.
async fn accept(listener: TcpListener, router: Router, is_closing: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut closed = is_closing.clone();
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await.ok()?;
            Some((listener.accept().await, slot))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            // An error means that the run has ended without closing it.
            _ = closed.wait_for(|closing| *closing) => break,
        };
        match accepted {
            Some((Ok((stream, _)), slot)) => {
                let connection = connection(stream, router.clone(), is_closing.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            // Too many files are open, for example: the run needs them first.
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_FRAME, all).await;
}

/// Serves one connection to its end.
async fn connection(stream: TcpStream, router: Router, mut is_closing: watch::Receiver<bool>) {
    // Without it a frame's last packet may wait for an acknowledgement. An error only makes the connection slower.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(LONGEST_WRITE));
    let serving = http1::Builder::new()
        // A client that sends nothing more still gets its answer.
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(LONGEST_REQUEST)
        .serve_connection(
            TokioIo::new(Box::pin(stream)),
            TowerToHyperService::new(router),
        );
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        // How a connection ends does not matter here.
        _ = serving.as_mut() => return,
        _ = is_closing.wait_for(|closing| *closing) => {}
    }
    Pin::as_mut(&mut serving).graceful_shutdown();
    let _ = serving.await;
}
