//! One stream: what waits for its client, in bounds, and how it is told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use shared::domain::ids::{GameId, GuildId};
use shared::store::sessions::Hash;
use shared::telemetry::live as told;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Live;
use crate::session::Caller;

/// Events that wait for one client (L-43); with one more it is told to reload instead.
const QUEUE: usize = 100;
/// The client takes a longer silence for a dead connection (L-43).
const SILENCE: Duration = Duration::from_secs(30);

const KEEPALIVE: Bytes = Bytes::from_static(b"data: {\"type\":\"keepalive\"}\n\n");
const RELOAD: Bytes = Bytes::from_static(b"data: {\"type\":\"reload\"}\n\n");
const RECONNECT: Bytes = Bytes::from_static(b"data: {\"type\":\"reconnect\"}\n\n");

/// A change of a game, as it goes out. All clients share one copy.
pub(super) fn updated(game: GameId, guild: GuildId) -> Bytes {
    let data = format!(r#"{{"type":"game_updated","game_id":"{game}","guild_id":"{guild}"}}"#);
    Bytes::from(format!("data: {data}\n\n"))
}

/// Somebody who is told.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) caller: Caller,
    pub(super) session: Hash,
    /// The session has ended.
    pub(super) end: CancellationToken,
    waiting: Mutex<Waiting>,
    wake: Notify,
    owed: AtomicBool,
}

/// What a client was not told yet.
#[derive(Debug, Default)]
struct Waiting {
    reload: bool,
    events: VecDeque<Bytes>,
}

impl Waiting {
    /// Puts an event in line. How many are lost to a reload by that.
    fn put(&mut self, event: Bytes) -> usize {
        if self.reload {
            return 1;
        }
        if self.events.len() >= QUEUE {
            return 1 + self.reload();
        }
        self.events.push_back(event);
        0
    }

    /// What waits becomes one reload. How many events are lost by that.
    fn reload(&mut self) -> usize {
        self.reload = true;
        std::mem::take(&mut self.events).len()
    }
}

impl Client {
    /// Somebody new: whatever they know may be old (LS-11).
    pub(super) fn new(caller: Caller, session: Hash) -> Self {
        Self {
            caller,
            session,
            end: CancellationToken::new(),
            waiting: Mutex::new(Waiting { reload: true, events: VecDeque::new() }),
            wake: Notify::new(),
            owed: AtomicBool::new(false),
        }
    }

    /// Tells of an event as soon as the client reads.
    pub(super) fn tell(&self, event: &Bytes) {
        self.change(|waiting| waiting.put(event.clone()));
    }

    /// Tells that something may have been missed.
    pub(super) fn reload(&self) {
        self.change(Waiting::reload);
    }

    /// Something was missed, and now is not the time to ask for it.
    pub(super) fn owe(&self) {
        self.owed.store(true, Ordering::Relaxed);
    }

    /// Tells of what was missed earlier.
    pub(super) fn pay(&self) {
        if self.owed.swap(false, Ordering::Relaxed) {
            self.reload();
        }
    }

    fn change(&self, change: impl FnOnce(&mut Waiting) -> usize) {
        told::lagged(change(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner)));
        self.wake.notify_one();
    }

    fn take(&self) -> Option<Bytes> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut waiting.reload) {
            return Some(RELOAD);
        }
        waiting.events.pop_front().inspect(|_| told::sent())
    }
}

/// A client while its stream is open; dropping it makes room.
pub(super) struct Connected {
    pub(super) client: Arc<Client>,
    pub(super) live: Live,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.live.part(&self.client);
    }
}

/// What a client hears next.
enum Said {
    More(Bytes),
    Last(Bytes),
    Nothing,
}

impl Connected {
    /// The body of the answer. It is asked for the next frame only when the client has taken the last one.
    pub(super) fn frames(self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
        unfold(Some(self), |connected| async move {
            let connected = connected?;
            match connected.next().await {
                Said::More(frame) => Some((Ok(frame), Some(connected))),
                Said::Last(frame) => Some((Ok(frame), None)),
                Said::Nothing => None,
            }
        })
    }

