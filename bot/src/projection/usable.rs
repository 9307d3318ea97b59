//! What the bot may do in a channel, from roles and overwrites as Discord computes it.

use shared::domain::ids::{DiscordGuild, DiscordRole, DiscordUser};
use twilight_model::channel::permission_overwrite::{PermissionOverwrite, PermissionOverwriteType};
use twilight_model::guild::Permissions;

/// What an announcement needs, by the names people find in Discord's settings (GU-18).
const NEEDED: [(Permissions, &str); 3] = [
    (Permissions::VIEW_CHANNEL, "VIEW_CHANNEL"),
    (Permissions::SEND_MESSAGES, "SEND_MESSAGES"),
    (Permissions::EMBED_LINKS, "EMBED_LINKS"),
];

/// A member, with the bits of the roles that count: the one with the guild's id and those they hold.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) user: DiscordUser,
    pub(super) guild: DiscordGuild,
    pub(super) roles: Vec<DiscordRole>,
    /// Of all their roles together; every bit for the guild's owner.
    pub(super) permissions: Permissions,
}

impl Holder {
    /// What is missing in a channel for announcements, by name; nothing in a usable one.
    pub(super) fn missing(&self, overwrites: &[PermissionOverwrite]) -> Vec<String> {
        let may = self.within(overwrites);
        NEEDED.iter().filter(|(right, _)| !may.contains(*right)).map(|(_, name)| (*name).to_owned()).collect()
    }

    /// The bits within a channel: everyone's overwrite first, then those of the roles together, then the member's own.
    fn within(&self, overwrites: &[PermissionOverwrite]) -> Permissions {
        if self.permissions.contains(Permissions::ADMINISTRATOR) {
            return Permissions::all();
        }
        let applied = |may: Permissions, which: &dyn Fn(&PermissionOverwrite) -> bool| {
            let those = || overwrites.iter().filter(|overwrite| which(overwrite));
            let deny = those().fold(Permissions::empty(), |bits, overwrite| bits | overwrite.deny);
            let allow = those().fold(Permissions::empty(), |bits, overwrite| bits | overwrite.allow);
            may.difference(deny).union(allow)
        };
        let role = |overwrite: &PermissionOverwrite| overwrite.kind == PermissionOverwriteType::Role;
        let everyone = |overwrite: &PermissionOverwrite| role(overwrite) && overwrite.id.cast() == self.guild;
        let held = |overwrite: &PermissionOverwrite| {
            role(overwrite) && !everyone(overwrite) && self.roles.contains(&overwrite.id.cast())
        };
        let own = |overwrite: &PermissionOverwrite| {
            overwrite.kind == PermissionOverwriteType::Member && overwrite.id.cast() == self.user
        };
        applied(applied(applied(self.permissions, &everyone), &held), &own)
    }
}

#[cfg(test)]
mod tests {
    use twilight_model::id::Id;

    use super::*;

    const WHOLE: Permissions =
        Permissions::VIEW_CHANNEL.union(Permissions::SEND_MESSAGES).union(Permissions::EMBED_LINKS);

    fn bot(permissions: Permissions) -> Holder {
        Holder { user: Id::new(9), guild: Id::new(1), roles: vec![Id::new(5)], permissions }
    }

    fn overwrite(kind: PermissionOverwriteType, id: u64, allow: Permissions, deny: Permissions) -> PermissionOverwrite {
        PermissionOverwrite { allow, deny, id: Id::new(id), kind }
    }

    #[test]
    fn gu_18_what_is_missing_is_named() {
        assert_eq!(bot(WHOLE).missing(&[]), [""; 0]);
        assert_eq!(bot(Permissions::VIEW_CHANNEL).missing(&[]), ["SEND_MESSAGES", "EMBED_LINKS"]);
    }

    #[test]
    fn a_role_may_be_given_back_what_everyone_is_denied_and_the_member_has_the_last_word() {
        use PermissionOverwriteType::{Member, Role};
        let none = Permissions::empty();
        let closed = overwrite(Role, 1, none, Permissions::VIEW_CHANNEL);
        let opened = overwrite(Role, 5, Permissions::VIEW_CHANNEL, none);
        let foreign = overwrite(Role, 6, none, WHOLE);
        let own = overwrite(Member, 9, none, Permissions::SEND_MESSAGES);
        assert_eq!(bot(WHOLE).missing(&[closed]), ["VIEW_CHANNEL"]);
        assert_eq!(bot(WHOLE).missing(&[opened, closed, foreign]), [""; 0], "in any order");
        assert_eq!(bot(WHOLE).missing(&[closed, opened, own]), ["SEND_MESSAGES"]);
        assert_eq!(bot(Permissions::ADMINISTRATOR).missing(&[closed, own]), [""; 0]);
    }
}
