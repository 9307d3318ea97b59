//! The edge of buttons and commands: acknowledge first, then act, then tell the person who asked (DI-11 to DI-19).

use std::time::Instant;

use serde_json::json;
use shared::actions;
use shared::app::{Actor, Person};
use shared::discord::{Ack, Class, Failure, PATIENT};
use shared::domain::game::Face;
use shared::domain::ids::{DiscordGuild, DiscordUser, GameId, UserId};
use shared::domain::permission::Member;
use shared::error::{Error, Refusal, Result};
use shared::faults;
use shared::store::games;
use shared::store::people::Profile;
use shared::telemetry::span::{self, Span, SpanKind};
use shared::telemetry::{Attribute, carry, instruments, users};
use tracing::{debug, error, warn};
use twilight_model::application::interaction::{Interaction, InteractionData, InteractionType};

use crate::Bot;
use crate::controls::Control;
use crate::words;

/// What an interaction is called in telemetry: both from closed sets.
#[derive(Clone, Copy)]
struct Named {
    kind: &'static str,
    name: &'static str,
    span: &'static str,
}

/// Answers one interaction, in a trace of its own. Whether it was handled: `done` or `failed`.
pub(crate) async fn answer(bot: &Bot, shard: u32, interaction: Interaction, received: Instant) -> &'static str {
    let control = control(&interaction);
    let named = named(&interaction, control);
    let span = span::start(SpanKind::Server, named.span, attributes(&interaction, control, named, shard));
    let told = span.inside(tell(bot, &interaction, control, named, received)).await;
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

async fn tell(bot: &Bot, interaction: &Interaction, control: Control, named: Named, received: Instant) -> Told {
    let acknowledged = acknowledge(bot, interaction, named, received).await;
    if acknowledged == Acknowledged::No {
        return Told::Failed("ack_timeout");
    }
    if interaction.kind == InteractionType::ApplicationCommandAutocomplete {
        return Told::Answered;
    }
    let (sentence, told) = match act(bot, interaction, control).await {
        Ok(sentence) => (sentence, Told::Answered),
        Err(Error::Refused(refusal)) => {
            debug!("refused: {}", refusal.code());
            if refusal == Refusal::NotFound {
                forget_buttons(bot, interaction, control).await;
            }
            (sentence(&refusal, control), Told::Refused(refusal.code()))
        }
        Err(Error::Fault(fault)) => {
            let class = faults::class(&fault);
            error!(error.type = class, "an interaction failed: {fault:#}");
            (words::fault(&incident()), Told::Failed(class))
        }
    };
    let body = json!({ "content": sentence, "allowed_mentions": { "parse": [] } });
    if let Err(failure) = bot.discord.answer(interaction.application_id, &interaction.token, body).await {
        // What was done stays done; a second press tells what happened (DI-15).
        warn!("the answer to an interaction did not arrive: {failure}");
        if acknowledged == Acknowledged::Perhaps {
            return Told::Failed("ack_timeout");
        }
    }
    told
}

/// Whether Discord knows that we are at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acknowledged {
    Yes,
    /// Its answer was lost. Who pressed may be waiting, so it is done; whether they hear of it the answer will show.
    Perhaps,
    /// Certainly not: nobody waits for us any more, and nothing is done.
    No,
}

impl Acknowledged {
    fn of(acknowledged: &std::result::Result<(), Failure>) -> Self {
        match acknowledged.as_ref().map_err(|failure| failure.class) {
            Ok(()) | Err(Class::Done) => Self::Yes,
            Err(Class::Unknown) => Self::Perhaps,
            Err(
                Class::Wait | Class::Retry | Class::Permanent | Class::WaitLong | Class::Credential | Class::Poison,
            ) => Self::No,
        }
    }
}

