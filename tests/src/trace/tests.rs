//! Every element of the format, with spans made by hand.
use super::{Story, gather, orphans, rooted, spans_per_service, with};
use crate::otlp::made::span;
use crate::otlp::{Kind, Received, Span};

const GAME: &str = "0197a3b0-0000-7000-8000-000000000001";

/// A create of a game as in the documented story, its parts arriving in any order.
fn create() -> Vec<Span> {
    let routing = "game_scheduler:game.created";
    vec![
        span("t1", "s", "api", Kind::Server, "POST /api/v1/games")
            .at(10, 40)
            .with("http.response.status_code", 201)
            .with("gamesched.game.id", GAME),
        span("t1", "i", "api", Kind::Internal, "create").under("s").at(20, 20).with("gamesched.game.id", GAME),
        span("t1", "c2", "api", Kind::Client, "EVALSHA").under("s").at(12, 1),
        span("t1", "c1", "api", Kind::Client, "GET").under("s").at(11, 1),
        span("t1", "b", "api", Kind::Client, "BEGIN").under("i").at(21, 1),
        span("t1", "o", "api", Kind::Client, "INSERT outbox").under("i").at(22, 1),
        span("t1", "p", "api", Kind::Producer, &format!("publish {routing}")).under("i").at(24, 5),
        span("t1", "m", "api", Kind::Client, "COMMIT").under("i").at(25, 1),
        span("t1", "x1", "bot", Kind::Consumer, &format!("process {routing}:bot.announcements"))
            .under("p")
            .at(30, 9)
            .with("gamesched.outcome", "done")
            .linked("t1", "p", "created_by"),
        span("t1", "x1c", "bot", Kind::Client, "POST /channels/{channel_id}/messages")
            .under("x1")
            .at(31, 5)
            .with("http.response.status_code", 200),
        span("t1", "x2", "api", Kind::Consumer, &format!("process {routing}:api.events")).under("p").at(33, 1).linked(
            "t1",
            "p",
            "created_by",
        ),
    ]
}

fn received(spans: Vec<Span>) -> Received {
    Received { spans, ..Received::default() }
}

