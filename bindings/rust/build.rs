// SPDX-License-Identifier: MIT
//! Generates the macros and structs of the event kinds from events.def, and finds the library.
//!
//! events.def: $P2PTRACE_TBL/events.def, else that of the source tree around this crate, else that of the installed headers, found with
//! pkg-config.  The library: $P2PTRACE_LIB_DIR, else with pkg-config, else where the linker looks by default.
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Field {
    kind: String,
    name: String,
    length: usize,
}

struct Kind {
    id: u32,
    name: String,
    doc: String,
    fields: Vec<Field>,
}

/// The text between the brackets that open at the start of `text`, and where it ends.  Strings may contain brackets.
fn bracketed(text: &str) -> (&str, usize) {
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '(' if !in_string => depth += 1,
            ')' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return (&text[1..at], at + 1);
                }
            }
            _ => {}
        }
    }
    panic!("events.def: a bracket is never closed");
}

/// The first `count` arguments of a macro call; the last one takes the rest.
fn arguments(text: &str, count: usize) -> Vec<String> {
    let (mut found, mut start, mut in_string, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            ',' if !in_string && found.len() + 1 < count => {
                found.push(text[start..at].trim().to_string());
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(text[start..].trim().to_string());
    found
}

fn calls<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(name) {
        let from = &rest[at + name.len()..];
        if !from.starts_with('(') {
            rest = from;
            continue;
        }
        let (inside, length) = bracketed(from);
        found.push(inside);
        rest = &from[length..];
    }
    found
}

/// Removes the comment at the top, which mentions the macros by name.
fn kinds(text: &str) -> Vec<Kind> {
    let body = text.splitn(2, "*/").nth(1).expect("events.def has a comment at its top");
    calls(body, "TRACE_KIND")
        .iter()
        .map(|call| {
            let parts = arguments(call, 5);
            Kind {
                id: parts[0].parse().expect("a number"),
                name: parts[1].clone(),
                doc: parts[3].trim_matches('"').to_string(),
                fields: calls(&parts[4], "TRACE_FIELD")
                    .iter()
                    .map(|field| {
                        let parts = arguments(field, 5);
                        Field { kind: parts[0].clone(), name: parts[1].clone(), length: parts[2].parse().expect("a length") }
                    })
                    .collect(),
            }
        })
        .filter(|kind| kind.name != "events_lost")
        .collect()
}

/// A member's name may be a Rust keyword.
fn member_name(name: &str) -> String {
    if matches!(name, "type" | "ref" | "match" | "loop" | "move" | "use" | "fn" | "in" | "as" | "where") {
        return format!("r#{name}");
    }
    name.to_string()
}

fn member(field: &Field) -> String {
    let name = &member_name(&field.name);
    match field.kind.as_str() {
        "u8" | "bool" | "space" | "transport" | "loss" => format!("pub {name}: u8"),
        "u16" => format!("pub {name}: u16"),
        "u32" => format!("pub {name}: u32"),
        "u64" | "id64" => format!("pub {name}: u64"),
        "endpoint" => format!("pub {name}: Endpoint"),
        "code4" | "text" => format!("pub {name}: [u8; {}]", field.length),
        "payload" => format!("pub {name}_bytes: u8, pub {name}: [u8; {}]", field.length),
        other => panic!("events.def: a field of type {other}, which this crate does not know"),
    }
}

/// The members' initialisers, from the macro's arguments.
fn initialiser(field: &Field) -> String {
    let (name, member) = (&field.name, member_name(&field.name));
    match field.kind.as_str() {
        "id64" if name == "span_id" => "span_id: $crate::__private::span_id(__context)".to_string(),
        "u8" | "bool" | "space" | "transport" | "loss" => format!("{member}: (${name}) as u8"),
        "u16" => format!("{member}: (${name}) as u16"),
        "u32" => format!("{member}: (${name}) as u32"),
        "u64" | "id64" => format!("{member}: (${name}) as u64"),
        "endpoint" => format!("{member}: $crate::Endpoint::from(${name})"),
        "payload" => {
            format!("{name}_bytes: $crate::__private::count::<{}>(&${name}), {name}: $crate::__private::cut(&${name})", field.length)
        }
        _ => format!("{member}: $crate::__private::cut(&${name})"),
    }
}

/// Does the value exist only for tracing, so that nothing may evaluate it when tracing is off?
fn is_for_tracing_alone(field: &Field) -> bool {
    matches!(field.kind.as_str(), "endpoint" | "code4" | "payload" | "id64")
}

fn write_kind(out: &mut String, kind: &Kind) {
    let Kind { id, name, doc, fields } = kind;
    let given: Vec<&Field> = fields.iter().filter(|field| field.name != "span_id").collect();
    let parameters: String = given.iter().map(|field| format!(", ${}:expr", field.name)).collect();
    let own: String = given.iter().filter(|field| !is_for_tracing_alone(field)).map(|field| format!("let _ = ${}; ", field.name)).collect();
    let members: String = fields.iter().map(|field| member(field) + ", ").collect();
    let values: String = fields.iter().map(|field| initialiser(field) + ", ").collect();
    let names: Vec<&str> = given.iter().map(|field| field.name.as_str()).collect();
    let feature = if name.starts_with("app_") { "trace-app" } else { "trace" };
    let usage = format!("#[doc = {doc:?}]\n#[doc = \"\\n\\n`{name}!(log, context, peer, {})`\"]\n", names.join(", "));
    write!(
        out,
        "#[cfg(feature = \"{feature}\")] #[doc(hidden)] #[repr(C)] #[derive(Clone, Copy)] pub struct {name} {{ {members} }}
#[cfg(feature = \"{feature}\")] #[doc(hidden)] #[repr(C, packed)] pub struct {name}_packed {{ {members} }}
#[cfg(feature = \"{feature}\")] extern \"C\" {{
    #[doc(hidden)] pub fn trace_emit_{name}(log: *mut crate::sys::Log, context: *const crate::Context, peer: *const crate::NodeId,
        data: *const {name}, data_bytes: usize);
}}
#[cfg(feature = \"{feature}\")]
{usage}#[macro_export] macro_rules! {name} {{
    ($log:expr, $context:expr, $peer:expr{parameters} $(,)?) => {{{{
        let __log = $crate::__private::log(&$log);
        // A match, so that temporaries of the arguments live until the event is written.
        if $crate::__private::wants(__log, {id}) {{ match ($crate::__private::context(&$context), $crate::__private::peer(&$peer)) {{
            (__context, __peer) => {{
                let __data = $crate::__private::{name} {{ {values} }};
                // The library reads the targets of these pointers, and keeps nothing.
                unsafe {{
                    $crate::__private::trace_emit_{name}(__log, $crate::__private::pointer(__context),
                        $crate::__private::pointer(__peer), &__data, ::core::mem::size_of::<$crate::__private::{name}_packed>());
                }}
            }}
        }} }}
    }}}};
}}
#[cfg(not(feature = \"{feature}\"))]
{usage}#[macro_export] macro_rules! {name} {{
    ($log:expr, $context:expr, $peer:expr{parameters} $(,)?) => {{ if false {{ {own} }} }};
}}
"
    )
    .unwrap();
}

