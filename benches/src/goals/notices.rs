//! How fast notices that are all due at once become letters.

use std::time::{Duration, Instant};

use ::tests::world::Service;
use anyhow::Result;

use super::Goal;
use crate::crowd::Crowd;

/// Due at once.
const DUE: usize = 3_000;
/// Notices a second that are wanted.
const WANTED: f64 = 300.0;
/// They are never all done: something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn measure(crowd: &Crowd) -> Result<Vec<Goal>> {
    let world = &crowd.world;
    world
        .does(format!(
            "insert into participants (id, game_id, user_id, position_type, position, joined_at)
               select gen_random_uuid(), id, host_id, 24000, 0, now() from games where title = 'Prepared';
             insert into scheduled_notifications (id, guild_id, game_id, kind, minutes_before, due_at, for_start_at,
                 next_attempt_at, trace_context)
               select gen_random_uuid(), guild_id, id, 'reminder', n, now(), scheduled_at, now(), '{{}}'
               from games, generate_series(1, 2) as n where title = 'Prepared' limit {DUE};
             analyze scheduled_notifications;"
        ))
        .await;
    world.start(Service::NotificationDaemon).await?;
    let since = Instant::now();
    let left = "select count(*)::text from scheduled_notifications where state = 'pending' and due_at <= now()";
    while world.ask(left).await != "0" && since.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let taken = since.elapsed();
    let letters = world.ask("select count(*)::text from deliveries").await;
    world.kill(Service::NotificationDaemon).await;
    world.does("delete from deliveries".to_owned()).await;
    crowd.forget().await;
    let rate = DUE as f64 / taken.as_secs_f64();
    let what = format!("{DUE} notices due at once, until their letters are written");
    let measured = format!("{rate:.0} a second, {letters} letters");
    Ok(vec![Goal::new(what, format!("at least {WANTED:.0} a second"), measured, rate >= WANTED && letters != "0")])
}
