// SPDX-License-Identifier: MIT
//! p2ptrace for Rust: a node's log, its events and contexts.
//!
//! ```ignore
//! p2ptrace::trace_only! { let log = p2ptrace::Log::open("alice", &p2ptrace::NodeId::from_identity(&public_key)).ok(); }
//! p2ptrace::packet_sent!(log, &context, &peer, packet_num, size, p2ptrace::SPACE_1RTT);
//! ```
//!
//! There is a macro for each kind of `events.def` except `events_lost`.  It takes the log (a [`Log`], a reference to one, or an `Option`), the
//! context and the peer (a reference or an `Option`; `None` for none), then the kind's fields in order, without `span_id`, which comes from
//! the context.  The arguments after the log are evaluated only if the kind is enabled, and then once.
//!
//! The features are the switches of `p2ptrace/trace.h`.  Without `trace` (and `trace-app` for the `app_` kinds) a macro vanishes: log, context,
//! peer and values that exist only for tracing (an endpoint, an app id, data, a span) are not even compiled; the other arguments are only
//! mentioned, so that no variable becomes unused.  The object code is that of the program without the line; at opt-level 0, where rustc
//! reserves stack for everything mentioned, only if they are plain variables and constants.  Put code that exists only for tracing into
//! [`trace_only!`].
//!
//! Emitting takes no lock, makes no system call and never waits, except for a thread's first event to a log.  A log that could not be
//! opened is `None`, and the node runs untraced.
#![no_std]

#[cfg(feature = "trace")]
extern crate std;

#[cfg(feature = "trace")]
mod log;
#[cfg(feature = "trace")]
mod query;
#[cfg(feature = "trace")]
mod sys;

#[cfg(feature = "trace")]
pub use log::*;
#[cfg(feature = "trace")]
pub use query::*;

// SPACE_... and TRANSPORT_..., with the numbers of their tables.
include!(concat!(env!("OUT_DIR"), "/constants.rs"));

/// The number of bytes of trace context in a message; 0 when tracing is off.
#[cfg(feature = "trace")]
pub const CONTEXT_BYTES: usize = 26;
#[cfg(not(feature = "trace"))]
pub const CONTEXT_BYTES: usize = 0;

/// Expands to the code in its braces, or to nothing: items, statements, also `let`.
#[cfg(feature = "trace")]
#[macro_export]
macro_rules! trace_only {
    ($($text:tt)*) => { $($text)* };
}
#[cfg(not(feature = "trace"))]
#[macro_export]
macro_rules! trace_only {
    ($($text:tt)*) => {};
}

#[doc(hidden)]
pub mod __private {
    #![allow(non_camel_case_types, missing_docs, clippy::missing_safety_doc)]
    #[cfg(feature = "trace")]
    pub use crate::log::private::*;
    #[cfg(feature = "trace")]
    use crate::log::Endpoint;
    include!(concat!(env!("OUT_DIR"), "/events.rs"));
}
