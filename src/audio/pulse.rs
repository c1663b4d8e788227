//! A connection to the sound server: PulseAudio, or PipeWire in its guise.
//!
//! **Why not the client that cpal brings.** It tells nobody when the server moves a stream, mutes or unplugs
//! its device; it asks for the latency after each delivery and clears two megabytes each time it reads, which is
//! most of what idle listening cost; and what waits for a server that is stopped can't be ended. So only the
//! messages' encoding is taken from its library. Here the connection is a socket that is read on the caller's
//! thread: a question has a limit, news come as they are sent, and closing is immediate.
//!
//! **Who may talk to a server.** Whoever has its cookie (`~/.config/pulse/cookie`, or `PULSE_COOKIE`), or is the
//! same user, which the kernel tells it. A cookie must be sent all the same. Where there is none, one is made, as
//! all clients do; it is of use to cpal, too.
//!
//! **Limits.** Only a server on this machine, behind a Unix socket. A server whose queue of callers is full makes
//! `connect` wait for as long as it is stopped.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, BufReader, Cursor, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pulseaudio::protocol::{
    self, AuthParams, AuthReply, Command, CommandReply, Prop, Props, ProtocolError, PulseError, ServerInfo,
    SetClientNameReply, SinkInfo, SinkInfoList, SourceInfo, SourceInfoList, SubscriptionMask,
    TagStructReader,
};

use super::device::Found;
use super::trouble::{Direction, Trouble};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes in a cookie.
const COOKIE: usize = 256;
/// Bytes in a message at most; more is no message.
const LONGEST: u32 = 16 * 1024 * 1024;
/// News that wait to be read. Each says no more than that something has changed.
const NEWS: usize = 64;

/// A connection to the server of this session.
#[derive(Debug)]
pub(super) struct Connection {
    reader: BufReader<UnixStream>,
    version: u16,
    asked: u32,
    body: Vec<u8>,
    news: VecDeque<Event>,
}

/// What a server offers for one direction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) devices: Vec<Found>,
    /// The default device's id.
    pub(super) default: Option<String>,
}

/// A message.
#[derive(Debug)]
pub(super) enum Message<'a> {
    /// Recorded sound.
    Sound(&'a [u8]),
    /// Something that nobody asked for.
    News(Event),
}

/// What a server tells unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// Something about the devices has changed.
    Changed,
    /// The recording is at the device of this id now.
    Moved(String),
    /// The recording was ended.
    Killed,
}

enum Incoming {
    Sound,
    Reply {
        to: u32,
        from: usize,
    },
    Refused {
        to: u32,
        error: PulseError,
    },
    News(Event),
    /// What is of no use here, or unknown.
    Other,
}

impl Connection {
    /// Connects, and introduces this program. Blocks for as long as the server may take.
    ///
    /// # Errors
    /// [`Trouble::NotFound`] where no server is.
    pub(super) fn open() -> Result<Self, Trouble> {
        let socket = UnixStream::connect(socket_path().ok_or(Trouble::NotFound)?).map_err(|error| {
            tracing::debug!(%error, "no sound server answers");
            match error.kind() {
                io::ErrorKind::PermissionDenied => Trouble::Refused,
                _ => Trouble::NotFound,
            }
        })?;
        // A server that has only just let it in may not ask the kernel yet who it is when the first message comes; so
        // that is said with every one.
        #[cfg(target_os = "linux")]
        rustix::net::sockopt::set_socket_passcred(&socket, true).map_err(|error| io_trouble(error.into()))?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(io_trouble)?;
        socket.set_write_timeout(Some(PATIENCE)).map_err(io_trouble)?;
        let mut connection = Self {
            reader: BufReader::new(socket),
            version: protocol::MAX_VERSION,
            asked: 0,
            body: Vec::new(),
            news: VecDeque::new(),
        };
        let cookie = cookie();
        let auth =
            AuthParams { version: protocol::MAX_VERSION, supports_shm: false, supports_memfd: false, cookie };
        let reply: AuthReply = connection.ask(&Command::Auth(auth), &mut ignore)?;
        connection.version = reply.version.min(protocol::MAX_VERSION);
        let mut props = Props::new();
        props.set(Prop::ApplicationName, c"voice-terminal");
        if let Ok(id) = CString::new(std::process::id().to_string()) {
            props.set(Prop::ApplicationProcessId, id);
        }
        connection.ask::<SetClientNameReply>(&Command::SetClientName(props), &mut ignore)?;
        Ok(connection)
    }

