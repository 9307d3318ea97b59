//! Discord's REST API: every call has a deadline, one span, and a failure that says what to do about it.

mod client;
mod edge;
mod failure;
mod flight;
mod limits;
pub mod oauth;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use twilight_http::routing::Route;
use twilight_model::gateway::connection_info::BotConnectionInfo;
use twilight_model::id::Id;
use twilight_model::id::marker::{ApplicationMarker, InteractionMarker};

use crate::domain::ids::{DiscordChannel, DiscordGuild, DiscordMessage, DiscordUser};
use client::Call;
pub use client::Discord;
use failure::Effect;
pub use failure::{Class, Failure};

/// How long a call may take that nobody waits for.
pub const PATIENT: Duration = Duration::from_secs(10);
/// How long a call may take that a person waits for.
const INTERACTIVE: Duration = Duration::from_millis(2_500);

/// Where commands are registered.
const COMMANDS: &str = "/applications/{application_id}/commands";
const COMMANDS_OF_GUILD: &str = "/applications/{application_id}/guilds/{guild_id}/commands";

/// The first answer to an interaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Ack {
    /// "Thinking", seen by the person alone.
    DeferredEphemeral,
    /// The message stays as it is for now.
    DeferredUpdate,
    /// Choices for what is being typed.
    Autocomplete(Vec<Value>),
    /// A message at once.
    Message(Value),
    /// A form.
    Modal(Value),
}

impl Ack {
    fn body(self) -> Value {
        match self {
            Self::DeferredEphemeral => json!({ "type": 5, "data": { "flags": 64 } }),
            Self::DeferredUpdate => json!({ "type": 6 }),
            Self::Autocomplete(choices) => json!({ "type": 8, "data": { "choices": choices } }),
            Self::Message(message) => json!({ "type": 4, "data": message }),
            Self::Modal(modal) => json!({ "type": 9, "data": modal }),
        }
    }
}

impl Discord {
    /// Posts a message; `body` holds `nonce` and `enforce_nonce`, so that a repetition finds the first.
    ///
    /// # Errors
    /// When Discord does not.
    pub async fn create_message(
        &self,
        channel: DiscordChannel,
        body: Value,
        deadline: Duration,
    ) -> Result<DiscordMessage, Failure> {
        let route = Route::CreateMessage { channel_id: channel.get() };
        let call = change(route, "/channels/{channel_id}/messages", Some(body));
        id(&self.call(Call { effect: Effect::Creates, deadline, ..call }).await?)
    }

    /// Changes a message of ours.
    ///
    /// # Errors
    /// When Discord does not; code 10008 says that the message is gone.
    pub async fn edit_message(
        &self,
        channel: DiscordChannel,
        message: DiscordMessage,
        body: Value,
        deadline: Duration,
    ) -> Result<(), Failure> {
        let route = Route::UpdateMessage { channel_id: channel.get(), message_id: message.get() };
        let call = change(route, "/channels/{channel_id}/messages/{message_id}", Some(body));
        self.call(Call { deadline, ..call }).await.map(drop)
    }

    /// Deletes a message of ours.
    ///
    /// # Errors
    /// When Discord does not.
    pub async fn delete_message(&self, channel: DiscordChannel, message: DiscordMessage) -> Result<(), Failure> {
        let route = Route::DeleteMessage { channel_id: channel.get(), message_id: message.get() };
        self.call(change(route, "/channels/{channel_id}/messages/{message_id}", None)).await.map(drop)
    }

    /// Opens the direct channel to a person, or finds it.
    ///
    /// # Errors
    /// When Discord does not.
    pub async fn open_dm(&self, user: DiscordUser, deadline: Duration) -> Result<DiscordChannel, Failure> {
        let call = change(Route::CreatePrivateChannel, "/users/@me/channels", Some(json!({ "recipient_id": user })));
        id(&self.call(Call { deadline, ..call }).await?)
    }

    /// Messages of a channel that are younger than the given one.
    ///
    /// # Errors
    /// When Discord does not tell.
    pub async fn messages_after(
        &self,
        channel: DiscordChannel,
        after: DiscordMessage,
        limit: u16,
        deadline: Duration,
    ) -> Result<Vec<Value>, Failure> {
        let route = Route::GetMessages {
            after: Some(after.get()),
            around: None,
            before: None,
            channel_id: channel.get(),
            limit: Some(limit),
        };
        let call = change(route, "/channels/{channel_id}/messages", None);
        read(self.call(Call { deadline, ..call }).await?)
    }

