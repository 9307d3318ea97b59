//! What an interaction is called in telemetry, and what it says of itself: names from closed sets, never contents.

use shared::telemetry::{Attribute, users};
use twilight_model::application::interaction::Interaction;

use super::Asked;
use super::commands::Command;
use crate::controls::Control;

/// What an interaction is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
    pub(super) span: &'static str,
}

pub(super) fn of(asked: Asked<'_>) -> Named {
    let named = |kind, name, span| Named { kind, name, span };
    match asked {
        Asked::Press(Control::Join(_)) => named("component", "join", "interaction component join"),
        Asked::Press(Control::Leave(_)) => named("component", "leave", "interaction component leave"),
        Asked::Press(Control::Unknown) => named("component", "unknown", "interaction component unknown"),
        Asked::Command(Command::ListGames, _) => named("command", "/list-games", "interaction command /list-games"),
        Asked::Command(Command::MyGames, _) => named("command", "/my-games", "interaction command /my-games"),
        Asked::Command(Command::Unknown, _) => named("command", "unknown", "interaction command unknown"),
        Asked::Form => named("modal", "unknown", "interaction modal unknown"),
        Asked::Typing => named("autocomplete", "unknown", "interaction autocomplete unknown"),
    }
}

/// What is known when it begins; an absent id is absent.
pub(super) fn attributes(interaction: &Interaction, asked: Asked<'_>, named: Named, shard: u32) -> Vec<Attribute> {
    let channel = interaction.channel.as_ref().map(|channel| channel.id);
    let present = [
        ("gamesched.guild.id", interaction.guild_id.map(|id| id.to_string())),
        ("gamesched.channel.id", channel.map(|id| id.to_string())),
        ("gamesched.user.id", interaction.author_id().and_then(users::shown)),
        ("gamesched.game.id", asked.game().map(|id| id.to_string())),
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
