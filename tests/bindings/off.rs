// SPDX-License-Identifier: MIT
//! Code with trace lines, like a node's.  Without the feature `trace` its object code is that of the same text without the lines that
//! end in "// trace" (tests/bindings/test_rust.py); at opt-level 0 except for those that compute a value ("// trace, computed"), for which rustc
//! reserves stack.

pub struct Node {
    pub sent: u64,
    pub bytes: u64,
}

#[no_mangle]
#[inline(never)]
pub fn node_send(node: &mut Node, payload: &[u8], to: std::net::SocketAddr) -> usize {
    let number = node.sent;
    p2ptrace::trace_only! { let context = p2ptrace::Context::new(p2ptrace::SAMPLED); } // trace
    p2ptrace::conn_init!(None::<p2ptrace::Log>, None, None, to, false); // trace
    p2ptrace::app_start!(LOG.as_ref(), &context, None, 0u64, b"DMAP", 2); // trace
    p2ptrace::packet_lost!(LOG.as_ref(), &context, None, number, p2ptrace::SPACE_1RTT); // trace
    node.sent += 1;
    node.bytes += payload.len() as u64;
    p2ptrace::packet_sent!(LOG.as_ref(), &context, None, number, payload.len(), p2ptrace::SPACE_1RTT); // trace, computed
    for (at, byte) in payload.iter().enumerate() {
        p2ptrace::stream_data!(LOG.as_ref(), &context, None, number, at as u64, 1u32, at + 1 == payload.len(), true); // trace, computed
        if *byte == 0 {
            p2ptrace::conn_closed!(LOG.as_ref(), &context, None, u64::from(*byte), 0u8, format!("zero at {at}")); // trace, computed
            return at;
        }
    }
    p2ptrace::custom!(LOG.as_ref(), &context, None, number, 2, payload); // trace
    p2ptrace::metrics!(LOG.as_ref(), &context, None, nobody_calls_this(), 2u64, 3u64, 4u64); // trace, computed
    let _ = to;
    payload.len()
}

#[allow(dead_code)]
fn nobody_calls_this() -> u64 {
    std::process::exit(1)
}

p2ptrace::trace_only! { // trace
static LOG: Option<p2ptrace::Log> = None; // trace
} // trace
