//! Room for connections: so many at once, and so many of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::trace::Proxies;

/// Who holds connections.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    all: Arc<Semaphore>,
    each: usize,
    proxies: Proxies,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection's place; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Place {
    address: IpAddr,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
    _one: OwnedSemaphorePermit,
}

impl Room {
    /// For this many connections, and this many of each address; trusted proxies speak for many and may hold them all.
    pub(crate) fn new(all: usize, each: usize, proxies: Proxies) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), each, proxies, held: Arc::default() }
    }

    /// Waits until there is room for one more; whoever waits longer waits in the kernel's queue.
    pub(crate) async fn one(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// A place for this peer, unless its address holds too many.
    pub(crate) fn place(&self, one: OwnedSemaphorePermit, peer: IpAddr) -> Option<Place> {
        let address = whole(peer);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(address).or_default();
        if *count >= self.each && !self.proxies.trust(peer) {
            return None;
        }
        *count += 1;
        Some(Place { address, held: Arc::clone(&self.held), _one: one })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let left = held.get(&self.address).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            held.remove(&self.address);
        } else {
            held.insert(self.address, left);
        }
    }
}

/// One household's address: of IPv6 the first half, since a household has all of the second.
fn whole(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(four) => four.into(),
        IpAddr::V6(six) => IpAddr::from((six.to_bits() & !u128::from(u64::MAX)).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn place(room: &Room, peer: &str) -> Option<Place> {
        room.place(room.one().await.unwrap(), peer.parse().unwrap())
    }

    #[tokio::test]
    async fn an_address_holds_so_many_places_and_a_dropped_one_can_be_had_again() {
        let room = Room::new(100, 2, Proxies::new(vec!["10.0.0.0/8".parse().unwrap()]));
        let held = (place(&room, "198.51.100.7").await, place(&room, "::ffff:198.51.100.7").await);
        assert!(held.0.is_some() && held.1.is_some());
        assert!(place(&room, "198.51.100.7").await.is_none(), "both forms are one address");
        assert!(place(&room, "198.51.100.8").await.is_some());
        drop(held);
        assert!(place(&room, "198.51.100.7").await.is_some());
        assert!(room.held.lock().unwrap().is_empty(), "nobody is remembered who holds nothing");
    }

    #[tokio::test]
    async fn half_of_an_ipv6_address_counts_and_a_trusted_proxy_is_not_counted_out() {
        let room = Room::new(100, 1, Proxies::new(vec!["10.0.0.0/8".parse().unwrap()]));
        let _held = place(&room, "2001:db8::1").await.unwrap();
        assert!(place(&room, "2001:db8::2").await.is_none());
        let _another = place(&room, "2001:db8:0:1::1").await.unwrap();
        let _proxy = place(&room, "10.0.0.1").await.unwrap();
        assert!(place(&room, "10.0.0.1").await.is_some());
    }
}
