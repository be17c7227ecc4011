// SPDX-License-Identifier: MIT
//! Logs, contexts, ids: everything that needs the feature `trace`.
use crate::sys;
use core::ptr;
use std::ffi::{CStr, CString};
use std::io;
use std::net::SocketAddr;
use std::string::String;
use std::vec::Vec;

/// A node's identity, 32 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub [u8; 32]);

impl NodeId {
    /// A random id, for a node that gets a new id each time it starts.
    pub fn random() -> NodeId {
        unsafe { sys::trace_node_id_random() }
    }

    /// An id made from a public key, or from an id of another length; the result is the same on every machine.
    pub fn from_identity(identity: &[u8]) -> NodeId {
        unsafe { sys::trace_node_id_from(identity.as_ptr().cast(), identity.len()) }
    }

    /// The id of a peer of which only the address is known: "192.0.2.1:4001", "[2001:db8::1]:4001".  An alias later connects
    /// it with the peer's id.  The zero id for a text with a NUL in it.
    pub fn of_address(address: &str) -> NodeId {
        match std::ffi::CString::new(address) {
            Ok(text) => unsafe { sys::trace_node_id_of_address(text.as_ptr()) },
            Err(_) => NodeId([0; 32]),
        }
    }
}

/// Flags of a trace: p2ptrace/context.h.
pub const SAMPLED: u8 = 1;
pub const DEBUG: u8 = 2;
pub const APP_INITIATED: u8 = 4;

/// Flags of a single event, in addition to those of its trace: [`Context::with`].  For a packet or message that was sent before, to the same
/// peer under the same number or id.
pub const RETRANSMISSION: u8 = 32;
/// For an `app_end` that is not ok: it timed out.
pub const EXPIRED: u8 = 64;
/// For a packet that probes the path's MTU, sent or lost: its loss does not count as loss.
pub const PROBE: u8 = 128;

/// A position in a trace: the trace, the span of this node's part of it, flags.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    pub trace_id: [u8; 16],
    pub span_id: u64,
    pub flags: u8,
}

impl Context {
    /// A new trace and its first span.
    pub fn new(flags: u8) -> Context {
        unsafe { sys::trace_context_new(flags) }
    }

    /// The context with more flags, for a single event: `RETRANSMISSION`, `EXPIRED`, `PROBE`.
    pub fn with(&self, flags: u8) -> Context {
        Context { flags: self.flags | flags, ..*self }
    }

    /// A new span in the same trace, for our part of it.
    pub fn child(&self) -> Context {
        unsafe { sys::trace_context_child(self) }
    }

    /// The bytes for a message.
    pub fn encode(&self) -> [u8; crate::CONTEXT_BYTES] {
        let mut out = [0; crate::CONTEXT_BYTES];
        unsafe { sys::trace_context_encode(out.as_mut_ptr(), self) };
        out
    }

    /// Reads the caller's context from a message; `None` if it is not a context.
    pub fn decode(bytes: &[u8]) -> Option<Context> {
        let mut context = Context { trace_id: [0; 16], span_id: 0, flags: 0 };
        (unsafe { sys::trace_context_decode(&mut context, bytes.as_ptr(), bytes.len()) } == 0).then(|| context)
    }

    /// The value of a `traceparent` header; `None` without a trace or a span.
    pub fn to_traceparent(&self) -> Option<String> {
        let mut out = [0u8; 56];
        let result = unsafe { sys::trace_context_to_traceparent(out.as_mut_ptr().cast(), self) };
        (result == 0).then(|| String::from_utf8_lossy(&out[..55]).into_owned())
    }

    /// Reads a `traceparent` header; `None` if it is not one.
    pub fn from_traceparent(text: &str) -> Option<Context> {
        let mut context = Context { trace_id: [0; 16], span_id: 0, flags: 0 };
        let result = unsafe { sys::trace_context_from_traceparent(&mut context, text.as_ptr().cast(), text.len()) };
        (result == 0).then(|| context)
    }
}

/// An IPv4 or IPv6 endpoint, made from a `SocketAddr`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    pub address: [u8; 16],
    pub port: u16,
    pub family: u8,
    pub reserved: u8,
}

impl From<SocketAddr> for Endpoint {
    fn from(socket: SocketAddr) -> Endpoint {
        let mut endpoint = Endpoint { port: socket.port(), ..Endpoint::default() };
        match socket {
            SocketAddr::V4(v4) => {
                endpoint.family = 4;
                endpoint.address[..4].copy_from_slice(&v4.ip().octets());
            }
            SocketAddr::V6(v6) => {
                endpoint.family = 6;
                endpoint.address = v6.ip().octets();
            }
        }
        endpoint
    }
}

impl From<&SocketAddr> for Endpoint {
    fn from(socket: &SocketAddr) -> Endpoint {
        Endpoint::from(*socket)
    }
}

/// Options for opening a log, besides a name and an id.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Drop the newest events when the ring is full, instead of the oldest.
    pub discard_newest: bool,
    /// Keep one trace in this many; 0 and 1: all.  TRACE_SAMPLE of the C header.
    pub sample: u32,
    /// Events that a lane keeps, a power of two; 0: 65536, with `trace-minimal` 4096.
    pub lane_events: u32,
}

/// One node's log.  Any thread may emit; it is closed when it is dropped.
#[derive(Debug)]
pub struct Log(*mut sys::Log);

// Any thread may use the library's log; it is closed when nothing borrows it any longer.
unsafe impl Send for Log {}
unsafe impl Sync for Log {}

/// How the bytes of an application's field are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppType {
    Unsigned = 1,
    Bytes = 2,
    Hash = 3,
    Text = 4,
}

