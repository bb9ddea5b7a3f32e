//! A server for a test, and a page to look into it, until Ctrl-C.
//!
//! `cargo run -p portal-inspect --example look`

#![expect(clippy::print_stdout, reason = "an example for people")]

use std::error::Error;

use portal_http::server::LocalServer;
use portal_inspect::{Inspector, Watch};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let watch = Watch::new();
    let noticed = watch.clone();
    let server = LocalServer::builder()
        .on_request(move |request| noticed.notice(request))
        .fault("GET request:500:1/2".parse()?)
        .start()
        .await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("The API is at {}, and every second GET fails", server.url());
    println!("Look into it at http://{}/", listener.local_addr()?);
    let inspector = Inspector::new(server.service().clone(), watch, server.url())
        .throwaway(server.registry().clone(), server.seed().clone());
    tokio::select! {
        () = inspector.serve(listener) => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}
