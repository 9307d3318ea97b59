//! The objects of Discord's interface, as JSON.

use serde_json::{Value, json};

use super::setup::{Channel, Guild, Member, Role, User, permissions};
use super::state::World;

const JOINED: &str = "2024-01-01T12:00:00.000000+00:00";

fn texts(ids: &[u64]) -> Vec<String> {
    ids.iter().map(u64::to_string).collect()
}

impl World {
    /// A user object.
    pub(super) fn user_object(&self, id: u64) -> Value {
        let gone = User::named(id, "deleted");
        self.users.get(&id).unwrap_or(&gone).object()
    }

    /// A guild member object.
    pub(super) fn member_object(&self, member: &Member) -> Value {
        let user = self.user_object(member.user);
        json!({
            "user": user, "nick": member.nick, "avatar": null, "banner": null, "roles": texts(&member.roles),
            "joined_at": JOINED, "premium_since": null, "deaf": false, "mute": false, "flags": 0, "pending": false,
            "communication_disabled_until": null,
        })
    }

    /// A guild channel as the bot sees it.
    pub(super) fn channel_object(&self, guild: u64, channel: &Channel, position: usize) -> Value {
        let mut denied = 0;
        if !channel.bot_may_post {
            denied |= permissions::SEND_MESSAGES;
        }
        if !channel.bot_may_read {
            denied |= permissions::READ_MESSAGE_HISTORY;
        }
        let overwrites = if denied == 0 {
            json!([])
        } else {
            let bot = self.application.id.to_string();
            json!([{ "id": bot, "type": 1, "allow": "0", "deny": denied.to_string() }])
        };
        json!({
            "id": channel.id.to_string(), "type": channel.kind, "guild_id": guild.to_string(), "name": channel.name,
            "position": position, "permission_overwrites": overwrites, "nsfw": false, "parent_id": null,
            "topic": channel.topic, "last_message_id": null, "rate_limit_per_user": 0,
        })
    }

    /// Every channel of a guild.
    pub(super) fn channel_objects(&self, guild: &Guild) -> Vec<Value> {
        let channels = guild.channels.iter().enumerate();
        channels.map(|(position, channel)| self.channel_object(guild.id, channel, position)).collect()
    }

    /// The channel object of a direct conversation.
    pub(super) fn direct_object(&self, channel: u64, user: u64) -> Value {
        json!({
            "id": channel.to_string(), "type": 1, "last_message_id": null, "flags": 0,
            "recipients": [self.user_object(user)],
        })
    }

    /// A guild as the REST interface shows it; GUILD_CREATE adds channels and members.
    pub(super) fn guild_object(&self, guild: &Guild) -> Value {
        json!({
            "id": guild.id.to_string(), "name": guild.name, "owner_id": guild.owner.to_string(),
            "icon": null, "splash": null, "discovery_splash": null, "banner": null, "description": null,
            "roles": guild.role_objects(), "emojis": [], "stickers": [], "features": [],
            "afk_channel_id": null, "afk_timeout": 300, "application_id": null, "system_channel_id": null,
            "system_channel_flags": 0, "rules_channel_id": null, "public_updates_channel_id": null,
            "safety_alerts_channel_id": null, "vanity_url_code": null, "verification_level": 0,
            "default_message_notifications": 0, "explicit_content_filter": 0, "mfa_level": 0, "nsfw_level": 0,
            "premium_tier": 0, "premium_subscription_count": 0, "premium_progress_bar_enabled": false,
            "preferred_locale": "en-US", "max_members": 500_000, "max_video_channel_users": 25,
        })
    }

    /// The payload of GUILD_CREATE.
    pub(super) fn guild_create(&self, guild: &Guild, everybody: bool) -> Value {
        let bot = self.application.id;
        let shown = guild.members.iter().filter(|member| everybody || member.user == bot);
        let members: Vec<_> = shown.map(|member| self.member_object(member)).collect();
        let mut object = self.guild_object(guild);
        let more = json!({
            "joined_at": JOINED, "large": !everybody, "unavailable": false, "member_count": guild.members.len(),
            "members": members, "channels": self.channel_objects(guild), "threads": [], "presences": [],
            "voice_states": [], "stage_instances": [], "guild_scheduled_events": [],
        });
        if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
            object.extend(more);
        }
        object
    }

    /// A guild as it stands in the list of somebody who signed in.
    pub(super) fn partial_guild(&self, guild: &Guild, user: u64) -> Value {
        json!({
            "id": guild.id.to_string(), "name": guild.name, "icon": null, "banner": null,
            "owner": guild.owner == user, "permissions": guild.permissions(user).to_string(), "features": [],
        })
    }
}

impl User {
    /// The user object; `mfa_enabled` is for whoever asks about themselves.
    pub(super) fn object(&self) -> Value {
        json!({
            "id": self.id.to_string(), "username": self.username, "global_name": self.global_name,
            "discriminator": "0", "avatar": null, "banner": null, "accent_color": null, "avatar_decoration": null,
            "avatar_decoration_data": null, "bot": self.bot, "public_flags": 0, "flags": 0, "mfa_enabled": false,
            "locale": "en-US",
        })
    }
}

impl Guild {
    /// Every role of the guild.
    pub(super) fn role_objects(&self) -> Vec<Value> {
        self.roles.iter().enumerate().map(|(position, role)| role.object(position)).collect()
    }
}

impl Role {
    /// The role object.
    pub(super) fn object(&self, position: usize) -> Value {
        json!({
            "id": self.id.to_string(), "name": self.name, "permissions": self.permissions.to_string(),
            "position": position, "color": 0, "hoist": false, "managed": false, "mentionable": false, "flags": 0,
            "colors": { "primary_color": 0, "secondary_color": null, "tertiary_color": null },
        })
    }
}