    async fn next(&self) -> Said {
        let mut silence = pin!(tokio::time::sleep(SILENCE));
        loop {
            // First the ends: to whom nothing may be told any more, not even what waits is told.
            if self.client.end.is_cancelled() {
                return Said::Nothing;
            }
            if self.live.stop.is_cancelled() {
                return Said::Last(RECONNECT);
            }
            if let Some(frame) = self.client.take() {
                return Said::More(frame);
            }
            tokio::select! {
                () = self.client.end.cancelled() => {}
                () = self.live.stop.cancelled() => {}
                () = self.client.wake.notified() => {}
                () = &mut silence => return Said::More(KEEPALIVE),
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use futures_util::StreamExt as _;
    use shared::domain::ids::{DiscordUser, UserId};

    use super::*;

    pub(in crate::live) fn caller() -> Caller {
        Caller { user: UserId::new(), discord: DiscordUser::new(7), username: "ada".to_owned(), avatar: None }
    }

    fn event() -> Bytes {
        updated(GameId::new(), GuildId::new())
    }

    /// A client, and what it was told at last.
    async fn told(live: &Live, before: impl FnOnce(&Client)) -> Vec<String> {
        let connected = live.connect(caller(), [1; 32]).unwrap();
        let client = Arc::clone(&connected.client);
        let mut frames = pin!(connected.frames());
        assert_eq!(frames.next().await, Some(Ok(RELOAD)), "whoever connects has missed what was before");
        before(&client);
        live.stop.cancel();
        let left: Vec<_> = frames.collect().await;
        left.into_iter().map(|Ok(frame)| String::from_utf8(frame.to_vec()).unwrap()).collect()
    }

    #[test]
    fn an_event_is_the_frame_of_the_contract() {
        let (game, guild) = (GameId::new(), GuildId::new());
        let expected =
            format!("data: {{\"type\":\"game_updated\",\"game_id\":\"{game}\",\"guild_id\":\"{guild}\"}}\n\n");
        assert_eq!(updated(game, guild), expected);
    }

    #[test]
    fn ls_11_a_hundred_events_wait_and_with_one_more_they_are_one_reload() {
        let client = Client::new(caller(), [1; 32]);
        assert_eq!(client.take(), Some(RELOAD));
        let events: Vec<_> = (0..QUEUE).map(|_| event()).collect();
        events.iter().for_each(|event| client.tell(event));
        assert_eq!(client.take(), Some(events[0].clone()));
        client.tell(&event());
        client.tell(&event());
        client.tell(&event());
        assert_eq!((client.take(), client.take()), (Some(RELOAD), None));
        client.tell(&events[1]);
        assert_eq!(client.take(), Some(events[1].clone()), "and then it goes on");
    }

    #[test]
    fn what_was_missed_is_told_once_and_not_before_its_time() {
        let client = Client::new(caller(), [1; 32]);
        assert_eq!(client.take(), Some(RELOAD));
        client.owe();
        client.owe();
        assert_eq!(client.take(), None);
        client.pay();
        client.pay();
        assert_eq!((client.take(), client.take()), (Some(RELOAD), None));
    }

    #[tokio::test]
    async fn op_06_when_the_process_stops_a_client_is_told_to_reconnect_and_the_stream_ends() {
        let live = Live::new(CancellationToken::new());
        assert_eq!(told(&live, |_| {}).await, ["data: {\"type\":\"reconnect\"}\n\n"]);
        assert!(live.clients().is_empty());
    }

    #[tokio::test]
    async fn ls_11_a_stream_whose_session_ended_says_nothing_more_and_ends() {
        let live = Live::new(CancellationToken::new());
        let ended = told(&live, |client| {
            client.tell(&event());
            live.end(&[1; 32]);
        });
        assert_eq!(ended.await, Vec::<String>::new());
    }
}
