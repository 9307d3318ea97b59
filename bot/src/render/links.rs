//! Addresses that a message carries.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use shared::domain::ids::{DiscordChannel, DiscordGuild, DiscordMessage, DiscordUser};

/// How much of a title a calendar link takes, in characters of the address.
const TITLE_IN_ADDRESS: usize = 300;

/// Adds the game to a Google calendar (DI-23).
pub(super) fn google_calendar(title: &str, start: DateTime<Utc>, end: DateTime<Utc>, page: Option<&str>) -> String {
    let time = |time: DateTime<Utc>| time.format("%Y%m%dT%H%M%SZ").to_string();
    let details = page.map_or_else(String::new, |page| format!("&details={}", percent(page, usize::MAX)));
    format!(
        "https://calendar.google.com/calendar/render?action=TEMPLATE&text={}&dates={}/{}{details}",
        percent(title, TITLE_IN_ADDRESS),
        time(start),
        time(end),
    )
}

/// What Discord shows for people without a picture.
pub(super) fn default_avatar(user: DiscordUser) -> String {
    format!("https://cdn.discordapp.com/embed/avatars/{}.png", (user.get() >> 22) % 6)
}

/// Opens a message in any Discord client.
pub(crate) fn message_link(guild: DiscordGuild, channel: DiscordChannel, message: DiscordMessage) -> String {
    format!("https://discord.com/channels/{guild}/{channel}/{message}")
}

/// A link's words, or only the words where there is nowhere to link to.
pub(super) fn link(words: &str, address: Option<&str>) -> String {
    address.map_or_else(|| words.to_owned(), |address| format!("[{words}]({address})"))
}

/// Percent-encodes whole characters as long as they fit.
fn percent(text: &str, longest: usize) -> String {
    let mut encoded = String::new();
    for c in text.chars() {
        let before = encoded.len();
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                encoded.push(byte.into());
            } else {
                // Writing to a string cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        if encoded.len() > longest {
            encoded.truncate(before);
            break;
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn di_23_a_calendar_link_holds_title_times_and_page() {
        let start = DateTime::from_timestamp(1_778_414_400, 0).unwrap();
        let end = DateTime::from_timestamp(1_778_421_600, 0).unwrap();
        assert_eq!(
            google_calendar("D&D (night) é", start, end, Some("https://p.example/g")),
            "https://calendar.google.com/calendar/render?action=TEMPLATE&text=D%26D%20%28night%29%20%C3%A9\
             &dates=20260510T120000Z/20260510T140000Z&details=https%3A%2F%2Fp.example%2Fg"
        );
    }

    #[test]
    fn a_long_title_is_cut_between_characters() {
        assert_eq!(percent("éé", 11), "%C3%A9");
    }
}
