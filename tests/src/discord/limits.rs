//! What Discord rejects in a message, and what it would swallow but should not be sent.

use serde_json::{Map, Value};

use super::refusal::{Answer, Refusal};

const CREATE: &[&str] = &[
    "content",
    "nonce",
    "tts",
    "embeds",
    "allowed_mentions",
    "message_reference",
    "components",
    "sticker_ids",
    "attachments",
    "flags",
    "enforce_nonce",
    "poll",
];
const EMBED: &[&str] =
    &["title", "type", "description", "url", "timestamp", "color", "footer", "image", "thumbnail", "author", "fields"];
const COMPONENT: &[&str] = &[
    "type",
    "id",
    "components",
    "custom_id",
    "style",
    "label",
    "emoji",
    "url",
    "disabled",
    "options",
    "placeholder",
    "min_values",
    "max_values",
    "sku_id",
    "channel_types",
    "default_values",
    "required",
];

/// A message body as it came.
pub(super) type Body = Map<String, Value>;

/// Parses a body; what is no JSON object is refused.
pub(super) fn parse(bytes: &[u8]) -> Answer<Body> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(body)) => Ok(body),
        Ok(_) => Err(Refusal::form("expected an object")),
        Err(_) => Err(Refusal::of(50109)),
    }
}

/// Length as Discord counts it.
pub(super) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Names in the body that Discord does not know.
pub(super) fn unknown(body: &Body) -> Vec<String> {
    let mut strange = strangers(body, CREATE, "");
    for embed in list(body, "embeds").iter().filter_map(Value::as_object) {
        strange.extend(strangers(embed, EMBED, "embeds."));
    }
    for row in list(body, "components").iter().filter_map(Value::as_object) {
        strange.extend(strangers(row, COMPONENT, "components."));
        for part in list(row, "components").iter().filter_map(Value::as_object) {
            strange.extend(strangers(part, COMPONENT, "components.components."));
        }
    }
    strange
}

fn strangers(object: &Body, known: &[&str], place: &str) -> Vec<String> {
    object.keys().filter(|key| !known.contains(&key.as_str())).map(|key| format!("{place}{key}")).collect()
}

/// Refuses what breaks one of Discord's limits.
pub(super) fn check(body: &Body) -> Answer<()> {
    text(body, "content", 2000, "content")?;
    let embeds = list(body, "embeds");
    at_most(embeds.len(), 10, "embeds")?;
    let mut sum = 0;
    for embed in embeds {
        sum += check_embed(embed.as_object().ok_or_else(|| Refusal::form("embeds"))?)?;
    }
    at_most(sum, 6000, "embeds together")?;
    check_components(list(body, "components"))
}

/// Refuses a message in which there is nothing to see.
pub(super) fn check_not_empty(body: &Body) -> Answer<()> {
    let silent = body.get("content").and_then(Value::as_str).unwrap_or_default().trim().is_empty();
    let bare = ["embeds", "components", "attachments", "sticker_ids"].iter().all(|key| list(body, key).is_empty());
    if silent && bare && !body.contains_key("poll") { Err(Refusal::of(50006)) } else { Ok(()) }
}

fn check_embed(embed: &Body) -> Answer<usize> {
    let mut sum = text(embed, "title", 256, "embed title")?;
    sum += text(embed, "description", 4096, "embed description")?;
    if let Some(footer) = embed.get("footer").and_then(Value::as_object) {
        sum += text(footer, "text", 2048, "embed footer")?;
    }
    if let Some(author) = embed.get("author").and_then(Value::as_object) {
        sum += text(author, "name", 256, "embed author")?;
    }
    let fields = list(embed, "fields");
    at_most(fields.len(), 25, "embed fields")?;
    for field in fields {
        let field = field.as_object().ok_or_else(|| Refusal::form("embed field"))?;
        sum += needed(field, "name", 256, "embed field name")?;
        sum += needed(field, "value", 1024, "embed field value")?;
    }
    Ok(sum)
}

