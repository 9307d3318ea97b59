//! The registry's files, as OpenTelemetry Weaver's `definition/2` has them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One file; every part may be missing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Definition {
    pub(super) file_format: String,
    #[serde(default)]
    pub(super) attributes: Vec<Attribute>,
    #[serde(default)]
    pub(super) attribute_groups: Vec<Group>,
    #[serde(default)]
    pub(super) entities: Vec<Entity>,
    #[serde(default)]
    pub(super) spans: Vec<SpanType>,
    #[serde(default)]
    pub(super) metrics: Vec<MetricType>,
}

/// What the registry is called, and what it builds on.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    pub(super) schema_url: String,
    #[serde(default)]
    pub(super) dependencies: Vec<Manifest>,
}

/// An attribute, the same wherever it is used.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// Its name.
    pub key: String,
    /// What its values look like.
    pub r#type: Type,
    /// What it says.
    pub brief: String,
    /// More about it.
    pub note: Option<String>,
    /// How likely it is to change.
    pub stability: String,
    /// Values as they occur.
    #[serde(default)]
    pub examples: Vec<String>,
}

/// What an attribute's values look like.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Type {
    /// Any value of a kind.
    Plain(Plain),
    /// One of these.
    Members {
        /// The values.
        members: Vec<Member>,
    },
}

/// The kinds of value that occur here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plain {
    /// A text.
    String,
    /// A whole number.
    Int,
    /// A number.
    Double,
    /// Yes or no.
    Boolean,
}

/// A value of a closed set.
#[derive(Clone, Debug, Deserialize)]
pub struct Member {
    /// As it is sent.
    pub value: String,
}

/// An attribute where it is used.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Its name.
    pub r#ref: String,
    /// Whether it must be there.
    #[serde(default)]
    pub requirement_level: Level,
    /// A sampler may want it, so it is there from the start.
    #[serde(default)]
    pub sampling_relevant: bool,
    /// What Weaver has no word for.
    #[serde(default)]
    pub annotations: Annotations,
}

/// Whether an attribute must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum Level {
    /// Always.
    Required,
    /// When this holds.
    ConditionallyRequired(String),
    /// It may be.
    #[default]
    Recommended,
}

/// A level as it stands in the file: a word, or a map with the condition.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Word(String),
    When { conditionally_required: String },
}

impl TryFrom<Written> for Level {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::When { conditionally_required } => Ok(Self::ConditionallyRequired(conditionally_required)),
            Written::Word(word) if word == "required" => Ok(Self::Required),
            Written::Word(word) if word == "recommended" => Ok(Self::Recommended),
            Written::Word(word) => Err(format!("{word} is no level")),
        }
    }
}

/// What Weaver has no word for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Annotations {
    /// Here, only these values.
    #[serde(default)]
    pub values: Vec<String>,
    /// When it becomes known, if not at the start.
    pub set: Option<Moment>,
}

/// When an attribute becomes known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// Only at the end, so a cancelled span lacks it.
    End,
}

/// Attributes of something that is neither span nor metric.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) brief: String,
    pub(super) attributes: Vec<Reference>,
}

/// Who sends.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Entity {
    pub(super) identity: Vec<Reference>,
    pub(super) description: Vec<Reference>,
}

/// A kind of span.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpanType {
    /// What it is called here.
    pub r#type: String,
    /// `server`, `client`, as the conventions spell it.
    pub kind: String,
    /// How its spans are named.
    pub name: Name,
    /// What it stands for.
    pub brief: String,
    /// More about it.
    pub note: Option<String>,
    /// How likely it is to change.
    pub stability: String,
    /// What its spans say.
    #[serde(default)]
    pub attributes: Vec<Reference>,
}

/// How spans are named.
#[derive(Clone, Debug, Deserialize)]
pub struct Name {
    /// For people; what stands in back quotes is a template.
    pub note: String,
}

/// A metric.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricType {
    /// Its name.
    pub name: String,
    /// `counter`, `updowncounter`, `gauge` or `histogram`.
    pub instrument: String,
    /// Its unit.
    pub unit: String,
    /// What it measures.
    pub brief: String,
    /// How likely it is to change.
    pub stability: String,
    /// What tells its series apart.
    #[serde(default)]
    pub attributes: Vec<Reference>,
}

/// Definitions by their name.
pub(super) type ByName<T> = BTreeMap<String, T>;
