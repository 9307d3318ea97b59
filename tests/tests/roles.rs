//! Each service has a role of its own in Postgres, which may do what the service does and nothing else.

mod passwords;

use std::fmt::Write as _;

use shared::store::Db;
use sqlx::Row as _;
use tests::world::{Installation, Service, World, in_minutes};

/// What everybody may do, as it is meant to be. It is written by hand: a right more or less is a decision.
const RIGHTS: &str = include_str!("roles/rights.txt");

/// What each role is, a line each.
const ROLES: &str = r"
    select replace(rolname, 'PREFIX_', '') || ': '
      || concat_ws(', ', rolconnlimit || ' connections', nullif(array_to_string(rolconfig, ', '), ''),
           case when rolsuper then 'superuser' end, case when rolcreatedb then 'creates databases' end,
           case when rolcreaterole then 'creates roles' end, case when rolbypassrls then 'bypasses policies' end,
           case when rolreplication then 'replicates' end,
           (select 'as ' || string_agg(roleid::regrole::text, ', ') from pg_auth_members where member = r.oid),
           case when has_database_privilege(r.oid, current_database(), 'connect') then 'connects' end,
           case when has_database_privilege(r.oid, current_database(), 'temp') then 'makes temporary tables' end,
           case when has_database_privilege(r.oid, current_database(), 'create') then 'makes schemas' end,
           case when has_schema_privilege(r.oid, 'public', 'usage') then 'uses public' end,
           case when has_schema_privilege(r.oid, 'public', 'create') then 'makes tables' end)
    from pg_roles r where rolname like 'PREFIX\_%' order by rolname";

/// What may be done with each table, by whom but its owner. A right for some columns names them.
const TABLES: &str = r"
    select relname || ', of ' || replace(pg_get_userbyid(relowner), 'PREFIX_', '') || coalesce((
      select string_agg(E'\n  ' || who || ': ' || rights, '' order by who) from (
        select replace(rolname, 'PREFIX_', '') as who, string_agg(what, ', ' order by place) as rights
        from pg_roles r,
          (values (1, 'select'), (2, 'insert'), (3, 'update'), (4, 'delete'), (5, 'truncate'), (6, 'references'),
             (7, 'trigger')) as action (place, name),
          lateral (select case
            when has_table_privilege(r.oid, c.oid, name) then name
            when place in (1, 2, 3, 6) then name || ' (' || (
              select string_agg(attname, ', ' order by attnum) from pg_attribute
              where attrelid = c.oid and attnum > 0 and not attisdropped
                and has_column_privilege(r.oid, c.oid, attnum, name)) || ')' end as what) as told
        where rolname like 'PREFIX\_%' and r.oid <> c.relowner and what is not null group by rolname) as told), '')
    from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm') order by relname";

/// The lines of the catalogue and of the file that the other has not, each with its table.
fn differences(now: &str) -> Vec<String> {
    let lines = |text: &str, sign: char| -> Vec<String> {
        let mut table = "";
        let line = |line| {
            table = if str::starts_with(line, ' ') { table } else { line };
            format!("{sign} {}{line}", if table == line { "" } else { table })
        };
        text.lines().map(line).collect()
    };
    let (are, meant) = (lines(now, '+'), lines(RIGHTS, '-'));
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|this| !those.iter().any(|that| that[1..] == this[1..])).cloned().collect()
    };
    [only(&are, &meant), only(&meant, &are)].concat()
}

