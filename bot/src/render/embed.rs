//! An embed as it is put together, and what it costs in Discord's units (DI-31).

use serde_json::{Map, Value, json};
use shared::domain::text::units;

/// A field's value (L-45).
pub(super) const FIELD: usize = 1024;
/// All embeds of a message together, with some air (L-45).
pub(super) const WHOLE: usize = 5900;
/// A title.
pub(super) const TITLE: usize = 256;

/// The parts of an embed; empty parts are left out.
#[derive(Default)]
pub(super) struct Embed {
    pub(super) author: Option<(String, String)>,
    pub(super) title: String,
    pub(super) url: Option<String>,
    pub(super) description: String,
    pub(super) fields: Vec<Field>,
    pub(super) thumbnail: Option<String>,
    pub(super) image: Option<String>,
    pub(super) footer: String,
    pub(super) color: u32,
}

pub(super) struct Field {
    name: String,
    value: String,
    inline: bool,
}

impl Field {
    pub(super) fn row(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), inline: false }
    }

    pub(super) fn cell(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), inline: true }
    }
}

impl Embed {
    /// What counts toward the limit of a whole message.
    pub(super) fn cost(&self) -> usize {
        let author = self.author.as_ref().map_or(0, |(name, _)| units(name));
        let fields: usize = self.fields.iter().map(|field| units(&field.name) + units(&field.value)).sum();
        author + units(&self.title) + units(&self.description) + fields + units(&self.footer)
    }

    pub(super) fn json(self) -> Value {
        let mut embed = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                embed.insert(name.to_owned(), value);
            }
        };
        put("author", self.author.map(|(name, icon)| json!({ "name": name, "icon_url": icon })));
        put("title", text(self.title));
        put("url", self.url.map(Value::from));
        put("description", text(self.description));
        put("color", Some(self.color.into()));
        put("thumbnail", self.thumbnail.map(|url| json!({ "url": url })));
        put("image", self.image.map(|url| json!({ "url": url })));
        put("footer", text(self.footer).map(|text| json!({ "text": text })));
        let fields = self
            .fields
            .into_iter()
            .map(|Field { name, value, inline }| json!({ "name": name, "value": value, "inline": inline }));
        put("fields", Some(fields.collect()));
        Value::Object(embed)
    }
}

fn text(text: String) -> Option<Value> {
    (!text.is_empty()).then(|| text.into())
}
