//! Specs of the gateway and of interactions, with a small bot on twilight.

use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use twilight_gateway::{
    ConfigBuilder, Event, EventTypeFlags, Intents, Shard, ShardId, StreamExt as _,
};
use twilight_model::application::interaction::InteractionData;
use twilight_model::channel::message::{AllowedMentions, MessageFlags};
use twilight_model::gateway::payload::incoming::GuildCreate;
use twilight_model::gateway::payload::outgoing::RequestGuildMembers;
use twilight_model::http::interaction::{
    InteractionResponse, InteractionResponseData, InteractionResponseType,
};
use twilight_model::id::Id;

use super::super::{Change, Choice, GatewayFault, ids};
use super::{GAMES, SOON, Scene};

fn shard(scene: &Scene, token: &str) -> Shard {
    let intents = Intents::GUILDS | Intents::GUILD_MEMBERS | Intents::GUILD_MESSAGES;
    let config = ConfigBuilder::new(token.into(), intents)
        .proxy_url(scene.simulator.gateway_url())
        .build();
    Shard::with_config(ShardId::ONE, config)
}

fn listen(scene: &Scene) -> Shard {
    shard(scene, "Bot demo-bot-token")
}

/// The next event that the closure picks.
async fn next<T>(shard: &mut Shard, pick: impl Fn(Event) -> Option<T>) -> T {
    let search = async {
        loop {
            let event = shard
                .next_event(EventTypeFlags::all())
                .await
                .expect("the shard goes on");
            if let Some(found) = pick(event.expect("twilight understands every event")) {
                return found;
            }
        }
    };
    tokio::time::timeout(SOON, search)
        .await
        .expect("the event comes")
}

async fn ready(shard: &mut Shard) {
    next(shard, |event| {
        matches!(event, Event::GuildCreate(_)).then_some(())
    })
    .await;
}

