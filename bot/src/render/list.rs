//! Lists of games, as commands show them (DI-10).

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shared::domain::text::{escape, truncate, units};

use super::embed::{Embed, TITLE, WHOLE};
use super::links::link;
use super::mentions::nobody;
use crate::words;

/// A list shows no more games (L-45).
pub const ROWS: usize = 10;

/// An embed's description (DI-31).
const DESCRIPTION: usize = 4096;
/// What the title and the footer of a list take of its share.
const AROUND: usize = 100;
/// How much of names a row takes, so that ten rows of usual length fit.
const NAME: usize = 80;
const SERVER: usize = 40;
/// An address that is longer than this is left out: it would crowd out the games.
const ADDRESS: usize = 300;

/// Some games, and how many there are in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the parts of a list, by their own names")]
pub struct List {
    pub title: String,
    /// Stands above the games.
    pub lead: Option<String>,
    /// Stands in their place where there are none.
    pub none: String,
    pub entries: Vec<Entry>,
    pub total: i64,
}

/// A game in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of a game, by their own names")]
pub struct Entry {
    pub title: String,
    /// The server, where the list is of more than one.
    pub guild: Option<String>,
    pub starts_at: DateTime<Utc>,
    pub seats: i32,
    pub confirmed: usize,
    pub waiting: usize,
    /// What is to be known besides.
    pub mark: Option<&'static str>,
    /// The announcement.
    pub message_url: Option<String>,
    pub page_url: Option<String>,
}

/// The lists as one message, each with an equal share of what Discord takes. Rows that do not fit are left out, and
/// the footer says so.
#[must_use]
pub fn render(lists: &[List]) -> Value {
    let room = DESCRIPTION.min((WHOLE / lists.len().max(1)).saturating_sub(AROUND));
    let embeds: Vec<Value> = lists.iter().map(|list| embed(list, room).json()).collect();
    json!({ "embeds": embeds, "allowed_mentions": nobody() })
}

fn embed(list: &List, room: usize) -> Embed {
    let title = truncate(&list.title, TITLE, "…");
    if list.entries.is_empty() {
        return Embed { title, description: truncate(&list.none, room, "…"), ..Embed::default() };
    }
    let mut description = list.lead.clone().unwrap_or_default();
    let mut shown = 0;
    for row in list.entries.iter().take(ROWS).map(row) {
        let parted = if description.is_empty() { row } else { format!("\n{row}") };
        if units(&description) + units(&parted) > room {
            break;
        }
        description.push_str(&parted);
        shown += 1;
    }
    Embed { title, description, footer: words::shown_of(shown, list.total), ..Embed::default() }
}

/// Two lines: what it is and where it can be found, when it is and who comes.
fn row(entry: &Entry) -> String {
    let name = |text: &str, most| truncate(&escape(text), most, "…");
    let mut first = vec![format!("**{}**", name(&entry.title, NAME))];
    first.extend(entry.guild.as_deref().map(|guild| name(guild, SERVER)));
    let linked = |words: &str, address: &Option<String>| {
        let address = address.as_deref().filter(|address| units(address) <= ADDRESS)?;
        Some(link(words, Some(address)))
    };
    first.extend(linked("post", &entry.message_url));
    first.extend(linked("page", &entry.page_url));
    let mut second = vec![
        format!("{} ({})", words::at(entry.starts_at), words::in_how_long(entry.starts_at)),
        words::seats(entry.confirmed, entry.seats, entry.waiting),
    ];
    second.extend(entry.mark.map(str::to_owned));
    format!("{}\n{}", first.join(" · "), second.join(" · "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::accepts::assert_accepted;
    use super::*;

    fn entry() -> Entry {
        Entry {
            title: "Barrow of the Ice King".into(),
            guild: None,
            starts_at: DateTime::from_timestamp(1_778_414_400, 0).unwrap(),
            seats: 4,
            confirmed: 2,
            waiting: 0,
            mark: None,
            message_url: Some("https://discord.com/channels/1/2/3".into()),
            page_url: Some("https://play.example/games/7".into()),
        }
    }

    fn list(entries: Vec<Entry>, total: i64) -> List {
        let lead = Some("In <#2>".to_owned());
        List { title: "Upcoming games".into(), lead, none: "No game is planned here.".into(), entries, total }
    }

    fn text(list: List) -> (String, String) {
        let body = render(&[list]);
        assert_accepted(&body);
        let embed = &body["embeds"][0];
        let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        assert_eq!(embed["title"], "Upcoming games");
        (part(&embed["description"]), part(&embed["footer"]["text"]))
    }

    #[test]
    fn di_10_a_row_shows_name_links_both_times_and_seats() {
        let (description, footer) = text(list(vec![entry()], 1));
        assert_eq!(
            description,
            "In <#2>\n\
             **Barrow of the Ice King** · [post](https://discord.com/channels/1/2/3) · [page](https://play.example/games/7)\n\
             <t:1778414400:F> (<t:1778414400:R>) · 2 of 4 seats taken"
        );
        assert_eq!(footer, "1 game");
    }

    #[test]
    fn di_10_what_there_is_not_is_left_out_and_what_is_unusual_is_said() {
        let bare = Entry { message_url: None, page_url: None, mark: Some(words::DEFERRED), ..entry() };
        let bare = Entry { waiting: 3, confirmed: 4, guild: Some("The *Tavern*".into()), ..bare };
        let (description, _) = text(List { lead: None, ..list(vec![bare], 1) });
        assert_eq!(
            description,
            "**Barrow of the Ice King** · The \\*Tavern\\*\n\
             <t:1778414400:F> (<t:1778414400:R>) · 4 of 4 seats taken, 3 waiting · not announced yet"
        );
    }

    #[test]
    fn di_10_ten_rows_and_the_true_total() {
        let (description, footer) = text(list(vec![entry(); 12], 23));
        assert_eq!(description.matches("Barrow").count(), 10);
        assert_eq!(footer, "10 of 23 games");
    }

    #[test]
    fn di_10_no_games_is_a_sentence() {
        let empty = list(Vec::new(), 0);
        assert_eq!(text(empty), ("No game is planned here.".to_owned(), String::new()));
    }

    #[test]
    fn di_30_a_title_forms_no_mark_up_and_pings_nobody() {
        let entry = Entry { title: "@everyone **[x](https://evil.example)** <@5>".into(), ..entry() };
        let (description, _) = text(list(vec![entry], 1));
        let shown = "**@\u{200b}everyone \\*\\*\\[x\\](https\\://evil.example)\\*\\* \\<@\u{200b}5\\>**";
        assert!(description.contains(shown), "{description}");
        assert_eq!(render(&[])["allowed_mentions"], json!({ "parse": [] }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn l_45_whatever_is_listed_renders_to_a_message_discord_accepts(
            title in "[a-z🎲*@<|]{1,200}", guild in "[a-z🎲*@<|]{1,100}", address in "https://[a-z]{1,600}",
            count in 0..12_usize, lists in 1..3_usize,
        ) {
            let entry = Entry { title, guild: Some(guild), page_url: Some(address), ..entry() };
            let body = render(&vec![list(vec![entry; count], 12); lists]);
            assert_accepted(&body);
            let embeds = body["embeds"].as_array().unwrap();
            prop_assert_eq!(embeds.len(), lists);
            prop_assert!(count == 0 || embeds.iter().all(|embed| embed["description"].as_str().unwrap().contains("**")));
        }
    }
}