fn lines(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_trace_reads_as_documented() {
    let story = Story::new(&received(create())).show(&["gamesched.game.id", "gamesched.outcome"]).name(GAME, "G");
    let expected = lines(&[
        "A  api server POST /api/v1/games 201 {gamesched.game.id=G}",
        "     api client GET · EVALSHA",
        "     api internal create {gamesched.game.id=G}",
        "       api client BEGIN · INSERT outbox · COMMIT",
        "       api producer publish game_scheduler:game.created",
        "         api consumer process game_scheduler:game.created:api.events ~A(publish)",
        "         bot consumer process game_scheduler:game.created:bot.announcements \
         {gamesched.outcome=done} ~A(publish)",
        "           bot client POST /channels/{channel_id}/messages 200",
    ]);
    assert_eq!(story.text(), expected);
}

#[test]
fn the_text_does_not_depend_on_which_message_was_handled_first() {
    let publish = |id: &str, at| span("t", id, "bot", Kind::Producer, "publish delivery.due").under("r").at(at, 1);
    let process = |id: &str, parent: &str, at, to: &str| {
        let name = format!("process delivery.due:{to}");
        span("t", id, "bot", Kind::Consumer, &name).under(parent).at(at, 1)
    };
    let told = |first, second| {
        let spans = vec![
            span("t", "r", "bot", Kind::Internal, "leave").at(1, 9),
            publish("p1", first),
            publish("p2", second),
            process("c1", "p1", first + 10, "ada"),
            process("c2", "p2", second + 10, "bob"),
            process("c3", "p2", 20 - second, "api"),
        ];
        Story::new(&received(spans)).text()
    };
    let expected = lines(&[
        "A  bot internal leave",
        "     bot producer publish delivery.due",
        "       bot consumer process delivery.due:ada",
        "     bot producer publish delivery.due",
        "       bot consumer process delivery.due:api · process delivery.due:bob",
    ]);
    assert_eq!(told(2, 3), expected);
    assert_eq!(told(3, 2), expected);
}

#[test]
fn what_failed_has_a_line_of_its_own_and_says_why() {
    let spans = vec![
        span("t", "r", "bot", Kind::Consumer, "process game.updated").at(1, 9).failed("500"),
        span("t", "1", "bot", Kind::Client, "UPDATE announcements").under("r").at(2, 1),
        span("t", "2", "bot", Kind::Client, "PATCH /channels/{channel_id}")
            .under("r")
            .at(3, 1)
            .with("http.response.status_code", 500)
            .failed("500"),
        span("t", "3", "bot", Kind::Client, "EVALSHA").under("r").at(4, 1),
        span("t", "4", "api", Kind::Client, "GET").under("r").at(5, 1),
        span("t", "5", "api", Kind::Internal, "look").under("r").at(6, 1),
    ];
    let expected = lines(&[
        "A  bot consumer process game.updated !500",
        "     bot client UPDATE announcements",
        "     bot client PATCH /channels/{channel_id} 500 !500",
        "     bot client EVALSHA",
        "     api client GET",
        "     api internal look",
    ]);
    assert_eq!(Story::new(&received(spans)).text(), expected);
}

#[test]
fn links_name_the_trace_and_what_the_linked_span_does() {
    let mut spans = create();
    spans.push(
        span("t2", "j", "notification-daemon", Kind::Internal, "job notice.reminder")
            .at(900, 3)
            .with("gamesched.job.lateness", 0.25)
            .linked("t1", "i", "scheduled_by")
            .linked("t1", "s", "scheduled_by")
            .linked("t1", "gone", "batch")
            .linked("elsewhere", "x", "inbound"),
    );
    let story = Story::new(&received(spans)).below("gamesched.job.lateness", 1.0);
    let last = story.text().lines().last().map(str::to_owned);
    let expected = "B  notification-daemon internal job notice.reminder {gamesched.job.lateness<1} \
                    ~A(create) ~A(POST /api/v1/games) ~A(?) ~?";
    assert_eq!(last.as_deref(), Some(expected));

    let alone = story.only(|trace| trace.id == "t2").text();
    let expected = "A  notification-daemon internal job notice.reminder \
                    {gamesched.job.lateness<1} ~? ~? ~? ~?\n";
    assert_eq!(alone, expected);
}

#[test]
fn a_number_at_its_limit_is_shown_as_it_is() {
    let spans = vec![span("t", "j", "status-daemon", Kind::Internal, "job post").with("gamesched.job.lateness", 1.5)];
    let text = Story::new(&received(spans)).below("gamesched.job.lateness", 1.0).text();
    assert_eq!(text, "A  status-daemon internal job post {gamesched.job.lateness=1.5}\n");
}

#[test]
fn siblings_with_braces_and_links_still_share_a_line() {
    let spans = vec![
        span("t", "r", "bot", Kind::Server, "interaction command /list-games").at(1, 9),
        span("t", "1", "bot", Kind::Client, "PIPELINE GET").under("r").at(2, 1).with("db.operation.batch.size", 2),
        span("t", "2", "bot", Kind::Client, "GET").under("r").at(3, 1).linked("t", "r", "batch"),
    ];
    let expected = lines(&[
        "A  bot server interaction command /list-games",
        "     bot client PIPELINE GET {db.operation.batch.size=2} · GET \
         ~A(interaction command /list-games)",
    ]);
    assert_eq!(Story::new(&received(spans)).show(&["db.operation.batch.size"]).text(), expected);
}

#[test]
fn no_span_is_lost_however_broken_its_trace_is() {
    let spans = vec![
        span("t", "o", "api", Kind::Client, "GET").under("missing").at(1, 1),
        span("t", "r", "api", Kind::Server, "GET /").at(5, 9),
        span("t", "r", "api", Kind::Server, "GET / twice").at(6, 9),
        span("t", "a", "api", Kind::Internal, "circle a").under("b").at(7, 1),
        span("t", "b", "api", Kind::Internal, "circle b").under("a").at(8, 1),
        span("t", "own", "api", Kind::Internal, "own parent").under("own").at(9, 1),
    ];
    let expected = lines(&[
        "A  api server GET /",
        "   api server GET / twice",
        "   (orphan) api client GET",
        "   (orphan) api internal circle a",
        "     api internal circle b",
        "   (orphan) api internal own parent",
    ]);
    assert_eq!(Story::new(&received(spans.clone())).text(), expected);

    let traces = gather(&spans);
    assert!(!traces[0].whole());
    assert_eq!(traces[0].spans().len(), spans.len());
    assert_eq!(orphans(&traces).len(), 3);
    assert_eq!(traces[0].roots().len(), 2);
}

#[test]
fn a_namespace_is_stripped_from_names_values_and_links() {
    let spans = vec![
        span("t", "p", "api", Kind::Producer, "t7.publish t7.game.created").at(1, 1),
        span("t", "c", "bot", Kind::Consumer, "process t7.game.created")
            .under("p")
            .with("gamesched.event.type", "t7.game.created")
            .linked("t", "p", "created_by"),
    ];
    let expected = lines(&[
        "A  api producer publish game.created",
        "     bot consumer process game.created {gamesched.event.type=game.created} ~A(publish)",
    ]);
    let story = Story::new(&received(spans)).strip("t7.").show(&["gamesched.event.type"]);
    assert_eq!(story.text(), expected);
}

#[test]
fn told_for_people_it_has_durations_lateness_and_folded_lines() {
    let mut spans = vec![
        span("t", "j", "bot", Kind::Internal, "job delivery").at(100, 1200).with("gamesched.job.lateness", 0.1234),
    ];
    for (at, id) in ["1", "2", "3", "4", "5"].into_iter().enumerate() {
        let name = format!("INSERT scheduled_notifications {id}");
        let at = 101 + 2 * u64::try_from(at).expect("small");
        spans.push(span("t", id, "bot", Kind::Client, &name).under("j").at(at, 1));
    }
    let expected = lines(&[
        &format!("{:<80}       1200.0 ms", "A  bot internal job delivery (0.123 s late)"),
        "     bot client INSERT scheduled_notifications 1 · INSERT scheduled_notifications 2\
         \x20      9.0 ms",
        "         · INSERT scheduled_notifications 3 · INSERT scheduled_notifications 4",
        "         · INSERT scheduled_notifications 5",
    ]);
    assert_eq!(Story::new(&received(spans)).durations(true).text(), expected);
}

#[test]
fn traces_are_found_by_root_and_by_attribute() {
    let mut spans = create();
    spans.push(span("t2", "j", "bot", Kind::Server, "interaction component join").at(1, 1));
    let traces = gather(&spans);
    let ids = |traces: Vec<&super::Trace>| traces.into_iter().map(|trace| trace.id.clone()).collect::<Vec<_>>();
    assert_eq!(traces[0].id, "t2", "the earlier root comes first");
    assert_eq!(rooted(&traces, "POST /api/v1/games").map(|trace| trace.id.as_str()), Some("t1"));
    assert!(rooted(&traces, "create").is_none());
    assert_eq!(ids(with(&traces, "gamesched.game.id", GAME)), ["t1"]);
    assert!(traces.iter().all(super::Trace::whole) && orphans(&traces).is_empty());
    assert!(traces[1].span("create").is_some());
    let counts = spans_per_service(&spans);
    assert_eq!((counts["api"], counts["bot"]), (9, 3));
}

#[test]
fn labels_go_on_after_z() {
    assert_eq!([0, 25, 26, 53].map(super::story::label), ["A", "Z", "A1", "B2"]);
}
