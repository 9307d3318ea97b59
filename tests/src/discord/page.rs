//! A page for people: channels, direct messages, and buttons that press as whoever one chooses.

use axum::extract::{Form, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::control::{Press, reaction};
use super::state::{App, World};
use super::view::Message;

const HEAD: &str = "<!doctype html><meta charset=utf-8><title>Discord simulator</title><style>\
body{font:15px/1.4 sans-serif;margin:2em auto;max-width:70em;background:#313338;color:#dbdee1}\
a{color:#7ab8ff}section{display:inline-block;vertical-align:top;width:32em;margin:0 1em 1em 0}\
.m{background:#2b2d31;border-left:3px solid #5865f2;padding:.6em;margin:.6em 0;white-space:pre-wrap;\
overflow-wrap:anywhere}.p{border-color:#f0b132}form{display:inline}button{margin:.4em .4em 0 0}\
nav a{margin-right:1em}.on{font-weight:bold}</style>";

/// Reloads the page as soon as something changed.
const RELOAD: &str = "<script>(async()=>{const w=async s=>(await fetch('/_simulator/wait?since='+s)).json();\
let n=await w(0);const f=n;while(n===f)n=await w(n);location.reload()})()</script>";

/// Whose eyes the page shows.
#[derive(Deserialize)]
pub(super) struct Eyes {
    #[serde(rename = "as")]
    user: Option<u64>,
    note: Option<String>,
}

/// `GET /`
pub(super) fn show(app: &App, eyes: &Eyes) -> Response {
    Html(app.read(|world| world.page(eyes))).into_response()
}

/// The query of the page.
pub(super) type Looking = Query<Eyes>;

/// `POST /_simulator/page/press`
pub(super) async fn press(State(app): State<App>, Form(press): Form<Press>) -> Redirect {
    let id = app.edit(|world| world.press(press.user, press.message, &press.custom_id, press.stale));
    let outcome = match id {
        Ok(id) => reaction(&app, id).await.map(|_| ()),
        Err(reason) => Err(reason),
    };
    let note = outcome.err().map(|reason| format!("&note={}", query_value(&reason))).unwrap_or_default();
    Redirect::to(&format!("/?as={}{note}", press.user))
}

impl World {
    fn page(&self, eyes: &Eyes) -> String {
        let people: Vec<_> = self.users.values().filter(|user| !user.bot).collect();
        let reader = eyes.user.or(people.first().map(|user| user.id)).unwrap_or_default();
        let links: String = people
            .iter()
            .map(|user| {
                let class = if user.id == reader { " class=on" } else { "" };
                format!("<a{class} href=\"/?as={}\">{}</a>", user.id, escape(&user.username))
            })
            .collect();
        let note = eyes.note.as_deref().map(|note| format!("<p>⚠ {}</p>", escape(note))).unwrap_or_default();
        let mut body = format!("{HEAD}<h1>Discord simulator</h1><nav>You are {links}</nav>{note}");
        for guild in self.guilds.values().filter(|guild| guild.member(reader).is_some()) {
            body += &format!("<h2>{}</h2>", escape(&guild.name));
            for channel in &guild.channels {
                body += &panel(&format!("#{}", channel.name), &self.seen(channel.id, Some(reader)), reader);
            }
        }
        body += "<h2>Direct messages</h2>";
        for (channel, _) in self.directs.iter().filter(|(_, owner)| **owner == reader) {
            body += &panel(&self.application.name, &self.seen(*channel, Some(reader)), reader);
        }
        body + RELOAD
    }
}

fn panel(name: &str, messages: &[Message], reader: u64) -> String {
    let shown: String = messages.iter().map(|message| block(message, reader)).collect();
    format!("<section><h3>{}</h3>{shown}</section>", escape(name))
}

fn block(message: &Message, reader: u64) -> String {
    let plain = Message { components: Vec::new(), ..message.clone() };
    let class = if message.private_to.is_some() { "m p" } else { "m" };
    let mut html = format!("<div class=\"{class}\">{}\n", escape(&plain.as_text()));
    for button in message.buttons() {
        let label = escape(&button.label);
        let disabled = if button.disabled { " disabled" } else { "" };
        html += &match (button.custom_id, button.url) {
            (Some(custom_id), _) => format!(
                "<form method=post action=\"/_simulator/page/press\"><input type=hidden name=user value={reader}>\
                 <input type=hidden name=message value={}><input type=hidden name=custom_id value=\"{}\">\
                 <input type=hidden name=stale value=false><button{disabled}>{label}</button></form>",
                message.id,
                escape(&custom_id)
            ),
            (None, Some(url)) if url.starts_with("http") => {
                format!("<a href=\"{}\">{label}</a> ", escape(&url))
            }
            (None, _) => label,
        };
    }
    html + "</div>"
}

/// Text that is safe within HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text that is safe as a value within a query.
pub(super) fn query_value(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
