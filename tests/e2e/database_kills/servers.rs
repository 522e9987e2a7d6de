//! A server is killed while its transactions run: the database ends what is left of them.

use std::thread;

use crate::host::Host;

use super::clients::{Alarm, Clients};
use super::{CLIENTS, Rig, kills};

#[test]
fn a_server_is_killed_again_and_again() {
    let Some(rig) = Rig::need() else { return };
    let (clients, kills) = (Clients::default(), kills(4));
    let mut random = fastrand::Rng::with_seed(17);
    let said = thread::scope(|scope| {
        let _alarm = Alarm(&clients);
        for client in rig.clients(&clients) {
            scope.spawn(|| client.run());
        }
        for _ in 0..kills {
            let host = Host::start(&rig.url, &[]);
            rig.is_sound(&clients, &host);
            clients.send_to(Some(host.address()));
            clients.wait_for_answers(random.usize(1..16));
            // Waits a random moment more: a server does most of its work between two answers.
            for _ in 0..random.u32(..300) {
                thread::yield_now();
            }
            clients.send_to(None);
            host.kill();
        }
        let host = Host::start(&rig.url, &[]);
        rig.is_sound(&clients, &host);
        clients.send_to(Some(host.address()));
        clients.end(CLIENTS);
        let said = rig.is_exactly_what_was_acknowledged(&clients, &host);
        host.stop();
        said
    });
    println!("{kills} kills of the server: {said}");
}
