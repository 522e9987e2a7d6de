//! The network between the server and the database is cut inside COMMIT, shut, and stalled.

use std::thread;
use std::time::{Duration, Instant};

use billing_testkit::{Cut, Proxy, Way};

use crate::host::Host;

use super::clients::{Alarm, Clients};
use super::{BACK, CLIENTS, Rig, kills};

/// A limit for a cut that does not come. No test waits for it.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_network_is_cut_inside_commit_again_and_again() {
    let Some(rig) = Rig::need() else { return };
    let (clients, kills) = (Clients::default(), kills(6));
    let proxy = Proxy::before(&rig.postgres.socket());
    let host = Host::start(&proxy.url(&rig.url), &[]);
    let mut random = fastrand::Rng::with_seed(19);
    let (mut after, mut cuts) = (0, 0);
    let said = thread::scope(|scope| {
        let _alarm = Alarm(&clients);
        for client in rig.clients(&clients) {
            scope.spawn(|| client.run());
        }
        clients.send_to(Some(host.address()));
        for cut in [Cut::Before, Cut::After, Cut::Within].into_iter().cycle().take(kills) {
            clients.wait_for_answers(random.usize(1..12));
            proxy.cut(cut);
            cuts += 1;
            after += usize::from(cut == Cut::After);
            assert!(proxy.wait_for_cuts(cuts, LIMIT), "{cut:?}");
            let back = Instant::now();
            clients.wait_for_answers(CLIENTS);
            assert!(back.elapsed() < BACK, "{cut:?}: {:?}", back.elapsed());
        }
        rig.is_sound(&clients, &host);
        clients.end(CLIENTS);
        rig.is_exactly_what_was_acknowledged(&clients, &host)
    });
    let heard = host.stop();
    assert!(
        clients.counts().unheard >= after,
        "each commit whose answer was lost is found: {:?}",
        clients.counts()
    );
    assert!(heard.contains("not known"), "{heard}");
    println!("{kills} cuts inside COMMIT: {said}");
}

#[test]
fn a_network_that_is_gone_is_told_of_until_it_is_back() {
    let Some(rig) = Rig::need() else { return };
    let clients = Clients::default();
    let proxy = Proxy::before(&rig.postgres.socket());
    let host = Host::start(&proxy.url(&rig.url), &[]);
    let said = thread::scope(|scope| {
        let _alarm = Alarm(&clients);
        for client in rig.clients(&clients) {
            scope.spawn(|| client.run());
        }
        clients.send_to(Some(host.address()));
        for way in [Way::Shut, Way::Stalled] {
            clients.wait_for_answers(8);
            proxy.set(way);
            if way == Way::Shut {
                proxy.break_all();
            }
            rig.is_told_to_be_away(&host);
            proxy.set(Way::Open);
            let back = Instant::now();
            clients.wait_for_answers(CLIENTS);
            rig.is_back(&host);
            assert!(back.elapsed() < BACK, "{way:?}: {:?}", back.elapsed());
            rig.is_sound(&clients, &host);
        }
        clients.end(CLIENTS);
        rig.is_exactly_what_was_acknowledged(&clients, &host)
    });
    host.stop();
    println!("a network that is gone: {said}");
}
