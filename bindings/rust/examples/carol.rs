// SPDX-License-Identifier: MIT
//! A node in Rust that answers requests of a node in C over UDP, each with its trace context.
//!
//!     carol PORT_FILE COUNT
//!
//! Writes its port to PORT_FILE, answers COUNT datagrams and ends.  A request is 26 bytes of context, the asker's node id (32 bytes)
//! and a key; the answer is the key, backwards.
use p2ptrace::{AppType, Context, Log, NodeId, CONTEXT_BYTES};
use std::net::UdpSocket;
use std::{env, fs, io};

const GET: u16 = 2;

fn answer(log: &Option<Log>, server: &UdpSocket) -> io::Result<()> {
    let mut message = [0; 2048];
    let (count, from) = server.recv_from(&mut message)?;
    let caller = Context::decode(&message[..count]).ok_or(io::ErrorKind::InvalidData)?;
    let peer = NodeId(message[CONTEXT_BYTES..CONTEXT_BYTES + 32].try_into().unwrap());
    let key = &message[CONTEXT_BYTES + 32..count];
    let context = caller.child();
    p2ptrace::app_start!(log, &context, &peer, caller.span_id, b"DMAP", GET);
    p2ptrace::app_command!(log, &context, &peer, b"DMAP", GET, key);
    let reply: Vec<u8> = key.iter().rev().copied().collect();
    p2ptrace::app_end!(log, &context, &peer, b"DMAP", GET, true); // before the answer: what comes next may be the end of the request
    server.send_to(&reply, from)?;
    Ok(())
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let count: usize = arguments[2].parse().expect("COUNT");
    let log = Log::open("carol", &NodeId::from_identity(b"carol")).ok();
    if let Some(log) = &log {
        log.register_app(b"DMAP", "DataMap", &[(1, "STORE"), (GET, "GET")], &[("key", AppType::Text, 0, 7)])?;
    }
    let server = UdpSocket::bind("127.0.0.1:0")?;
    let partial = format!("{}.new", arguments[1]);
    fs::write(&partial, server.local_addr()?.port().to_string())?;
    fs::rename(&partial, &arguments[1])?;
    for _ in 0..count {
        answer(&log, &server)?;
    }
    Ok(())
}
