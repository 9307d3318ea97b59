//! How long services take to get ready, and what they take while nobody asks for anything.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ::tests::world::{Service, World, command, free_address};
use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Goal, milliseconds};
use crate::crowd::{Crowd, collected};
use crate::process;
use crate::receiver::Receiver;

/// Until ready.
const READY: Duration = Duration::from_millis(150);
/// Memory of a service that has nothing to do.
const MEMORY: u64 = 35 << 20;
/// Part of a core that it takes.
const IDLE: f64 = 0.005;
/// How often each is started; the median counts.
const STARTS: usize = 7;
/// After the start, until it has nothing to do.
const SETTLE: Duration = Duration::from_secs(5);

pub(super) async fn measure(crowd: &Crowd, lasts: Duration) -> Result<Vec<Goal>> {
    let (world, receiver) = (&crowd.world, Receiver::start()?);
    for (name, value) in collected(&receiver.url()) {
        world.set(name, value);
    }
    let mut goals = Vec::new();
    for service in Service::ALL {
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            starts.push(start(world, service).await?);
        }
        starts.sort_unstable();
        let (middle, slowest) = (starts[STARTS / 2], starts[STARTS - 1]);
        let measured = format!("{}, {} at most", milliseconds(middle), milliseconds(slowest));
        goals.push(Goal::new(format!("{service}: start to ready"), "under 150 ms", measured, middle < READY));
    }
    world.start_all().await?;
    tokio::time::sleep(SETTLE).await;
    goals.extend(idle(world, lasts).await?);
    Ok(goals)
}

/// What all four take while nobody asks for anything, then ends them.
async fn idle(world: &World, lasts: Duration) -> Result<Vec<Goal>> {
    let mut goals = Vec::new();
    let mut before = Vec::new();
    for service in Service::ALL {
        let pid = world.pid(service).await.with_context(|| format!("{service} ended"))?;
        before.push((service, pid, process::on_processor(pid)?));
    }
    tokio::time::sleep(lasts).await;
    for (service, pid, before) in before {
        let memory = process::memory(pid)?.resident;
        let measured = format!("{:.1} MiB", memory as f64 / f64::from(1 << 20));
        goals.push(Goal::new(format!("{service}: memory, idle"), "under 35 MiB", measured, memory < MEMORY));
        let part = (process::on_processor(pid)? - before).as_secs_f64() / lasts.as_secs_f64();
        let measured = format!("{:.2} %", 100.0 * part);
        goals.push(Goal::new(format!("{service}: processor, idle"), "under 0.5 % of a core", measured, part < IDLE));
        world.kill(service).await;
    }
    Ok(goals)
}

/// Starts one more of a service, and how long it took until it said that it was ready.
async fn start(world: &World, service: Service) -> Result<Duration> {
    let (address, health) = (free_address()?, free_address()?);
    let mut process = command(service, &[])?;
    process.envs(world.settings(service)).env("API_ADDR", address.to_string()).env("HEALTH_ADDR", health.to_string());
    process.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let since = Instant::now();
    let mut running = process.spawn().context("starting a service")?;
    while !is_ready(health).await {
        ensure!(since.elapsed() < Duration::from_secs(30), "{service} does not get ready");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let taken = since.elapsed();
    running.kill().await.context("ending a service")?;
    Ok(taken)
}

async fn is_ready(health: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(health).await?;
        stream.write_all(b"GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer.starts_with("HTTP/1.1 200"))
    };
    ask.await.unwrap_or(false)
}
