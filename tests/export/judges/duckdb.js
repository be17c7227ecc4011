// SPDX-License-Identifier: MIT
// Asks DuckDB: node duckdb.js QUERY...  Prints a line of JSON for each row; numbers that a double does not hold are strings.
const { createRequire } = require("module");
const { DuckDBInstance } = createRequire(process.env.JUDGES + "/package.json")("@duckdb/node-api");

async function main() {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  for (const query of process.argv.slice(2)) {
    const reader = await connection.runAndReadAll(query);
    for (const row of reader.getRowsJson()) console.log(JSON.stringify(row));
  }
}

main().catch((error) => {
  console.error(String(error));
  process.exit(1);
});
