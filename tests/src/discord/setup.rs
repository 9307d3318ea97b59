//! The world that a simulator starts with: one application, people, guilds.

use serde::{Deserialize, Serialize};

/// Permission bits as Discord numbers them.
pub mod permissions {
    /// May do everything.
    pub const ADMINISTRATOR: u64 = 1 << 3;
    /// May manage the guild.
    pub const MANAGE_GUILD: u64 = 1 << 5;
    /// May see a channel.
    pub const VIEW_CHANNEL: u64 = 1 << 10;
    /// May post in a channel.
    pub const SEND_MESSAGES: u64 = 1 << 11;
    /// May post embeds.
    pub const EMBED_LINKS: u64 = 1 << 14;
    /// May read what was posted earlier.
    pub const READ_MESSAGE_HISTORY: u64 = 1 << 16;
    /// What `@everyone` may do in the demonstration guild.
    pub const EVERYONE: u64 = VIEW_CHANNEL | SEND_MESSAGES | EMBED_LINKS | READ_MESSAGE_HISTORY;
    /// Everything, as an owner has it.
    pub const ALL: u64 = (1 << 50) - 1;
}

/// The ids of [`Setup::demo`].
pub mod ids {
    /// The application, and its bot user.
    pub const BOT: u64 = 400_000_000_000_000_001;
    /// The guild "Tavern"; also its `@everyone` role.
    pub const TAVERN: u64 = 410_000_000_000_000_001;
    /// `#games`.
    pub const GAMES: u64 = 420_000_000_000_000_001;
    /// `#general`.
    pub const GENERAL: u64 = 420_000_000_000_000_002;
    /// The voice channel.
    pub const TABLE: u64 = 420_000_000_000_000_003;
    /// The role "Game Master".
    pub const GAME_MASTER: u64 = 430_000_000_000_000_001;
    /// The guild's owner, who hosts.
    pub const DM: u64 = 440_000_000_000_000_001;
    /// A player.
    pub const ADA: u64 = 440_000_000_000_000_002;
    /// A player.
    pub const BOB: u64 = 440_000_000_000_000_003;
    /// A player.
    pub const CYD: u64 = 440_000_000_000_000_004;
    /// A player.
    pub const DEE: u64 = 440_000_000_000_000_005;
    /// Somebody who is in no guild.
    pub const EVE: u64 = 440_000_000_000_000_006;
}

/// Everything that exists when the simulator starts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// The application and its bot.
    pub application: Application,
    /// Everybody with an account, the bot left out.
    pub users: Vec<User>,
    /// The guilds, with the bot in those where it is listed as a member.
    pub guilds: Vec<Guild>,
    /// How often clients are told to beat, in milliseconds.
    #[serde(default = "Setup::heartbeat")]
    pub heartbeat_ms: u64,
    /// How far apart two IDENTIFYs of a bucket must be, in milliseconds.
    #[serde(default = "Setup::identify")]
    pub identify_spacing_ms: u64,
    /// How long a nonce is remembered, in milliseconds.
    #[serde(default = "Setup::nonce")]
    pub nonce_window_ms: u64,
    /// The number of shards that Discord recommends.
    #[serde(default = "Setup::one")]
    pub shards: u64,
    /// Requests that a route allows in a second.
    #[serde(default = "Setup::route")]
    pub route_limit: u32,
    /// Requests that the bot may make in a second; more are a violation.
    #[serde(default = "Setup::global")]
    pub global_limit: u32,
}

/// The application that is being developed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Application {
    /// Client id, application id and id of the bot user.
    pub id: u64,
    /// Shown name of application and bot.
    pub name: String,
    /// The OAuth2 secret.
    pub client_secret: String,
    /// The bot's token, without the word in front.
    pub bot_token: String,
    /// Where sign-in may return to; empty allows every place.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Whether the switch for the members intent is on.
    #[serde(default = "yes")]
    pub members_intent: bool,
}

/// Somebody with an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    /// Snowflake.
    pub id: u64,
    /// The unique name.
    pub username: String,
    /// The shown name.
    #[serde(default)]
    pub global_name: Option<String>,
    /// What only they themselves are shown.
    #[serde(default)]
    pub email: Option<String>,
    /// Whether direct messages of the bot are refused with 50007.
    #[serde(default)]
    pub closed_to_messages: bool,
    /// Whether this is an automaton.
    #[serde(default)]
    pub bot: bool,
}

