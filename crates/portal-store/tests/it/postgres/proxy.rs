//! [`Proxy`]: sits between a registry and its database and simulates network failures.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::AbortHandle;
use tokio_postgres::config::Host;

/// What is lost from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    None,
    /// The connection is cut before the database receives the request.
    Request,
    /// The database receives the request; the connection is cut before its response.
    Response,
    /// The same for the end of a transaction only.
    Commit,
    /// Both directions stall without being closed.
    Everything,
}

const LOSSES: [Loss; 5] =
    [Loss::None, Loss::Request, Loss::Response, Loss::Commit, Loss::Everything];

pub(crate) struct Proxy {
    pub(crate) url: String,
    next: Arc<AtomicU8>,
    accepting: AbortHandle,
}

impl Proxy {
    /// Starts a proxy for the database at `url`.
    pub(crate) async fn before(url: &str) -> Self {
        let config: tokio_postgres::Config = url.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "postgres://{}@{}/{}",
            config.get_user().unwrap(),
            listener.local_addr().unwrap(),
            config.get_dbname().unwrap()
        );
        let next = Arc::new(AtomicU8::new(0));
        let losses = Arc::clone(&next);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (losses, config) = (Arc::clone(&losses), config.clone());
                tokio::spawn(async move {
                    let port = config.get_ports()[0];
                    // Either side may close the connection at any time.
                    let _ = match &config.get_hosts()[0] {
                        Host::Tcp(host) => {
                            let server = TcpStream::connect((host.as_str(), port)).await.unwrap();
                            relay(client, server, &losses).await
                        }
                        Host::Unix(dir) => {
                            let socket = dir.join(format!(".s.PGSQL.{port}"));
                            relay(client, UnixStream::connect(socket).await.unwrap(), &losses).await
                        }
                    };
                });
            }
        });
        Self { url, next, accepting: accepting.abort_handle() }
    }

    /// Sets what happens on all connections from now on.
    pub(crate) fn lose(&self, loss: Loss) {
        let index = LOSSES.iter().position(|it| *it == loss).unwrap();
        self.next.store(u8::try_from(index).unwrap(), Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn relay(
    mut client: TcpStream,
    mut server: impl AsyncRead + AsyncWrite + Unpin,
    losses: &AtomicU8,
) -> io::Result<()> {
    let (mut sent, mut received) = (vec![0; 8192], vec![0; 8192]);
    loop {
        tokio::select! {
            length = client.read(&mut sent) => {
                let length = length?;
                if length == 0 {
                    return Ok(());
                }
                let is_commit = sent[..length].windows(6).any(|word| word == b"COMMIT");
                match LOSSES[usize::from(losses.load(Ordering::SeqCst))] {
                    Loss::Request => return Ok(()),
                    loss if loss == Loss::Response || loss == Loss::Commit && is_commit => {
                        server.write_all(&sent[..length]).await?;
                        // A response shows that the database has finished; drop it.
                        server.read_u8().await?;
                        return Ok(());
                    }
                    Loss::Everything => std::future::pending().await,
                    _ => server.write_all(&sent[..length]).await?,
                }
            }
            length = server.read(&mut received) => {
                let length = length?;
                if length == 0 {
                    return Ok(());
                }
                client.write_all(&received[..length]).await?;
            }
        }
    }
}
