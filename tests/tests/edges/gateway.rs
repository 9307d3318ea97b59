//! The gateway and the interactions that come through it.

use tests::discord::{Effect, Fault, GatewayFault, ids};
use tests::otlp::{Received, Status};
use tests::world::{World, in_minutes};

use super::{ARRIVAL, SEATS, reading, reads, span};

const SHARD: (&str, &str) = ("gamesched.shard.id", "0");

async fn counted(world: &World, event: &str, least: f64) {
    let labels = [("gamesched.gateway.event", event), ("gamesched.outcome", "done")];
    let there = |received: &Received| reading(received, "gamesched.gateway.events", &labels) >= Some(least);
    assert!(world.sink.wait(event, ARRIVAL, there).await.is_ok(), "{event} is not counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_tells_of_each_shard_its_session_its_latency_and_what_it_handled() {
    let world = World::new().await;
    reads(&world, "gamesched.gateway.connected", &[SHARD], 1.0).await;
    reads(&world, "gamesched.gateway.session_starts.remaining", &[], 999.0).await;
    counted(&world, "READY", 1.0).await;
    counted(&world, "GUILD_CREATE", 1.0).await;
    world.discord.set_roles(ids::TAVERN, ids::ADA, &[]).await.expect("the roles change");
    counted(&world, "GUILD_MEMBER_UPDATE", 1.0).await;
    let beat = |received: &Received| reading(received, "gamesched.gateway.latency", &[SHARD]).is_some();
    let told = world.sink.wait("a heartbeat", ARRIVAL, beat).await.expect("it is measured");
    let latency = reading(&told, "gamesched.gateway.latency", &[SHARD]).expect("it is there");
    assert!((0.0..5.0).contains(&latency), "{latency} s");
    assert_eq!(reading(&told, "gamesched.gateway.dispatch.lag", &[]), None, "only what says when it was made");

    let update = span(&world, "gateway GUILD_MEMBER_UPDATE").await;
    assert_eq!(update.attribute("gamesched.guild.id"), Some(ids::TAVERN.to_string()));
    assert_eq!((update.parent_id.as_deref(), &update.status), (None, &Status::Unset));
    let silent = ["gateway RESUMED", "gateway INTERACTION_CREATE", "gateway HEARTBEAT_ACK"];
    assert!(told.spans.iter().all(|span| !silent.contains(&span.name.as_str())), "they cause nothing by themselves");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_is_counted_as_resumed_or_as_begun_anew() {
    let world = World::new().await;
    reads(&world, "gamesched.gateway.session_starts.remaining", &[], 999.0).await;
    let told = world.sink.received();
    assert_eq!(reading(&told, "gamesched.gateway.reconnects", &[("gamesched.gateway.resumed", "false")]), None);
    world.discord.gateways(GatewayFault::Reconnect).await.expect("it is asked to");
    reads(&world, "gamesched.gateway.reconnects", &[("gamesched.gateway.resumed", "true")], 1.0).await;
    reads(&world, "gamesched.gateway.connected", &[SHARD], 1.0).await;
    counted(&world, "RESUMED", 1.0).await;
    world.discord.gateways(GatewayFault::InvalidSession(false)).await.expect("it is told to");
    reads(&world, "gamesched.gateway.reconnects", &[("gamesched.gateway.resumed", "false")], 1.0).await;
    reads(&world, "gamesched.gateway.connected", &[SHARD], 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interaction_is_counted_once_it_is_handled_and_a_refusal_fails_nothing() {
    let world = World::new().await;
    let fields = [("title", "Mine"), ("scheduled_at", &in_minutes(60)), ("signup_method", "HOST_SELECTED")];
    assert_eq!(world.signed_in("dm").await.creates(&fields).await.status, 201);
    world.settle().await;
    let post = world.discord.channel(ids::GAMES).await.pop().expect("there is an announcement");
    let button = post.button("Join").expect("the button is there");
    world.discord.press_stale(ids::ADA, post.id, &button).await.expect("the bot answers");
    let span = span(&world, "interaction component join").await;
    let told = |key: &str| span.attribute(key);
    assert_eq!(told("gamesched.interaction.outcome").as_deref(), Some("refused"));
    assert_eq!(told("gamesched.refusal").as_deref(), Some("host_picks"));
    assert_eq!((told("error.type"), &span.status, &span.parent_id), (None, &Status::Unset, &None));
    assert_eq!(told("gamesched.channel.id"), Some(ids::GAMES.to_string()));
    assert_eq!(told("gamesched.shard.id").as_deref(), Some("0"));
    counted(&world, "INTERACTION_CREATE", 1.0).await;
    reads(&world, "gamesched.gateway.dispatch.lag", &[], 1.0).await;
    let named = [("gamesched.interaction.type", "component"), ("gamesched.interaction.name", "join")];
    let labels = [named[0], named[1], ("gamesched.interaction.outcome", "answered")];
    reads(&world, "gamesched.interaction.ack.duration", &labels, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interaction_that_discord_never_saw_acknowledged_failed_as_ack_timeout() {
    let world = World::new().await;
    world.signed_in("dm").await.plans(&SEATS).await;
    world.settle().await;
    let lost = Fault::once("POST", "/interactions/*/callback", Effect::Code { status: 404, code: 10_062 });
    world.discord.fault(lost).await.expect("it is scripted");
    let _ = world.person("bob").presses("Join").await;
    let span = span(&world, "interaction component join").await;
    assert_eq!(span.attribute("error.type").as_deref(), Some("ack_timeout"));
    assert_eq!(span.attribute("gamesched.interaction.outcome").as_deref(), Some("failed"));
    assert_eq!(span.status, Status::Error(String::new()));
    let named = [("gamesched.interaction.type", "component"), ("gamesched.interaction.name", "join")];
    let labels = [named[0], named[1], ("gamesched.interaction.outcome", "failed")];
    reads(&world, "gamesched.interaction.ack.duration", &labels, 1.0).await;
    let events = [("gamesched.gateway.event", "INTERACTION_CREATE"), ("gamesched.outcome", "failed")];
    reads(&world, "gamesched.gateway.events", &events, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_counted_by_the_face_through_which_they_came() {
    let world = World::new().await;
    world.signed_in("dm").await.plans(&SEATS).await;
    world.settle().await;
    world.person("bob").presses("Join").await.expect("the bot answers");
    let changes = [("gamesched.event.type", "game.created"), ("gamesched.face", "web")];
    reads(&world, "gamesched.game.changes", &changes, 1.0).await;
    let roster = [("gamesched.roster.event", "joined"), ("gamesched.face", "button")];
    reads(&world, "gamesched.roster.changes", &roster, 1.0).await;
}