/// A guild.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Guild {
    /// Snowflake; also the id of the role `@everyone`.
    pub id: u64,
    /// Shown name.
    pub name: String,
    /// Who may do everything.
    pub owner: u64,
    /// The channels.
    pub channels: Vec<Channel>,
    /// The roles, `@everyone` among them.
    pub roles: Vec<Role>,
    /// The members, the bot among them if it was invited.
    pub members: Vec<Member>,
}

/// A channel of a guild.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Channel {
    /// Snowflake.
    pub id: u64,
    /// Shown name.
    pub name: String,
    /// 0 text, 2 voice, 4 category, 5 announcement.
    #[serde(default)]
    pub kind: u8,
    /// What stands below the name.
    #[serde(default)]
    pub topic: Option<String>,
    /// Whether the bot may post here; otherwise it meets 50013.
    #[serde(default = "yes")]
    pub bot_may_post: bool,
    /// Whether the bot sees earlier messages; otherwise lists are empty, without an error.
    #[serde(default = "yes")]
    pub bot_may_read: bool,
}

/// A role of a guild.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Role {
    /// Snowflake.
    pub id: u64,
    /// Shown name.
    pub name: String,
    /// Permission bits.
    pub permissions: u64,
}

/// Somebody in a guild.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Whose membership.
    pub user: u64,
    /// The name used here.
    #[serde(default)]
    pub nick: Option<String>,
    /// Role ids, without `@everyone`.
    #[serde(default)]
    pub roles: Vec<u64>,
}

fn yes() -> bool {
    true
}

impl Setup {
    fn heartbeat() -> u64 {
        41_250
    }
    fn identify() -> u64 {
        5_000
    }
    fn nonce() -> u64 {
        120_000
    }
    fn one() -> u64 {
        1
    }
    fn route() -> u32 {
        50
    }
    fn global() -> u32 {
        50
    }

    /// One guild "Tavern" with a host, four players and a bot; eve is outside.
    pub fn demo() -> Self {
        let people = [(ids::DM, "dm"), (ids::ADA, "ada"), (ids::BOB, "bob"), (ids::CYD, "cyd"), (ids::DEE, "dee")];
        let mut members: Vec<_> = people.iter().map(|(id, _)| Member::plain(*id)).collect();
        members[0].roles.push(ids::GAME_MASTER);
        members.push(Member::plain(ids::BOT));
        let tavern = Guild {
            id: ids::TAVERN,
            name: "Tavern".into(),
            owner: ids::DM,
            channels: vec![
                Channel::text(ids::GAMES, "games"),
                Channel::text(ids::GENERAL, "general"),
                Channel { kind: 2, ..Channel::text(ids::TABLE, "Table") },
            ],
            roles: vec![
                Role { id: ids::TAVERN, name: "@everyone".into(), permissions: permissions::EVERYONE },
                Role { id: ids::GAME_MASTER, name: "Game Master".into(), permissions: permissions::MANAGE_GUILD },
            ],
            members,
        };
        Self {
            application: Application {
                id: ids::BOT,
                name: "Game Scheduler".into(),
                client_secret: "demo-client-secret".into(),
                bot_token: "demo-bot-token".into(),
                redirect_uris: Vec::new(),
                members_intent: true,
            },
            users: people.into_iter().chain([(ids::EVE, "eve")]).map(|(id, name)| User::named(id, name)).collect(),
            guilds: vec![tavern],
            heartbeat_ms: Self::heartbeat(),
            identify_spacing_ms: Self::identify(),
            nonce_window_ms: Self::nonce(),
            shards: Self::one(),
            route_limit: Self::route(),
            global_limit: Self::global(),
        }
    }
}

impl User {
    /// A person whose shown name is the capitalised user name.
    pub fn named(id: u64, username: &str) -> Self {
        let mut shown = username.to_owned();
        if let Some(first) = shown.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Self {
            id,
            username: username.into(),
            global_name: Some(shown),
            email: None,
            closed_to_messages: false,
            bot: false,
        }
    }
}

impl Member {
    /// A member without nick and roles.
    pub fn plain(user: u64) -> Self {
        Self { user, nick: None, roles: Vec::new() }
    }
}

impl Channel {
    /// A text channel in which the bot may post.
    pub fn text(id: u64, name: &str) -> Self {
        Self { id, name: name.into(), kind: 0, topic: None, bot_may_post: true, bot_may_read: true }
    }
}
