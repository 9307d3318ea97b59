//! Specs of the simulator, driven by the real clients.

mod faults;
mod gateway;
mod interactions;
mod messages;
mod oauth;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use twilight_gateway::{ConfigBuilder, Event, EventTypeFlags, Intents, Shard, ShardId, StreamExt as _};
use twilight_model::id::Id;
use twilight_model::id::marker::{ChannelMarker, UserMarker};

use super::{Discord, Setup, Simulator, ids};

/// Long enough for a loaded machine; nothing waits for it when all is well.
const SOON: Duration = Duration::from_secs(10);
const GAMES: Id<ChannelMarker> = Id::new(ids::GAMES);
const ADA: Id<UserMarker> = Id::new(ids::ADA);

/// A simulator on a free port, its controls, and a bot's REST client.
struct Scene {
    simulator: Simulator,
    discord: Discord,
    http: twilight_http::Client,
}

impl Scene {
    async fn new() -> Self {
        Self::with(Setup::demo()).await
    }

    async fn with(setup: Setup) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let simulator = Simulator::start(listen, setup).await.expect("it starts");
        let discord = simulator.controls();
        let http = client(&simulator);
        Self { simulator, discord, http }
    }

    /// Posts a message with our rules kept.
    async fn post(&self, channel: Id<ChannelMarker>, nonce: &str, body: Value) -> anyhow::Result<u64> {
        let mut body = body;
        body["nonce"] = nonce.into();
        body["enforce_nonce"] = true.into();
        body["allowed_mentions"] = json!({ "parse": [] });
        let body = serde_json::to_vec(&body)?;
        Ok(self.http.create_message(channel).payload_json(&body).await?.model().await?.id.get())
    }
}

/// The bot's REST client.
fn client(simulator: &Simulator) -> twilight_http::Client {
    twilight_http::Client::builder()
        .token("Bot demo-bot-token".into())
        .proxy(simulator.address().to_string(), true)
        .build()
}

/// The bot's shard, with a token of its own choice.
fn shard(scene: &Scene, token: &str) -> Shard {
    let intents = Intents::GUILDS | Intents::GUILD_MEMBERS | Intents::GUILD_MESSAGES;
    let config = ConfigBuilder::new(token.into(), intents).proxy_url(scene.simulator.gateway_url()).build();
    Shard::with_config(ShardId::ONE, config)
}

fn listen(scene: &Scene) -> Shard {
    shard(scene, "Bot demo-bot-token")
}

/// The next event that the closure picks.
async fn next<T>(shard: &mut Shard, pick: impl Fn(Event) -> Option<T>) -> T {
    let search = async {
        loop {
            let event = shard.next_event(EventTypeFlags::all()).await.expect("the shard goes on");
            if let Some(found) = pick(event.expect("twilight understands every event")) {
                return found;
            }
        }
    };
    tokio::time::timeout(SOON, search).await.expect("the event comes")
}

/// Waits for the guild, which comes after READY.
async fn ready(shard: &mut Shard) {
    next(shard, |event| matches!(event, Event::GuildCreate(_)).then_some(())).await;
}

/// The code in Discord's error object.
fn code(error: &anyhow::Error) -> Option<u64> {
    use twilight_http::api_error::ApiError;
    use twilight_http::error::ErrorType;
    match error.downcast_ref::<twilight_http::Error>()?.kind() {
        ErrorType::Response { error: ApiError::General(general), .. } => Some(general.code),
        _ => None,
    }
}
