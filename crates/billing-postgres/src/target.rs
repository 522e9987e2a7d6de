//! Where a ledger is, read from a URL: which servers, which database, and whether the way there has TLS.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use billing_ledger::{Error, ErrorKind};
use tokio_postgres::config::{Config, Host, SslMode, TargetSessionAttrs};
use url::form_urlencoded;

/// The directory of the socket where a URL names no server, as Debian and its kin have it.
const SOCKET_DIRECTORY: &str = "/var/run/postgresql";

/// The port of a URL that names none.
const PORT: u16 = 5432;

/// A database that holds a ledger, or shall. Displayed, it is its URL without the password and without parameters.
///
/// ```
/// use billing_postgres::Target;
///
/// let target: Target = "postgres://gateway:secret@db.example.org/billing?sslmode=verify-full".parse()?;
/// assert_eq!(target.to_string(), "postgres://gateway@db.example.org/billing");
/// // Whoever could listen would have the password: there is no plain text but to the machine itself.
/// assert!("postgres://gateway@db.example.org/billing?sslmode=disable".parse::<Target>().is_err());
/// # Ok::<(), billing_ledger::Error>(())
/// ```
#[derive(Clone)]
pub struct Target {
    config: Config,
    has_tls: bool,
    root_certificates: Option<PathBuf>,
    connections: Option<usize>,
}

impl Target {
    /// True for a text that names a PostgreSQL database, right or wrong: it begins with `postgres:` or `postgresql:`, in small letters
    /// or capitals.
    pub fn is_meant(text: &str) -> bool {
        text.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme))
    }

    /// True when the URL has a password.
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// The same with this password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    /// The password that a `.pgpass` file has for it: lines of `host:port:database:user:password`, of which the first that fits
    /// counts. `*` fits everything, a backslash takes `:` and itself as they are, and a socket's host is `localhost`. See the chapter
    /// "The Password File" of PostgreSQL's documentation.
    pub fn password_in(&self, pgpass: &str) -> Option<String> {
        let (host, port) = self.first_server();
        let host = if host.starts_with('/') { "localhost".to_owned() } else { host };
        let user = self.config.get_user().unwrap_or_default();
        let wanted = [host.as_str(), &port.to_string(), self.database(), user];
        pgpass.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
            let fields = split(line);
            let (password, place) = fields.split_last()?;
            let fits = place.len() == wanted.len()
                && place.iter().zip(wanted).all(|(field, wanted)| field == "*" || field == wanted);
            fits.then(|| password.clone())
        })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// True when everything passes through TLS. Without it the database is on this machine.
    pub fn has_tls(&self) -> bool {
        self.has_tls
    }

    pub(crate) fn root_certificates(&self) -> Option<&PathBuf> {
        self.root_certificates.as_ref()
    }

    /// How many connections the URL allows, if it says so.
    pub(crate) fn connections(&self) -> Option<usize> {
        self.connections
    }

    fn database(&self) -> &str {
        self.config.get_dbname().or(self.config.get_user()).unwrap_or_default()
    }

    fn first_server(&self) -> (String, u16) {
        let host = self.config.get_hosts().first().map_or_else(String::new, host_text);
        (host, self.config.get_ports().first().copied().unwrap_or(PORT))
    }
}

impl std::str::FromStr for Target {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self, Error> {
        let named = url.split_once("://").filter(|(scheme, _)| is_scheme(scheme)).map(|(_, named)| named);
        let named = named.ok_or_else(|| invalid("it does not begin with `postgres://`"))?;
        refuse_unclear(named)?;
        let (place, parameters) = named.split_once('?').unwrap_or((named, ""));
        let (mut mode, mut root_certificates, mut connections) = (None, None, None);
        let mut names_attributes = false;
        // The client knows neither of these parameters of libpq as we read them, so it gets the others only.
        let mut others = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(parameters.as_bytes()) {
            match &*name {
                "sslmode" => mode = Some(value.into_owned()),
                "sslrootcert" => root_certificates = Some(PathBuf::from(value.into_owned())),
                "connections" => connections = Some(connections_of(&value)?),
                // The client takes one of several, libpq takes them with commas between them.
                "host" => {
                    for host in value.split(',') {
                        others.append_pair(&name, host);
                    }
                }
                _ => {
                    names_attributes |= name == "target_session_attrs";
                    others.append_pair(&name, &value);
                }
            }
        }
        // The client takes `+` as it is.
        let others = others.finish().replace('+', "%20");
        let mut config: Config =
            format!("postgres://{place}?{others}").trim_end_matches('?').parse().map_err(refused)?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host(SOCKET_DIRECTORY);
        }
        if config.get_application_name().is_none() {
            config.application_name("billing");
        }
        let is_near =
            config.get_hosts().iter().all(is_near) && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
        // An address counts, and not the host beside it.
        let is_socket = !config.get_hosts().is_empty()
            && config.get_hosts().iter().all(is_directory)
            && config.get_hostaddrs().is_empty();
        let has_tls = match mode.as_deref() {
            None => !is_near,
            Some("disable" | "allow" | "prefer") if is_near => false,
            Some(plain @ ("disable" | "allow" | "prefer")) => {
                return Err(invalid(format!(
                    "with sslmode={plain} the password and the ledger could pass over the network in plain text: leave it out, or say \
                     sslmode=verify-full"
                )));
            }
            Some("require" | "verify-ca" | "verify-full") => !is_socket,
            Some(other) => return Err(invalid(format!("`{other}` is no sslmode: say verify-full"))),
        };
        if has_tls && (config.get_hosts().is_empty() || config.get_hosts().iter().any(is_directory)) {
            return Err(invalid(
                "a certificate is one for a name: say the name of each server, and its hostaddr beside it",
            ));
        }
        // After a failover the ledger is at the server that takes writes, and the others may be behind.
        if !names_attributes && config.get_hosts().len().max(config.get_hostaddrs().len()) > 1 {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        config.ssl_mode(if has_tls { SslMode::Require } else { SslMode::Disable });
        Ok(Self { config, has_tls, root_certificates, connections })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = self.first_server();
        let user = self.config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
        let port = if port == PORT { String::new() } else { format!(":{port}") };
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        match host.starts_with('/') {
            true => {
                write!(f, "postgres://{user}/{}?host={host}{}", self.database(), port.replace(':', "&port="))?
            }
            false => write!(f, "postgres://{user}{host}{port}/{}", self.database())?,
        }
        if self.config.get_hosts().len() > 1 { f.write_str(" and others") } else { Ok(()) }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.to_string()).finish()
    }
}

