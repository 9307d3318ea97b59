//! What Discord accepts as a message body (DI-31), for the property tests.

use serde_json::Value;
use shared::domain::text::units;

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).map(|text| text.as_str().unwrap())
}

fn within(what: &str, text: Option<&str>, min: usize, max: usize) -> usize {
    let length = text.map_or(0, units);
    if let Some(text) = text {
        let trimmed = units(text.trim());
        assert!((min..=max).contains(&length) && trimmed >= min, "{what} has {length} units");
    }
    length
}

/// Panics where Discord would answer 400.
pub(super) fn assert_accepted(body: &Value) {
    within("content", text(body, "content"), 0, 2000);
    let embeds = body["embeds"].as_array().unwrap();
    assert!(embeds.len() <= 10);
    let whole: usize = embeds.iter().map(accepted_embed).sum();
    assert!(whole <= 6000, "the embeds have {whole} units");

    let allowed = body["allowed_mentions"].as_object().unwrap();
    for kind in ["users", "roles"] {
        let listed = allowed.get(kind).map_or(0, |ids| ids.as_array().unwrap().len());
        assert!(listed <= 100, "{listed} {kind}");
    }
    for row in body.get("components").into_iter().flat_map(|rows| rows.as_array().unwrap()) {
        for button in row["components"].as_array().unwrap() {
            within("custom_id", text(button, "custom_id"), 1, 100);
            within("label", text(button, "label"), 1, 80);
        }
    }
}

fn accepted_embed(embed: &Value) -> usize {
    let author = embed.get("author").map_or(0, |author| within("author", text(author, "name"), 1, 256));
    let footer = embed.get("footer").map_or(0, |footer| within("footer", text(footer, "text"), 1, 2048));
    let title = within("title", text(embed, "title"), 1, 256);
    let description = within("description", text(embed, "description"), 1, 4096);
    let fields = embed["fields"].as_array().unwrap();
    assert!(fields.len() <= 25);
    let cost = |field: &Value| {
        within("a field's name", text(field, "name"), 1, 256) + within("a field", text(field, "value"), 1, 1024)
    };
    author + footer + title + description + fields.iter().map(cost).sum::<usize>()
}
