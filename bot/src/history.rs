//! Proof from a channel's history: whether a message of ours, whose answer was lost, is there (SE-03).

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use shared::discord::{Discord, Failure};
use shared::domain::ids::{DiscordChannel, DiscordMessage};

use crate::lease::Lease;

/// Milliseconds of Discord's epoch, 2015-01-01.
const EPOCH: i64 = 1_420_070_400_000;
/// Messages a page.
const PAGE: u16 = 100;
/// Pages at most; past them nothing is proved.
const PAGES: usize = 5;

/// What a history proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is there.
    At(DiscordMessage),
    /// It is not there.
    Absent,
    /// Neither: without the right to read history Discord answers an empty list and no error.
    NoProof,
    /// Neither so far: the turn is over before the search is.
    NoTime,
}

/// Where is looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A channel of a guild, whose history the bot may be kept from.
    Guild,
    /// A direct channel, which the bot can always read.
    Direct,
}

/// Looks for a message that was sent after `since`, a minute of clocks allowed, for as long as the turn is ours.
pub(crate) async fn find(
    discord: &Discord,
    (place, channel): (Place, DiscordChannel),
    since: DateTime<Utc>,
    lease: &Lease,
    ours: impl Fn(&Value) -> bool,
) -> Result<Found, Failure> {
    let mut after = at(since - TimeDelta::seconds(60));
    for page in 0..PAGES {
        let Some(deadline) = lease.call() else { return Ok(Found::NoTime) };
        let messages = discord.messages_after(channel, after, PAGE, deadline).await?;
        if let Some(found) = messages.iter().filter(|message| ours(message)).find_map(id) {
            return Ok(Found::At(found));
        }
        if messages.is_empty() && page == 0 && place == Place::Guild {
            return readable(discord, channel, lease).await;
        }
        if messages.len() < usize::from(PAGE) {
            return Ok(Found::Absent);
        }
        after = messages.iter().filter_map(id).max().unwrap_or(after);
    }
    Ok(Found::NoProof)
}

/// A quiet channel proves something only when an older message can be read in it.
async fn readable(discord: &Discord, channel: DiscordChannel, lease: &Lease) -> Result<Found, Failure> {
    let Some(deadline) = lease.call() else { return Ok(Found::NoTime) };
    let any = discord.messages_after(channel, DiscordMessage::new(1), 1, deadline).await?;
    Ok(if any.is_empty() { Found::NoProof } else { Found::Absent })
}

fn id(message: &Value) -> Option<DiscordMessage> {
    message["id"].as_str()?.parse().ok()
}

/// The first id of an instant.
fn at(time: DateTime<Utc>) -> DiscordMessage {
    let milliseconds = u64::try_from(time.timestamp_millis() - EPOCH).unwrap_or_default();
    DiscordMessage::new((milliseconds << 22).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_time() {
        // The example of Discord's reference.
        let time = DateTime::from_timestamp_millis(1_462_015_105_796).unwrap();
        assert_eq!(at(time).get() >> 22, 175_928_847_299_117_063 >> 22);
        assert_eq!(at(DateTime::UNIX_EPOCH).get(), 1);
    }
}
