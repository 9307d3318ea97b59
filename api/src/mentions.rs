//! Who the starters of a form are: members by id or by name, and plain names (RO-15 to RO-17).

use std::collections::HashMap;

use shared::cache::projection::MemberView;
use shared::domain::form::Template;
use shared::domain::ids::DiscordUser;
use shared::domain::permission::{Member, may_join};
use shared::domain::roster::Who;
use shared::store::people::{self, Profile};

use crate::Api;
use crate::access::Access;
use crate::problem::{Mention, Mentions, Problem, Suggestion};

/// At most so many suggestions for a name (L-14).
const SUGGESTIONS: usize = 5;

/// What one entry of the form means.
#[derive(Debug)]
enum Entry {
    /// `<@id>`.
    Id(DiscordUser),
    /// `@name`.
    Name(String),
    /// Anything else.
    Placeholder,
}

/// Whom an entry stands for.
enum Meant {
    Member(MemberView),
    Nobody { reason: &'static str, suggestions: Vec<MemberView> },
    Placeholder,
}

fn entry(text: &str) -> Entry {
    let id = text.strip_prefix("<@").and_then(|rest| rest.strip_suffix('>'));
    if let Some(id) = id.and_then(|id| id.trim_start_matches('!').parse().ok()) {
        return Entry::Id(id);
    }
    match text.strip_prefix('@').map(str::trim) {
        Some(name) if !name.is_empty() => Entry::Name(name.to_owned()),
        _ => Entry::Placeholder,
    }
}

/// The rows of the starters of a form that holds, or a report on every name that means nobody.
pub(crate) async fn starters(
    api: &Api,
    access: &Access,
    template: &Template,
    typed: Vec<String>,
) -> Result<Vec<Who>, Problem> {
    let by_id = by_id(api, access, &typed).await?;
    let mut report = Mentions::default();
    let mut found = Vec::with_capacity(typed.len());
    for typed in typed {
        match meant(api, access, template, &by_id, &typed).await? {
            Meant::Member(member) => {
                report.valid_participants.push(typed);
                found.push(Ok(member));
            }
            Meant::Placeholder => {
                report.valid_participants.push(typed.clone());
                found.push(Err(typed));
            }
            Meant::Nobody { reason, suggestions } => report.invalid_mentions.push(mention(typed, reason, suggestions)),
        }
    }
    if !report.invalid_mentions.is_empty() {
        return Err(Problem::mentions(report));
    }
    rows(api, found).await
}

async fn by_id(api: &Api, access: &Access, typed: &[String]) -> Result<HashMap<DiscordUser, MemberView>, Problem> {
    let ids = typed.iter().filter_map(|typed| match entry(typed) {
        Entry::Id(id) => Some(id),
        Entry::Name(_) | Entry::Placeholder => None,
    });
    let ids: Vec<DiscordUser> = ids.collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(api.projection.names(access.discord, &ids).await?)
}

async fn meant(
    api: &Api,
    access: &Access,
    template: &Template,
    by_id: &HashMap<DiscordUser, MemberView>,
    typed: &str,
) -> Result<Meant, Problem> {
    let meant = match entry(typed) {
        Entry::Placeholder => Meant::Placeholder,
        Entry::Id(id) => match by_id.get(&id) {
            Some(member) if !member.bot => Meant::Member(member.clone()),
            _ => nobody("This is no member of the server."),
        },
        Entry::Name(name) => {
            let near = api.projection.search(access.discord, &name, SUGGESTIONS * 2).await?;
            named(&name, near)
        }
    };
    Ok(match meant {
        Meant::Member(member) if !passes(access, template, &member) => {
            nobody("This member lacks the roles that players of this game need.")
        }
        meant => meant,
    })
}

/// A manager's pick passes the player gate (RO-16).
fn passes(access: &Access, template: &Template, member: &MemberView) -> bool {
    let held = Member::new(access.member.user, access.discord, member.roles.clone(), 0, false);
    access.manager || may_join(&template.player_roles, held.roles())
}

fn nobody(reason: &'static str) -> Meant {
    Meant::Nobody { reason, suggestions: Vec::new() }
}

/// One equal username, else one equal global name, else one equal nick; a near one is only suggested (RO-17).
fn named(name: &str, near: Vec<MemberView>) -> Meant {
    let name = name.to_lowercase();
    let near: Vec<MemberView> = near.into_iter().filter(|member| !member.bot).collect();
    let kinds: [fn(&MemberView) -> Option<&str>; 3] =
        [|member| Some(&member.username), |member| member.global_name.as_deref(), |member| member.nick.as_deref()];
    for kind in kinds {
        let is_equal = |member: &&MemberView| kind(member).is_some_and(|theirs| theirs.to_lowercase() == name);
        let equal: Vec<&MemberView> = near.iter().filter(is_equal).collect();
        match equal.as_slice() {
            [] => {}
            [one] => return Meant::Member((*one).clone()),
            several => {
                let suggestions = several.iter().map(|member| (*member).clone()).collect();
                return Meant::Nobody { reason: "Several members have this name. Pick one.", suggestions };
            }
        }
    }
    if near.is_empty() {
        return nobody("Nobody on the server has this name.");
    }
    Meant::Nobody { reason: "Nobody has exactly this name. Did you mean one of these?", suggestions: near }
}

fn mention(input: String, reason: &str, suggestions: Vec<MemberView>) -> Mention {
    let suggestion = |member: MemberView| Suggestion {
        discord_id: member.id.to_string(),
        display_name: member.shown_name().to_owned(),
        username: member.username,
    };
    let suggestions = suggestions.into_iter().take(SUGGESTIONS).map(suggestion).collect();
    Mention { input, reason: reason.to_owned(), suggestions }
}

/// Members become users; somebody who is named twice sits once.
async fn rows(api: &Api, found: Vec<Result<MemberView, String>>) -> Result<Vec<Who>, Problem> {
    let mut rows = Vec::with_capacity(found.len());
    if found.is_empty() {
        return Ok(rows);
    }
    let mut sql = api.sql().await?;
    for found in found {
        let row = match found {
            Err(name) => Who::Placeholder(name),
            Ok(member) => {
                let (username, global_name) = (member.username, member.global_name);
                let profile = Profile { discord: member.id, username, global_name, avatar: member.avatar };
                Who::User(people::meet(&mut sql, &profile, api.app.clock.now()).await?)
            }
        };
        let twice = row.user().is_some() && rows.contains(&row);
        if !twice {
            rows.push(row);
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u64, username: &str, global_name: Option<&str>) -> MemberView {
        MemberView {
            id: DiscordUser::new(id),
            username: username.into(),
            global_name: global_name.map(str::to_owned),
            nick: None,
            avatar: None,
            roles: Vec::new(),
            bot: false,
        }
    }

    #[test]
    fn entries_are_ids_names_or_plain_text() {
        assert!(matches!(entry("<@12345678901234567>"), Entry::Id(_)));
        assert!(matches!(entry("<@!12345678901234567>"), Entry::Id(_)));
        assert!(matches!(entry("@ada"), Entry::Name(name) if name == "ada"));
        for plain in ["Guest of Ada", "@", "<@nobody>", "<#12345678901234567>"] {
            assert!(matches!(entry(plain), Entry::Placeholder), "{plain}");
        }
    }

    #[test]
    fn ro_17_an_equal_username_wins_over_an_equal_global_name() {
        let near = vec![member(1, "ada", None), member(2, "lovelace", Some("Ada"))];
        assert!(matches!(named("ADA", near), Meant::Member(member) if member.id.get() == 1));
    }

    #[test]
    fn ro_17_several_equal_names_and_near_names_are_only_suggested() {
        let twins = vec![member(1, "a1", Some("Ada")), member(2, "a2", Some("Ada"))];
        assert!(matches!(named("ada", twins), Meant::Nobody { suggestions, .. } if suggestions.len() == 2));
        let near = vec![member(1, "adamant", None)];
        assert!(matches!(named("ada", near), Meant::Nobody { suggestions, .. } if suggestions.len() == 1));
        assert!(matches!(named("ada", Vec::new()), Meant::Nobody { suggestions, .. } if suggestions.is_empty()));
    }
}
