//! Live updates: who is connected, and the route that connects them (LS-09 to LS-11).

mod audience;
mod client;
mod fan;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::CookieJar;
use http::header::{self, HeaderName};
use shared::domain::ids::GameId;
use shared::error::Refusal;
use shared::store::sessions::Hash;
use shared::telemetry::live as told;
use tokio_util::sync::CancellationToken;

use crate::Api;
use crate::problem::Problem;
use crate::session::{self, Caller};
use client::{Client, Connected};

pub(crate) use fan::{Fan, watch};

/// Streams at once of one session (LS-11).
const OF_ONE: usize = 5;
/// Streams at once of this process; the rest of its connections are for requests.
const ROOM: usize = 1024;
/// As browsers and the proxies before us want it; whether a proxy would hold frames back is said by the last one.
const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
    (header::CACHE_CONTROL, "no-cache"),
    (HeaderName::from_static("x-accel-buffering"), "no"),
];

/// Tells of every change of a game that the caller may see, until the caller leaves or the session ends.
///
/// Server-sent events without names, each a JSON object with a `type`: `game_updated` with `game_id` and `guild_id`,
/// `reload` when something may have been missed, `keepalive` after 30 s of silence, `reconnect` before this process ends.
#[utoipa::path(get, path = "/sse/game-updates",
    responses((status = 200, description = "The stream.", body = String, content_type = "text/event-stream")))]
pub(crate) async fn updates(State(api): State<Api>, caller: Caller, jar: CookieJar) -> Result<Response, Problem> {
    let session = session::hash(&jar).ok_or(Refusal::SignedOut)?;
    let connected = api.live.connect(caller, session)?;
    Ok((HEADERS, Body::from_stream(connected.frames())).into_response())
}

/// The streams of this process.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    clients: Arc<Mutex<Vec<Arc<Client>>>>,
    gathering: Arc<Mutex<HashSet<GameId>>>,
    /// Ends all of them.
    stop: CancellationToken,
}

impl Live {
    /// Streams that end at `stop`.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self { clients: Arc::default(), gathering: Arc::default(), stop }
    }

    fn connect(&self, caller: Caller, session: Hash) -> Result<Connected, Refusal> {
        let mut clients = self.clients();
        if clients.iter().filter(|client| client.session == session).count() >= OF_ONE {
            return Err(Refusal::TooManyStreams { limit: OF_ONE });
        }
        if clients.len() >= ROOM {
            return Err(Refusal::TryLater { seconds: 30 });
        }
        let client = Arc::new(Client::new(caller, session));
        clients.push(Arc::clone(&client));
        told::connected();
        Ok(Connected { client, live: self.clone() })
    }

    fn part(&self, client: &Arc<Client>) {
        self.clients().retain(|other| !Arc::ptr_eq(other, client));
        told::parted();
    }

    /// Ends the streams of a session that has ended.
    pub(crate) fn end(&self, session: &[u8]) {
        for client in self.clients().iter().filter(|client| client.session == session) {
            client.end.cancel();
        }
    }

    /// Every session that has a stream.
    fn sessions(&self) -> HashSet<Hash> {
        self.clients().iter().map(|client| client.session).collect()
    }

    /// Begins to gather the events of a game, unless that is under way.
    fn gather(&self, game: GameId) -> Option<Gathering> {
        let begun = self.gathering.lock().unwrap_or_else(PoisonError::into_inner).insert(game);
        begun.then(|| Gathering { game, live: self.clone() })
    }

    fn clients(&self) -> MutexGuard<'_, Vec<Arc<Client>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, events of its game are one with the first.
struct Gathering {
    game: GameId,
    live: Live,
}

impl Drop for Gathering {
    fn drop(&mut self) {
        self.live.gathering.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.game);
    }
}

#[cfg(test)]
mod tests {
    use super::client::tests::caller;
    use super::*;

    #[tokio::test]
    async fn ls_11_a_session_holds_five_streams_and_one_that_is_left_makes_room() {
        let live = Live::new(CancellationToken::new());
        let connect = |session: u8| live.connect(caller(), [session; 32]);
        let mut held: Vec<_> = (0..5).map(|_| connect(1).unwrap()).collect();
        assert_eq!(connect(1).err(), Some(Refusal::TooManyStreams { limit: 5 }));
        let _another = connect(2).unwrap();
        held.pop();
        assert!(connect(1).is_ok());
    }

    #[tokio::test]
    async fn a_full_process_refuses_a_stream_and_says_when_to_try_again() {
        let live = Live::new(CancellationToken::new());
        let connect = |number: usize| live.connect(caller(), [u8::try_from(number / 5).unwrap(); 32]);
        let held: Vec<_> = (0..ROOM).map(|number| connect(number).unwrap()).collect();
        assert_eq!(connect(ROOM).err(), Some(Refusal::TryLater { seconds: 30 }));
        drop(held);
        assert!(live.clients().is_empty());
    }

    #[tokio::test]
    async fn ls_10_events_of_a_game_are_gathered_by_the_first_until_it_goes_on() {
        let live = Live::new(CancellationToken::new());
        let (game, other) = (GameId::new(), GameId::new());
        let first = live.gather(game);
        assert!(first.is_some() && live.gather(game).is_none() && live.gather(other).is_some());
        drop(first);
        assert!(live.gather(game).is_some(), "what comes now was not in the first one's answer");
    }
}
