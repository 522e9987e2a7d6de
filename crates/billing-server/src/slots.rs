//! Which connections may stay open: so many in all, and so many of one address. An idle connection gives way to a new
//! one; the one that was idle longest goes first.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The slots of a listener.
#[derive(Debug)]
pub(crate) struct Slots {
    limit: usize,
    /// The most slots of one address.
    share: usize,
    taken: Mutex<Taken>,
    /// Notified when a slot becomes free or a connection becomes idle.
    changed: Notify,
}

/// Why there is no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crowded {
    /// All slots are taken by running requests.
    Everybody,
    /// All slots that the address may have are taken by running requests.
    Address,
}

#[derive(Debug, Default)]
struct Taken {
    slots: HashMap<u64, Held>,
    addresses: HashMap<IpAddr, Address>,
    /// The idle connections, by when they became idle.
    idle: BTreeMap<u64, u64>,
    /// Counts slots, and times at which a connection became idle.
    next: u64,
}

#[derive(Debug)]
struct Held {
    address: IpAddr,
    idle_since: Option<u64>,
    leave: Arc<Notify>,
}

/// The slots of an address.
#[derive(Debug, Default)]
struct Address {
    open: usize,
    idle: BTreeSet<u64>,
}

/// A connection's slot. It is free again when this is dropped, and idle until [`Activity::busy`] is called.
#[derive(Debug)]
pub(crate) struct Slot {
    activity: Activity,
    leave: Arc<Notify>,
}

/// The handle by which a connection reports whether it is busy.
#[derive(Clone, Debug)]
pub(crate) struct Activity {
    slots: Arc<Slots>,
    id: u64,
}

impl Slots {
    pub(crate) fn new(limit: usize, share: usize) -> Arc<Self> {
        let (limit, share) = (limit.max(1), share.max(1));
        Arc::new(Self { limit, share, taken: Mutex::default(), changed: Notify::new() })
    }

    /// A slot for a connection from an address. When all its slots are taken, an idle connection is told to leave.
    pub(crate) fn take(self: &Arc<Self>, from: IpAddr) -> Result<Slot, Crowded> {
        let address = network_of(from);
        let mut taken = self.lock();
        let of_address = taken.addresses.get(&address);
        let is_at_share = of_address.is_some_and(|address| address.open >= self.share);
        let is_full = taken.slots.len() >= self.limit;
        if is_at_share || is_full {
            let idle = match of_address.filter(|_| is_at_share) {
                Some(address) => address.idle.first().copied(),
                None => taken.idle.first_key_value().map(|(since, _)| *since),
            };
            match idle {
                Some(since) => taken.leave(since),
                None if is_full => return Err(Crowded::Everybody),
                None => return Err(Crowded::Address),
            }
        }
        let (id, leave) = (taken.count(), Arc::new(Notify::new()));
        taken.slots.insert(id, Held { address, idle_since: None, leave: Arc::clone(&leave) });
        taken.addresses.entry(address).or_default().open += 1;
        taken.idle(id);
        Ok(Slot { activity: Activity { slots: Arc::clone(self), id }, leave })
    }

    /// Tells the connection that was idle longest to leave, when the system has no more to give. False when none is
    /// idle.
    pub(crate) fn make_room(&self) -> bool {
        let mut taken = self.lock();
        let longest = taken.idle.first_key_value().map(|(since, _)| *since);
        longest.map(|since| taken.leave(since)).is_some()
    }

    /// Waits until a slot is free or a connection idle. What happened since the last call counts.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn count(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn idle(&mut self, id: u64) {
        let since = self.count();
        // A connection that was told to leave has no slot any more.
        let Some(held) = self.slots.get_mut(&id).filter(|held| held.idle_since.is_none()) else { return };
        held.idle_since = Some(since);
        self.idle.insert(since, id);
        if let Some(address) = self.addresses.get_mut(&held.address) {
            address.idle.insert(since);
        }
    }

    fn busy(&mut self, id: u64) {
        let Some(held) = self.slots.get_mut(&id) else { return };
        let Some(since) = held.idle_since.take() else { return };
        self.idle.remove(&since);
        if let Some(address) = self.addresses.get_mut(&held.address) {
            address.idle.remove(&since);
        }
    }

    fn remove(&mut self, id: u64) -> Option<Held> {
        self.busy(id);
        let held = self.slots.remove(&id)?;
        if let Some(address) = self.addresses.get_mut(&held.address) {
            address.open -= 1;
            if address.open == 0 {
                self.addresses.remove(&held.address);
            }
        }
        Some(held)
    }

    /// Takes the slot of the connection that is idle since then, and tells it.
    fn leave(&mut self, since: u64) {
        if let Entry::Occupied(idle) = self.idle.entry(since) {
            let id = *idle.get();
            if let Some(held) = self.remove(id) {
                held.leave.notify_one();
            }
        }
    }
}

impl Slot {
    pub(crate) fn activity(&self) -> Activity {
        self.activity.clone()
    }