    /// The first answer to an interaction, within Discord's 3 s.
    ///
    /// # Errors
    /// When Discord does not take it; class `Done` when it was answered before.
    pub async fn acknowledge(&self, interaction: Id<InteractionMarker>, token: &str, ack: Ack) -> Result<(), Failure> {
        let call = Call {
            route: Route::InteractionCallback {
                interaction_id: interaction.get(),
                interaction_token: token,
                with_response: false,
            },
            template: "/interactions/{interaction_id}/{interaction_token}/callback",
            body: Some(ack.body()),
            effect: Effect::Acknowledges,
            deadline: INTERACTIVE,
            secret: Some(token),
        };
        self.call(call).await.map(drop)
    }

    /// The answer to an interaction that was acknowledged.
    ///
    /// # Errors
    /// When Discord does not take it.
    pub async fn answer(&self, application: Id<ApplicationMarker>, token: &str, body: Value) -> Result<(), Failure> {
        let call = Call {
            secret: Some(token),
            ..change(
                Route::UpdateInteractionOriginal { application_id: application.get(), interaction_token: token },
                "/webhooks/{application_id}/{interaction_token}/messages/@original",
                Some(body),
            )
        };
        self.call(call).await.map(drop)
    }

    /// A member of a guild; code 10007 says that they are none.
    ///
    /// # Errors
    /// When Discord does not tell.
    pub async fn member(&self, guild: DiscordGuild, user: DiscordUser) -> Result<Value, Failure> {
        let route = Route::GetMember { guild_id: guild.get(), user_id: user.get() };
        self.call(change(route, "/guilds/{guild_id}/members/{user_id}", None)).await
    }

    /// Where the gateway is, and how many shards and sessions it grants.
    ///
    /// # Errors
    /// When Discord does not tell.
    pub async fn gateway(&self) -> Result<BotConnectionInfo, Failure> {
        read(self.call(change(Route::GetGatewayBot, "/gateway/bot", None)).await?)
    }

    /// The application of the bot, with its owner or team.
    ///
    /// # Errors
    /// When Discord does not tell.
    pub async fn application(&self) -> Result<Value, Failure> {
        self.call(change(Route::GetCurrentUserApplicationInfo, "/oauth2/applications/@me", None)).await
    }

    /// The commands that are registered: everywhere, or those of one guild.
    ///
    /// # Errors
    /// When Discord does not tell.
    pub async fn commands(
        &self,
        application: Id<ApplicationMarker>,
        guild: Option<DiscordGuild>,
    ) -> Result<Vec<Value>, Failure> {
        let application_id = application.get();
        let call = match guild {
            None => change(Route::GetGlobalCommands { application_id, with_localizations: None }, COMMANDS, None),
            Some(guild) => {
                let guild_id = guild.get();
                let route = Route::GetGuildCommands { application_id, guild_id, with_localizations: None };
                change(route, COMMANDS_OF_GUILD, None)
            }
        };
        read(self.call(call).await?)
    }

    /// Makes these the application's commands: everywhere, or in one guild.
    ///
    /// # Errors
    /// When Discord does not take them.
    pub async fn set_commands(
        &self,
        application: Id<ApplicationMarker>,
        guild: Option<DiscordGuild>,
        commands: Value,
    ) -> Result<(), Failure> {
        let application_id = application.get();
        let call = match guild {
            None => change(Route::SetGlobalCommands { application_id }, COMMANDS, Some(commands)),
            Some(guild) => {
                let route = Route::SetGuildCommands { application_id, guild_id: guild.get() };
                change(route, COMMANDS_OF_GUILD, Some(commands))
            }
        };
        self.call(call).await.map(drop)
    }
}

/// A call that changes what exists, or only reads, at leisure.
fn change<'a>(route: Route<'a>, template: &'static str, body: Option<Value>) -> Call<'a> {
    Call { route, template, body, effect: Effect::Changes, deadline: PATIENT, secret: None }
}

fn id<M>(value: &Value) -> Result<Id<M>, Failure> {
    let id = value["id"].as_str().and_then(|id| id.parse().ok());
    id.ok_or_else(|| Failure::silent(Class::Unknown))
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|_| Failure::silent(Class::Unknown))
}