fn pkg_config(words: &[&str]) -> Option<String> {
    let output = Command::new("pkg-config").args(words).arg("p2ptrace-shared").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn find_table() -> PathBuf {
    println!("cargo:rerun-if-env-changed=P2PTRACE_TBL");
    if let Ok(directory) = env::var("P2PTRACE_TBL") {
        return Path::new(&directory).join("events.def");
    }
    let in_tree = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../proto/tbl/events.def");
    if in_tree.is_file() {
        return in_tree;
    }
    let include = pkg_config(&["--variable=includedir"]).expect("events.def: set P2PTRACE_TBL, or install p2ptrace");
    Path::new(&include).join("p2ptrace/tbl/events.def")
}

fn link() {
    println!("cargo:rerun-if-env-changed=P2PTRACE_LIB_DIR");
    let directory = env::var("P2PTRACE_LIB_DIR").ok().or_else(|| pkg_config(&["--variable=libdir"]));
    if let Some(directory) = directory {
        println!("cargo:rustc-link-search=native={directory}");
    }
    println!("cargo:rustc-link-lib=dylib=p2ptrace-shared");
}

fn main() {
    let table = find_table();
    println!("cargo:rerun-if-changed={}", table.display());
    println!("cargo:rerun-if-changed=build.rs");
    let text = fs::read_to_string(&table).unwrap_or_else(|error| panic!("{}: {error}", table.display()));
    let mut out = String::new();
    let mut constants = String::new();
    for word in ["SPACE", "TRANSPORT"] {
        // An older tree lacks some of the tables.
        let list = table.with_file_name(format!("{}s.def", word.to_lowercase()));
        for call in fs::read_to_string(list).iter().flat_map(|text| calls(text.split("*/").nth(1).unwrap_or(""), &format!("TRACE_{word}"))) {
            let parts = arguments(call, 4);
            writeln!(constants, "#[doc = {}]\npub const {word}_{}: u8 = {};", parts[3], parts[2], parts[0]).unwrap();
        }
    }
    for kind in kinds(&text) {
        write_kind(&mut out, &kind);
    }
    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("events.rs"), out).unwrap();
    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("constants.rs"), constants).unwrap();
    if env::var_os("CARGO_FEATURE_TRACE").is_some() {
        link();
    }
}
