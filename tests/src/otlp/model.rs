//! What a signal says, owned and plain, with everything the wire carries.
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Attributes by key; a key the sender repeats is kept as `key#2`.
pub type Attributes = BTreeMap<String, Value>;

/// An attribute's value or a log record's body.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// No value was set.
    #[default]
    Empty,
    /// A string.
    Text(String),
    /// A bool.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// Bytes, shown in hexadecimal.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(Attributes),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Empty => Ok(()),
            Value::Text(text) => f.write_str(text),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Double(value) => write!(f, "{value}"),
            Value::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Value::List(values) => {
                let values: Vec<String> = values.iter().map(Value::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
            Value::Map(map) => {
                let entries: Vec<String> = map.iter().map(|(k, v)| format!("{k}={v}")).collect();
                write!(f, "{{{}}}", entries.join(", "))
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Double(value)
    }
}

/// Who sent a signal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    /// `service.name` and the like.
    pub attributes: Attributes,
    /// The conventions the attributes follow.
    pub schema_url: String,
    /// Attributes the sender dropped.
    pub dropped_attributes: u32,
}

impl Resource {
    /// `service.name`, or a question mark when the sender did not say.
    pub fn service(&self) -> String {
        self.attributes.get("service.name").map_or_else(|| "?".to_owned(), Value::to_string)
    }
}

/// Which instrumentation made a signal; for logs its name is the target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// The conventions its signals follow.
    pub schema_url: String,
    /// Attributes the sender dropped.
    pub dropped_attributes: u32,
}

/// How many parts of a signal its sender dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Attributes.
    pub attributes: u32,
    /// Events.
    pub events: u32,
    /// Links.
    pub links: u32,
}

/// A span's kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Not told, or a number we do not know.
    #[default]
    Unspecified,
    /// Work inside a process.
    Internal,
    /// Answers a caller.
    Server,
    /// Asks a server.
    Client,
    /// Sends a message.
    Producer,
    /// Handles a message.
    Consumer,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Unspecified => "unspecified",
            Kind::Internal => "internal",
            Kind::Server => "server",
            Kind::Client => "client",
            Kind::Producer => "producer",
            Kind::Consumer => "consumer",
        })
    }
}

/// How a span ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Nothing was said, which is success here.
    #[default]
    Unset,
    /// Explicitly well.
    Ok,
    /// Failed, with the description sent.
    Error(String),
}

/// A span as its process exported it. Ids are lower-case hexadecimal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span {
    /// Who sent it.
    pub resource: Arc<Resource>,
    /// Which instrumentation made it.
    pub scope: Arc<Scope>,
    /// Its trace.
    pub trace_id: String,
    /// Its own id.
    pub span_id: String,
    /// Its parent's id; a root has none.
    pub parent_id: Option<String>,
    /// The W3C trace state.
    pub trace_state: String,
    /// Trace flags, and whether the parent is remote.
    pub flags: u32,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// Start, in nanoseconds since 1970.
    pub start: u64,
    /// End, in nanoseconds since 1970.
    pub end: u64,
    /// Its attributes.
    pub attributes: Attributes,
    /// What happened during it.
    pub events: Vec<Event>,
    /// Spans it points at.
    pub links: Vec<Link>,
    /// How it ended.
    pub status: Status,
    /// What its sender dropped.
    pub dropped: Dropped,
}

impl Span {
    /// The service that made it.
    pub fn service(&self) -> String {
        self.resource.service()
    }

    /// An attribute's value as text.
    pub fn attribute(&self, key: &str) -> Option<String> {
        self.attributes.get(key).map(Value::to_string)
    }

    /// Why it did not succeed: `error.type`, or `error` when only its status says so.
    pub fn error(&self) -> Option<String> {
        let failed = matches!(self.status, Status::Error(_));
        self.attribute("error.type").or_else(|| failed.then(|| "error".to_owned()))
    }

    /// How long it took.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.end.saturating_sub(self.start))
    }
}

/// A moment within a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// When, in nanoseconds since 1970.
    pub time: u64,
    /// Its name.
    pub name: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// Attributes the sender dropped.
    pub dropped_attributes: u32,
}

/// A pointer from a span to another, usually of another trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// The linked span's trace.
    pub trace_id: String,
    /// The linked span.
    pub span_id: String,
    /// The W3C trace state.
    pub trace_state: String,
    /// Trace flags of the linked context.
    pub flags: u32,
    /// Its attributes, `gamesched.link.kind`.
    pub attributes: Attributes,
    /// Attributes the sender dropped.
    pub dropped_attributes: u32,
}

/// A log record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogRecord {
    /// Who sent it.
    pub resource: Arc<Resource>,
    /// Its scope; the name is the target.
    pub scope: Arc<Scope>,
    /// When it was written, in nanoseconds since 1970; 0 when not told.
    pub time: u64,
    /// When the SDK saw it.
    pub observed: u64,
    /// The span's trace, when written within one.
    pub trace_id: Option<String>,
    /// The span, when written within one.
    pub span_id: Option<String>,
    /// Trace flags.
    pub flags: u32,
    /// The number behind the severity, 9 for INFO.
    pub severity_number: i32,
    /// `INFO`, `ERROR`.
    pub severity: String,
    /// The event's name, if it has one.
    pub event_name: String,
    /// What it says.
    pub body: Value,
    /// Its attributes.
    pub attributes: Attributes,
    /// Attributes the sender dropped.
    pub dropped_attributes: u32,
}

impl LogRecord {
    /// The service that wrote it.
    pub fn service(&self) -> String {
        self.resource.service()
    }

    /// The module that wrote it.
    pub fn target(&self) -> &str {
        &self.scope.name
    }
}