async fn rights(installation: &Installation) -> String {
    let mut text = String::new();
    for query in [ROLES, TABLES] {
        for row in installation.rows(query).await.expect("the catalogue can be read") {
            writeln!(text, "{row}").expect("a text takes more text");
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_may_do_more_or_less_than_is_written_down() {
    let installation = Installation::new().await.expect("an installation");
    let none: [&str; 0] = [];
    let now = differences(&rights(&installation).await);
    assert_eq!(now, none, "what is meant stands in tests/tests/roles/rights.txt");

    // What somebody granted by hand, or an older release did, ends with the next init.
    installation.does("grant all on sessions to PREFIX_bot; revoke insert on outbox from PREFIX_api").await.unwrap();
    let more = "+ sessions, of migrate  bot: select, insert, update, delete, truncate, references, trigger";
    let less = "+ outbox, of migrate  api: select, update (published_at)";
    let meant = "- outbox, of migrate  api: select, insert, update (published_at)";
    assert_eq!(differences(&rights(&installation).await), [less, more, meant]);
    let said = installation.init().await.expect("it may be repeated");
    assert!(said.contains("_api, ") && said.contains("_status have the rights of this release"), "{said}");
    assert_eq!(differences(&rights(&installation).await), none);
    installation.remove().await.expect("nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_grants_is_noticed_and_open_to_nobody() {
    let installation = Installation::new().await.expect("an installation");
    let none: [&str; 0] = [];
    assert_eq!(installation.unnamed().await.unwrap(), none, "name each table in grants.sql, if only for nobody");

    installation.tries("migrate", "create table raffles (id uuid)").await.expect("migrations make tables");
    assert_eq!(installation.unnamed().await.unwrap(), ["no grant names raffles"]);
    assert_eq!(differences(&rights(&installation).await), ["+ raffles, of migrate"], "nobody may do anything with it");
    installation.init().await.expect("it may be repeated");
    for service in Service::ALL {
        let refused = installation.tries(service.role(), "select from raffles").await;
        assert_eq!(refused.unwrap_err(), "42501 permission denied for table raffles");
    }
    installation.remove().await.expect("nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_refused_what_its_service_does_not_do() {
    let installation = Installation::new().await.expect("an installation");
    for (role, statement) in [
        ("api", "update deliveries set payload = '{}'"),
        ("api", "update deliveries set state = 'expired' where payload is not null"),
        ("api", "select payload from deliveries"),
        ("api", "update announcements set message_id = 1"),
        ("api", "delete from games"),
        ("api", "delete from audit_log"),
        ("api", "insert into backups (taken_at, sha256) values (now(), sha256(''))"),
        ("bot", "select from sessions"),
        ("bot", "select from oauth_states"),
        ("bot", "update games set title = 'mine'"),
        ("bot", "update audit_log set verb = 'nothing'"),
        ("notification", "select token_sha256 from sessions"),
        ("notification", "select payload from deliveries"),
        ("notification", "update games set scheduled_at = now()"),
        ("status", "select sealed_discord_tokens from sessions"),
        ("status", "select sealed_verifier from oauth_states"),
        ("status", "select body from parked"),
        ("monitor", "select from public.users"),
        ("migrate", "create schema more"),
    ] {
        let refused = installation.tries(role, statement).await.expect_err(statement);
        assert!(refused.starts_with("42501"), "{role}, {statement}: {refused}");
    }
    installation.remove().await.expect("nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_role_changes_the_schema_empties_a_table_or_becomes_another() {
    let installation = Installation::new().await.expect("an installation");
    for role in ["api", "bot", "notification", "status", "monitor"] {
        for statement in [
            "drop table public.users",
            "truncate public.users",
            "alter table public.users add mine int",
            "create table public.mine (id int)",
            "create temporary table mine (id int)",
            "create function public.mine() returns int language sql as 'select 1'",
            "create database mine",
            "create role mine",
            "alter role PREFIX_migrate password 'mine'",
            "set role PREFIX_migrate",
            "select from public._sqlx_migrations",
            "select pg_read_file('postgresql.conf')",
            "copy (select 1) to program 'true'",
        ] {
            let refused = installation.tries(role, statement).await.expect_err(statement);
            assert!(refused.starts_with("42501"), "{role}, {statement}: {refused}");
        }
        installation.tries(role, "select 1").await.expect("it works");
    }
    installation.remove().await.expect("nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_as_patient_as_the_services_say_themselves() {
    let installation = Installation::new().await.expect("an installation");
    let patience = "select current_setting('statement_timeout') || ', ' ||
                    current_setting('idle_in_transaction_session_timeout')";
    for service in Service::ALL {
        let db = Db::open(&installation.roles.url(&installation.database, service.role()), "spec", 1).expect("a URL");
        let mut sql = db.connection().await.expect("Postgres answers");
        let said = sqlx::raw_sql(patience).fetch_one(&mut sql).await.expect("it is shown");
        drop(sql);
        db.close().await;
        let meant = installation.rows_as(service.role(), patience).await.expect("it is shown");
        assert_eq!(meant, [said.get::<String, _>(0)], "{service}");
    }
    installation.remove().await.expect("nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_owner_does_everything_alone_and_can_be_followed_by_roles() {
    let installation = Installation::empty().await.expect("a database");
    let url = installation.database.clone();
    let said = installation.init_as(&url).await.expect("one URL is enough");
    assert!(said.contains("one user does everything: there are no roles to share the rights\n"), "{said}");
    let mut world = World::on(installation.servers).await.expect("a world can be made");
    world.database.clone_from(&url);
    world.set("DATABASE_URL", &url);
    world.start_all().await.expect("the services start");
    let host = world.signed_in("dm").await;
    assert_eq!(host.creates(&[("title", "Alone"), ("scheduled_at", &in_minutes(120))]).await.status, 201);
    world.settle().await;
    drop(world);

    installation.roles.make(installation.servers, &url).await.expect("the roles can be made later");
    let said = installation.init().await.expect("the new owner owns all that there is");
    assert!(said.contains("have the rights of this release"), "{said}");
    let none: [&str; 0] = [];
    assert_eq!(differences(&rights(&installation).await), none);
    assert_eq!(installation.rows_as("api", "select title from games").await.expect("it is there"), ["Alone"]);
    installation.remove().await.expect("nothing is left");
}
