//! Specs of interactions, with a small bot on twilight.

use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use twilight_gateway::{Event, EventTypeFlags, StreamExt as _};
use twilight_model::application::command::{CommandOptionChoice, CommandOptionChoiceValue};
use twilight_model::application::interaction::{Interaction, InteractionData, InteractionType};
use twilight_model::channel::message::{AllowedMentions, MessageFlags};
use twilight_model::http::interaction::{InteractionResponse, InteractionResponseData, InteractionResponseType};
use twilight_model::id::Id;

use super::super::{Choice, ids};
use super::{GAMES, SOON, Scene, client, listen, next, ready};

/// A bot that defers every press privately and then says who pressed what.
fn start_bot(scene: &Scene, tasks: &mut JoinSet<()>) {
    let (mut shard, http) = (listen(scene), client(&scene.simulator));
    tasks.spawn(async move {
        while let Some(Ok(event)) = shard.next_event(EventTypeFlags::INTERACTION_CREATE).await {
            if let Event::InteractionCreate(interaction) = event {
                react(&http, &interaction).await;
            }
        }
    });
}

async fn react(http: &twilight_http::Client, interaction: &Interaction) {
    let client = http.interaction(Id::new(ids::BOT));
    if interaction.kind == InteractionType::ApplicationCommandAutocomplete {
        let suggestions = suggestions();
        client.create_response(interaction.id, &interaction.token, &suggestions).await.expect("suggested");
        return;
    }
    let said = match interaction.data.as_ref().expect("data") {
        InteractionData::MessageComponent(pressed) => pressed.custom_id.clone(),
        InteractionData::ApplicationCommand(typed) => {
            format!("/{} {:?}", typed.name, typed.options[0].value)
        }
        _ => "something else".into(),
    };
    let deferral = InteractionResponse {
        kind: InteractionResponseType::DeferredChannelMessageWithSource,
        data: Some(InteractionResponseData { flags: Some(MessageFlags::EPHEMERAL), ..Default::default() }),
    };
    client.create_response(interaction.id, &interaction.token, &deferral).await.expect("acknowledged");
    let text = format!("{} pressed {said}", interaction.author().expect("an author").name);
    let nobody = AllowedMentions::default();
    let edit = client.update_response(&interaction.token).content(Some(&text)).allowed_mentions(Some(&nobody));
    edit.await.expect("answered");
}

fn suggestions() -> InteractionResponse {
    let choice = CommandOptionChoice {
        name: "The Lost Mine".into(),
        name_localizations: None,
        value: CommandOptionChoiceValue::String("id-1".into()),
    };
    InteractionResponse {
        kind: InteractionResponseType::ApplicationCommandAutocompleteResult,
        data: Some(InteractionResponseData { choices: Some(vec![choice]), ..Default::default() }),
    }
}

#[tokio::test]
async fn a_press_is_acknowledged_and_answered_in_private() {
    let scene = Scene::new().await;
    let mut tasks = JoinSet::new();
    start_bot(&scene, &mut tasks);
    scene.discord.wait_shards(1, SOON).await.expect("the bot connects");
    let row = json!({ "type": 1, "components": [
        { "type": 2, "style": 1, "label": "Join", "custom_id": "join_game_1" },
        { "type": 2, "style": 2, "label": "Leave", "custom_id": "leave_game_1", "disabled": true },
    ] });
    let posted = scene.post(GAMES, "n", json!({ "content": "a game", "components": [row] })).await.expect("it posts");
    let pressed = scene.discord.press(ids::ADA, posted, "join_game_1").await.expect("an answer");
    assert_eq!(pressed.answer.as_text(), "ada pressed join_game_1");
    assert_eq!((pressed.ack, pressed.answer.private_to), (5, Some(ids::ADA)));
    assert_eq!(scene.discord.private(ids::ADA).await.len(), 1);
    assert_eq!(scene.discord.channel(ids::GAMES).await.len(), 1, "nobody else sees the answer");

    let refused = scene.discord.press(ids::ADA, posted, "leave_game_1").await.expect_err("it is disabled");
    assert_eq!(refused.to_string(), "the button leave_game_1 is disabled");
    let stale = scene.discord.press_stale(ids::BOB, posted, "leave_game_1").await.expect("an answer");
    assert_eq!(stale.answer.as_text(), "bob pressed leave_game_1");
    assert_eq!(scene.discord.violations().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_command_reaches_the_bot_as_it_was_registered() {
    let scene = Scene::new().await;
    let mut tasks = JoinSet::new();
    start_bot(&scene, &mut tasks);
    scene.discord.wait_shards(1, SOON).await.expect("the bot connects");
    let command = json!([{ "name": "game", "description": "One game", "type": 1, "options": [
        { "name": "game", "description": "Which one", "type": 3, "required": true, "autocomplete": true },
    ] }]);
    let url = format!("{}/api/v10/applications/{}/commands", scene.simulator.url(), ids::BOT);
    let request = reqwest::Client::new().put(url).header("authorization", "Bot demo-bot-token");
    assert_eq!(request.json(&command).send().await.expect("an answer").status(), 200);
    let listed = scene.http.interaction(Id::new(ids::BOT)).global_commands().await.expect("a list");
    assert_eq!(listed.models().await.expect("commands")[0].name, "game");

    let (guild, channel) = (Some(ids::TAVERN), ids::GAMES);
    let answer = scene.discord.command(ids::CYD, guild, channel, "game", &[("game", "mine")]).await.expect("an answer");
    assert_eq!(answer.answer.as_text(), "cyd pressed /game String(\"mine\")");
    let choices = scene.discord.autocomplete(ids::CYD, channel, "game", "game", "mi").await.expect("choices");
    assert_eq!(choices, [Choice { name: "The Lost Mine".into(), value: "id-1".into() }]);
}

#[tokio::test]
async fn an_interaction_that_nobody_acknowledges_is_a_violation_and_its_token_dies() {
    let scene = Scene::new().await;
    let mut shard = listen(&scene);
    ready(&mut shard).await;
    let row = json!({ "type": 1, "components": [{ "type": 2, "style": 1, "label": "Join", "custom_id": "join" }] });
    let posted = scene.post(GAMES, "n", json!({ "components": [row] })).await.expect("it posts");
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
    let error = scene.discord.press(ids::ADA, posted, "join").await.expect_err("no answer");
    assert_eq!(error.to_string(), "the application did not respond");
    let interaction = told.recv().await.expect("it was heard");
    assert_eq!(
        scene.discord.violations().await,
        [format!("interaction {} was not acknowledged within 3 s", interaction.id)]
    );
    let late = InteractionResponse { kind: InteractionResponseType::DeferredUpdateMessage, data: None };
    let client = scene.http.interaction(Id::new(ids::BOT));
    let refused = client.create_response(interaction.id, &interaction.token, &late).await.expect_err("too late");
    assert_eq!(super::code(&refused.into()), Some(10062));
}
