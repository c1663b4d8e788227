//! PostgreSQL servers of a test's own: a primary, and a replica that follows it by streaming; on
//! private sockets, gone with the test.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection, Row};
use tempfile::TempDir;

use super::disk::Disk;
use super::user::signal;

/// Long enough for a busy machine; nothing that works takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Made for the first test, copied for each, and gone with the last.
static TEMPLATE: Mutex<Weak<TempDir>> = Mutex::new(Weak::new());

const SETTINGS: &str = "
listen_addresses = ''
shared_buffers = 16MB
max_connections = 12
superuser_reserved_connections = 3
fsync = off
dynamic_shared_memory_type = mmap
wal_keep_size = 32MB
min_wal_size = 2MB
wal_retrieve_retry_interval = 100ms
autovacuum = off
jit = off
logging_collector = off
";

/// A primary and its replica.
pub struct Servers {
    /// What is written.
    pub primary: Server,
    /// What follows it.
    pub replica: Server,
}

/// One server.
pub struct Server {
    place: TempDir,
    /// Where its primary is, if it follows one.
    follows: Option<PathBuf>,
    /// Names its socket; nobody listens on it unless it is encrypted.
    port: u16,
    child: Option<Child>,
    stopped: bool,
    _template: Arc<TempDir>,
}

impl Servers {
    /// Both, the replica streaming.
    pub async fn start() -> Self {
        let primary = Server::start().await;
        let mut replica = Server::new("replica", Some(primary.place.path().to_owned()));
        replica.go_on().await;
        let servers = Self { primary, replica };
        servers.streaming().await;
        servers
    }

    /// Waits until the replica has all that the primary has.
    pub async fn in_step(&self) {
        let primary = &mut self.primary.connect().await;
        let position: String =
            sqlx::query_scalar("SELECT pg_current_wal_lsn()::text").fetch_one(primary).await.unwrap();
        self.replica.until(&format!("SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn")).await;
    }

    /// Waits until the replica follows.
    pub async fn streaming(&self) {
        self.primary
            .until("SELECT EXISTS (SELECT 1 FROM pg_stat_replication WHERE state = 'streaming')")
            .await;
    }
}

impl Server {
    /// A primary with nobody behind it.
    pub async fn start() -> Self {
        let mut primary = Self::new("primary", None);
        primary.go_on().await;
        primary
    }

    /// One that isn't running yet.
    pub fn not_yet() -> Self {
        Self::new("primary", None)
    }

    fn new(which: &str, follows: Option<PathBuf>) -> Self {
        let template = template();
        let place = private_directory();
        run(Command::new("cp").arg("-a").arg(template.path().join(which)).arg(place.path().join("data")));
        Self { place, follows, port: 5432, child: None, stopped: false, _template: template }
    }

    /// One that isn't running yet, and takes encrypted connections on this machine; with the
    /// certificate of the authority that vouches for it.
    pub fn encrypted() -> (Self, PathBuf) {
        let mut server = Self::not_yet();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        server.port = free.local_addr().unwrap().port();
        let openssl = |words: &str| {
            run(Command::new("openssl").args(words.split(' ')).current_dir(server.place.path()));
        };
        fs::write(server.place.path().join("names"), "subjectAltName=IP:127.0.0.1").unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(&format!("req -x509 {key} -keyout authority.key -out authority.crt -subj /CN=authority"));
        openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=server"));
        openssl(
            "x509 -req -in server.csr -CA authority.crt -CAkey authority.key -CAcreateserial -extfile names -out server.crt",
        );
        let data = server.place.path().join("data");
        for file in ["server.key", "server.crt"] {
            let there = data.join(file);
            fs::copy(server.place.path().join(file), &there).unwrap();
            fs::set_permissions(&there, PermissionsExt::from_mode(0o600)).unwrap();
            if let Some((user, group)) = nobody() {
                chown(&there, Some(user), Some(group)).unwrap();
            }
        }
        server.set(&format!("listen_addresses = '127.0.0.1'\nport = {}\nssl = on", server.port));
        let authority = server.place.path().join("authority.crt");
        (server, authority)
    }

    /// A copy of all that it has on its disk. It must not run.
    pub fn copied(&self) -> PathBuf {
        let copy = self.place.path().join("copy");
        run(Command::new("cp").arg("-a").arg(self.place.path().join("data")).arg(&copy));
        copy
    }

    /// Sets it back to that. It must not run.
    pub fn set_back(&self, copy: &Path) {
        let data = self.place.path().join("data");
        fs::remove_dir_all(&data).unwrap();
        run(Command::new("cp").arg("-a").arg(copy).arg(&data));
    }

