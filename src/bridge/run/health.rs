//! The page of numbers and the two of health, over HTTP.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::metrics::Metrics;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Whether messages are taken just now, and the last probe got through; why not, otherwise.
#[derive(Clone, Default)]
pub struct Readiness {
    problems: Arc<Mutex<Problems>>,
}

#[derive(Default)]
struct Problems {
    bridge: Option<String>,
    probe: Option<String>,
}

impl Readiness {
    /// None: messages are taken.
    pub fn set(&self, problem: Option<String>) {
        self.lock().bridge = problem;
    }

    /// None: the last probe got through, or there was none yet.
    pub fn set_probe(&self, problem: Option<String>) {
        self.lock().probe = problem;
    }

    fn get(&self) -> Option<String> {
        let problems = self.lock();
        problems.bridge.clone().or_else(|| problems.probe.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Problems> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An address that is listened on already.
pub struct Health {
    listener: TcpListener,
}

impl Health {
    /// # Errors
    /// When the address is taken or not this machine's.
    pub async fn listen(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).await;
        Ok(Self { listener: listener.with_context(|| format!("listening on {address} for metrics and health"))? })
    }

    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Answers until `stop` is cancelled.
    pub async fn serve(self, metrics: Arc<Metrics>, readiness: Readiness, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            // One that is gone already needs no answer.
            let Ok((stream, _)) = accepted else { continue };
            let (metrics, readiness) = (Arc::clone(&metrics), readiness.clone());
            let answer = service_fn(move |request: Request<Incoming>| {
                let response = respond(request.method(), request.uri().path(), &metrics, &readiness);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), answer));
        }
    }
}

fn respond(method: &Method, path: &str, metrics: &Metrics, readiness: &Readiness) -> Response<Full<Bytes>> {
    let plain = |status, text: String| response(status, PLAIN, text);
    if !matches!(*method, Method::GET | Method::HEAD) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    match path {
        "/metrics" => match metrics.text() {
            Ok(text) => response(StatusCode::OK, OPEN_METRICS, text),
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")),
        },
        "/healthz" => plain(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => match readiness.get() {
            None => plain(StatusCode::OK, "ok\n".to_owned()),
            Some(problem) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n")),
        },
        _ => plain(StatusCode::NOT_FOUND, "there is /metrics, /healthz and /readyz\n".to_owned()),
    }
}

fn response(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}
