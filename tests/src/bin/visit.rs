//! A visit to a stack that runs: people sign in, one plans a game, others join by the web and by the button.
#![expect(clippy::print_stdout, reason = "what was seen is its output")]

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use tests::discord::{Discord, Message, ids};
use tests::world::{Person, in_minutes};
use tokio::time::{Instant, sleep};

/// Plays a join on a running stack with the simulator of Discord.
#[derive(Parser)]
struct Arguments {
    /// Where the api answers; given twice, each of them is used.
    #[arg(long, required = true)]
    api: Vec<String>,
    /// Where the simulator answers.
    #[arg(long, default_value = "http://127.0.0.1:9820")]
    discord: String,
}

/// Queues and replicas are cold at first.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let discord = Discord::at(&arguments.discord);
    let apis: Vec<_> = arguments.api.iter().map(String::as_str).collect();
    let [Some(first), Some(last)] = [apis.first(), apis.last()] else { bail!("no api") };

    let mut host = Person::visiting(ids::DM, first, &discord);
    host.sign_in().await.context("dm signs in")?;
    let start = in_minutes(120);
    // Nothing in it that Discord's mark-up would change.
    let title = format!("Visit {}", uuid::Uuid::now_v7().simple());
    let fields = [("max_players", "2"), ("expected_duration_minutes", "60"), ("reminder_minutes", "[60]")];
    let created =
        host.creates(&[&[("title", title.as_str()), ("scheduled_at", &start)], fields.as_slice()].concat()).await;
    ensure!(created.status == 201, "creating a game answered {created:?}");
    shows(&discord, "the announcement", |message| message.as_text().contains(&title)).await?;

    let pressed = Person::visiting(ids::BOB, first, &discord).presses("Join").await.context("bob presses Join")?;
    let mut ada = Person::visiting(ids::ADA, last, &discord);
    ada.sign_in().await.context("ada signs in")?;
    let joined = ada.joins(created.text("id")).await;
    ensure!(joined.status == 200, "joining answered {joined:?}");
    let both =
        |message: &Message| [ids::BOB, ids::ADA].iter().all(|id| message.as_text().contains(&format!("<@{id}>")));
    let board = shows(&discord, "both players", both).await?;

    println!("bob was answered after {} ms; in #games:\n{}", pressed.ack_after.as_millis(), board.as_text());
    Ok(())
}

/// Waits until the newest message in `#games` is what it should be.
async fn shows(discord: &Discord, what: &str, wanted: impl Fn(&Message) -> bool) -> Result<Message> {
    let until = Instant::now() + PATIENCE;
    loop {
        let newest = discord.channel(ids::GAMES).await.pop();
        match newest {
            Some(message) if wanted(&message) => return Ok(message),
            other if Instant::now() > until => bail!("#games does not show {what}: {:?}", other.map(|m| m.as_text())),
            _ => sleep(Duration::from_millis(100)).await,
        }
    }
}
