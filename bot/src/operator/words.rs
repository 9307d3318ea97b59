//! What operators type and read: times, rates, tables, pages.

use std::fmt::Write as _;
use std::time::Duration;

use shared::store::parked::{Item, time};

/// A time such as 90s, 15m, 2h or 3d.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.chars().last().and_then(|unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(60 * 60),
        'd' => Some(24 * 60 * 60),
        _ => None,
    });
    // Longer than anything is kept, and no number of seconds that Postgres could not add.
    let most = 10_000_u64;
    unit.and_then(|unit: u64| {
        let number = text[..text.len() - 1].parse::<u64>().ok().filter(|number| *number <= most * 86_400 / unit)?;
        Some(Duration::from_secs(number * unit))
    })
    .ok_or_else(|| "it must look like 90s, 15m, 2h or 3d".to_owned())
}

/// So many in a second, such as 20/s or 0.5.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).parse::<f64>().ok();
    number
        .filter(|rate| (0.01..=10_000.0).contains(rate))
        .ok_or_else(|| "it must look like 20/s, from 0.01 to 10000".to_owned())
}

/// One of them, in a sentence.
pub(super) fn line(item: &Item) -> String {
    format!("{} {} ({} {}, {})", item.source, item.id, item.queue, item.subject, item.reason)
}

/// All of them, in columns.
pub(super) fn table(items: &[Item]) -> String {
    let head = ["ID", "SOURCE", "QUEUE", "REASON", "WHAT", "TIMES", "PARKED"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(items.iter().map(row)).collect();
    let widths: [usize; 7] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn row(item: &Item) -> [String; 7] {
    [
        item.id.to_string(),
        item.source.to_string(),
        item.queue.clone(),
        item.reason.clone(),
        printable(&item.subject),
        item.times.to_string(),
        time(Some(item.at)),
    ]
}

/// All that is known of one; what is empty is left out.
pub(super) fn page(item: &Item, details: &[(&'static str, String)]) -> String {
    let game = item.game.map(|game| game.to_string()).unwrap_or_default();
    let trace = item.cause["traceparent"].as_str().and_then(|header| header.split('-').nth(1)).unwrap_or_default();
    let known = [
        ("id", item.id.to_string()),
        ("source", item.source.to_string()),
        ("queue", item.queue.clone()),
        ("reason", item.reason.clone()),
        ("what", item.subject.clone()),
        ("parked", time(Some(item.at))),
        ("times", item.times.to_string()),
        ("game", game),
        ("trace", trace.to_owned()),
    ];
    let mut text = String::new();
    for (label, value) in known.iter().chain(details).filter(|(_, value)| !value.is_empty()) {
        // Writing into a text cannot fail.
        let _ = writeln!(text, "{label:<16}{}", printable(value));
    }
    text
}

/// What strangers sent does not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;
    use shared::store::parked::Source;
    use uuid::Uuid;

    use super::*;

    fn item() -> Item {
        Item {
            source: Source::Message,
            id: Uuid::nil(),
            queue: "bot.announcements".to_owned(),
            reason: "unknown_version".to_owned(),
            subject: "game.\u{1b}updated".to_owned(),
            at: DateTime::UNIX_EPOCH,
            times: 2,
            recent: false,
            old: false,
            game: None,
            guild: None,
            cause: json!({ "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }),
        }
    }

    #[test]
    fn times_and_rates_are_read_as_people_write_them() {
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("3d"), Ok(Duration::from_secs(3 * 86_400)));
        for strange in ["", "15", "m", "-1s", "1.5h", "99999999999999d", "1 h", "1é"] {
            assert!(duration(strange).is_err(), "{strange}");
        }
        assert_eq!((rate("20/s"), rate("0.5")), (Ok(20.0), Ok(0.5)));
        for strange in ["", "0/s", "-1/s", "fast", "NaN", "inf/s"] {
            assert!(rate(strange).is_err(), "{strange}");
        }
    }

    #[test]
    fn a_list_stands_in_columns_and_cannot_steer_the_terminal() {
        let text = table(&[item()]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0].find("SOURCE"), lines[1].find("message"));
        assert!(lines[1].ends_with("game.\u{fffd}updated  2      1970-01-01T00:00:00Z"), "{text}");
    }

    #[test]
    fn a_page_names_the_trace_and_leaves_out_what_is_empty() {
        let text = page(&item(), &[("note", String::new()), ("state", "pending".to_owned())]);
        assert!(text.contains("trace           0af7651916cd43dd8448eb211c80319c\n"), "{text}");
        assert!(text.contains("state           pending\n") && !text.contains("note"), "{text}");
    }
}
