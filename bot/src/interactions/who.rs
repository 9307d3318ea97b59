//! Who asks, with the roles and rights that came along: no other source is asked (GU-17).

use shared::domain::ids::{DiscordGuild, UserId};
use shared::domain::permission::Member;
use shared::error::Refusal;
use shared::store::people::Profile;
use twilight_model::application::interaction::Interaction;

/// The person.
///
/// # Errors
/// When Discord names nobody.
pub(super) fn profile(interaction: &Interaction) -> Result<Profile, Refusal> {
    let user = interaction.author().ok_or(Refusal::NotFound)?;
    Ok(Profile {
        discord: user.id,
        username: user.name.clone(),
        global_name: user.global_name.clone(),
        avatar: user.avatar.map(|avatar| avatar.to_string()),
    })
}

/// The guild in which they ask, and what they may do there; none in a direct message.
pub(super) fn member(interaction: &Interaction) -> Option<(DiscordGuild, Member)> {
    let (told, guild) = (interaction.member.as_ref()?, interaction.guild_id?);
    let permissions = told.permissions.map(|permissions| permissions.bits()).unwrap_or_default();
    Some((guild, Member::new(UserId::new(), guild, told.roles.clone(), permissions, false)))
}