    /// Asks, and waits for the answer. Sound that comes before it goes to `meanwhile`; news are kept.
    pub(super) fn ask<R: CommandReply>(
        &mut self,
        question: &Command,
        meanwhile: &mut dyn FnMut(&[u8]),
    ) -> Result<R, Trouble> {
        let from = self.answer(question, meanwhile)?;
        let mut answer = &self.body[from..];
        TagStructReader::new(&mut answer, self.version).read().map_err(protocol_trouble)
    }

    /// Asks for something to be done, and waits until it is. Sound and news as in [`Self::ask`].
    pub(super) fn tell(&mut self, order: &Command, meanwhile: &mut dyn FnMut(&[u8])) -> Result<(), Trouble> {
        self.answer(order, meanwhile).map(drop)
    }

    /// What there is for a direction.
    pub(super) fn offer(
        &mut self,
        direction: Direction,
        meanwhile: &mut dyn FnMut(&[u8]),
    ) -> Result<Offer, Trouble> {
        let devices = match direction {
            Direction::Input => {
                let sources: SourceInfoList = self.ask(&Command::GetSourceInfoList, meanwhile)?;
                sources.iter().map(source).collect()
            }
            Direction::Output => {
                let sinks: SinkInfoList = self.ask(&Command::GetSinkInfoList, meanwhile)?;
                sinks.iter().map(sink).collect()
            }
        };
        let server: ServerInfo = self.ask(&Command::GetServerInfo, meanwhile)?;
        let default = match direction {
            Direction::Input => server.default_source_name,
            Direction::Output => server.default_sink_name,
        };
        Ok(Offer { devices, default: default.map(|name| text(&name)) })
    }

    /// From now on it is news when a device of this direction, or the default one, changes.
    pub(super) fn subscribe(&mut self, direction: Direction) -> Result<(), Trouble> {
        let devices = match direction {
            Direction::Input => SubscriptionMask::SOURCE,
            Direction::Output => SubscriptionMask::SINK,
        };
        self.tell(&Command::Subscribe(devices | SubscriptionMask::SERVER), &mut ignore)
    }

    /// Whether the server has told something that was not looked at.
    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// The next message. Blocks.
    pub(super) fn message(&mut self) -> Result<Message<'_>, Trouble> {
        if let Some(news) = self.news.pop_front() {
            return Ok(Message::News(news));
        }
        loop {
            match self.read()? {
                Incoming::Sound => break,
                Incoming::News(news) => return Ok(Message::News(news)),
                // Nobody waits for an answer any more.
                Incoming::Reply { .. } | Incoming::Refused { .. } | Incoming::Other => {}
            }
        }
        Ok(Message::Sound(&self.body))
    }

    /// Where in the body the answer begins.
    fn answer(&mut self, question: &Command, meanwhile: &mut dyn FnMut(&[u8])) -> Result<usize, Trouble> {
        let asked = self.asked;
        self.asked = self.asked.wrapping_add(1);
        let mut message = Vec::new();
        protocol::encode_command_message(&mut message, asked, question, self.version)
            .map_err(protocol_trouble)?;
        self.reader.get_mut().write_all(&message).map_err(io_trouble)?;
        loop {
            match self.read()? {
                Incoming::Sound => meanwhile(&self.body),
                Incoming::Reply { to, from } if to == asked => return Ok(from),
                Incoming::Refused { to, error } if to == asked => return Err(refused(error)),
                Incoming::News(news) => {
                    self.news.truncate(NEWS);
                    self.news.push_back(news);
                }
                Incoming::Reply { .. } | Incoming::Refused { .. } | Incoming::Other => {}
            }
        }
    }

    fn read(&mut self) -> Result<Incoming, Trouble> {
        let mut header = [0; protocol::DESCRIPTOR_SIZE];
        self.reader.read_exact(&mut header).map_err(io_trouble)?;
        let header = protocol::read_descriptor(&mut &header[..]).map_err(protocol_trouble)?;
        if header.length > LONGEST {
            return Err(Trouble::Broken);
        }
        self.body.resize(header.length as usize, 0);
        self.reader.read_exact(&mut self.body).map_err(io_trouble)?;
        if header.channel != u32::MAX {
            return Ok(Incoming::Sound);
        }
        let mut message = Cursor::new(&self.body);
        Ok(match Command::read_tag_prefixed(&mut message, self.version) {
            Ok((to, Command::Reply)) => {
                Incoming::Reply { to, from: usize::try_from(message.position()).unwrap_or(self.body.len()) }
            }
            Ok((to, Command::Error(error))) => Incoming::Refused { to, error },
            Ok((_, Command::SubscribeEvent(_))) => Incoming::News(Event::Changed),
            Ok((_, Command::RecordStreamMoved(moved))) => {
                Incoming::News(Event::Moved(text(&moved.device_name)))
            }
            Ok((_, Command::RecordStreamKilled(_))) => Incoming::News(Event::Killed),
            Ok(_) => Incoming::Other,
            Err(error) => {
                tracing::debug!(%error, "the sound server says something unknown");
                Incoming::Other
            }
        })
    }
}