/// Tells Discord within its 3 s that we are at it (DI-11).
async fn acknowledge(bot: &Bot, interaction: &Interaction, named: Named, received: Instant) -> Acknowledged {
    let ack = match interaction.kind {
        InteractionType::ApplicationCommandAutocomplete => Ack::Autocomplete(Vec::new()),
        _ => Ack::DeferredEphemeral,
    };
    let told = bot.discord.acknowledge(interaction.id, &interaction.token, ack).await;
    let acknowledged = Acknowledged::of(&told);
    let labels = [
        Attribute::new("gamesched.interaction.type", named.kind),
        Attribute::new("gamesched.interaction.name", named.name),
        Attribute::new(
            "gamesched.interaction.outcome",
            if acknowledged == Acknowledged::Yes { "answered" } else { "failed" },
        ),
    ];
    instruments::get().interaction_ack.record(instruments::seconds(received), &labels);
    match (acknowledged, told) {
        (Acknowledged::No, Err(failure)) => {
            warn!("an interaction could not be acknowledged, so nothing is done: {failure}")
        }
        (Acknowledged::Perhaps, Err(failure)) => warn!("an interaction may not be acknowledged: {failure}"),
        (_, Err(failure)) => debug!("an interaction was acknowledged before: {failure}"),
        (_, Ok(())) => {}
    }
    acknowledged
}

async fn act(bot: &Bot, interaction: &Interaction, control: Control) -> Result<String> {
    match control {
        Control::Join(game) => {
            let seat = actions::join(&bot.app, game, &actor(bot, interaction, game).await?).await?;
            let told = if seat.already { words::already_in } else { words::joined };
            Ok(told(seat.place, seat.seats, seat.method))
        }
        Control::Leave(game) => {
            let left = actions::leave(&bot.app, game, &actor(bot, interaction, game).await?).await?;
            Ok(match left {
                actions::Left::Left => words::LEFT,
                actions::Left::WasNotIn => words::WAS_NOT_IN,
            }
            .to_owned())
        }
        Control::Unknown => Ok(words::UNKNOWN_CONTROL.to_owned()),
    }
}

/// Who pressed, with the roles and rights that came along: no other source is asked (GU-17).
async fn actor(bot: &Bot, interaction: &Interaction, game: GameId) -> Result<Actor> {
    let (Some(told), Some(guild)) = (&interaction.member, interaction.guild_id) else {
        return Err(Refusal::NotFound.into());
    };
    let user = interaction.author().ok_or(Refusal::NotFound)?;
    let permissions = told.permissions.map(|permissions| permissions.bits()).unwrap_or_default();
    let member = Member::new(UserId::new(), guild, told.roles.clone(), permissions, false);
    let manager = member.is_manager(&manager_roles(bot, game, guild).await?);
    let profile = Profile {
        discord: user.id,
        username: user.name.clone(),
        global_name: user.global_name.clone(),
        avatar: user.avatar.map(|avatar| avatar.to_string()),
    };
    Ok(Actor { person: Person::Met(profile), face: Face::Button, roles: member.roles().to_vec(), manager })
}

/// The roles that a guild's admins named managers; a game of another guild is none of this one's.
async fn manager_roles(bot: &Bot, game: GameId, guild: DiscordGuild) -> Result<Vec<shared::domain::ids::DiscordRole>> {
    let mut sql = bot.app.db.connection().await?;
    let (_, of, managers) = games::guild_of(&mut sql, game).await?.ok_or(Refusal::NotFound)?;
    Ok(here(guild, of, managers)?)
}

/// What `known` of a game of the guild `of` is worth in the guild in which somebody pressed, whoever they are there.
fn here<T>(pressed_in: DiscordGuild, of: DiscordGuild, known: T) -> std::result::Result<T, Refusal> {
    if of == pressed_in { Ok(known) } else { Err(Refusal::NotFound) }
}

/// The message of a game that is gone loses its buttons (DI-19); of a game that is only hidden it keeps them.
async fn forget_buttons(bot: &Bot, interaction: &Interaction, control: Control) {
    let (Some(game), Some(message)) = (control.game(), &interaction.message) else { return };
    let gone = async {
        let mut sql = bot.app.db.connection().await?;
        games::start_of(&mut sql, game).await
    };
    if matches!(gone.await, Ok(None)) {
        let body = json!({ "components": [], "allowed_mentions": { "parse": [] } });
        if let Err(failure) = bot.discord.edit_message(message.channel_id, message.id, body, PATIENT).await {
            debug!("a dead message keeps its buttons: {failure}");
        }
    }
}

