//! A network between the program and a server, with the weather of one's choice.
//!
//! It stands before a TCP or a Unix socket. What it does to the connections that there are and to those that come
//! is one [`Weather`], changed at any time.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The largest piece that is passed on at once.
const PIECE: usize = 16 * 1024;

/// What happens to everything that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Nothing.
    Clear,
    /// Nobody listens, and who was connected no longer is.
    Refuse,
    /// Every piece is so late, each way.
    Latency(Duration),
    /// So many bytes a second pass, each way.
    Bandwidth(u32),
    /// Connections stay, new ones are accepted, and nothing passes.
    Stall,
    /// The server's side ends in good order, the other is still listened to.
    HalfClose,
    /// Connections are reset: those that there are at once, new ones as soon as they are made.
    Reset,
    /// Of what the server answers so many bytes pass, and then the connection is reset.
    Cut(usize),
    /// What the server answers is something else.
    Garbage,
}

/// The network. It is gone when this is dropped.
pub struct Proxy {
    weather: watch::Sender<Weather>,
    place: Place,
    task: JoinHandle<()>,
}

/// An address of either kind.
#[derive(Debug, Clone)]
enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Proxy {
    /// Before a server on this machine's network.
    pub async fn tcp(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = Place::Tcp(listener.local_addr().unwrap());
        Self::before(Listener::Tcp(listener), place, Place::Tcp(server))
    }

    /// Before a Unix socket, at another.
    pub fn unix(socket: &Path, server: &Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        Self::before(Listener::Unix(listener), Place::Unix(socket.into()), Place::Unix(server.into()))
    }

    fn before(listener: Listener, place: Place, server: Place) -> Self {
        let (weather, forecast) = watch::channel(Weather::Clear);
        let task = tokio::spawn(serve(Some(listener), place.clone(), server, forecast));
        Self { weather, place, task }
    }

    /// Where it is, as an address of the web.
    pub fn address(&self) -> String {
        match &self.place {
            Place::Tcp(address) => format!("http://{address}"),
            Place::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// From now on it is so.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Place {
    async fn listen(&self) -> io::Result<Listener> {
        Ok(match self {
            Self::Tcp(address) => Listener::Tcp(TcpListener::bind(address).await?),
            Self::Unix(path) => Listener::Unix(UnixListener::bind(path)?),
        })
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
        })
    }
}

impl Listener {
    /// The next one, and what makes its end a reset. (A Unix socket has no such thing: what it has not read when it is
    /// closed tells the other side the same.)
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                // Whoever closes in good order shuts down first, which this leaves alone.
                stream.set_zero_linger()?;
                Box::new(stream)
            }
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

