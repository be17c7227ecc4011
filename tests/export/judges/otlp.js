// SPDX-License-Identifier: MIT
// Reads OTLP/JSON lines by the definitions of OpenTelemetry's protocol buffers, writes them as those, reads them again and prints
// {"spans", "events", "links"}: node otlp.js FILE.  In OTLP/JSON ids are hex, which the definitions know as bytes.
const fs = require("fs");
const { createRequire } = require("module");
const load = createRequire(process.env.JUDGES + "/package.json");
const root = load("@opentelemetry/otlp-proto-exporter-base/build/src/generated/root.js");
const Request = root.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;

const bytes = (hex, count) => {
  if (!new RegExp(`^[0-9a-f]{${2 * count}}$`).test(hex)) throw new Error(`not an id of ${count} bytes: ${hex}`);
  return Buffer.from(hex, "hex");
};


const sums = { spans: 0, events: 0, links: 0 };
for (const line of fs.readFileSync(process.argv[2], "utf8").trimEnd().split("\n")) {
  const message = JSON.parse(line);
  for (const resource of message.resourceSpans)
    for (const scope of resource.scopeSpans)
      for (const span of scope.spans) {
        span.traceId = bytes(span.traceId, 16);
        span.spanId = bytes(span.spanId, 8);
        if ("parentSpanId" in span) span.parentSpanId = bytes(span.parentSpanId, 8);
        for (const link of span.links ?? []) {
          link.traceId = bytes(link.traceId, 16);
          link.spanId = bytes(link.spanId, 8);
        }
      }
  const request = Request.fromObject(message);
  const again = Request.toObject(Request.decode(Request.encode(request).finish()), { longs: String, enums: Number, bytes: String });
  const before = Request.toObject(request, { longs: String, enums: Number, bytes: String });
  // What the definitions do not know is dropped by fromObject: then less is left than the line has.
  const names = (value, found = new Map()) => {
    if (Array.isArray(value)) value.forEach((element) => names(element, found));
    else if (value && typeof value === "object" && !Buffer.isBuffer(value))
      for (const [key, member] of Object.entries(value)) {
        found.set(key, (found.get(key) ?? 0) + 1);
        names(member, found);
      }
    return found;
  };
  const wanted = names(message), got = names(before);
  for (const [name, count] of wanted) if (got.get(name) !== count) throw new Error(`${name}: ${got.get(name)} of ${count} are known`);
  if (JSON.stringify(again) !== JSON.stringify(before)) throw new Error("not the same after being encoded and decoded");
  for (const resource of again.resourceSpans)
    for (const scope of resource.scopeSpans)
      for (const span of scope.spans) {
        sums.spans++;
        sums.events += (span.events ?? []).length;
        sums.links += (span.links ?? []).length;
      }
}
console.log(JSON.stringify(sums));
