//! A claim among more and more rows that wait.

use ::tests::load::quantile;
use anyhow::{Context as _, Result};

use super::Options;
use super::curve::{Curve, Series, Unit};
use super::fit::Work;
use crate::crowd::Crowd;
use crate::goals::claims;

/// Claims at each size.
const CLAIMS: usize = 500;

pub(super) async fn measure(options: &Options) -> Result<Vec<Curve>> {
    let crowd = Crowd::gather().await?;
    let series = ["median", "P95"].map(|name| Series::new(name, Work::Constant));
    let notes = "The statement of the notification daemon; two thousand rows at most are due, the others wait.";
    let mut curve = Curve::new("claim a due notice", "rows that wait", Unit::Seconds, series.into(), notes);
    for size in options.sizes(&[1_000, 10_000, 100_000, 1_000_000]) {
        crowd.world.does("truncate scheduled_notifications".to_owned()).await;
        claims::arm(&crowd.world, u32::try_from(size).context("a number of rows")?).await;
        let taken = claims::claim(&crowd.world, CLAIMS).await?;
        curve.add(size, &[0.5, 0.95].map(|part| quantile(&taken, part).as_secs_f64()));
    }
    Ok(vec![curve])
}
