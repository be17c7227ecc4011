// SPDX-License-Identifier: MIT
//! For bench_bindings.py: main COUNT.
use p2ptrace::{Context, Log, NodeId, SAMPLED, SPACE_1RTT};
use std::time::Instant;

fn emit(log: &Log, context: &Context, peer: &NodeId, count: u64) {
    for i in 0..count {
        p2ptrace::packet_sent!(log, context, peer, i, 1200, SPACE_1RTT);
    }
}

fn main() {
    let count: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let log = Log::open("rust", &NodeId::random()).unwrap();
    let (context, peer) = (Context::new(SAMPLED), NodeId::random());
    emit(&log, &context, &peer, 65536);
    let start = Instant::now();
    emit(&log, &context, &peer, count);
    println!("{:.3}", start.elapsed().as_nanos() as f64 / count as f64);
}
