//! Cost of the pure rules: a full roster, a full announcement.

use std::hint::black_box;

use benches::samples::{NOON, board, ordered, roster, user};
use bot::render::board::{Occasion, render};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use shared::domain::roster::Changes;

fn rosters(criterion: &mut Criterion) {
    let full = roster();
    let rows: Vec<_> = full.rows().iter().rev().cloned().collect();
    criterion.bench_function("roster: put 200 rows in order", |bench| {
        bench.iter_batched(|| rows.clone(), ordered, BatchSize::SmallInput);
    });
    criterion.bench_function("roster: join as number 201", |bench| {
        bench.iter_batched_ref(
            || full.clone(),
            |roster| roster.join(user(1000), &[], &[], NOON),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("roster: leave a seat and see who moves up", |bench| {
        bench.iter_batched_ref(
            || full.clone(),
            |roster| {
                roster.leave(user(50));
                Changes::between(&full, roster)
            },
            BatchSize::SmallInput,
        );
    });
}

fn boards(criterion: &mut Criterion) {
    let board = board();
    criterion.bench_function("board: render 100 seated and 100 waiting", |bench| {
        bench.iter(|| render(black_box(&board), Occasion::Edit));
    });
}

criterion_group!(rules, rosters, boards);
criterion_main!(rules);
