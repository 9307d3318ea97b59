//! The session: a host, two players, a reminder, a start and an end.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::stage::{Scene, Stage};
use crate::discord::{Message, ids};
use crate::world::{Person, in_minutes};

const CREATED: &str = "process game_scheduler:game.created:bot.announcements";
const CHANGED: &str = "process game_scheduler:game.roster_changed:bot.announcements";
const LETTER: &str = "process game_scheduler:delivery.due:bot.deliveries";

/// Plays it.
pub(super) async fn session(stage: &mut Stage<'_>) -> Result<()> {
    let mut scene = Scene::default();
    scene.tell("The bot connected to Discord's gateway and learned who is in the guild \"Tavern\".");
    stage.show("the bot arrives", &["gateway READY", "gateway GUILD_CREATE"], scene).await?;
    let mut host = stage.world.person("dm");
    host.sign_in().await?;
    let mut scene = Scene::default();
    scene.tell("dm signed in with Discord: authorization code with PKCE, the state bound to the browser.");
    scene.check("the session is known", host.gets("/api/v1/auth/user").await.text("username") == "dm");
    stage.show("dm signs in", &["GET /api/v1/auth/login", "GET /api/v1/auth/callback"], scene).await?;

    let game = create(stage, &host).await?;
    join_on_the_web(stage, &game).await?;
    join_by_button(stage).await?;
    lists(stage).await?;
    a_minute_later(stage).await?;
    reminder(stage).await?;
    start(stage).await?;
    end(stage, &host, &game).await
}

async fn create(stage: &mut Stage<'_>, host: &Person) -> Result<String> {
    let answer = host
        .creates(&[
            ("title", "The Sunless Citadel"),
            ("description", "Level 1 to 3. Bring dice."),
            ("scheduled_at", &in_minutes(120)),
            ("where", "The back room"),
            ("signup_instructions", "Read chapter 1."),
            ("max_players", "2"),
            ("expected_duration_minutes", "120"),
            ("reminder_minutes", "[60]"),
        ])
        .await;
    ensure!(answer.status == 201, "creating a game answered {answer:?}");
    let game = answer.text("id").to_owned();
    stage.world.settled(Duration::from_secs(20)).await?;
    let mut scene = Scene::default();
    let posted = board(stage).await?;
    scene.tell(format!("POST /api/v1/games answered 201; the bot posted in #games. Game {game}."));
    scene.show("#games", &posted);
    scene.check("the announcement has the title", posted.as_text().contains("The Sunless Citadel"));
    scene.check("Join can be pressed", posted.button("Join").is_some());
    stage.show("dm creates a game on the web", &["POST /api/v1/games", CREATED], scene).await?;
    Ok(game)
}

async fn join_on_the_web(stage: &mut Stage<'_>, game: &str) -> Result<()> {
    let ada = stage.world.signed_in("ada").await;
    let answer = ada.joins(game).await;
    stage.world.settled(Duration::from_secs(20)).await?;
    let mut scene = Scene::default();
    let shown = board(stage).await?;
    scene.tell(format!("POST /api/v1/games/{{id}}/join answered {}.", answer.status));
    scene.show("#games", &shown);
    scene.check("ada is among the players", shown.as_text().contains(&format!("<@{}>", ids::ADA)));
    stage.show("ada joins on the web", &["POST /api/v1/games/{id}/join", CHANGED], scene).await
}

async fn join_by_button(stage: &mut Stage<'_>) -> Result<()> {
    let pressed = stage.world.person("bob").presses("Join").await?;
    stage.world.settled(Duration::from_secs(20)).await?;
    let mut scene = Scene::default();
    scene.tell(format!("Acknowledged after {} ms (Discord allows 3000).", pressed.ack_after.as_millis()));
    scene.show("only bob sees this", &pressed.answer);
    let shown = board(stage).await?;
    scene.show("#games", &shown);
    scene.check("bob is among the players", shown.as_text().contains(&format!("<@{}>", ids::BOB)));
    stage.show("bob presses Join", &["interaction component join", CHANGED], scene).await
}

