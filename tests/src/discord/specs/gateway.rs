//! Specs of the gateway.

use serde_json::json;
use twilight_gateway::{Event, Shard};
use twilight_model::gateway::payload::incoming::GuildCreate;
use twilight_model::gateway::payload::outgoing::RequestGuildMembers;
use twilight_model::id::Id;

use super::super::{Change, GatewayFault, ids};
use super::{GAMES, SOON, Scene, listen, next, ready, shard};

async fn resumed(shard: &mut Shard) {
    next(shard, |event| matches!(event, Event::Resumed).then_some(())).await;
}

#[tokio::test]
async fn a_closed_connection_is_resumed_and_hears_what_it_missed() {
    let scene = Scene::new().await;
    let mut shard = listen(&scene);
    ready(&mut shard).await;
    let session = shard.session().expect("a session").id().to_owned();
    scene.discord.close_gateways(4000).await.expect("closed");
    scene.discord.wait_shards(0, SOON).await.expect("nobody listens");
    scene.discord.rename_channel(ids::GAMES, "quests").await.expect("renamed");
    let name = next(&mut shard, |event| match event {
        Event::ChannelUpdate(channel) => channel.0.name,
        _ => None,
    });
    assert_eq!(name.await, "quests");
    resumed(&mut shard).await;
    assert_eq!(shard.session().expect("a session").id(), session);
    assert_eq!(scene.discord.violations().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_shard_that_is_asked_to_reconnect_resumes() {
    let scene = Scene::new().await;
    let mut shard = listen(&scene);
    ready(&mut shard).await;
    scene.discord.gateways(GatewayFault::Reconnect).await.expect("asked");
    resumed(&mut shard).await;
    assert_eq!(scene.discord.connected_shards().await, 1);
}

#[tokio::test]
async fn a_shard_gets_ready_and_then_its_guild_with_everybody_in_it() {
    let scene = Scene::new().await;
    let mut shard = listen(&scene);
    let guilds = next(&mut shard, |event| match event {
        Event::Ready(ready) => Some(ready.guilds),
        _ => None,
    })
    .await;
    assert_eq!(guilds[0].id.get(), ids::TAVERN);
    let guild = next(&mut shard, |event| match event {
        Event::GuildCreate(created) => Some(*created),
        _ => None,
    })
    .await;
    let GuildCreate::Available(guild) = guild else { panic!("the guild is available") };
    assert_eq!((guild.name.as_str(), guild.members.len(), guild.channels.len()), ("Tavern", 6, 3));
    assert_eq!(scene.discord.connected_shards().await, 1);
    assert_eq!(scene.discord.violations().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_invalid_session_begins_anew_and_a_wrong_token_ends() {
    let scene = Scene::with(super::Setup { identify_spacing_ms: 0, ..super::Setup::demo() }).await;
    let mut first = listen(&scene);
    ready(&mut first).await;
    scene.discord.gateways(GatewayFault::InvalidSession(false)).await.expect("done");
    next(&mut first, |event| matches!(event, Event::Ready(_)).then_some(())).await;

    let mut stranger = shard(&scene, "Bot wrong");
    let code = next(&mut stranger, |event| match event {
        Event::GatewayClose(frame) => frame.map(|frame| frame.code),
        _ => None,
    })
    .await;
    assert_eq!(code, 4004);
}

#[tokio::test]
async fn two_hasty_identifies_are_noticed() {
    let scene = Scene::new().await;
    let (mut one, mut two) = (listen(&scene), listen(&scene));
    ready(&mut one).await;
    ready(&mut two).await;
    assert_eq!(scene.discord.violations().await, ["IDENTIFY less than 5 s after the one before"]);
}

#[tokio::test]
async fn what_happens_in_the_guild_is_told() {
    let scene = Scene::new().await;
    let mut shard = listen(&scene);
    ready(&mut shard).await;
    let (discord, tavern) = (&scene.discord, ids::TAVERN);
    discord.add_member(tavern, ids::EVE, &[ids::GAME_MASTER]).await.expect("added");
    next(&mut shard, |event| matches!(event, Event::MemberAdd(it) if it.member.user.name == "eve").then_some(())).await;
    discord.set_roles(tavern, ids::EVE, &[]).await.expect("set");
    next(&mut shard, |event| matches!(event, Event::MemberUpdate(it) if it.roles.is_empty()).then_some(())).await;
    discord.remove_member(tavern, ids::EVE).await.expect("removed");
    next(&mut shard, |event| matches!(event, Event::MemberRemove(it) if it.user.name == "eve").then_some(())).await;
    let role = super::super::Role { id: ids::GAME_MASTER, name: "Narrator".into(), permissions: 0 };
    discord.change(Change::EditRole { guild: tavern, role }).await.expect("edited");
    next(&mut shard, |event| matches!(event, Event::RoleUpdate(it) if it.role.name == "Narrator").then_some(())).await;
    discord.change(Change::DeleteChannel { channel: ids::GENERAL }).await.expect("deleted");
    next(&mut shard, |event| matches!(event, Event::ChannelDelete(_)).then_some(())).await;
    let posted = scene.post(GAMES, "n", json!({ "content": "x" })).await.expect("it posts");
    discord.delete_messages(&[posted]).await.expect("deleted");
    next(&mut shard, |event| matches!(event, Event::MessageDelete(it) if it.id.get() == posted).then_some(())).await;
    discord.change(Change::RemoveBot { guild: tavern }).await.expect("removed");
    next(&mut shard, |event| matches!(event, Event::GuildDelete(it) if it.unavailable != Some(true)).then_some(()))
        .await;
    discord.change(Change::InviteBot { guild: tavern }).await.expect("invited");
    ready(&mut shard).await;
}

#[tokio::test]
async fn members_come_in_chunks_when_asked_for() {
    let scene = Scene::new().await;
    let mut shard = listen(&scene);
    ready(&mut shard).await;
    shard.command(&RequestGuildMembers::builder(Id::new(ids::TAVERN)).query("", None));
    let members = next(&mut shard, |event| match event {
        Event::MemberChunk(chunk) => Some(chunk.members.len()),
        _ => None,
    })
    .await;
    assert_eq!(members, 6);
}
