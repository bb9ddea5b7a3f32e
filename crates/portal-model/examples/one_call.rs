//! One create over a plain `TcpStream`: a transport of your own needs nothing but portal-model.
//!
//! ```text
//! portal serve --listen 127.0.0.1:8780                      # in another terminal
//! cargo run -p portal-model --example one_call -- 127.0.0.1:8780 ACCESS_TOKEN PortalsAPItest100
//! ```

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;

use portal_model::{ApiVersion, CreatePortal, Endpoint, PortalName, Request, Response, Secret};

fn main() -> Result<(), Box<dyn Error>> {
    let [host, token, name] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "expected three arguments: HOST:PORT ACCESS_TOKEN NAME")?;
    let create = CreatePortal::new(PortalName::parse(&name)?);
    let request = create.request(ApiVersion::V7).authorized(&Secret::new(token));
    let created = create.decode(&send(&host, &request)?)?;
    writeln!(std::io::stdout(), "created {created}")?;
    Ok(())
}

/// Sends a request and reads the whole answer.
fn send(host: &str, request: &Request) -> Result<Response, Box<dyn Error>> {
    let mut stream = TcpStream::connect(host)?;
    write!(stream, "{} {} HTTP/1.1\r\nhost: {host}\r\n", request.method, request.path)?;
    write!(stream, "connection: close\r\ncontent-length: {}\r\n", request.body.len())?;
    for (name, value) in &request.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    stream.write_all(b"\r\n")?;
    stream.write_all(&request.body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;

    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or("cut answer")?;
    let body = answer.split_off(head + 4);
    let head = String::from_utf8(answer)?;
    let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
    Ok(Response::new(status, body))
}