/// What a refusal says to somebody who pressed a button.
fn sentence(refusal: &Refusal, control: Control) -> String {
    match (refusal, control) {
        (Refusal::NotFound, Control::Join(_) | Control::Leave(_)) => words::GONE.to_owned(),
        (refusal, _) => refusal.to_string(),
    }
}

/// What a person can name to us: the first digits of the trace id.
fn incident() -> String {
    carry::trace_id().map_or_else(|| "-".to_owned(), |id| id.chars().take(8).collect())
}

fn control(interaction: &Interaction) -> Control {
    match &interaction.data {
        Some(InteractionData::MessageComponent(component)) => Control::of(&component.custom_id),
        _ => Control::Unknown,
    }
}

fn named(interaction: &Interaction, control: Control) -> Named {
    let named = |kind, name, span| Named { kind, name, span };
    match (interaction.kind, control) {
        (InteractionType::MessageComponent, Control::Join(_)) => {
            named("component", "join", "interaction component join")
        }
        (InteractionType::MessageComponent, Control::Leave(_)) => {
            named("component", "leave", "interaction component leave")
        }
        (InteractionType::ModalSubmit, _) => named("modal", "unknown", "interaction modal unknown"),
        (InteractionType::ApplicationCommand, _) => named("command", "unknown", "interaction command unknown"),
        (InteractionType::ApplicationCommandAutocomplete, _) => {
            named("autocomplete", "unknown", "interaction autocomplete unknown")
        }
        _ => named("component", "unknown", "interaction component unknown"),
    }
}

fn attributes(interaction: &Interaction, control: Control, named: Named, shard: u32) -> Vec<Attribute> {
    let user: Option<DiscordUser> = interaction.author_id();
    let channel = interaction.channel.as_ref().map(|channel| channel.id);
    let present = [
        ("gamesched.guild.id", interaction.guild_id.map(|id| id.to_string())),
        ("gamesched.channel.id", channel.map(|id| id.to_string())),
        ("gamesched.user.id", user.and_then(users::shown)),
        ("gamesched.game.id", control.game().map(|id| id.to_string())),
    ];
    let mut attributes = vec![
        Attribute::new("gamesched.interaction.type", named.kind),
        Attribute::new("gamesched.interaction.name", named.name),
        Attribute::new("gamesched.interaction.id", interaction.id.to_string()),
        Attribute::new("gamesched.shard.id", shard.to_string()),
    ];
    attributes.extend(present.into_iter().filter_map(|(key, value)| Some(Attribute::new(key, value?))));
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_press_is_only_given_up_when_its_acknowledgement_certainly_failed() {
        let failed = |class, status| Err(Failure { class, status, code: None, retry_after: None });
        assert_eq!(Acknowledged::of(&Ok(())), Acknowledged::Yes);
        assert_eq!(Acknowledged::of(&failed(Class::Done, Some(400))), Acknowledged::Yes, "40060: it was before");
        assert_eq!(Acknowledged::of(&failed(Class::Unknown, Some(502))), Acknowledged::Perhaps);
        assert_eq!(Acknowledged::of(&failed(Class::Unknown, None)), Acknowledged::Perhaps, "no answer in time");
        assert_eq!(Acknowledged::of(&failed(Class::Permanent, Some(404))), Acknowledged::No, "10062: it is dead");
        assert_eq!(Acknowledged::of(&failed(Class::Retry, None)), Acknowledged::No, "it did not connect");
    }

    #[test]
    fn a_game_of_another_guild_is_not_found_whoever_presses() {
        let (one, other) = (DiscordGuild::new(1), DiscordGuild::new(2));
        assert_eq!(here(one, one, "managers"), Ok("managers"));
        assert_eq!(here(other, one, "managers"), Err(Refusal::NotFound));
    }
}
