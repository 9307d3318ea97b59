//! The edge of buttons and commands: acknowledge first, then act, then tell the person who asked (DI-11 to DI-19).

mod acknowledge;
mod buttons;
pub(crate) mod commands;
mod named;
mod who;

use std::time::Instant;

use serde_json::{Value, json};
use shared::domain::ids::GameId;
use shared::error::{Error, Refusal, Result};
use shared::faults;
use shared::telemetry::span::{self, Span, SpanKind};
use shared::telemetry::{Attribute, carry};
use tracing::{debug, error, warn};
use twilight_model::application::interaction::application_command::CommandData;
use twilight_model::application::interaction::{Interaction, InteractionData, InteractionType};

use crate::Bot;
use crate::controls::Control;
use crate::words;
use acknowledge::{Acknowledged, acknowledge};
use commands::Command;
use named::Named;

/// What somebody asks for.
#[derive(Clone, Copy, Debug)]
enum Asked<'a> {
    /// They pressed a button.
    Press(Control),
    /// They sent a command.
    Command(Command, &'a CommandData),
    /// They sent a form. We show none, so it is of another version.
    Form,
    /// They are typing in an option. None of ours makes suggestions, so it is of another version.
    Typing,
}

impl<'a> Asked<'a> {
    fn of(interaction: &'a Interaction) -> Self {
        match (interaction.kind, &interaction.data) {
            (InteractionType::ApplicationCommand, Some(InteractionData::ApplicationCommand(data))) => {
                Self::Command(Command::of(&data.name), data)
            }
            (InteractionType::ApplicationCommandAutocomplete, _) => Self::Typing,
            (InteractionType::ModalSubmit, _) => Self::Form,
            (_, Some(InteractionData::MessageComponent(component))) => Self::Press(Control::of(&component.custom_id)),
            _ => Self::Press(Control::Unknown),
        }
    }

    /// The game it is about.
    const fn game(self) -> Option<GameId> {
        match self {
            Self::Press(control) => control.game(),
            Self::Command(..) | Self::Form | Self::Typing => None,
        }
    }
}

/// Answers one interaction, in a trace of its own. Whether it was handled: `done` or `failed`.
pub(crate) async fn answer(bot: &Bot, shard: u32, interaction: Interaction, received: Instant) -> &'static str {
    let asked = Asked::of(&interaction);
    let named = named::of(asked);
    let span = span::start(SpanKind::Server, named.span, named::attributes(&interaction, asked, named, shard));
    let told = span.inside(tell(bot, &interaction, asked, named, received)).await;
    told.mark(&span);
    span.end();
    match told {
        Told::Answered | Told::Refused(_) => "done",
        Told::Failed(_) => "failed",
    }
}

/// How an interaction ended.
enum Told {
    Answered,
    Refused(&'static str),
    Failed(&'static str),
}

impl Told {
    fn mark(&self, span: &Span) {
        let outcome = match self {
            Self::Answered => "answered",
            Self::Refused(code) => {
                span.set(Attribute::new("gamesched.refusal", *code));
                "refused"
            }
            Self::Failed(class) => {
                span.fail(*class);
                "failed"
            }
        };
        span.set(Attribute::new("gamesched.interaction.outcome", outcome));
    }
}

async fn tell(bot: &Bot, interaction: &Interaction, asked: Asked<'_>, named: Named, received: Instant) -> Told {
    let acknowledged = acknowledge(bot, interaction, named, received).await;
    if acknowledged == Acknowledged::No {
        return Told::Failed("ack_timeout");
    }
    let (body, told) = match act(bot, interaction, asked).await {
        Ok(Some(body)) => (body, Told::Answered),
        Ok(None) => return Told::Answered,
        Err(Error::Refused(refusal)) => {
            debug!("refused: {}", refusal.code());
            if let (Refusal::NotFound, Asked::Press(control)) = (&refusal, asked) {
                buttons::forget(bot, interaction, control).await;
            }
            (said(&sentence(&refusal, asked)), Told::Refused(refusal.code()))
        }
        Err(Error::Fault(fault)) => {
            let class = faults::class(&fault);
            error!(error.type = class, "an interaction failed: {fault:#}");
            (said(&words::fault(&incident())), Told::Failed(class))
        }
    };
    if let Err(failure) = bot.discord.answer(interaction.application_id, &interaction.token, body).await {
        // What was done stays done; a second press tells what happened (DI-15).
        warn!("the answer to an interaction did not arrive: {failure}");
        if acknowledged == Acknowledged::Perhaps {
            return Told::Failed("ack_timeout");
        }
    }
    told
}

/// Does what was asked, and gives the message that answers; none where the acknowledgement was the answer.
async fn act(bot: &Bot, interaction: &Interaction, asked: Asked<'_>) -> Result<Option<Value>> {
    Ok(Some(match asked {
        Asked::Press(control) => said(&buttons::act(bot, interaction, control).await?),
        Asked::Command(Command::ListGames, data) => commands::list_games(bot, interaction, &data.options).await?,
        Asked::Command(Command::MyGames, _) => commands::my_games(bot, interaction).await?,
        Asked::Command(Command::Unknown, _) => said(words::UNKNOWN_COMMAND),
        Asked::Form => said(words::UNKNOWN_FORM),
        Asked::Typing => return Ok(None),
    }))
}

/// A message that is only a sentence, and pings nobody.
fn said(sentence: &str) -> Value {
    json!({ "content": sentence, "allowed_mentions": { "parse": [] } })
}

/// What a refusal says to somebody in Discord.
fn sentence(refusal: &Refusal, asked: Asked<'_>) -> String {
    match (refusal, asked) {
        (Refusal::NotFound, Asked::Press(Control::Join(_) | Control::Leave(_))) => words::GONE.to_owned(),
        (refusal, _) => refusal.to_string(),
    }
}

/// What a person can name to us: the first digits of the trace id.
fn incident() -> String {
    carry::trace_id().map_or_else(|| "-".to_owned(), |id| id.chars().take(8).collect())
}
