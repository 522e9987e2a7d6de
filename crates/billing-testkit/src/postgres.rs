//! A PostgreSQL server of a test's own, in a directory of its own, on a Unix socket. It is the machine's package that runs.

use std::fs::{self, DirBuilder};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::left_out::need_at;

/// PostgreSQL refuses to run as root, so a server of root's tests is run by this user, `nobody`.
const NOBODY: u32 = 65_534;

/// The user of every database.
const USER: &str = "billing";

/// Ends the server and removes its directory when the test program has ended, however that ended: then its input ends.
const GUARD: &str = r#"cat >/dev/null; pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
    while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.05; done; rm -rf "$1""#;

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// As a machine that is shut down: transactions are ended, and what is committed is written.
    Fast,
    /// As a crash that PostgreSQL notices: every process leaves at once, and the next start recovers from the log.
    Immediate,
    /// SIGKILL for the first process. The others notice that it is gone.
    Kill,
}

/// A server that runs. It ends with the test program at the latest.
///
/// ```
/// use billing_testkit::{Postgres, Stop};
///
/// # fn test() {
/// let Some(postgres) = Postgres::need() else { return };
/// let url = postgres.database();
/// assert_eq!(postgres.sql(&url, "SELECT 1 + 1"), "2");
/// # }
/// ```
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    directory: PathBuf,
    settings: Vec<(String, String)>,
    databases: AtomicU64,
    guard: Child,
}

/// A transaction of another client. It is rolled back when this is dropped.
#[derive(Debug)]
pub struct Held {
    client: Child,
    input: Option<ChildStdin>,
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.client.wait();
    }
}