async fn lists(stage: &mut Stage<'_>) -> Result<()> {
    let shown = stage.world.person("cyd").commands(ids::GAMES, "/list-games", &[]).await?;
    let mut scene = Scene::default();
    scene.tell(format!("Acknowledged after {} ms, then read from the database.", shown.ack_after.as_millis()));
    scene.show("only cyd sees this", &shown.answer);
    scene.check("both seats are told as taken", shown.answer.as_text().contains("2 of 2 seats taken"));
    stage.show("cyd asks for the games", &["interaction command /list-games"], scene).await
}

async fn a_minute_later(stage: &mut Stage<'_>) -> Result<()> {
    stage.world.pass_until("joined").await;
    let mut scene = Scene::default();
    scene.tell("The clock was turned forward by a minute: every time still to come was moved in the database.");
    for name in ["ada", "bob"] {
        let letters = letters(stage, name, 1).await?;
        scene.show(&format!("direct message to {name}"), letters.last().context("no letter")?);
        scene.check(format!("{name} got one direct message"), letters.len() == 1);
    }
    stage.show("a minute later: you are in", &["job notice.joined", LETTER], scene).await
}

async fn reminder(stage: &mut Stage<'_>) -> Result<()> {
    stage.world.pass_until("reminder").await;
    let mut scene = Scene::default();
    scene.tell("The clock was turned forward to an hour before the start.");
    for (name, count) in [("dm", 1), ("ada", 2), ("bob", 2)] {
        let letters = letters(stage, name, count).await?;
        scene.show(&format!("direct message to {name}"), letters.last().context("no letter")?);
        scene.check(format!("{name} has {count} direct messages, none twice"), letters.len() == count);
    }
    stage.show("the reminder", &["job notice.reminder", LETTER], scene).await
}

async fn start(stage: &mut Stage<'_>) -> Result<()> {
    stage.world.pass_until("IN_PROGRESS").await;
    stage.world.discord.wait_channel(ids::GAMES, |all| shows(all, "3498DB"), Duration::from_secs(20)).await?;
    let mut scene = Scene::default();
    let shown = board(stage).await?;
    scene.tell("The clock was turned forward to the start.");
    scene.show("#games", &shown);
    scene.check("nobody can join any more", shown.buttons().iter().all(|button| button.disabled));
    let edited = "process game_scheduler:game.started:bot.announcements";
    stage.show("the game starts", &["job transition.in_progress", edited], scene).await
}

async fn end(stage: &mut Stage<'_>, host: &Person, game: &str) -> Result<()> {
    stage.world.pass_until("COMPLETED").await;
    stage.world.discord.wait_channel(ids::GAMES, |all| shows(all, "F1C40F"), Duration::from_secs(20)).await?;
    let mut scene = Scene::default();
    let shown = board(stage).await?;
    scene.tell("The clock was turned forward by the run time.");
    scene.show("#games", &shown);
    let status = host.gets(&format!("/api/v1/games/{game}")).await;
    scene.check("the web says COMPLETED", status.text("status") == "COMPLETED");
    scene.check("there is one announcement", stage.world.discord.channel(ids::GAMES).await.len() == 1);
    let violations = stage.world.discord.violations().await;
    scene.check(format!("Discord has nothing to complain about {violations:?}"), violations.is_empty());
    let edited = "process game_scheduler:game.completed:bot.announcements";
    stage.show("the game is over", &["job transition.completed", edited], scene).await
}

/// The announcement as it is now.
async fn board(stage: &Stage<'_>) -> Result<Message> {
    stage.world.discord.channel(ids::GAMES).await.pop().context("there is no announcement")
}

/// Whether an announcement has this colour, in hexadecimal digits.
fn shows(messages: &[Message], colour: &str) -> bool {
    let colour = u64::from_str_radix(colour, 16).ok();
    messages.last().is_some_and(|message| message.embeds.iter().any(|embed| embed["color"].as_u64() == colour))
}

async fn letters(stage: &Stage<'_>, name: &str, count: usize) -> Result<Vec<Message>> {
    let person = stage.world.person(name).id;
    stage.world.discord.wait_inbox(person, |all| all.len() >= count, Duration::from_secs(20)).await
}