    /// How it is reached over the network.
    pub fn network_url(&self, options: &str) -> String {
        format!("postgres://vt@127.0.0.1:{}/postgres?{options}", self.port)
    }

    /// A change of its settings, in force from the next start.
    pub fn set(&self, line: &str) {
        let file = self.place.path().join("data/postgresql.conf");
        let settings = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{settings}\n{line}\n")).unwrap();
    }

    /// Who is let in, from the next start.
    pub fn let_in(&self, lines: &str) {
        fs::write(self.place.path().join("data/pg_hba.conf"), lines).unwrap();
    }

    /// Starts it, and waits until it answers.
    pub async fn go_on(&mut self) {
        self.begin();
        let deadline = Instant::now() + PATIENCE;
        loop {
            match PgConnection::connect(&self.url()).await {
                Ok(connection) => return connection.close().await.unwrap(),
                Err(error) => assert!(Instant::now() < deadline, "no server: {error}\n{}", self.log()),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts it, and goes on at once.
    pub fn begin(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let data = self.place.path().join("data");
        let log = fs::File::options().create(true).append(true).open(self.place.path().join("log")).unwrap();
        let mut command = as_nobody(&binary("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(self.place.path());
        if let Some(primary) = &self.follows {
            let place = primary.display();
            command.arg("-c").arg(format!("primary_conninfo=host={place} port=5432 user=vt"));
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// Starts it as a server that follows nobody and lets nobody in.
    pub fn begin_as_standby(&mut self) {
        fs::write(self.place.path().join("data/standby.signal"), "").unwrap();
        self.begin();
    }

    /// How it is reached, as its owner.
    pub fn url(&self) -> String {
        self.url_of("vt", "postgres")
    }

    /// How it is reached by this user (and password), with this database.
    pub fn url_of(&self, user: &str, database: &str) -> String {
        let place = self.place.path().display();
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        let password = if password.is_empty() { String::new() } else { format!("&password={password}") };
        format!("postgres:///{database}?host={place}&port={}&user={user}{password}", self.port)
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.place.path().join(format!(".s.PGSQL.{}", self.port))
    }

    /// A disk beside its own, and the directory there in which it may keep tables; `None` where none can be mounted.
    pub fn another_disk(&self) -> Option<(Disk, PathBuf)> {
        let place = self.place.path().join("disk");
        fs::create_dir(&place).unwrap();
        let disk = Disk::mount(&place, "0755")?;
        let tables = place.join("tables");
        fs::create_dir(&tables).unwrap();
        if let Some((user, group)) = nobody() {
            chown(&tables, Some(user), Some(group)).unwrap();
        }
        Some((disk, tables))
    }

    /// A connection of its owner.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    /// Has its owner do this.
    pub async fn does(&self, statements: &str) {
        let mut connection = self.connect().await;
        connection.execute(sqlx::AssertSqlSafe(statements.to_owned())).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Waits until this query says that it is so. A query that fails says that it isn't.
    pub async fn until(&self, query: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(mut connection) = PgConnection::connect(&self.url()).await {
                let row =
                    sqlx::query(sqlx::AssertSqlSafe(query.to_owned())).fetch_optional(&mut connection).await;
                if matches!(&row, Ok(Some(row)) if row.get::<Option<bool>, _>(0) == Some(true)) {
                    return;
                }
            }
            assert!(Instant::now() < deadline, "it never came to this: {query}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Every record that it has: id, revision, words.
    pub async fn records(&self) -> Vec<(String, i64, Option<String>)> {
        let mut connection = self.connect().await;
        sqlx::query_as("SELECT id::text, revision, text FROM voice_terminal.record ORDER BY id")
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }

    /// All of it, as its own program writes it down.
    pub fn dump(&self) -> String {
        let mut dump = as_nobody(&binary("pg_dump"));
        dump.arg("-h").arg(self.place.path()).args(["-p", &self.port.to_string(), "-U", "vt", "postgres"]);
        let output = dump.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Kills it at once, and all that belongs to it.
    pub fn kill(&mut self) {
        self.resume();
        self.end("KILL");
    }

    /// Has it go down in order, ending everybody's session.
    pub fn stop(&mut self) {
        self.end("INT");
    }

    /// Has it, and all that belongs to it, stand still.
    pub fn freeze(&mut self) {
        self.signal_all("STOP");
        self.stopped = true;
    }

    /// And go on.
    pub fn resume(&mut self) {
        if std::mem::take(&mut self.stopped) {
            self.signal_all("CONT");
        }
    }

    /// Any of them may end in between.
    fn signal_all(&self, name: &str) {
        let pids = self.processes().into_iter().map(|pid| pid.to_string());
        Command::new("kill").arg(format!("-{name}")).args(pids).output().unwrap();
    }

    /// Gives none of its processes, nor any that it starts, more memory than they have.
    pub fn starve(&self) {
        self.limit_memory(|process| {
            let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
            let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
            let kilobytes: u64 = size.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(kilobytes * 1024)
        });
    }

    /// They may have more again.
    pub fn feed(&self) {
        self.limit_memory(|_| None);
    }

    /// Any of them may end in between.
    fn limit_memory(&self, most: impl Fn(u32) -> Option<u64>) {
        for process in self.processes() {
            let most = most(process).map_or("unlimited".into(), |bytes| bytes.to_string());
            let mut limit = as_nobody(Path::new("prlimit"));
            limit.args(["--pid", &process.to_string(), &format!("--as={most}:")]).output().unwrap();
        }
    }

    /// Makes a replica the primary.
    pub async fn promote(&mut self) {
        self.does("SELECT pg_promote()").await;
        self.until("SELECT NOT pg_is_in_recovery()").await;
    }

    fn processes(&self) -> Vec<u32> {
        let postmaster = self.child.as_ref().expect("it doesn't run").id();
        let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap();
        let children = children.split_whitespace().map(|pid| pid.parse().unwrap());
        std::iter::once(postmaster).chain(children).collect()
    }

    fn end(&mut self, how: &str) {
        let Some(mut child) = self.child.take() else { return };
        let others: Vec<u32> = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id()))
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect();
        let deadline = Instant::now() + PATIENCE;
        // One that is only just starting may not hear the first.
        while child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it doesn't end");
            signal(child.id(), how);
            let again = Instant::now() + Duration::from_secs(1);
            while Instant::now() < again && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        // Without their postmaster they end by themselves, soon; nobody else may start before.
        while others.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
            assert!(Instant::now() < deadline, "it leaves processes behind: {others:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.place.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.resume();
            self.end("QUIT");
        }
    }
}

fn template() -> Arc<TempDir> {
    let mut known = TEMPLATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(template) = known.upgrade() {
        return template;
    }
    let template = Arc::new(make_template());
    *known = Arc::downgrade(&template);
    template
}

fn make_template() -> TempDir {
    let place = private_directory();
    let primary = place.path().join("primary");
    let options = ["-U", "vt", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"];
    run(as_nobody(&binary("initdb")).args(options).arg("--wal-segsize=1").arg("-D").arg(&primary));
    let settings = fs::read_to_string(primary.join("postgresql.conf")).unwrap();
    fs::write(primary.join("postgresql.conf"), settings + SETTINGS).unwrap();
    let control = |what: &[&str]| {
        let options = format!("-k {}", place.path().display());
        let mut command = as_nobody(&binary("pg_ctl"));
        command.arg("-D").arg(&primary).args(["-w", "-s", "-l", "/dev/null", "-o"]).arg(options).args(what);
        run(&mut command);
    };
    control(&["start"]);
    let replica = place.path().join("replica");
    let options = ["-U", "vt", "-X", "stream", "-c", "fast", "--no-sync", "--no-manifest", "-h"];
    run(as_nobody(&binary("pg_basebackup")).args(options).arg(place.path()).arg("-D").arg(&replica));
    fs::write(replica.join("standby.signal"), "").unwrap();
    control(&["stop", "-m", "fast"]);
    place
}

/// A directory of the user that the server runs as.
fn private_directory() -> TempDir {
    let place = tempfile::Builder::new().prefix("vt-pg-").tempdir().unwrap();
    fs::set_permissions(place.path(), PermissionsExt::from_mode(0o700)).unwrap();
    if let Some((user, group)) = nobody() {
        chown(place.path(), Some(user), Some(group)).unwrap();
    }
    place
}

/// PostgreSQL refuses to run as root: the user and the group that it runs as instead.
fn nobody() -> Option<(u32, u32)> {
    (fs::metadata("/proc/self").unwrap().uid() == 0).then_some((65534, 65534))
}

/// A command as that user; killed with the thread that starts it.
fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if let Some((user, group)) = nobody() {
        command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".into()]);
    }
    command.args(["--pdeathsig", "KILL"]).arg(program).current_dir("/");
    command
}

/// One of PostgreSQL's programs; Debian has them outside of the path.
fn binary(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest =
        versions.map(|version| version.path().join("bin").join(name)).filter(|path| path.exists()).max();
    newest.unwrap_or_else(|| name.into())
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
