//! [`Stub`]: raw hyper that keeps nothing: the limit of what an HTTP server does on this machine.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use portal_model::server::{self, Refusal, rejections};
use portal_model::{ApiVersion, Portal};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// What the paths of the stub do.
pub(crate) struct Stub {
    names: Mutex<HashSet<String>>,
    created: Bytes,
    rejected: Bytes,
    listed: Bytes,
}

/// A body of the API, read with nothing checked.
#[derive(Deserialize)]
struct Body {
    portals: [Named; 1],
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Stub {
    /// Creates, in a set in memory.
    pub(crate) const CREATE: &str = "/create";
    /// Reads the JSON, and rejects it.
    pub(crate) const REJECT: &str = "/reject";
    /// Lists one portal.
    pub(crate) const LIST: &str = "/list";

    /// Prints its address, and serves until it is killed.
    pub(crate) fn run(workers: usize) {
        let mut runtime = Builder::new_multi_thread();
        let runtime = runtime.worker_threads(workers).enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            println!("{}", listener.local_addr().expect("its address"));
            let portals = [Portal::new("PortalsAPItest100")];
            let stub = Arc::new(Self {
                names: Mutex::default(),
                created: server::created(ApiVersion::V7, "PortalsAPItest100").body.into(),
                rejected: Refusal::Item(rejections::already_used()).response().body.into(),
                listed: server::list(&portals).body.into(),
            });
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                stream.set_nodelay(true).expect("an open socket");
                let stub = Arc::clone(&stub);
                let service = service_fn(move |request| Self::respond(Arc::clone(&stub), request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
    }

    async fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path().to_owned();
        let mut response = self.listed.clone();
        if request.method() == Method::POST {
            let body = request.into_body().collect().await.expect("a whole body").to_bytes();
            let Body { portals: [Named { name }] } = serde_json::from_slice(&body).expect("a body");
            response = if path == Self::CREATE {
                assert!(self.names.lock().expect("no panic").insert(name), "a new name");
                self.created.clone()
            } else {
                self.rejected.clone()
            };
        }
        let mut response = Response::new(Full::new(response));
        response.headers_mut().insert(CONTENT_TYPE, "application/json".parse().expect("a value"));
        if path == Self::REJECT {
            *response.status_mut() = hyper::StatusCode::BAD_REQUEST;
        }
        Ok(response)
    }
}
