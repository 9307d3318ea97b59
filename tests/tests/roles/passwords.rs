//! Passwords of roles: any text will do, and running the script again changes them.

use std::process::Output;

use tempfile::NamedTempFile;
use tests::servers::Roles;
use tests::world::{Installation, Service, command};

/// A word that is in every password here, and so nowhere else.
const MARK: &str = "tangerine";

/// The variable that tells a role's password.
fn variable(role: &str) -> String {
    if role == "monitor" { "POSTGRES_MONITOR_PASSWORD".into() } else { format!("APP_{}_PASSWORD", role.to_uppercase()) }
}

/// What nobody would choose who knows shells, URLs and SQL.
fn password(role: &str, time: u8) -> String {
    format!(r#"{MARK} {time}: it's "100 %" of `{role}`, $HOME \n \' @/:?#&=%41 é"#)
}

fn variables(time: u8) -> Vec<(String, String)> {
    Roles::NAMES.iter().map(|role| (variable(role), password(role, time))).collect()
}

/// An installation whose roles have the passwords of the first time, on a server that asks for them.
async fn asked() -> Option<Installation> {
    let psql = std::process::Command::new("psql").arg("--version").output();
    if !psql.is_ok_and(|psql| psql.status.success()) {
        eprintln!("not run: there is no psql, which the script needs");
        return None;
    }
    let installation = Installation::empty().await.expect("a database");
    done(&installation, &variables(1)).await;
    // The native servers ask whoever belongs to this role; it has no rights.
    let asked = "do $$ begin create role asked_for_password;
                 exception when duplicate_object or unique_violation then null; end $$";
    installation.does(asked).await.expect("it is there");
    for role in Roles::NAMES {
        installation.does(&format!("grant asked_for_password to PREFIX_{role}")).await.expect("it belongs to it");
    }
    if knows(&installation, "api", "wrong").await {
        eprintln!("not run: this server asks nobody for a password");
        installation.remove().await.expect("nothing is left");
        return None;
    }
    Some(installation)
}

async fn done(installation: &Installation, variables: &[(String, String)]) -> Output {
    let output = installation.script(variables).await.expect("it can be started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains(MARK), "it tells passwords: {said}");
    assert!(output.status.success(), "{said}");
    output
}

async fn knows(installation: &Installation, role: &str, password: &str) -> bool {
    let url = Roles::new(&installation.prefix, password).url(&installation.database, role);
    match installation.tries_at(&url, "select 1").await {
        Ok(()) => true,
        Err(refused) => {
            assert!(refused.starts_with("28P01"), "{role}: {refused}");
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_may_hold_anything_and_ends_when_the_script_is_run_with_another() {
    let Some(installation) = asked().await else { return };
    for role in Roles::NAMES {
        assert!(knows(&installation, role, &password(role, 1)).await, "{role}");
    }
    installation.does("alter role PREFIX_api connection limit 7").await.expect("an operator may");
    done(&installation, &variables(2)).await;
    for role in Roles::NAMES {
        assert!(!knows(&installation, role, &password(role, 1)).await, "{role} has its old password");
        assert!(knows(&installation, role, &password(role, 2)).await, "{role}");
    }
    let kept = "select rolconnlimit::text from pg_roles where rolname = 'PREFIX_api'";
    assert_eq!(installation.rows(kept).await.expect("it is there"), ["7"], "what an operator set stays");

    // A file may hold it, and the line's end is no part of it.
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), password("api", 3) + "\n").expect("it is written");
    let mut with_file = variables(2);
    with_file.push(("APP_API_PASSWORD_FILE".into(), file.path().display().to_string()));
    done(&installation, &with_file).await;
    assert!(knows(&installation, "api", &password("api", 3)).await);
    installation.remove().await.expect("nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_missing_is_named_before_anything_is_done() {
    let Some(installation) = asked().await else { return };
    let mut some = variables(2);
    some.retain(|(name, _)| !["APP_BOT_PASSWORD", "POSTGRES_MONITOR_PASSWORD"].contains(&name.as_str()));
    let output = installation.script(&some).await.expect("it can be started");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "roles: not set: APP_BOT_PASSWORD\n");
    assert!(knows(&installation, "api", &password("api", 1)).await);
    installation.remove().await.expect("nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_takes_its_password_from_pgpassword_when_its_url_has_none() {
    let Some(installation) = asked().await else { return };
    let owner = Roles::new(&installation.prefix, &password("migrate", 1)).url(&installation.database, "migrate");
    installation.init_as(&owner).await.expect("it migrates and grants");
    let (_, place) = installation.database.rsplit_once('@').expect("a user before the host");
    for (given, code) in [(password("bot", 1), Some(0)), ("wrong".to_owned(), Some(1))] {
        let mut bot = command(Service::Bot, &["parked", "list"]).expect("the services build");
        bot.env("DATABASE_URL", format!("postgres://{}_bot@{place}", installation.prefix));
        bot.env("PGPASSWORD", given).env("OTEL_SDK_DISABLED", "true");
        let output = bot.output().await.expect("it runs");
        assert_eq!(output.status.code(), code, "{output:?}");
    }
    installation.remove().await.expect("nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_of_statements_hold_no_password() {
    let Some(installation) = asked().await else { return };
    let counts = "select 'yes' from pg_settings where name = 'pg_stat_statements.track'";
    if installation.rows(counts).await.expect("it is asked").is_empty() {
        eprintln!("not run: this server does not count statements");
    } else {
        installation.does("create extension pg_stat_statements").await.expect("it is installed");
        let held = format!("select query from pg_stat_statements where query like '%{MARK}%'");
        let none: [&str; 0] = [];
        assert_eq!(installation.rows(&held).await.expect("they can be read"), none);
    }
    installation.remove().await.expect("nothing is left");
}