/// A field in the data of an application's events: name, type, offset, bytes.
pub type AppField<'a> = (&'a str, AppType, u8, u8);

fn check(result: i32) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-result)) }
}

impl Log {
    /// Opens a log.  Fails with an error of shm_open, or `InvalidInput` for a zero id or a name with a NUL; the node can run on with `None`.
    pub fn open(name: &str, node_id: &NodeId) -> io::Result<Log> {
        Log::open_with(name, node_id, Options::default())
    }

    /// The same, with options.
    pub fn open_with(name: &str, node_id: &NodeId, options: Options) -> io::Result<Log> {
        let name = CString::new(name)?;
        let all = if cfg!(feature = "trace-minimal") { 4096 } else { 65536 };
        let sample = u64::from(options.sample.max(1));
        let threshold = (1u64 << 32) / sample - 1;
        let given = sys::Options {
            node_id: *node_id,
            node_name: name.as_ptr(),
            policy: u32::from(options.discard_newest),
            control: threshold << 32 | u64::from(u32::MAX),
        };
        let lane_events = if options.lane_events == 0 { all } else { options.lane_events };
        let mut log = ptr::null_mut();
        check(unsafe { sys::trace_shared_log_open(&mut log, &given, core::mem::size_of::<sys::Options>(), lane_events) })?;
        Ok(Log(log))
    }

    /// The name of its shared-memory object, with its leading slash.
    pub fn name(&self) -> String {
        unsafe { CStr::from_ptr(sys::trace_log_name(self.0)) }.to_string_lossy().into_owned()
    }

    /// Names an application's commands and the fields of its data.  Errors as trace_log_register_app; names that are too long are cut.
    pub fn register_app(&self, app_id: &[u8; 4], name: &str, commands: &[(u16, &str)], fields: &[AppField]) -> io::Result<()> {
        let name = CString::new(name)?;
        let commands: Vec<_> = commands.iter().map(|(cmd, name)| sys::CommandName { cmd: *cmd, name: private::cut(name) }).collect();
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, kind, offset, bytes)| sys::AppField {
                name: private::cut(name),
                kind: *kind as u8,
                offset: *offset,
                bytes: *bytes,
                reserved: 0,
            })
            .collect();
        check(unsafe {
            let (command_count, field_count) = (commands.len(), fields.len());
            let (commands, fields) = (commands.as_ptr(), fields.as_ptr());
            sys::trace_shared_register_app(self.0, app_id.as_ptr(), name.as_ptr(), commands, command_count, fields, field_count)
        })
    }

    pub(crate) fn raw(&self) -> *mut sys::Log {
        self.0
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        unsafe { sys::trace_log_close(self.0) };
    }
}

/// What the macros use; not an interface.
#[doc(hidden)]
pub mod private {
    use super::{Context, Log, NodeId};
    use crate::sys;
    use core::ptr;

    pub trait AsLog {
        fn as_log(&self) -> *mut sys::Log;
    }
    impl AsLog for Log {
        fn as_log(&self) -> *mut sys::Log {
            self.0
        }
    }
    impl<T: AsLog + ?Sized> AsLog for &T {
        fn as_log(&self) -> *mut sys::Log {
            (**self).as_log()
        }
    }
    impl<T: AsLog> AsLog for Option<T> {
        fn as_log(&self) -> *mut sys::Log {
            self.as_ref().map_or(ptr::null_mut(), AsLog::as_log)
        }
    }
    impl<T: AsLog + ?Sized> AsLog for std::sync::Arc<T> {
        fn as_log(&self) -> *mut sys::Log {
            (**self).as_log()
        }
    }

    /// A reference to a value, an `Option` of it or of a reference, or a bare `None`.
    macro_rules! optional {
        ($name:ident, $function:ident, $thing:ty) => {
            pub trait $name {
                fn $function(&self) -> Option<&$thing>;
            }
            impl $name for $thing {
                fn $function(&self) -> Option<&$thing> {
                    Some(self)
                }
            }
            impl $name for &$thing {
                fn $function(&self) -> Option<&$thing> {
                    Some(self)
                }
            }
            impl $name for Option<&$thing> {
                fn $function(&self) -> Option<&$thing> {
                    *self
                }
            }
        };
    }
    optional!(AsContext, as_context, Context);
    optional!(AsPeer, as_peer, NodeId);

    pub fn log<T: AsLog + ?Sized>(log: &T) -> *mut sys::Log {
        log.as_log()
    }
    pub fn context<T: AsContext + ?Sized>(context: &T) -> Option<&Context> {
        context.as_context()
    }
    pub fn peer<T: AsPeer + ?Sized>(peer: &T) -> Option<&NodeId> {
        peer.as_peer()
    }
    pub fn wants(log: *mut sys::Log, kind: u16) -> bool {
        !log.is_null() && unsafe { sys::trace_shared_wants(log, kind) } != 0
    }
    pub fn pointer<T>(thing: Option<&T>) -> *const T {
        thing.map_or(ptr::null(), |thing| thing)
    }
    pub fn span_id(context: Option<&Context>) -> u64 {
        context.map_or(0, |context| context.span_id)
    }
    /// As many bytes as fit, followed by zeros.
    pub fn cut<const N: usize>(bytes: &(impl AsRef<[u8]> + ?Sized)) -> [u8; N] {
        let (mut out, bytes) = ([0; N], bytes.as_ref());
        let count = bytes.len().min(N);
        out[..count].copy_from_slice(&bytes[..count]);
        out
    }
    pub fn count<const N: usize>(bytes: &(impl AsRef<[u8]> + ?Sized)) -> u8 {
        bytes.as_ref().len().min(N) as u8
    }
}
