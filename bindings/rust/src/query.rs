// SPDX-License-Identifier: MIT
//! Queries of the program's own log, without traced.  With the feature `trace-index` they keep an index.
use crate::{sys, Log, NodeId};
use core::ffi::c_void;
use core::ptr;
use std::io;
use std::os::raw::{c_char, c_int};
use std::string::String;
use std::vec::Vec;

/// A view of a log's ring.
#[derive(Debug)]
pub struct Query(*mut sys::Query);

unsafe impl Send for Query {}

/// Called by the library for each line; nothing may unwind through it.
unsafe extern "C" fn keep_line(arg: *mut c_void, line: *const c_char, bytes: usize) -> c_int {
    let lines = &mut *arg.cast::<Vec<String>>();
    let line = core::slice::from_raw_parts(line.cast::<u8>(), bytes);
    lines.push(String::from_utf8_lossy(line).trim_end().into());
    0
}

impl Query {
    /// The errors are those of trace_query_open.
    pub fn open(log: &Log) -> io::Result<Query> {
        let mut query = ptr::null_mut();
        let result = unsafe { sys::trace_shared_query_open(&mut query, log.raw(), u32::from(cfg!(feature = "trace-index"))) };
        if result == 0 { Ok(Query(query)) } else { Err(io::Error::from_raw_os_error(-result)) }
    }

    /// The events of a trace, of a peer, of both, or all of them, each as the line of JSON that traced would send.  limit: only the newest; 0: all.
    pub fn json(&mut self, trace_id: Option<&[u8; 16]>, peer: Option<&NodeId>, limit: usize) -> io::Result<Vec<String>> {
        let mut lines: Vec<String> = Vec::new();
        let filter = sys::Filter {
            trace_id: trace_id.map_or(ptr::null(), |id| id),
            peer_id: peer.map_or(ptr::null(), |id| id),
            kinds: 0,
            from_ns: 0,
            to_ns: 0,
            limit,
        };
        let result = unsafe { sys::trace_query_json(self.0, &filter, keep_line, (&mut lines as *mut Vec<String>).cast()) };
        if result == 0 { Ok(lines) } else { Err(io::Error::from_raw_os_error(-result)) }
    }
}

impl Drop for Query {
    fn drop(&mut self) {
        unsafe { sys::trace_query_close(self.0) };
    }
}