fn is_scheme(text: &str) -> bool {
    ["postgres", "postgresql"].iter().any(|scheme| text.eq_ignore_ascii_case(scheme))
}

/// Refuses a URL of which a part of the password might be taken for a host or a parameter, and so be shown.
fn refuse_unclear(named: &str) -> Result<(), Error> {
    let (server, behind) = named.split_at(named.find(['/', '?']).unwrap_or(named.len()));
    let is_clear = match server.split_once('@') {
        Some((_, host)) => !host.contains('@'),
        None => !server.contains(':') || !behind.contains('@'),
    };
    match is_clear {
        true => Ok(()),
        false => {
            Err(invalid("in a password, and behind the host, write `@` as %40, `/` as %2F and `?` as %3F"))
        }
    }
}

/// The fields of a line of `.pgpass`.
fn split(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut characters) = (Vec::new(), String::new(), line.chars());
    while let Some(character) = characters.next() {
        match character {
            '\\' => field.extend(characters.next()),
            ':' => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    fields.push(field);
    fields
}

fn connections_of(text: &str) -> Result<usize, Error> {
    match text.parse() {
        Ok(number @ 3..=500) => Ok(number),
        _ => Err(invalid(format!("`{text}` is no number of connections: say 3 to 500"))),
    }
}

/// True for a host that is this machine: what passes to it passes over no network.
fn is_near(host: &Host) -> bool {
    let text = host_text(host);
    is_directory(host)
        || text == "localhost"
        || text.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// True for a host that is the directory of a socket.
fn is_directory(host: &Host) -> bool {
    host_text(host).starts_with('/')
}

fn host_text(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    }
}

/// The client's error quotes no password: it names a parameter.
fn refused(cause: tokio_postgres::Error) -> Error {
    invalid("it cannot be read").caused_by(cause)
}

fn invalid(why: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::CannotOpen, format!("this is no URL of a PostgreSQL database: {}", why.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        url.parse().unwrap()
    }

    #[test]
    fn plain_text_goes_to_this_machine_only() {
        for (url, has_tls) in [
            ("postgres://u@db.example.org/b", true),
            ("postgres://u@db.example.org/b?sslmode=require", true),
            ("postgres://u@db.example.org/b?sslmode=verify-full&application_name=x+y", true),
            ("postgres://u@localhost/b", false),
            ("postgres://u@127.0.0.2/b?sslmode=prefer", false),
            ("postgres://u@[::1]/b?sslmode=disable", false),
            ("postgres://u@localhost/b?sslmode=verify-full", true),
            ("postgres:///b?host=/tmp/x", false),
            ("postgres:///b?host=/tmp/x&sslmode=verify-full", false),
            ("postgres:///b?host=/tmp/x,/tmp/y&port=5432,5433", false),
            ("postgres:///b?host=localhost,db.example.org", true),
            ("postgres:///b", false),
            ("postgres://u@localhost,db.example.org/b", true),
            ("postgres://u@db.example.org/b?hostaddr=10.0.0.1", true),
            ("postgres://u@localhost/b?hostaddr=10.0.0.1", true),
            ("postgres://u@localhost/b?hostaddr=127.0.0.1&sslmode=verify-full", true),
            ("postgres://u@/b?hostaddr=127.0.0.1", false),
        ] {
            assert_eq!(target(url).has_tls(), has_tls, "{url}");
        }
        for url in [
            "postgres://u@db.example.org/b?sslmode=disable",
            "postgres://u@db.example.org/b?sslmode=prefer",
            "postgres://u@localhost,db.example.org/b?sslmode=allow",
            "postgres://u@/b?host=/tmp/x,db.example.org&sslmode=disable",
            "postgres://u@db.example.org/b?hostaddr=10.0.0.1&sslmode=disable",
            "postgres://u@localhost/b?hostaddr=10.0.0.1&sslmode=disable",
            "postgres://u@localhost.example.org/b?sslmode=disable",
            "postgres://u@localhost/b?sslmode=off",
            "postgres://u@localhost/b?connections=0",
            "mysql://u@localhost/b",
            // There is no name that a certificate could be for.
            "postgres://u@/b?hostaddr=10.0.0.1",
            "postgres://u@/b?hostaddr=10.0.0.1&sslmode=verify-full",
            "postgres://u@/b?hostaddr=127.0.0.1&sslmode=require",
            "postgres://u@/b?host=/tmp&hostaddr=10.0.0.1",
            "postgres://u@/b?host=/tmp&hostaddr=10.0.0.1&sslmode=verify-full",
            "postgres://u@%2Ftmp,db.example.org/b",
        ] {
            assert!(url.parse::<Target>().is_err(), "{url}");
        }
    }

    #[test]
    fn a_password_that_could_be_taken_for_something_else_is_refused() {
        for url in [
            "postgres://u:s3@cret@localhost/b",
            "postgres://u:12?s3cret@localhost/b",
            "postgres://u:12/s3cret@localhost/b",
            "postgres://u:s3?connections=cret@localhost/b",
            "postgres:/u:s3cret@localhost/b",
            "POSTGRES:u:s3cret@localhost/b",
        ] {
            assert!(Target::is_meant(url), "{url}");
            let refused = url.parse::<Target>().unwrap_err();
            assert!(!format!("{refused} {refused:?}").contains("cret"), "{refused:?}");
        }
        for (url, shown) in [
            ("POSTGRES://u:s3%40cr%3Fet@localhost/b", "postgres://u@localhost/b"),
            ("PostgreSQL://u@localhost/b?application_name=a@b", "postgres://u@localhost/b"),
            ("postgres://localhost:5433/b", "postgres://localhost:5433/b"),
            ("postgres://u@[::1]:5433/b", "postgres://u@[::1]:5433/b"),
            ("postgres://u@/b?port=5433&host=/tmp", "postgres://u@/b?host=/tmp&port=5433"),
        ] {
            assert_eq!(target(url).to_string(), shown);
            assert_eq!(target(shown).to_string(), shown);
        }
        assert!(!Target::is_meant("./postgres://u@localhost/b") && !Target::is_meant("postgres.db"));
    }

    #[test]
    fn of_several_servers_the_one_that_takes_writes_is_meant() {
        for (url, attributes) in [
            ("postgres://u@one.example.org/b", TargetSessionAttrs::Any),
            ("postgres://u@one.example.org,two.example.org/b", TargetSessionAttrs::ReadWrite),
            ("postgres://u@%2Ftmp%2Fone,%2Ftmp%2Ftwo/b", TargetSessionAttrs::ReadWrite),
            ("postgres://u@/b?hostaddr=127.0.0.1,127.0.0.2", TargetSessionAttrs::ReadWrite),
            (
                "postgres://u@one.example.org,two.example.org/b?target_session_attrs=any",
                TargetSessionAttrs::Any,
            ),
        ] {
            assert_eq!(target(url).config().get_target_session_attrs(), attributes, "{url}");
        }
    }

    #[test]
    fn no_text_of_it_has_the_password() {
        for url in [
            "postgres://u:s3cret@localhost:5433/b?application_name=a",
            "postgres://u@localhost:5433/b?password=s3cret",
        ] {
            let target = target(url);
            assert!(target.has_password());
            assert_eq!(target.to_string(), "postgres://u@localhost:5433/b");
            assert!(!format!("{target:?}").contains("s3cret"));
        }
        let refused = "postgres://u:s3cret@localhost/b?nonsense=s3cret".parse::<Target>().unwrap_err();
        let mut texts = vec![format!("{refused:?}"), refused.to_string()];
        texts.extend(std::error::Error::source(&refused).map(ToString::to_string));
        assert!(texts.iter().all(|text| !text.contains("s3cret")), "{texts:?}");
    }

    #[test]
    fn a_password_file_is_read_as_libpq_reads_it() {
        let file = "# a comment\nother:*:*:*:no\nlocalhost:5432:b:u:of\\:socket\\\\\n*:5433:*:u:by port\ndb.example.org:*:b:*:\n";
        for (url, password) in [
            ("postgres://u@/b?host=/tmp", Some("of:socket\\")),
            ("postgres://u@localhost/b", Some("of:socket\\")),
            ("postgres://u@anywhere:5433/c", Some("by port")),
            ("postgres://v@db.example.org/b", Some("")),
            ("postgres://v@anywhere/b", None),
        ] {
            assert_eq!(target(url).password_in(file).as_deref(), password, "{url}");
        }
    }
}