/// A thread that reads a connection. Dropping this ends it at once, whatever the server does.
#[derive(Debug)]
pub(super) struct Reading {
    socket: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Reading {
    /// From now on the connection waits for the server without a limit.
    pub(super) fn start(
        mut connection: Connection,
        name: &str,
        read: impl FnOnce(&mut Connection) + Send + 'static,
    ) -> Result<Self, Trouble> {
        let socket = connection.reader.get_ref().try_clone().map_err(io_trouble)?;
        socket.set_read_timeout(None).map_err(io_trouble)?;
        let reading = move || read(&mut connection);
        let thread = thread::Builder::new().name(name.into()).spawn(reading).map_err(|error| {
            tracing::warn!(%error, "no thread to read the sound server on");
            Trouble::Broken
        })?;
        Ok(Self { socket, thread: Some(thread) })
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // It may be closed already.
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            // It reads an end, and then does nothing that could block.
            let _ = thread.join();
        }
    }
}

/// For whoever records nothing.
pub(super) fn ignore(_sound: &[u8]) {}

fn source(info: &SourceInfo) -> Found {
    Found {
        index: info.index,
        id: text(&info.name),
        name: info.description.as_deref().map_or_else(|| text(&info.name), text),
        monitor: info.monitor_of_sink_index.is_some() || info.name.to_bytes().ends_with(b".monitor"),
        muted: info.muted,
    }
}

fn sink(info: &SinkInfo) -> Found {
    Found {
        index: info.index,
        id: text(&info.name),
        name: info.description.as_deref().map_or_else(|| text(&info.name), text),
        monitor: false,
        muted: info.muted,
    }
}

fn text(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

/// Where the server of this session listens.
fn socket_path() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(server) = variable("PULSE_SERVER") {
        // Others are on other machines.
        return server.to_str()?.strip_prefix("unix:").map(PathBuf::from);
    }
    variable("XDG_RUNTIME_DIR").map(|place| PathBuf::from(place).join("pulse/native"))
}

/// The cookie of this user. One that is missing is made. A server that knows the user all the same doesn't look
/// at it, but wants it to be there, in its length.
fn cookie() -> Vec<u8> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let usual = home.join(".config/pulse/cookie");
    let first = std::env::var_os("PULSE_COOKIE").map_or_else(|| usual.clone(), PathBuf::from);
    for place in [&first, &usual, &home.join(".pulse-cookie")] {
        match std::fs::read(place) {
            Ok(cookie) if cookie.len() == COOKIE => return cookie,
            _ => {}
        }
    }
    match make_cookie(&first) {
        Ok(cookie) => cookie,
        Err(error) => {
            tracing::debug!(%error, "no cookie for the sound server can be made");
            vec![0; COOKIE]
        }
    }
}

fn make_cookie(place: &std::path::Path) -> io::Result<Vec<u8>> {
    if let Some(directory) = place.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let cookie: Vec<u8> =
        std::iter::repeat_with(|| uuid::Uuid::new_v4().into_bytes()).take(COOKIE / 16).flatten().collect();
    // The server may be making it at the same time; then that one is right.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(place)?.write_all(&cookie)?;
    Ok(cookie)
}

fn refused(error: PulseError) -> Trouble {
    tracing::debug!(%error, "the sound server refuses");
    match error {
        PulseError::AccessDenied | PulseError::AuthKey => Trouble::Refused,
        PulseError::NoEntity => Trouble::NotFound,
        PulseError::Busy => Trouble::Busy,
        PulseError::Timeout => Trouble::Stuck,
        PulseError::NotSupported | PulseError::Invalid => Trouble::Unsupported,
        PulseError::ConnectionTerminated | PulseError::Killed => Trouble::ServerGone,
        _ => Trouble::Broken,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what a failed call gives")]
fn io_trouble(error: io::Error) -> Trouble {
    tracing::debug!(%error, "the sound server's connection breaks");
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Trouble::Stuck,
        _ => Trouble::ServerGone,
    }
}

fn protocol_trouble(error: ProtocolError) -> Trouble {
    tracing::debug!(%error, "the sound server is not understood");
    match error {
        ProtocolError::ServerError(error) => refused(error),
        ProtocolError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => io_trouble(error),
        _ => Trouble::Broken,
    }
}