async fn serve(
    mut listener: Option<Listener>,
    place: Place,
    server: Place,
    mut forecast: watch::Receiver<Weather>,
) {
    let mut connections = JoinSet::new();
    loop {
        let weather = *forecast.borrow_and_update();
        match (weather, &listener) {
            (Weather::Refuse, Some(_)) => {
                listener = None;
                if let Place::Unix(path) = &place {
                    // It may be gone with its directory.
                    let _ = std::fs::remove_file(path);
                }
                connections.shutdown().await;
            }
            (Weather::Reset, _) => connections.shutdown().await,
            (Weather::Refuse, None) | (_, Some(_)) => {}
            // Whoever was connected may hold the address for a moment.
            (_, None) => match place.listen().await {
                Ok(again) => listener = Some(again),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
        let arrival = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = forecast.changed() => if changed.is_err() { return },
            Ok(client) = arrival => {
                if *forecast.borrow() != Weather::Reset {
                    connections.spawn(pass(client, server.clone(), forecast.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
            () = tokio::time::sleep(Duration::from_millis(50)), if listener.is_none() => {}
        }
    }
}

/// One connection, to its end.
async fn pass(client: Box<dyn Stream>, server: Place, forecast: watch::Receiver<Weather>) {
    clears(&forecast).await;
    let Ok(server) = server.connect().await else { return };
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    let there = carry(from_client, to_server, forecast.clone(), false);
    let back = carry(from_server, to_client, forecast, true);
    // An error of either is the end of both; a good end of one leaves the other.
    let _ = tokio::try_join!(there, back);
}

/// Waits while nothing passes.
async fn clears(forecast: &watch::Receiver<Weather>) {
    // The sender lives as long as the proxy.
    let _ = forecast.clone().wait_for(|weather| *weather != Weather::Stall).await;
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    forecast: watch::Receiver<Weather>,
    is_answer: bool,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    // Since the weather is so that it counts.
    let mut passed = 0;
    loop {
        let mut change = forecast.clone();
        let length = tokio::select! {
            length = from.read(&mut piece) => length?,
            _ = change.wait_for(|weather| is_answer && *weather == Weather::HalfClose) => 0,
        };
        clears(&forecast).await;
        if length == 0 {
            return to.shutdown().await;
        }
        let piece = &mut piece[..length];
        let weather = *forecast.borrow();
        if !matches!(weather, Weather::Cut(_)) {
            passed = 0;
        }
        match weather {
            Weather::Latency(late) => tokio::time::sleep(late).await,
            Weather::Bandwidth(rate) => {
                tokio::time::sleep(Duration::from_secs_f64(length as f64 / f64::from(rate))).await;
            }
            Weather::Cut(most) if is_answer => {
                let rest = most.saturating_sub(passed);
                if length >= rest {
                    to.write_all(&piece[..rest]).await?;
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                passed += length;
            }
            Weather::Garbage if is_answer => {
                piece.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at * 31 + 7) as u8);
            }
            _ => {}
        }
        to.write_all(piece).await?;
    }
}

mod tests {
    use super::*;

    /// A server that gives back what it gets.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        address
    }

    async fn asks(stream: &mut TcpStream, words: &[u8]) -> io::Result<Vec<u8>> {
        stream.write_all(words).await?;
        let mut answer = vec![0; words.len()];
        let read = stream.read_exact(&mut answer);
        tokio::time::timeout(Duration::from_millis(500), read)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        Ok(answer)
    }

    #[tokio::test]
    async fn every_weather_is_what_it_says() {
        let proxy = Proxy::tcp(echo().await).await;
        let Place::Tcp(address) = proxy.place.clone() else { panic!() };
        let connect = || async { TcpStream::connect(address).await };
        let mut stream = connect().await.unwrap();
        assert_eq!(asks(&mut stream, b"hello").await.unwrap(), b"hello");

        proxy.set(Weather::Latency(Duration::from_millis(60)));
        let began = std::time::Instant::now();
        assert_eq!(asks(&mut stream, b"hello").await.unwrap(), b"hello");
        assert!(began.elapsed() >= Duration::from_millis(120));

        proxy.set(Weather::Bandwidth(100));
        let began = std::time::Instant::now();
        assert_eq!(asks(&mut stream, b"ten bytes.").await.unwrap(), b"ten bytes.");
        assert!(began.elapsed() >= Duration::from_millis(200));

        proxy.set(Weather::Garbage);
        assert_ne!(asks(&mut stream, b"hello").await.unwrap(), b"hello");

        proxy.set(Weather::Cut(3));
        let error = asks(&mut stream, b"hello").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

        proxy.set(Weather::Stall);
        let mut stream = connect().await.unwrap();
        assert_eq!(asks(&mut stream, b"hello").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        proxy.set(Weather::Clear);
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"hello", "what was held back comes");

        proxy.set(Weather::HalfClose);
        assert_eq!(stream.read(&mut answer).await.unwrap(), 0);

        proxy.set(Weather::Clear);
        let mut stream = connect().await.unwrap();
        asks(&mut stream, b"hello").await.unwrap();
        proxy.set(Weather::Reset);
        assert_eq!(stream.read(&mut answer).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        let mut stream = connect().await.unwrap();
        assert!(stream.read(&mut answer).await.is_err());

        proxy.set(Weather::Refuse);
        let refused = async {
            while connect().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap();
        proxy.set(Weather::Clear);
        let back = async {
            loop {
                if let Ok(mut stream) = connect().await {
                    return asks(&mut stream, b"hello").await.unwrap();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert_eq!(tokio::time::timeout(Duration::from_secs(10), back).await.unwrap(), b"hello");
    }

    #[tokio::test]
    async fn it_stands_before_a_unix_socket_too() {
        let dir = tempfile::tempdir().unwrap();
        let (server, socket) = (dir.path().join("server"), dir.path().join("proxy"));
        let listener = UnixListener::bind(&server).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(b"hello").await.unwrap();
            }
        });
        let proxy = Proxy::unix(&socket, &server);
        let mut answer = Vec::new();
        UnixStream::connect(&socket).await.unwrap().read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"hello");
        proxy.set(Weather::Refuse);
        let refused = async {
            while UnixStream::connect(&socket).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap();
    }
}
