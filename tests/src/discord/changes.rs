//! What happens in Discord without the bot doing it, and who is told.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::sessions::{GUILD_MEMBERS, GUILDS, Out};
use super::setup::{Channel, Guild, Member, Role, User};
use super::state::World;

/// Something that happens in Discord without the bot doing it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the words of Discord, every field is an id or a new value")]
pub enum Change {
    AddUser { user: User },
    CloseMessages { user: u64, closed: bool },
    ForgetGrants { user: u64 },
    AddGuild { guild: Guild },
    InviteBot { guild: u64 },
    RemoveBot { guild: u64 },
    RenameGuild { guild: u64, name: String },
    GuildOutage { guild: u64, away: bool },
    AddMember { guild: u64, user: u64, nick: Option<String>, roles: Vec<u64> },
    SetRoles { guild: u64, user: u64, roles: Vec<u64> },
    SetNick { guild: u64, user: u64, nick: Option<String> },
    RemoveMember { guild: u64, user: u64 },
    AddChannel { guild: u64, channel: Channel },
    RenameChannel { channel: u64, name: String },
    AllowPosting { channel: u64, allowed: bool },
    AllowReading { channel: u64, allowed: bool },
    DeleteChannel { channel: u64 },
    AddRole { guild: u64, role: Role },
    EditRole { guild: u64, role: Role },
    DeleteRole { guild: u64, role: u64 },
    DeleteMessages { messages: Vec<u64> },
    NonceWindow { ms: u64 },
    Gateway { does: GatewayFault },
}

/// What happens to every gateway connection.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayFault {
    /// Closed with this code.
    Close(u16),
    /// Asked to reconnect (op 7).
    Reconnect,
    /// Told that the session is invalid (op 9), and whether it can be resumed.
    InvalidSession(bool),
    /// Open, but silent: no event, no heartbeat acknowledgement.
    Silence,
}

impl World {
    /// Lets it happen; the error says why it cannot.
    pub(super) fn apply(&mut self, change: Change) -> Result<(), String> {
        match change {
            Change::AddUser { user } => drop(self.users.insert(user.id, user)),
            Change::CloseMessages { user, closed } => {
                self.users.get_mut(&user).ok_or("no such user")?.closed_to_messages = closed;
            }
            Change::ForgetGrants { user } => self.forget_grants(user),
            Change::DeleteMessages { messages } => self.remove(&messages).map_err(|_| "no such message")?,
            Change::NonceWindow { ms } => self.nonce_window = Duration::from_millis(ms),
            Change::Gateway { does } => self.broadcast(&order(does)),
            Change::AddGuild { guild } => {
                let id = guild.id;
                self.guilds.insert(id, guild);
                self.show_guild(id)?;
            }
            Change::InviteBot { guild } => {
                let bot = self.application.id;
                self.house(guild)?.members.push(Member::plain(bot));
                self.show_guild(guild)?;
            }
            Change::RemoveBot { guild } => {
                let bot = self.application.id;
                self.house(guild)?.members.retain(|member| member.user != bot);
                self.dispatch(Some(guild), GUILDS, "GUILD_DELETE", json!({ "id": guild.to_string() }));
            }
            Change::RenameGuild { guild, name } => {
                self.house(guild)?.name = name;
                let data = self.guild_object(self.guilds.get(&guild).ok_or("no such guild")?);
                self.dispatch(Some(guild), GUILDS, "GUILD_UPDATE", data);
            }
            Change::GuildOutage { guild, away: true } => {
                let data = json!({ "id": guild.to_string(), "unavailable": true });
                self.dispatch(Some(guild), GUILDS, "GUILD_DELETE", data);
            }
            Change::GuildOutage { guild, away: false } => self.show_guild(guild)?,
            other => return self.apply_within(other),
        }
        Ok(())
    }

