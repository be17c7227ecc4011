// SPDX-License-Identifier: MIT
//! The parts of libp2ptrace-shared.so that are used, except the functions of the kinds: p2ptrace/shared.h.
use crate::{Context, NodeId};
use core::ffi::c_void;
use std::os::raw::{c_char, c_int};

/// struct trace_log
#[repr(C)]
pub struct Log {
    opaque: [u8; 0],
}

/// struct trace_query
#[repr(C)]
pub struct Query {
    opaque: [u8; 0],
}

/// struct trace_log_options
#[repr(C)]
pub struct Options {
    pub node_id: NodeId,
    pub node_name: *const c_char,
    pub policy: u32,
    pub control: u64,
}

/// struct trace_app_command_name
#[repr(C)]
pub struct CommandName {
    pub cmd: u16,
    pub name: [u8; 22],
}

/// struct trace_app_field
#[repr(C)]
pub struct AppField {
    pub name: [u8; 20],
    pub kind: u8,
    pub offset: u8,
    pub bytes: u8,
    pub reserved: u8,
}

/// struct trace_query_filter
#[repr(C)]
pub struct Filter {
    pub trace_id: *const [u8; 16],
    pub peer_id: *const NodeId,
    pub kinds: u32,
    pub from_ns: u64,
    pub to_ns: u64,
    pub limit: usize,
}

pub type WriteLine = unsafe extern "C" fn(arg: *mut c_void, line: *const c_char, bytes: usize) -> c_int;

extern "C" {
    pub fn trace_shared_log_open(ret_log: *mut *mut Log, options: *const Options, options_bytes: usize, lane_events: u32) -> c_int;
    pub fn trace_shared_register_app(
        log: *mut Log,
        app_id: *const u8,
        name: *const c_char,
        commands: *const CommandName,
        command_count: usize,
        fields: *const AppField,
        field_count: usize,
    ) -> c_int;
    pub fn trace_shared_wants(log: *const Log, kind: u16) -> c_int;
    pub fn trace_log_close(log: *mut Log);
    pub fn trace_log_name(log: *const Log) -> *const c_char;
    pub fn trace_node_id_random() -> NodeId;
    pub fn trace_node_id_from(identity: *const c_void, bytes: usize) -> NodeId;
    pub fn trace_node_id_of_address(address: *const c_char) -> NodeId;
    pub fn trace_context_new(flags: u8) -> Context;
    pub fn trace_context_child(parent: *const Context) -> Context;
    pub fn trace_context_encode(out: *mut u8, context: *const Context);
    pub fn trace_context_decode(ret_context: *mut Context, bytes: *const u8, count: usize) -> c_int;
    pub fn trace_context_to_traceparent(out: *mut c_char, context: *const Context) -> c_int;
    pub fn trace_context_from_traceparent(ret_context: *mut Context, text: *const c_char, length: usize) -> c_int;
    pub fn trace_shared_query_open(ret_query: *mut *mut Query, log: *mut Log, mode: u32) -> c_int;
    pub fn trace_query_json(query: *mut Query, filter: *const Filter, write: WriteLine, arg: *mut c_void) -> c_int;
    pub fn trace_query_close(query: *mut Query);
}
