//! The control client: how specs and the demo look into the simulator and act as people.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::changes::{Change, GatewayFault};
use super::control::{Press, Reaction, Submitted, Typed};
use super::door::RequestRecord;
use super::faults::Fault;
use super::interactions::{Choice, Pressed};
use super::setup::{Guild, User};
use super::view::{Letter, Message};

/// Controls a simulator, in this process or another.
#[derive(Clone, Debug)]
pub struct Discord {
    http: reqwest::Client,
    base: String,
}

impl Discord {
    /// The simulator at this address, such as `http://127.0.0.1:9820`.
    pub fn at(url: &str) -> Self {
        // An error only says that the process has a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { http: reqwest::Client::new(), base: format!("{}/_simulator", url.trim_end_matches('/')) }
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        answer(self.http.get(format!("{}/{path}", self.base))).await
    }

    async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        answer(self.http.post(format!("{}/{path}", self.base)).json(body)).await
    }

    async fn look<T: DeserializeOwned>(&self, path: &str) -> T {
        self.ask(path).await.expect("the simulator answers")
    }

    /// Everybody with an account.
    pub async fn people(&self) -> Vec<User> {
        self.look("people").await
    }

    /// The id of the person with this user name.
    pub async fn person(&self, username: &str) -> Option<u64> {
        self.people().await.into_iter().find(|user| user.username == username).map(|user| user.id)
    }

    /// Every guild as it is now.
    pub async fn guilds(&self) -> Vec<Guild> {
        self.look("guilds").await
    }

    /// What everybody sees in a channel, oldest first.
    pub async fn channel(&self, channel: u64) -> Vec<Message> {
        self.look(&format!("channel/{channel}")).await
    }

    /// Direct messages that a person received, oldest first.
    pub async fn inbox(&self, user: u64) -> Vec<Message> {
        self.look(&format!("inbox/{user}")).await
    }

    /// Every direct message after the one with this id, oldest first; 0 for all.
    pub async fn letters(&self, after: u64) -> Vec<Letter> {
        self.look(&format!("letters?after={after}")).await
    }

    /// Private answers to a person, oldest first.
    pub async fn private(&self, user: u64) -> Vec<Message> {
        self.look(&format!("private/{user}")).await
    }

    /// The registered commands, global and of guilds.
    pub async fn commands(&self) -> Vec<Value> {
        self.look("commands").await
    }

    /// What clients did that they should not; empty after a good run.
    pub async fn violations(&self) -> Vec<String> {
        self.look("violations").await
    }

    /// Every REST request so far.
    pub async fn requests(&self) -> Vec<RequestRecord> {
        self.look("requests").await
    }

    /// Gateway connections that are identified.
    pub async fn connected_shards(&self) -> usize {
        self.look("shards").await
    }

    /// Faults that were scripted and not yet met.
    pub async fn faults(&self) -> Vec<Fault> {
        self.look("faults").await
    }

    /// Scripts a fault, after those that are already there.
    pub async fn fault(&self, fault: Fault) -> anyhow::Result<()> {
        self.put("faults", &fault).await
    }

    /// Forgets every scripted fault.
    pub async fn clear_faults(&self) -> anyhow::Result<()> {
        answer(self.http.delete(format!("{}/faults", self.base))).await
    }

    /// Lets something happen in Discord.
    pub async fn change(&self, change: Change) -> anyhow::Result<()> {
        self.put("change", &change).await
    }

    /// Somebody joins a guild.
    pub async fn add_member(&self, guild: u64, user: u64, roles: &[u64]) -> anyhow::Result<()> {
        self.change(Change::AddMember { guild, user, nick: None, roles: roles.into() }).await
    }

    /// A member's roles change.
    pub async fn set_roles(&self, guild: u64, user: u64, roles: &[u64]) -> anyhow::Result<()> {
        self.change(Change::SetRoles { guild, user, roles: roles.into() }).await
    }

    /// Somebody leaves a guild.
    pub async fn remove_member(&self, guild: u64, user: u64) -> anyhow::Result<()> {
        self.change(Change::RemoveMember { guild, user }).await
    }

    /// A channel gets another name.
    pub async fn rename_channel(&self, channel: u64, name: &str) -> anyhow::Result<()> {
        self.change(Change::RenameChannel { channel, name: name.into() }).await
    }

    /// Somebody deletes messages; more than one go at once.
    pub async fn delete_messages(&self, messages: &[u64]) -> anyhow::Result<()> {
        self.change(Change::DeleteMessages { messages: messages.into() }).await
    }

    /// Closes every gateway connection with this code.
    pub async fn close_gateways(&self, code: u16) -> anyhow::Result<()> {
        self.gateways(GatewayFault::Close(code)).await
    }

    /// Does something to every gateway connection.
    pub async fn gateways(&self, does: GatewayFault) -> anyhow::Result<()> {
        self.change(Change::Gateway { does }).await
    }

    /// Sets for how long a nonce is remembered.
    pub async fn set_nonce_window(&self, window: Duration) -> anyhow::Result<()> {
        let ms = u64::try_from(window.as_millis())?;
        self.change(Change::NonceWindow { ms }).await
    }

    /// A person presses a button that they see, and waits for the answer.
    pub async fn press(&self, user: u64, message: u64, custom_id: &str) -> anyhow::Result<Pressed> {
        self.press_as(user, message, custom_id, false).await
    }

    /// A person presses a button that they saw a moment ago, even if it is disabled by now.
    pub async fn press_stale(&self, user: u64, message: u64, custom_id: &str) -> anyhow::Result<Pressed> {
        self.press_as(user, message, custom_id, true).await
    }

    async fn press_as(&self, user: u64, message: u64, custom_id: &str, stale: bool) -> anyhow::Result<Pressed> {
        let press = Press { user, message, custom_id: custom_id.into(), stale };
        let reaction: Reaction = self.put("press", &press).await?;
        reaction.pressed.context("no message answered")
    }

    /// A person sends a command, `setup check` for a subcommand; without guild in the direct conversation.
    pub async fn command(
        &self,
        user: u64,
        guild: Option<u64>,
        channel: u64,
        name: &str,
        options: &[(&str, &str)],
    ) -> anyhow::Result<Pressed> {
        let typed = typed(user, guild.map(|_| channel), name, options, None);
        let reaction: Reaction = self.put("command", &typed).await?;
        reaction.pressed.context("no message answered")
    }

    /// A person types in an option of a command; answers the suggestions.
    pub async fn autocomplete(
        &self,
        user: u64,
        channel: u64,
        name: &str,
        option: &str,
        text: &str,
    ) -> anyhow::Result<Vec<Choice>> {
        let typed = typed(user, Some(channel), name, &[(option, text)], Some(option));
        let reaction: Reaction = self.put("command", &typed).await?;
        Ok(reaction.choices)
    }

    /// A person sends a command that their client shows although it is not offered there, or not registered any more;
    /// without a channel in the direct conversation.
    pub async fn command_stale(&self, user: u64, channel: Option<u64>, name: &str) -> anyhow::Result<Pressed> {
        self.command_stale_with(user, channel, name, &[]).await
    }

    /// The same, with options as texts, whether or not the command has them.
    pub async fn command_stale_with(
        &self,
        user: u64,
        channel: Option<u64>,
        name: &str,
        options: &[(&str, &str)],
    ) -> anyhow::Result<Pressed> {
        let typed = Typed { stale: true, ..typed(user, channel, name, options, None) };
        let reaction: Reaction = self.put("command", &typed).await?;
        reaction.pressed.context("no message answered")
    }

    /// A person types in the option `text` of such a command; answers the suggestions.
    pub async fn autocomplete_stale(&self, user: u64, channel: Option<u64>, name: &str) -> anyhow::Result<Vec<Choice>> {
        self.autocomplete_stale_with(user, channel, name, "D").await
    }

    /// The same, with what they typed so far.
    pub async fn autocomplete_stale_with(
        &self,
        user: u64,
        channel: Option<u64>,
        name: &str,
        text: &str,
    ) -> anyhow::Result<Vec<Choice>> {
        let typed = Typed { stale: true, ..typed(user, channel, name, &[("text", text)], Some("text")) };
        let reaction: Reaction = self.put("command", &typed).await?;
        Ok(reaction.choices)
    }

    /// A person submits a form; without a channel in the direct conversation.
    pub async fn submit(&self, user: u64, channel: Option<u64>, custom_id: &str) -> anyhow::Result<Pressed> {
        self.submit_with(user, channel, custom_id, "").await
    }

    /// The same, with what they typed.
    pub async fn submit_with(
        &self,
        user: u64,
        channel: Option<u64>,
        custom_id: &str,
        text: &str,
    ) -> anyhow::Result<Pressed> {
        let form = Submitted { user, channel, custom_id: custom_id.into(), text: text.into() };
        let reaction: Reaction = self.put("submit", &form).await?;
        reaction.pressed.context("no message answered")
    }

    /// Waits until a command is registered.
    pub async fn wait_command(&self, name: &str, patience: Duration) -> anyhow::Result<()> {
        let there = |all: &Vec<Value>| all.iter().any(|command| command["name"] == name);
        match self.wait("commands", there, patience).await? {
            Ok(_) => Ok(()),
            Err(all) => bail!("after {patience:?} there is no command /{name}, only {all:?}"),
        }
    }

    /// The number of changes so far; see [`Discord::changed`].
    pub async fn count(&self) -> anyhow::Result<u64> {
        self.ask("wait?since=0").await
    }

    /// Waits until something changed after `since`, or for at most `patience`; answers the new count.
    pub async fn changed(&self, since: u64, patience: Duration) -> anyhow::Result<u64> {
        self.ask(&format!("wait?since={since}&ms={}", patience.as_millis())).await
    }

    /// Waits until the messages of a channel are as wanted; the error shows how they were instead.
    pub async fn wait_channel(
        &self,
        channel: u64,
        wanted: impl Fn(&[Message]) -> bool,
        deadline: Duration,
    ) -> anyhow::Result<Vec<Message>> {
        self.wait_messages(&format!("channel/{channel}"), wanted, deadline).await
    }

    /// Waits until a person's direct messages are as wanted; the error shows how they were instead.
    pub async fn wait_inbox(
        &self,
        user: u64,
        wanted: impl Fn(&[Message]) -> bool,
        deadline: Duration,
    ) -> anyhow::Result<Vec<Message>> {
        self.wait_messages(&format!("inbox/{user}"), wanted, deadline).await
    }

    async fn wait_messages(
        &self,
        path: &str,
        wanted: impl Fn(&[Message]) -> bool,
        patience: Duration,
    ) -> anyhow::Result<Vec<Message>> {
        let found: Result<Vec<Message>, Vec<Message>> = self.wait(path, |all: &Vec<_>| wanted(all), patience).await?;
        found.map_err(|last| {
            let texts: Vec<_> = last.iter().map(Message::as_text).collect();
            anyhow::anyhow!("after {patience:?} {path} still shows:\n{}", texts.join("\n---\n"))
        })
    }

    /// Waits until so many gateway connections are identified.
    pub async fn wait_shards(&self, shards: usize, patience: Duration) -> anyhow::Result<()> {
        match self.wait("shards", |connected: &usize| *connected == shards, patience).await? {
            Ok(_) => Ok(()),
            Err(connected) => {
                bail!("after {patience:?} {connected} shards are connected, not {shards}")
            }
        }
    }

    /// Waits until there is a request as wanted.
    pub async fn wait_request(
        &self,
        wanted: impl Fn(&RequestRecord) -> bool,
        patience: Duration,
    ) -> anyhow::Result<RequestRecord> {
        match self.wait("requests", |all: &Vec<RequestRecord>| all.iter().any(&wanted), patience).await? {
            Ok(all) => all.into_iter().find(wanted).context("it was there a moment ago"),
            Err(_) => bail!("no such request within {patience:?}"),
        }
    }

    async fn wait<T: DeserializeOwned>(
        &self,
        path: &str,
        wanted: impl Fn(&T) -> bool,
        patience: Duration,
    ) -> anyhow::Result<Result<T, T>> {
        let deadline = Instant::now() + patience;
        loop {
            let count = self.count().await?;
            let now = self.ask(path).await?;
            if wanted(&now) {
                return Ok(Ok(now));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Err(now));
            }
            self.changed(count, left).await?;
        }
    }
}

fn typed(user: u64, channel: Option<u64>, name: &str, options: &[(&str, &str)], focused: Option<&str>) -> Typed {
    let options = options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Typed { user, channel, name: name.into(), options, focused: focused.map(str::to_owned), stale: false }
}

async fn answer<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> anyhow::Result<T> {
    let response = request.send().await.context("asking the simulator")?;
    if !response.status().is_success() {
        bail!("{}", response.text().await?);
    }
    response.json().await.context("reading the simulator's answer")
}