    /// Changes of members, channels and roles.
    #[expect(clippy::too_many_lines, reason = "one arm a change")]
    fn apply_within(&mut self, change: Change) -> Result<(), String> {
        match change {
            Change::AddMember { guild, user, nick, roles } => {
                self.user(user).map_err(|_| "no such user")?;
                let members = &mut self.house(guild)?.members;
                members.retain(|member| member.user != user);
                members.push(Member { user, nick, roles });
                self.tell_member(guild, user, "GUILD_MEMBER_ADD")
            }
            Change::SetRoles { guild, user, roles } => {
                self.resident(guild, user)?.roles = roles;
                self.tell_member(guild, user, "GUILD_MEMBER_UPDATE")
            }
            Change::SetNick { guild, user, nick } => {
                self.resident(guild, user)?.nick = nick;
                self.tell_member(guild, user, "GUILD_MEMBER_UPDATE")
            }
            Change::RemoveMember { guild, user } => {
                self.house(guild)?.members.retain(|member| member.user != user);
                let data = json!({ "guild_id": guild.to_string(), "user": self.user_object(user) });
                self.dispatch(Some(guild), GUILD_MEMBERS, "GUILD_MEMBER_REMOVE", data);
                Ok(())
            }
            Change::AddChannel { guild, channel } => {
                let id = channel.id;
                self.house(guild)?.channels.push(channel);
                self.tell_channel(id, "CHANNEL_CREATE")
            }
            Change::RenameChannel { channel, name } => self.alter(channel, |place| place.name = name),
            Change::AllowPosting { channel, allowed } => self.alter(channel, |place| place.bot_may_post = allowed),
            Change::AllowReading { channel, allowed } => self.alter(channel, |place| place.bot_may_read = allowed),
            Change::DeleteChannel { channel } => {
                self.tell_channel(channel, "CHANNEL_DELETE")?;
                for guild in self.guilds.values_mut() {
                    guild.channels.retain(|place| place.id != channel);
                }
                Ok(())
            }
            Change::AddRole { guild, role } => {
                let id = role.id;
                self.house(guild)?.roles.push(role);
                self.tell_role(guild, id, "GUILD_ROLE_CREATE")
            }
            Change::EditRole { guild, role } => {
                let id = role.id;
                let known = self.house(guild)?.roles.iter_mut().find(|known| known.id == id);
                *known.ok_or("no such role")? = role;
                self.tell_role(guild, id, "GUILD_ROLE_UPDATE")
            }
            Change::DeleteRole { guild, role } => {
                self.house(guild)?.roles.retain(|known| known.id != role);
                let data = json!({ "guild_id": guild.to_string(), "role_id": role.to_string() });
                self.dispatch(Some(guild), GUILDS, "GUILD_ROLE_DELETE", data);
                Ok(())
            }
            other => Err(format!("not a change within a guild: {other:?}")),
        }
    }

    fn house(&mut self, guild: u64) -> Result<&mut Guild, String> {
        self.guilds.get_mut(&guild).ok_or_else(|| "no such guild".into())
    }

    fn resident(&mut self, guild: u64, user: u64) -> Result<&mut Member, String> {
        self.house(guild)?.members.iter_mut().find(|member| member.user == user).ok_or_else(|| "no such member".into())
    }

    fn show_guild(&mut self, id: u64) -> Result<(), String> {
        let guild = self.guild(id).map_err(|_| "the bot is not in this guild")?.clone();
        let whole = self.guild_create(&guild, true);
        let bare = self.guild_create(&guild, false);
        for session in self.sessions.all.iter_mut().filter(|it| it.owns(Some(id)) && it.intents & GUILDS != 0) {
            let everybody = session.sees_members(&guild, 250);
            session.tell("GUILD_CREATE", if everybody { &whole } else { &bare });
        }
        Ok(())
    }

    fn tell_member(&mut self, guild: u64, user: u64, event: &str) -> Result<(), String> {
        let member = self.resident(guild, user)?.clone();
        let mut data = self.member_object(&member);
        data["guild_id"] = guild.to_string().into();
        self.dispatch(Some(guild), GUILD_MEMBERS, event, data);
        Ok(())
    }

    fn alter(&mut self, channel: u64, how: impl FnOnce(&mut Channel)) -> Result<(), String> {
        let mut places = self.guilds.values_mut().flat_map(|guild| guild.channels.iter_mut());
        how(places.find(|place| place.id == channel).ok_or("no such channel")?);
        self.tell_channel(channel, "CHANNEL_UPDATE")
    }

    fn tell_channel(&mut self, channel: u64, event: &str) -> Result<(), String> {
        let (guild, _) = self.place(channel).ok_or("no such channel")?;
        let id = guild.id;
        let id_text = channel.to_string();
        let mut objects = self.channel_objects(guild).into_iter();
        let data = objects.find(|object| object["id"] == id_text).unwrap_or_default();
        self.dispatch(Some(id), GUILDS, event, data);
        Ok(())
    }

    fn tell_role(&mut self, guild: u64, role: u64, event: &str) -> Result<(), String> {
        let id_text = role.to_string();
        let mut objects = self.house(guild)?.role_objects().into_iter();
        let object = objects.find(|object| object["id"] == id_text).ok_or("no such role")?;
        let data = json!({ "guild_id": guild.to_string(), "role": object });
        self.dispatch(Some(guild), GUILDS, event, data);
        Ok(())
    }
}

fn order(fault: GatewayFault) -> Out {
    match fault {
        GatewayFault::Close(code) => Out::Close(code),
        GatewayFault::Reconnect => Out::Text(json!({ "op": 7, "d": null }).to_string()),
        GatewayFault::InvalidSession(resumable) => Out::Text(json!({ "op": 9, "d": resumable }).to_string()),
        GatewayFault::Silence => Out::Silence,
    }
}