/// A bot that defers every press privately and then says who pressed what.
fn start_bot(scene: &Scene, tasks: &mut JoinSet<()>) {
    let mut shard = listen(scene);
    let http = twilight_http::Client::builder()
        .token("Bot demo-bot-token".into())
        .proxy(scene.simulator.address().to_string(), true)
        .build();
    tasks.spawn(async move {
        while let Some(Ok(event)) = shard.next_event(EventTypeFlags::INTERACTION_CREATE).await {
            let Event::InteractionCreate(interaction) = event else { continue };
            let client = http.interaction(Id::new(ids::BOT));
            let name = interaction.author().expect("an author").name.clone();
            let (kind, said) = match interaction.data.as_ref().expect("data") {
                InteractionData::MessageComponent(pressed) => (InteractionResponseType::DeferredChannelMessageWithSource, pressed.custom_id.clone()),
                InteractionData::ApplicationCommand(command) => {
                    if interaction.kind == twilight_model::application::interaction::InteractionType::ApplicationCommandAutocomplete {
                        let body = InteractionResponse { kind: InteractionResponseType::ApplicationCommandAutocompleteResult, data: Some(InteractionResponseData {
                            choices: Some(vec![twilight_model::application::command::CommandOptionChoice { name: "The Lost Mine".into(), name_localizations: None, value: twilight_model::application::command::CommandOptionChoiceValue::String("id-1".into()) }]),
                            ..Default::default()
                        }) };
                        client.create_response(interaction.id, &interaction.token, &body).await.expect("choices");
                        continue;
                    }
                    (InteractionResponseType::DeferredChannelMessageWithSource, format!("/{} {:?}", command.name, command.options[0].value))
                }
                _ => continue,
            };
            let deferral = InteractionResponse {
                kind,
                data: Some(InteractionResponseData { flags: Some(MessageFlags::EPHEMERAL), ..Default::default() }),
            };
            client.create_response(interaction.id, &interaction.token, &deferral).await.expect("acknowledged");
            let (text, nobody) = (format!("{name} pressed {said}"), AllowedMentions::default());
            let edit = client.update_response(&interaction.token).content(Some(&text)).allowed_mentions(Some(&nobody));
            edit.await.expect("answered");
        }
    });
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
    let GuildCreate::Available(guild) = guild else {
        panic!("the guild is available")
    };
    assert_eq!(
        (
            guild.name.as_str(),
            guild.members.len(),
            guild.channels.len()
        ),
        ("Tavern", 6, 3)
    );
    assert_eq!(scene.discord.connected_shards().await, 1);
    assert_eq!(scene.discord.violations().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_closed_connection_is_resumed_and_hears_what_it_missed() {
    let scene = Scene::new().await;
    let mut shard = listen(&scene);
    ready(&mut shard).await;
    let session = shard.session().expect("a session").id().to_owned();
    for fault in [GatewayFault::Close(4000), GatewayFault::Reconnect] {
        scene.discord.gateways(fault).await.expect("done");
        scene.discord.wait_shards(0, SOON).await.err();
        scene
            .discord
            .rename_channel(ids::GAMES, "quests")
            .await
            .expect("renamed");
        let name = next(&mut shard, |event| match event {
            Event::ChannelUpdate(channel) => channel.0.name.clone(),
            _ => None,
        })
        .await;
        assert_eq!(name, "quests");
        next(&mut shard, |event| {
            matches!(event, Event::Resumed).then_some(())
        })
        .await;
        assert_eq!(shard.session().expect("a session").id(), session);
    }
    assert_eq!(scene.discord.violations().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_invalid_session_begins_anew_and_a_wrong_token_ends() {
    let scene = Scene::with(super::Setup {
        identify_spacing_ms: 0,
        ..super::Setup::demo()
    })
    .await;
    let mut first = listen(&scene);
    ready(&mut first).await;
    scene
        .discord
        .gateways(GatewayFault::InvalidSession(false))
        .await
        .expect("done");
    next(&mut first, |event| {
        matches!(event, Event::Ready(_)).then_some(())
    })
    .await;

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
    assert_eq!(
        scene.discord.violations().await,
        ["IDENTIFY less than 5 s after the one before"]
    );
}

#[tokio::test]
async fn what_happens_in_the_guild_is_told() {
    let scene = Scene::new().await;
    let mut shard = listen(&scene);
    ready(&mut shard).await;
    let (discord, tavern) = (&scene.discord, ids::TAVERN);
    discord
        .add_member(tavern, ids::EVE, &[ids::GAME_MASTER])
        .await
        .expect("added");
    next(&mut shard, |event| {
        matches!(event, Event::MemberAdd(it) if it.member.user.name == "eve").then_some(())
    })
    .await;
    discord.set_roles(tavern, ids::EVE, &[]).await.expect("set");
    next(&mut shard, |event| {
        matches!(event, Event::MemberUpdate(it) if it.roles.is_empty()).then_some(())
    })
    .await;
    discord
        .remove_member(tavern, ids::EVE)
        .await
        .expect("removed");
    next(&mut shard, |event| {
        matches!(event, Event::MemberRemove(it) if it.user.name == "eve").then_some(())
    })
    .await;
    let role = super::super::Role {
        id: ids::GAME_MASTER,
        name: "Narrator".into(),
        permissions: 0,
    };
    discord
        .change(Change::EditRole {
            guild: tavern,
            role,
        })
        .await
        .expect("edited");
    next(&mut shard, |event| {
        matches!(event, Event::RoleUpdate(it) if it.role.name == "Narrator").then_some(())
    })
    .await;
    discord
        .change(Change::DeleteChannel {
            channel: ids::GENERAL,
        })
        .await
        .expect("deleted");
    next(&mut shard, |event| {
        matches!(event, Event::ChannelDelete(_)).then_some(())
    })
    .await;
    let posted = scene
        .post(GAMES, "n", json!({ "content": "x" }))
        .await
        .expect("it posts");
    discord.delete_messages(&[posted]).await.expect("deleted");
    next(&mut shard, |event| {
        matches!(event, Event::MessageDelete(it) if it.id.get() == posted).then_some(())
    })
    .await;
    discord
        .change(Change::RemoveBot { guild: tavern })
        .await
        .expect("removed");
    next(&mut shard, |event| {
        matches!(event, Event::GuildDelete(it) if it.unavailable != Some(true)).then_some(())
    })
    .await;
    discord
        .change(Change::InviteBot { guild: tavern })
        .await
        .expect("invited");
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

#[tokio::test]
async fn a_press_is_acknowledged_and_answered_in_private() {
    let scene = Scene::new().await;
    let mut tasks = JoinSet::new();
    start_bot(&scene, &mut tasks);
    scene
        .discord
        .wait_shards(1, SOON)
        .await
        .expect("the bot connects");
    let row = json!({ "type": 1, "components": [
        { "type": 2, "style": 1, "label": "Join", "custom_id": "join_game_1" },
        { "type": 2, "style": 2, "label": "Leave", "custom_id": "leave_game_1", "disabled": true },
    ] });
    let posted = scene
        .post(
            GAMES,
            "n",
            json!({ "content": "a game", "components": [row] }),
        )
        .await
        .expect("it posts");
    let pressed = scene
        .discord
        .press(ids::ADA, posted, "join_game_1")
        .await
        .expect("an answer");
    assert_eq!(pressed.answer.as_text(), "ada pressed join_game_1");
    assert_eq!(
        (pressed.ack, pressed.answer.private_to),
        (5, Some(ids::ADA))
    );
    assert_eq!(scene.discord.private(ids::ADA).await.len(), 1);
    assert_eq!(
        scene.discord.channel(ids::GAMES).await.len(),
        1,
        "nobody else sees the answer"
    );

    let refused = scene
        .discord
        .press(ids::ADA, posted, "leave_game_1")
        .await
        .expect_err("it is disabled");
    assert_eq!(refused.to_string(), "the button leave_game_1 is disabled");
    let stale = scene
        .discord
        .press_stale(ids::BOB, posted, "leave_game_1")
        .await
        .expect("an answer");
    assert_eq!(stale.answer.as_text(), "bob pressed leave_game_1");
    assert_eq!(scene.discord.violations().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_command_reaches_the_bot_as_it_was_registered() {
    let scene = Scene::new().await;
    let mut tasks = JoinSet::new();
    start_bot(&scene, &mut tasks);
    scene
        .discord
        .wait_shards(1, SOON)
        .await
        .expect("the bot connects");
    let command = json!([{ "name": "game", "description": "One game", "type": 1, "options": [
        { "name": "game", "description": "Which one", "type": 3, "required": true, "autocomplete": true },
    ] }]);
    let url = format!(
        "{}/api/v10/applications/{}/commands",
        scene.simulator.url(),
        ids::BOT
    );
    let request = reqwest::Client::new()
        .put(url)
        .header("authorization", "Bot demo-bot-token");
    assert_eq!(
        request
            .json(&command)
            .send()
            .await
            .expect("an answer")
            .status(),
        200
    );
    let listed = scene
        .http
        .interaction(Id::new(ids::BOT))
        .global_commands()
        .await
        .expect("a list");
    assert_eq!(listed.models().await.expect("commands")[0].name, "game");

    let (guild, channel) = (Some(ids::TAVERN), ids::GAMES);
    let answer = scene
        .discord
        .command(ids::CYD, guild, channel, "game", &[("game", "mine")])
        .await
        .expect("an answer");
    assert_eq!(
        answer.answer.as_text(),
        "cyd pressed /game String(\"mine\")"
    );
    let choices = scene
        .discord
        .autocomplete(ids::CYD, channel, "game", "game", "mi")
        .await
        .expect("choices");
    assert_eq!(
        choices,
        [Choice {
            name: "The Lost Mine".into(),
            value: "id-1".into()
        }]
    );
}

#[tokio::test]
async fn an_interaction_that_nobody_acknowledges_is_a_violation_and_its_token_dies() {
    let scene = Scene::new().await;
    let mut shard = listen(&scene);
    ready(&mut shard).await;
    let row = json!({ "type": 1, "components": [{ "type": 2, "style": 1, "label": "Join", "custom_id": "join" }] });
    let posted = scene
        .post(GAMES, "n", json!({ "components": [row] }))
        .await
        .expect("it posts");
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let event = next(&mut shard, |event| match event {
            Event::InteractionCreate(interaction) => Some(interaction),
            _ => None,
        });
        tell.send(event.await).expect("somebody listens");
        std::future::pending::<()>().await;
    });
    let error = scene
        .discord
        .press(ids::ADA, posted, "join")
        .await
        .expect_err("no answer");
    assert_eq!(error.to_string(), "the application did not respond");
    let interaction = told.recv().await.expect("it was heard");
    assert_eq!(
        scene.discord.violations().await,
        [format!(
            "interaction {} was not acknowledged within 3 s",
            interaction.id
        )]
    );
    let late = InteractionResponse {
        kind: InteractionResponseType::DeferredUpdateMessage,
        data: None,
    };
    let client = scene.http.interaction(Id::new(ids::BOT));
    let refused = client
        .create_response(interaction.id, &interaction.token, &late)
        .await
        .expect_err("too late");
    assert_eq!(super::code(&refused.into()), Some(10062));
}