impl Postgres {
    /// The server that all tests of this program share; `None` leaves the calling test out. It makes nothing durable, because nobody
    /// takes its power away.
    ///
    /// # Panics
    /// When nothing may be left out, as [`need`](crate::need); when the server does not start.
    #[track_caller]
    pub fn need() -> Option<&'static Self> {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        let programs = programs()?;
        Some(SHARED.get_or_init(|| Self::start_with(programs, &[("fsync", "off")])))
    }

    /// A server of the calling test's own, which it may stop, with these settings beside the usual ones. What is committed is durable.
    ///
    /// # Panics
    /// As [`Postgres::need`].
    #[track_caller]
    pub fn need_own(settings: &[(&str, &str)]) -> Option<Self> {
        Some(Self::start_with(programs()?, settings))
    }

    /// The URL of a new database, which is empty.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql(&self.url("postgres"), &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The URL of a new database, which is a copy of another one. Whoever has that one open loses it.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn copy_of(&self, url: &str) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let from = url.split_once("@/").and_then(|(_, rest)| rest.split_once('?'));
        let from = from.map_or_else(|| panic!("{url} is no URL of this server"), |(from, _)| from);
        self.psql(
            &self.url("postgres"),
            &[
                &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{from}'"),
                &format!("CREATE DATABASE {name} TEMPLATE {from}"),
            ],
        );
        self.url(&name)
    }

    /// The URL of a database by its name.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@/{database}?host={}", self.directory.display())
    }

    /// The path of the server's socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.join(".s.PGSQL.5432")
    }

    /// The directory of one's own beside the data: for certificates, say.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory of PostgreSQL's programs, `pg_dump` and `psql` among them.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// What statements answer, as lines of values with `|` between them.
    ///
    /// # Panics
    /// When they fail.
    pub fn sql(&self, url: &str, sql: &str) -> String {
        self.psql(url, &[sql])
    }

    /// Runs statements in a transaction that stays open until what this returns is dropped, and holds their locks.
    ///
    /// # Panics
    /// When they fail.
    pub fn hold(&self, url: &str, sql: &str) -> Held {
        let mut client = Command::new(self.programs.join("psql"))
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("psql does not run: {error}"));
        let (input, output) = (client.stdin.take(), client.stdout.take());
        let mut held = Held { client, input };
        let sent = held.input.as_mut().map(|input| write!(input, "BEGIN; {sql};\n\\echo held\n"));
        let mut said = output.into_iter().flat_map(|output| BufReader::new(output).lines());
        let is_held = said.any(|line| line.is_ok_and(|line| line == "held"));
        assert!(is_held && matches!(sent, Some(Ok(()))), "{sql} fails");
        held
    }

    /// What several answer, each in a transaction of its own.
    fn psql(&self, url: &str, statements: &[&str]) -> String {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", url]);
        for statement in statements {
            psql.args(["-c", statement]);
        }
        let done = psql.output().unwrap_or_else(|error| panic!("psql does not run: {error}"));
        assert!(done.status.success(), "{statements:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim_end().to_owned()
    }

    /// Stops the server.
    ///
    /// # Panics
    /// When it does not stop.
    pub fn stop(&self, how: Stop) {
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
            Stop::Kill => {
                let pid = self.pid().unwrap_or_else(|| panic!("no server runs"));
                kill_process(pid, Signal::KILL)
                    .unwrap_or_else(|error| panic!("it cannot be killed: {error}"));
                return;
            }
        };
        let done = self.pg_ctl(&["-m", mode, "stop"]);
        assert!(done, "the server does not stop: {}", self.log());
    }

    /// Starts it again, and waits until it takes connections.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(&self) {
        let mut options = format!("-k {} -c listen_addresses=", self.directory.display());
        for (name, value) in &self.settings {
            options.push_str(&format!(" -c {name}={value}"));
        }
        // After SIGKILL, the other processes may still hold the memory for a moment.
        let started = (0..20).any(|_| self.pg_ctl(&["-o", &options, "start"]));
        assert!(started, "the server does not start: {}", self.log());
    }

    /// What the server has written about itself.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// The server's first process, if it runs.
    pub fn pid(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.directory.join("data/postmaster.pid")).ok()?;
        Pid::from_raw(text.lines().next()?.parse().ok()?)
    }

    fn start_with(programs: PathBuf, settings: &[(&str, &str)]) -> Self {
        let directory = own_directory().unwrap_or_else(|error| panic!("no directory for a server: {error}"));
        let usual = [("shared_buffers", "64MB"), ("max_connections", "200"), ("max_wal_size", "256MB")];
        let settings =
            usual.iter().chain(settings).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let guard =
            ordinary(Command::new("sh").args(["-c", GUARD, "guard"]).arg(&directory).process_group(0))
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap_or_else(|error| panic!("no guard for a server: {error}"));
        let postgres =
            Self { programs, directory, settings: settings.collect(), databases: AtomicU64::new(0), guard };
        let made = ordinary(&mut postgres.command("initdb"))
            .args(["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D", "data"])
            .output()
            .unwrap_or_else(|error| panic!("initdb does not run: {error}"));
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        postgres.start();
        postgres
    }

    fn pg_ctl(&self, arguments: &[&str]) -> bool {
        let mut command = self.command("pg_ctl");
        command.args(["-D", "data", "-l", "log", "-w", "-t", "60", "-s"]).args(arguments);
        // A server inherits what it starts with, and a pipe would stay open as long as it runs.
        let done =
            ordinary(&mut command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        done.unwrap_or_else(|error| panic!("pg_ctl does not run: {error}")).success()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        // Messages in the language of this code, and nothing of who runs the tests.
        command.current_dir(&self.directory).env("LC_ALL", "C").env_remove("PGDATA");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its input ends, so it ends the server and removes the directory.
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Where PostgreSQL's programs are: the newest version of those that Debian keeps side by side, or on the PATH.
#[track_caller]
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| {
            let path = version.ok()?.path();
            Some((path.file_name()?.to_str()?.parse().ok()?, path.join("bin")))
        })
        .collect();
    versions.sort_unstable_by(|one, other| other.cmp(one));
    let directories: Vec<PathBuf> = versions.into_iter().map(|(_, path)| path).collect();
    let postgres = need_at("postgres", &directories, "install it, as with `apt-get install postgresql`")?;
    // A link on the PATH may lead to where the others are.
    let postgres = fs::canonicalize(&postgres).unwrap_or(postgres);
    postgres.parent().map(Path::to_owned)
}

/// A directory that only the server's user can enter, with a short path: that of a socket has 107 bytes at most.
fn own_directory() -> io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("billing-pg-{}-{number}", std::process::id()));
    DirBuilder::new().mode(0o700).create(&directory)?;
    if geteuid().is_root() {
        chown(&directory, Some(NOBODY), Some(NOBODY))?;
    }
    Ok(directory)
}

/// The same command, run by an ordinary user.
fn ordinary(command: &mut Command) -> &mut Command {
    match geteuid().is_root() {
        true => command.uid(NOBODY).gid(NOBODY),
        false => command,
    }
}
