//! What a press does: the same actions as on the web, with the rights that came along.

use serde_json::json;
use shared::actions;
use shared::app::{Actor, Person};
use shared::discord::PATIENT;
use shared::domain::game::Face;
use shared::domain::ids::{DiscordGuild, DiscordRole, GameId};
use shared::error::{Refusal, Result};
use shared::store::games;
use tracing::debug;
use twilight_model::application::interaction::Interaction;

use super::who;
use crate::Bot;
use crate::controls::Control;
use crate::words;

/// Does it, and gives the sentence that answers.
pub(super) async fn act(bot: &Bot, interaction: &Interaction, control: Control) -> Result<String> {
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

/// Who pressed.
async fn actor(bot: &Bot, interaction: &Interaction, game: GameId) -> Result<Actor> {
    let (guild, member) = who::member(interaction).ok_or(Refusal::NotFound)?;
    let person = Person::Met(who::profile(interaction)?);
    let manager = member.is_manager(&manager_roles(bot, game, guild).await?);
    Ok(Actor { person, face: Face::Button, roles: member.roles().to_vec(), manager })
}

/// The roles that a guild's admins named managers; a game of another guild is none of this one's.
async fn manager_roles(bot: &Bot, game: GameId, guild: DiscordGuild) -> Result<Vec<DiscordRole>> {
    let mut sql = bot.app.db.connection().await?;
    let (_, of, managers) = games::guild_of(&mut sql, game).await?.ok_or(Refusal::NotFound)?;
    Ok(here(guild, of, managers)?)
}

/// What `known` of a game of the guild `of` is worth in the guild in which somebody pressed, whoever they are there.
fn here<T>(pressed_in: DiscordGuild, of: DiscordGuild, known: T) -> std::result::Result<T, Refusal> {
    if of == pressed_in { Ok(known) } else { Err(Refusal::NotFound) }
}

/// The message of a game that is gone loses its buttons (DI-19); of a game that is only hidden it keeps them.
pub(super) async fn forget(bot: &Bot, interaction: &Interaction, control: Control) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_game_of_another_guild_is_not_found_whoever_presses() {
        let (one, other) = (DiscordGuild::new(1), DiscordGuild::new(2));
        assert_eq!(here(one, one, "managers"), Ok("managers"));
        assert_eq!(here(other, one, "managers"), Err(Refusal::NotFound));
    }
}
