//! The report of a small session made by hand.
use super::{Report, Step, html};
use crate::otlp::Kind;
use crate::otlp::made::span;
use crate::trace::{Trace, gather};

fn create() -> Vec<Trace> {
    gather(&[
        span("aa", "01", "api", Kind::Server, "POST /api/v1/games")
            .at(0, 42)
            .with("http.response.status_code", 201)
            .with("url.path", "/api/v1/games"),
        span("aa", "02", "api", Kind::Client, "GET").under("01").at(1, 1),
        span("aa", "03", "api", Kind::Internal, "create").under("01").at(4, 30),
        span("aa", "04", "api", Kind::Client, "INSERT outbox")
            .under("03")
            .at(8, 3)
            .with("db.query.text", "insert into outbox (a) values ($1) -- <b>&'\""),
        span("aa", "05", "api", Kind::Producer, "publish game_scheduler:game.created").under("03").at(36, 9),
        span("aa", "06", "bot", Kind::Consumer, "process game_scheduler:game.created").under("05").at(46, 60).linked(
            "aa",
            "05",
            "created_by",
        ),
        span("aa", "07", "bot", Kind::Client, "POST /channels/{channel_id}/messages")
            .under("06")
            .at(60, 30)
            .with("http.response.status_code", 500)
            .failed("500"),
    ])
}

fn remind() -> Vec<Trace> {
    gather(&[span("bb", "01", "notification-daemon", Kind::Internal, "job notice.reminder")
        .at(9000, 20)
        .with("gamesched.job.lateness", 0.21)
        .linked("aa", "03", "scheduled_by")
        .linked("cc", "01", "batch")])
}

fn session() -> Report {
    let step = |title: &str, told: &str, discord: (&str, &str), traces| Step {
        title: title.to_owned(),
        told: vec![told.to_owned()],
        discord: vec![(discord.0.to_owned(), discord.1.to_owned())],
        traces,
    };
    let post = ("#games", "The Lost Mine\nPlayers 0/4\n[Join] [Leave]");
    Report {
        title: "One session, one story".to_owned(),
        summary: vec![("Spans".to_owned(), "api 5, bot 2, notification-daemon 1".to_owned())],
        steps: vec![
            step("The game master creates a game", "ada posts <The Lost Mine>", post, create()),
            step("The reminder is due", "0.21 s late", ("DM to bob", "Soon & very soon"), remind()),
        ],
    }
}

#[test]
fn it_loads_nothing_from_anywhere() {
    let html = html(&session());
    for from_elsewhere in ["http://", "https://", "<link", "src=", "@import", "url("] {
        assert!(!html.contains(from_elsewhere), "{from_elsewhere}");
    }
}

#[test]
fn what_people_and_programs_wrote_is_escaped() {
    let html = html(&session());
    assert!(html.contains("<p>ada posts &lt;The Lost Mine&gt;</p>"));
    assert!(html.contains("<pre>Soon &amp; very soon</pre>"));
    assert!(html.contains("values ($1) -- &lt;b&gt;&amp;&#39;&quot;</code>"));
}

#[test]
fn a_link_leads_to_the_row_of_the_linked_span_and_back() {
    let html = html(&session());
    assert_eq!(html.matches(" id=\"s-aa-03\"").count(), 1);
    assert!(html.contains("<a class=\"chip\" href=\"#s-aa-03\" title=\"scheduled_by: create\">"));
    let back = "linked from: <a href=\"#s-bb-01\">~ B job notice.reminder</a> (scheduled_by)";
    assert!(html.contains(back));
    let chip = "href=\"#s-bb-01\" title=\"linked from: job notice.reminder\">← B job</a>";
    assert_eq!(html.matches(chip).count(), 1);
    assert!(html.contains("link: trace cc, span 01, not in this report (batch)"));
}

#[test]
fn every_span_has_a_row_and_failures_are_marked() {
    let html = html(&session());
    assert_eq!(html.matches("<details").count(), 8);
    assert_eq!(html.matches("class=\"row failed\"").count(), 1);
    assert!(html.contains("<span class=\"error\">! 500</span>"));
}

#[test]
fn a_trace_told_in_two_steps_keeps_its_anchors_unique() {
    let mut report = session();
    let again = report.steps[0].clone();
    report.steps.push(again);
    let html = html(&report);
    assert_eq!(html.matches(" id=\"s-aa-03\"").count(), 1);
    assert_eq!(html.matches("<details").count(), 15);
}
