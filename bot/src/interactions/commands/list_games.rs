//! `/list-games [channel] [show_all]`: upcoming games of this channel, of another one, or of the server (DI-05, DI-10).

use serde_json::Value;
use shared::actions;
use shared::domain::game::Status;
use shared::domain::ids::{DiscordChannel, DiscordUser};
use shared::error::{Refusal, Result};
use shared::store::games::Filter;
use shared::store::{guilds, people};
use twilight_model::application::interaction::Interaction;
use twilight_model::application::interaction::application_command::{CommandDataOption, CommandOptionValue};

use super::{PAGE, list};
use crate::Bot;
use crate::interactions::who;
use crate::render::list::render;
use crate::words;

/// Agreed and not begun. What waits for its host's word is shown to its host and managers.
const UPCOMING: [Status; 2] = [Status::Scheduled, Status::PendingConfirmation];

/// Whose games.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Of the channel in which they ask.
    Here,
    /// Of the channel that they name.
    Channel(DiscordChannel),
    /// Of the server.
    Server,
}

impl Scope {
    /// Reads the options; `show_all` wins.
    fn read(options: &[CommandDataOption]) -> Result<Self, Refusal> {
        let (mut channel, mut all) = (None, false);
        for option in options {
            match (option.name.as_str(), &option.value) {
                ("channel", CommandOptionValue::Channel(id)) => channel = Some(*id),
                ("show_all", CommandOptionValue::Boolean(wanted)) => all = *wanted,
                _ => return Err(Refusal::field("options", "invalid_value", words::OTHER_OPTIONS)),
            }
        }
        Ok(match (all, channel) {
            (true, _) => Self::Server,
            (false, Some(channel)) => Self::Channel(channel),
            (false, None) => Self::Here,
        })
    }
}

/// The list. Rights come from the interaction alone, so it works while Redis is away (GU-17).
pub(in crate::interactions) async fn answer(
    bot: &Bot,
    interaction: &Interaction,
    options: &[CommandDataOption],
) -> Result<Value> {
    let scope = Scope::read(options)?;
    let channel = match scope {
        Scope::Here => interaction.channel.as_ref().map(|channel| channel.id),
        Scope::Channel(channel) => Some(channel),
        Scope::Server => None,
    };
    let page = match filter(bot, interaction, scope, channel).await? {
        Some(filter) => actions::list(&bot.app, &filter).await?,
        None => actions::Page::default(),
    };
    let (lead, none) = (words::place_of_list(channel), words::none_upcoming(channel));
    Ok(render(&[list(bot, words::UPCOMING, Some(lead), &none, &page, false)]))
}

/// What they may see of it; none where no game can be.
async fn filter(
    bot: &Bot,
    interaction: &Interaction,
    scope: Scope,
    channel: Option<DiscordChannel>,
) -> Result<Option<Filter>> {
    let here = Refusal::field("guild_id", "required", words::ONLY_IN_A_SERVER);
    let (guild, member) = who::member(interaction).ok_or(here)?;
    let user: DiscordUser = who::profile(interaction)?.discord;
    let mut sql = bot.app.db.connection().await?;
    // Without a row the guild is still being written.
    let known = guilds::by_discord(&mut sql, &[guild]).await?.pop().ok_or(Refusal::TryLater { seconds: 5 })?;
    let reader = people::by_discord(&mut sql, &[user]).await?.remove(&user);
    let channel = match channel {
        None => None,
        Some(channel) => match (guilds::channel_of(&mut sql, known.id, channel).await?, scope) {
            (Some(channel), _) => Some(channel),
            // Threads and the like carry no announcements.
            (None, Scope::Here | Scope::Server) => return Ok(None),
            (None, Scope::Channel(_)) => {
                return Err(Refusal::field("channel", "not_in_guild", words::NO_SUCH_CHANNEL).into());
            }
        },
    };
    let managed = member.is_manager(&known.manager_roles).then_some(known.id);
    Ok(Some(Filter {
        reader,
        guilds: vec![known.id],
        managed: managed.into_iter().collect(),
        roles: member.roles().to_vec(),
        channel,
        statuses: UPCOMING.to_vec(),
        limit: PAGE,
        ..Filter::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(name: &str, value: CommandOptionValue) -> CommandDataOption {
        CommandDataOption { name: name.to_owned(), value }
    }

    #[test]
    fn di_05_show_all_wins_over_a_channel_and_a_channel_over_this_one() {
        let channel = || option("channel", CommandOptionValue::Channel(DiscordChannel::new(7)));
        let all = |wanted| option("show_all", CommandOptionValue::Boolean(wanted));
        assert_eq!(Scope::read(&[]), Ok(Scope::Here));
        assert_eq!(Scope::read(&[all(false)]), Ok(Scope::Here));
        assert_eq!(Scope::read(&[channel(), all(false)]), Ok(Scope::Channel(DiscordChannel::new(7))));
        assert_eq!(Scope::read(&[channel(), all(true)]), Ok(Scope::Server));
    }

    #[test]
    fn options_of_another_version_are_refused_and_not_passed_over() {
        let strange = [
            option("status", CommandOptionValue::String("CANCELLED".into())),
            option("channel", CommandOptionValue::String("7".into())),
            option("show_all", CommandOptionValue::Integer(1)),
        ];
        for option in strange {
            let refusal = Scope::read(std::slice::from_ref(&option)).unwrap_err();
            assert_eq!((refusal.code(), refusal.to_string().as_str()), ("invalid_value", words::OTHER_OPTIONS));
        }
    }
}
