//! The database is killed, whole or one of its processes.

use std::thread;
use std::time::{Duration, Instant};

use billing_testkit::Stop;
use rustix::process::{Pid, Signal, kill_process};

use crate::host::Host;

use super::clients::{Alarm, Clients};
use super::{BACK, CLIENTS, Rig, is_walked_after, kills};

/// A limit for a database that does not recover. No test waits for it.
const LIMIT: Duration = Duration::from_secs(60);

/// A process of the database that works for the server, one in the middle of a transaction if there is any.
const BACKEND: &str =
    "FROM pg_stat_activity WHERE application_name = 'billing' AND datname = current_database()
    ORDER BY state <> 'idle' DESC, random() LIMIT 1";

#[derive(Clone, Copy, Debug)]
enum Strike {
    /// SIGKILL for one process: the database ends all others, and recovers.
    KillBackend,
    /// One process is told to end.
    EndBackend,
    Stop(Stop),
}

const STRIKES: [Strike; 4] =
    [Strike::KillBackend, Strike::EndBackend, Strike::Stop(Stop::Immediate), Strike::Stop(Stop::Kill)];

impl Rig {
    fn strike(&self, strike: Strike, host: &Host) {
        match strike {
            Strike::KillBackend => {
                let pid = self.postgres.sql(&self.url, &format!("SELECT pid {BACKEND}"));
                let starts = || self.postgres.log().matches("ready to accept connections").count();
                let (before, start) = (starts(), Instant::now());
                kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
                // How long it takes to recover is the database's own matter.
                while starts() == before {
                    assert!(start.elapsed() < LIMIT, "{}", self.postgres.log());
                }
            }
            Strike::EndBackend => {
                let sql = format!("SELECT pg_terminate_backend(pid) FROM (SELECT pid {BACKEND}) AS one");
                assert_eq!(self.postgres.sql(&self.url, &sql), "t");
            }
            Strike::Stop(how) => {
                self.postgres.stop(how);
                if how == Stop::Immediate {
                    self.is_told_to_be_away(host);
                }
                self.postgres.start();
            }
        }
    }
}

#[test]
fn the_database_and_its_processes_are_killed_in_turn() {
    let Some(rig) = Rig::need() else { return };
    let (clients, kills) = (Clients::default(), kills(4));
    let mut random = fastrand::Rng::with_seed(18);
    let host = Host::start(&rig.url, &[]);
    let said = thread::scope(|scope| {
        let _alarm = Alarm(&clients);
        for client in rig.clients(&clients) {
            scope.spawn(|| client.run());
        }
        clients.send_to(Some(host.address()));
        for (kill, strike) in STRIKES.iter().cycle().take(kills).enumerate() {
            clients.wait_for_answers(random.usize(1..16));
            rig.strike(*strike, &host);
            let back = Instant::now();
            clients.wait_for_answers(CLIENTS);
            rig.is_back(&host);
            assert!(back.elapsed() < BACK, "{strike:?}: {:?}", back.elapsed());
            if is_walked_after(kill) {
                rig.is_sound(&clients, &host);
            }
        }
        clients.end(CLIENTS);
        rig.is_exactly_what_was_acknowledged(&clients, &host)
    });
    host.stop();
    println!("{kills} kills of the database: {said}");
}
