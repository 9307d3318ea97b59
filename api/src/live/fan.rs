//! From the broker to the streams: each event to those who may know of it, and streams ended with their sessions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shared::amqp::consumer::{Handler, Outcome};
use shared::domain::ids::{DiscordUser, UserId};
use shared::events::Event;
use shared::faults;
use shared::service::Turns;
use shared::telemetry::span::{note, silent};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::audience;
use super::client::{Client, updated};
use crate::Api;
use crate::session;

/// Events of a game within this time are one (LS-10).
const GATHER: Duration = Duration::from_millis(250);
/// To find out who may know. A consumer's patience is as long as the queue keeps an event, so that one which is given
/// up there would be gone, and nobody would be told.
const FIND: Duration = Duration::from_secs(10);
/// Changes whose audience is found out at the same time: a burst of them leaves connections to requests.
const AT_ONCE: usize = 4;
/// Between looks at the sessions. Redis may know an ended session for 30 s more, and both together stay below the 60 s
/// of LS-11.
const LOOK: Duration = Duration::from_secs(20);

/// Fans events out to the streams of this process.
#[derive(Debug)]
pub(crate) struct Fan {
    api: Api,
    asking: Semaphore,
}

impl Fan {
    /// For the streams of this api.
    pub(crate) fn new(api: Api) -> Self {
        Self { api, asking: Semaphore::new(AT_ONCE) }
    }
}

impl Handler for Fan {
    async fn handle(&self, event: Event) -> Outcome {
        let Event::Game { game, guild, .. } = event else { return Outcome::Done };
        let live = &self.api.live;
        if live.clients().is_empty() {
            note("gamesched.sse.recipients", 0_i64);
            return Outcome::Done;
        }
        let Some(gathering) = live.gather(game) else { return Outcome::Coalesced };
        tokio::time::sleep(GATHER).await;
        // Before the game is read: an event that comes from here on may tell of what this reading does not see.
        drop(gathering);
        let clients: Vec<Arc<Client>> = live.clients().clone();
        let users: HashMap<DiscordUser, UserId> =
            clients.iter().map(|client| (client.caller.discord, client.caller.user)).collect();
        // One span an event and replica, whatever the number of clients: what it takes to know them is not told.
        let turn = self.asking.acquire().await;
        let audience = tokio::time::timeout(FIND, silent(audience::of(&self.api, game, users)));
        let audience = audience.await.unwrap_or_else(|late| Err(late.into()));
        drop(turn);
        match audience {
            Ok(audience) => {
                let frame = updated(game, guild);
                let told = clients.iter().filter(|client| audience.contains(&client.caller.user));
                let told = told.map(|client| client.tell(&frame)).count();
                note("gamesched.sse.recipients", i64::try_from(told).unwrap_or(i64::MAX));
                Outcome::Done
            }
            Err(fault) => {
                let class = faults::class(&fault);
                warn!(error.type = class, gamesched.game.id = %game, "live views miss a change of {game}: {fault:#}");
                clients.iter().for_each(|client| client.owe());
                Outcome::Later(class.into())
            }
        }
    }

    /// What was published while nobody listened here is nowhere any more.
    fn begins(&self) {
        self.api.live.clients().iter().for_each(|client| client.reload());
    }
}

/// Ends streams whose session ended, wherever that happened, and tells of what was missed, until `stop`.
pub(crate) async fn watch(api: Api, stop: CancellationToken) {
    let turns = Turns::of("live");
    loop {
        turns.turn();
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => look(&api).await,
        }
    }
}

async fn look(api: &Api) {
    for session in api.live.sessions() {
        match session::goes_on(api, &session).await {
            Some(true) => {}
            Some(false) => api.live.end(&session),
            // Nobody knows the others either.
            None => return,
        }
    }
    api.live.clients().iter().for_each(|client| client.pay());
}