    /// Ready once, when the connection is to leave for another one.
    pub(crate) async fn told_to_leave(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Activity { slots, id } = &self.activity;
        slots.lock().remove(*id);
        slots.changed.notify_one();
    }
}

impl Activity {
    /// Says that a request runs.
    pub(crate) fn busy(&self) {
        self.slots.lock().busy(self.id);
    }

    /// Says that all that was asked for is answered.
    pub(crate) fn idle(&self) {
        self.slots.lock().idle(self.id);
        self.slots.changed.notify_one();
    }
}

/// The address; for IPv6 its first half, because its owner can choose the other half.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use proptest::prelude::*;

    fn v4(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn has_left(slot: &Slot) -> bool {
        slot.told_to_leave().now_or_never().is_some()
    }

    #[test]
    fn who_is_idle_longest_leaves_and_who_is_busy_stays() {
        let slots = Slots::new(3, 3);
        let [a, b, c] = [1, 2, 3].map(|last| slots.take(v4(last)).unwrap());
        a.activity().busy();
        b.activity().busy();
        b.activity().idle();
        let d = slots.take(v4(4)).unwrap();
        assert_eq!([&a, &b, &c, &d].map(has_left), [false, false, true, false]);
        d.activity().busy();
        let e = slots.take(v4(5)).unwrap();
        assert_eq!([&a, &b, &d, &e].map(has_left), [false, true, false, false]);
        e.activity().busy();
        assert_eq!(slots.take(v4(6)).unwrap_err(), Crowded::Everybody);
        assert!(!slots.make_room());
        drop(a);
        assert!(slots.changed().now_or_never().is_some());
        slots.take(v4(6)).unwrap();
    }

    #[test]
    fn an_address_has_its_share_and_its_own_give_way() {
        let slots = Slots::new(10, 2);
        let first = slots.take(v4(1)).unwrap();
        let [x, y] = [(); 2].map(|()| slots.take(v4(9)).unwrap());
        let z = slots.take(v4(9)).unwrap();
        assert_eq!([&first, &x, &y, &z].map(has_left), [false, true, false, false]);
        y.activity().busy();
        z.activity().busy();
        assert_eq!(slots.take(v4(9)).unwrap_err(), Crowded::Address);
        let _other = slots.take(v4(1)).unwrap();
        // A connection that was told to leave and gets a request meanwhile takes no slot.
        x.activity().busy();
        x.activity().idle();
        drop(x);
        assert_eq!(slots.take(v4(9)).unwrap_err(), Crowded::Address);
        drop(y);
        slots.take(v4(9)).unwrap();
    }

    #[test]
    fn a_network_of_version_6_is_one_address() {
        let network = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:10.0.0.1"), "10.0.0.1");
        assert_eq!(network("10.0.0.1"), "10.0.0.1");
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    }

    proptest! {
        /// Whatever connections do, nobody has more than its share, and the counts are right.
        #[test]
        fn slots_are_counted(
            limit in 1usize..6, share in 1usize..4, steps in prop::collection::vec((0u8..4, 0u8..4, any::<prop::sample::Index>()), 0..200),
        ) {
            let slots = Slots::new(limit, share);
            let mut open: Vec<(u8, bool, Slot)> = Vec::new();
            for (what, from, which) in steps {
                match what {
                    0 => match slots.take(v4(from)) {
                        Ok(slot) => {
                            open.retain(|(_, is_busy, slot)| {
                                let leaves = has_left(slot);
                                assert!(!(leaves && *is_busy));
                                !leaves
                            });
                            open.push((from, false, slot));
                        }
                        Err(crowded) => {
                            let busy = |of: &dyn Fn(u8) -> bool| {
                                open.iter().filter(|(address, is_busy, _)| of(*address) && *is_busy).count()
                            };
                            match crowded {
                                Crowded::Address => prop_assert_eq!(busy(&|address| address == from), share),
                                Crowded::Everybody => prop_assert!(
                                    busy(&|_| true) == limit || busy(&|address| address == from) == share
                                ),
                            }
                        }
                    },
                    _ if open.is_empty() => {}
                    1 => drop(open.swap_remove(which.index(open.len()))),
                    _ => {
                        let at = which.index(open.len());
                        open[at].1 = what == 2;
                        if what == 2 { open[at].2.activity().busy() } else { open[at].2.activity().idle() }
                    }
                }
                prop_assert!(open.len() <= limit);
                prop_assert!((0..4).all(|last| open.iter().filter(|(address, ..)| *address == last).count() <= share));
                let taken = slots.lock();
                prop_assert_eq!(taken.slots.len(), open.len());
                prop_assert_eq!(taken.idle.len(), open.iter().filter(|(_, is_busy, _)| !is_busy).count());
                prop_assert_eq!(taken.addresses.values().map(|address| address.open).sum::<usize>(), open.len());
                prop_assert_eq!(taken.addresses.values().map(|address| address.idle.len()).sum::<usize>(), taken.idle.len());
            }
        }
    }
}
