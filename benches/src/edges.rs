//! Every edge once, without what is behind it: what telling costs, and nothing else.

use std::future::ready;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::{Request, Response};
use shared::amqp::consumer::{self, Handler, Outcome};
use shared::amqp::cost;
use shared::domain::roster::Changes;
use shared::events::{Event, VERSION};
use shared::telemetry::http::{Known, serve};
use shared::telemetry::{Attribute, carry, instruments, span};

use crate::samples;
use crate::stage::{Stage, traceparent};

/// A statement as long as most are.
const STATEMENT: &str = "/* SELECT games participants */ select g.id, g.title, g.description, g.scheduled_at, g.status, \
     p.user_id, p.joined_at from games g left join participants p on p.game_id = g.id where g.id = $1 order by p.position";

/// Something whose cost is measured, alone.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// As in reports.
    pub name: &'static str,
    /// Spans of one repetition where everything is sampled.
    pub spans: u64,
    /// Does it so many times.
    pub run: fn(&Stage, u64),
}

/// What tells.
pub const EDGES: [Edge; 9] = [
    Edge { name: "HTTP server", spans: 1, run: http_server },
    Edge { name: "SQL statement", spans: 1, run: sql },
    Edge { name: "Redis command", spans: 1, run: redis },
    Edge { name: "publish", spans: 1, run: publish },
    Edge { name: "process", spans: 1, run: process },
    Edge { name: "action", spans: 1, run: action },
    Edge { name: "log record", spans: 0, run: log },
    Edge { name: "metric", spans: 0, run: metric },
    Edge { name: SEVEN, spans: 7, run: seven },
];

/// The request that the goal is about: in by HTTP, two commands to Redis, four statements.
pub const SEVEN: &str = "request of seven spans";

/// What carries a context, and what is encoded on the way.
pub const CARRIES: [Edge; 4] = [
    Edge { name: "carry: context to a row", spans: 0, run: to_row },
    Edge { name: "carry: context from a row", spans: 0, run: from_row },
    Edge { name: "event: encode", spans: 0, run: encode },
    Edge { name: "event: decode", spans: 0, run: decode },
];

/// The rules, which know nothing of telemetry.
pub const RULES: [Edge; 4] = [
    Edge { name: "roster: put 200 rows in order", spans: 0, run: order },
    Edge { name: "roster: join as number 201", spans: 0, run: join },
    Edge { name: "roster: leave a seat and see who moves up", spans: 0, run: leave },
    Edge { name: "board: render 100 seated and 100 waiting", spans: 0, run: render },
];

fn request(stage: &Stage) -> (Request<()>, Known) {
    let request = Request::get("/api/v1/games/0199c0de-0000-7000-8000-000000000001")
        .header("host", "play.example")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        .header("traceparent", traceparent(stage.arm))
        .body(())
        .expect("a request");
    let known = Known {
        route: Some(stage.routes.get("/api/v1/games/{id}")),
        scheme: "https",
        server: Some("play.example".to_owned()),
        client: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9))),
        trusted: true,
    };
    (request, known)
}

fn http_server(stage: &Stage, times: u64) {
    stage.run(async {
        for _ in 0..times {
            let (request, known) = request(stage);
            black_box(serve(request, known, |_| ready(Response::new(()))).await);
        }
    });
}

fn sql(stage: &Stage, times: u64) {
    stage.run(async { (0..times).for_each(|_| stage.db.tell(black_box(STATEMENT))) });
}

fn redis(stage: &Stage, times: u64) {
    stage.run(async {
        for _ in 0..times {
            stage.cache.tell().await;
        }
    });
}

fn publish(stage: &Stage, times: u64) {
    stage.run(async { (0..times).for_each(|_| cost::publish(stage.row.clone(), &stage.broker)) });
}

/// Says that it is done.
#[derive(Debug)]
struct Nothing;

impl Handler for Nothing {
    async fn handle(&self, event: Event) -> Outcome {
        black_box(event);
        Outcome::Done
    }
}

fn process(stage: &Stage, times: u64) {
    let handler = Arc::new(Nothing);
    stage.run(async {
        for _ in 0..times {
            let (broker, queue) = (stage.broker.clone(), stage.queue.clone());
            consumer::once(broker, queue, Arc::clone(&handler), stage.waiting.delivery()).await;
        }
    });
}

/// As an action is told.
fn action(stage: &Stage, times: u64) {
    stage.run(async {
        for _ in 0..times {
            let span = tracing::info_span!(target: "shared::actions::join", "join", gamesched.game.id = %samples::GAME);
            span::action(span, black_box(ready(1))).await;
        }
    });
}

fn log(stage: &Stage, times: u64) {
    let game = samples::GAME;
    stage.run(async {
        for number in 0..times {
            tracing::info!(
                target: "shared::actions",
                { gamesched.game.id = %game },
                "reminded {number} players of game {game}"
            );
        }
    });
}

fn metric(stage: &Stage, times: u64) {
    stage.run(async {
        for _ in 0..times {
            let labels = [
                Attribute::new("db.system.name", "postgresql"),
                Attribute::new("db.namespace", "scheduler"),
                Attribute::new("db.query.summary", "SELECT games participants"),
            ];
            instruments::get().db_duration.record(black_box(0.001), &labels);
        }
    });
}

fn seven(stage: &Stage, times: u64) {
    stage.run(async {
        for _ in 0..times {
            let (request, known) = request(stage);
            let work = async |_| {
                stage.cache.tell().await;
                stage.cache.tell().await;
                (0..4).for_each(|_| stage.db.tell(black_box(STATEMENT)));
                Response::new(())
            };
            black_box(serve(request, known, work).await);
        }
    });
}

fn to_row(stage: &Stage, times: u64) {
    stage.run(async { (0..times).for_each(|_| drop(black_box(carry::row()))) });
}

fn from_row(stage: &Stage, times: u64) {
    (0..times).for_each(|_| drop(black_box(carry::extract_row(&stage.row.trace_context))));
}

fn encode(_: &Stage, times: u64) {
    (0..times).for_each(|_| drop(black_box(samples::event().payload().to_string())));
}

fn decode(_: &Stage, times: u64) {
    let (event, body) = (samples::event(), samples::event().payload().to_string());
    (0..times).for_each(|_| drop(black_box(Event::read(event.routing_key(), VERSION, body.as_bytes()))));
}

fn order(_: &Stage, times: u64) {
    let rows: Vec<_> = samples::roster().rows().iter().rev().cloned().collect();
    (0..times).for_each(|_| drop(black_box(samples::ordered(rows.clone()))));
}

fn join(_: &Stage, times: u64) {
    let full = samples::roster();
    for _ in 0..times {
        drop(black_box(full.clone().join(samples::user(1000), &[], &[], samples::NOON)));
    }
}

fn leave(_: &Stage, times: u64) {
    let full = samples::roster();
    for _ in 0..times {
        let mut left = full.clone();
        left.leave(samples::user(50));
        black_box(Changes::between(&full, &left));
    }
}

fn render(_: &Stage, times: u64) {
    let board = samples::board();
    for _ in 0..times {
        black_box(bot::render::board::render(black_box(&board), bot::render::board::Occasion::Edit));
    }
}