fn check_components(rows: &[Value]) -> Answer<()> {
    at_most(rows.len(), 5, "action rows")?;
    let mut seen = Vec::new();
    for row in rows {
        if row["type"] != 1 {
            return Err(Refusal::form("components: only action rows stand at the top"));
        }
        let parts = row["components"].as_array().map_or(&[][..], Vec::as_slice);
        at_most(parts.len(), 5, "components of a row")?;
        if parts.is_empty() {
            return Err(Refusal::form("components: a row needs between 1 and 5"));
        }
        for part in parts.iter().filter_map(Value::as_object) {
            check_part(part)?;
            if let Some(id) = part.get("custom_id").and_then(Value::as_str) {
                if seen.contains(&id) {
                    return Err(Refusal::form("custom_id: component custom id cannot be duplicated"));
                }
                seen.push(id);
            }
        }
    }
    Ok(())
}

fn check_part(part: &Body) -> Answer<()> {
    text(part, "custom_id", 100, "custom_id")?;
    text(part, "label", 80, "label")?;
    let is = |key: &str, value: u64| part.get(key).and_then(Value::as_u64) == Some(value);
    if !is("type", 2) {
        return Ok(());
    }
    if part.get("label").is_none_or(Value::is_null) && part.get("emoji").is_none_or(Value::is_null) {
        return Err(Refusal::form("a button needs a label or an emoji"));
    }
    let key = if is("style", 5) { "url" } else { "custom_id" };
    needed(part, key, 512, key).map(|_| ())
}

fn needed(object: &Body, key: &str, most: usize, place: &str) -> Answer<usize> {
    match text(object, key, most, place)? {
        0 => Err(Refusal::form(&format!("{place}: this field is required"))),
        length => Ok(length),
    }
}

fn text(object: &Body, key: &str, most: usize, place: &str) -> Answer<usize> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(0),
        Some(Value::String(text)) => at_most(units(text), most, place),
        Some(_) => Err(Refusal::form(&format!("{place}: not a string"))),
    }
}

fn at_most(length: usize, most: usize, place: &str) -> Answer<usize> {
    if length > most {
        return Err(Refusal::form(&format!("{place}: must be {most} or fewer in length")));
    }
    Ok(length)
}

fn list<'a>(object: &'a Body, key: &str) -> &'a [Value] {
    object.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod specs {
    use super::*;
    use serde_json::json;

    fn refused(body: Value) -> bool {
        check(body.as_object().expect("an object")).is_err()
    }

    #[test]
    fn every_limit_holds_at_its_edge_and_breaks_one_past_it() {
        let text = |length| "x".repeat(length);
        let embed = |key: &str, length: usize| json!({ "embeds": [{ key: text(length) }] });
        let field = |name, value| json!({ "embeds": [{ "fields": [{ "name": text(name), "value": text(value) }] }] });
        let button = |id: usize| json!({ "type": 2, "style": 1, "label": "Join", "custom_id": text(id) });
        for (fits, breaks) in [
            (json!({ "content": text(2000) }), json!({ "content": text(2001) })),
            (embed("title", 256), embed("title", 257)),
            (embed("description", 4096), embed("description", 4097)),
            (field(256, 1024), field(257, 1024)),
            (field(256, 1024), field(256, 1025)),
            (
                json!({ "components": [{ "type": 1, "components": [button(100)] }] }),
                json!({ "components": [{ "type": 1, "components": [button(101)] }] }),
            ),
            (
                json!({ "embeds": [{ "description": text(4000) }, { "description": text(2000) }] }),
                json!({ "embeds": [{ "description": text(4000) }, { "description": text(2001) }] }),
            ),
        ] {
            assert!(!refused(fits.clone()), "{fits}");
            assert!(refused(breaks.clone()), "{breaks}");
        }
    }

    #[test]
    fn an_emoji_counts_as_two_units() {
        assert!(!refused(json!({ "content": "🎲".repeat(1000) })));
        assert!(refused(json!({ "content": "🎲".repeat(1001) })));
    }

    #[test]
    fn names_that_discord_does_not_know_are_found_at_every_depth() {
        let body = json!({ "contents": "", "embeds": [{ "colour": 1 }], "components": [{ "type": 1, "x": 1 }] });
        let found = unknown(body.as_object().expect("an object"));
        assert_eq!(found, ["contents", "embeds.colour", "components.x"]);
    }
}
