//! Names as the guild knows them, and texts with their tokens turned into words.

use std::collections::{HashMap, HashSet};

use shared::cache::projection::Members;
use shared::domain::ids::{DiscordChannel, DiscordGuild, DiscordUser};
use shared::store::games::GameView;
use shared::store::people::Person;

use super::shape::people;
use crate::Api;
use crate::problem::Problem;

/// What is needed to show the games of one guild.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    people: HashMap<DiscordUser, String>,
    channels: HashMap<DiscordChannel, String>,
}

/// What stands between `<` and `>`.
#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    User(DiscordUser),
    Channel(DiscordChannel),
    Emoji(&'a str),
}

impl Words {
    /// For these games of one guild, in one batch for names and one for channels, each only when it is needed (LS-06).
    pub(crate) async fn of(api: &Api, guild: DiscordGuild, views: &[&GameView]) -> Result<Self, Problem> {
        let members = api.projection.names(guild, &Self::people(views)).await?;
        Self::among(api, guild, views, members).await
    }

    /// Whose names are needed for these games.
    pub(crate) fn people(views: &[&GameView]) -> Vec<DiscordUser> {
        let mut users: HashSet<DiscordUser> = views.iter().flat_map(|view| people(view)).collect();
        let texts = views.iter().flat_map(|view| texts(view));
        users.extend(texts.flat_map(tokens).filter_map(|(_, token, _)| match token {
            Token::User(user) => Some(user),
            Token::Channel(_) | Token::Emoji(_) => None,
        }));
        users.into_iter().collect()
    }

    /// The same with those of these `people` who are members.
    pub(crate) async fn among(
        api: &Api,
        guild: DiscordGuild,
        views: &[&GameView],
        members: Members,
    ) -> Result<Self, Problem> {
        let people = members.into_iter().map(|(user, member)| (user, member.shown_name().to_owned())).collect();
        let channels = if views.iter().flat_map(|view| texts(view)).any(|text| text.contains("<#")) {
            let channels = api.projection.channels(guild).await?;
            channels.into_iter().map(|channel| (channel.id, channel.name)).collect()
        } else {
            HashMap::new()
        };
        Ok(Self { people, channels })
    }

    /// The name on the guild, else the last known one (GU-21).
    pub(crate) fn name(&self, person: &Person) -> String {
        self.people.get(&person.discord).cloned().unwrap_or_else(|| person.shown_name().to_owned())
    }

    /// Mentions, channels and emojis by name; what is unknown stays as it is.
    pub(crate) fn render(&self, text: &str) -> String {
        let mut rendered = String::with_capacity(text.len());
        let mut done = 0;
        for (start, token, end) in tokens(text) {
            let word = match token {
                Token::User(user) => self.people.get(&user).map(|name| format!("@{name}")),
                Token::Channel(channel) => self.channels.get(&channel).map(|name| format!("#{name}")),
                Token::Emoji(name) => Some(format!(":{name}:")),
            };
            if let Some(word) = word {
                rendered.push_str(&text[done..start]);
                rendered.push_str(&word);
                done = end;
            }
        }
        rendered.push_str(&text[done..]);
        rendered
    }
}

fn texts(view: &GameView) -> impl Iterator<Item = &str> {
    let game = &view.game;
    let optional = [&game.description, &game.signup_instructions, &game.location];
    optional.into_iter().filter_map(|text| text.as_deref()).chain([game.title.as_str()])
}

/// The tokens of a text, with where each begins and ends.
fn tokens(text: &str) -> impl Iterator<Item = (usize, Token<'_>, usize)> {
    text.match_indices('<').filter_map(|(start, _)| {
        let inside = text[start + 1..].split_once('>')?.0;
        Some((start, token(inside)?, start + inside.len() + 2))
    })
}

fn token(inside: &str) -> Option<Token<'_>> {
    if let Some(id) = inside.strip_prefix('#') {
        return id.parse().ok().map(Token::Channel);
    }
    if let Some(id) = inside.strip_prefix('@') {
        return id.strip_prefix('!').unwrap_or(id).parse().ok().map(Token::User);
    }
    let (name, id) = inside.strip_prefix("a:").or_else(|| inside.strip_prefix(':'))?.split_once(':')?;
    let is_id = !id.is_empty() && id.bytes().all(|digit| digit.is_ascii_digit());
    (is_id && !name.is_empty()).then_some(Token::Emoji(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_become_words_and_the_unknown_stays() {
        let words = Words {
            people: HashMap::from([(DiscordUser::new(12345678901234567), "Ada".into())]),
            channels: HashMap::from([(DiscordChannel::new(22345678901234567), "tavern".into())]),
        };
        let text = "<@!12345678901234567> waits in <#22345678901234567> <:dice:32345678901234567> <@99> a<b <#x>";
        assert_eq!(words.render(text), "@Ada waits in #tavern :dice: <@99> a<b <#x>");
        assert_eq!(words.render("né <a:roll:1>!"), "né :roll:!");
        assert_eq!(words.render("<"), "<");
    }
}
