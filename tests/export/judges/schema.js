// SPDX-License-Identifier: MIT
// Checks files by a JSON Schema: node schema.js SCHEMA FILE SEPARATOR, where SEPARATOR parts the file's JSON texts (empty: it is
// one).  Prints {"valid", "invalid", "first"}.
const fs = require("fs");
const { createRequire } = require("module");
const load = createRequire(process.env.JUDGES + "/package.json");
const Ajv = load("ajv/dist/2020").default;

const [schema, file, separator] = process.argv.slice(2);
const ajv = new Ajv({ strict: true, strictRequired: false, strictTypes: false, allErrors: false });
const check = ajv.compile(JSON.parse(fs.readFileSync(schema, "utf8")));
const text = fs.readFileSync(file, "utf8");
const found = { valid: 0, invalid: 0, first: null };
for (const part of (separator ? text.split(separator) : [text]).filter((piece) => piece.trim())) {
  if (check(JSON.parse(part))) found.valid++;
  else if (!found.invalid++) found.first = { part: part.slice(0, 500), errors: check.errors };
}
console.log(JSON.stringify(found));
