// Calls one task and prints what came of it: client.js PACKAGE BROKER BACKEND TASK ARGUMENTS
const [kind, broker, backend, name, given] = process.argv.slice(2);
const args = JSON.parse(given);

async function run() {
  if (kind === "celery-node") {
    return require("celery-node").createClient(broker, backend).createTask(name).applyAsync(args).get();
  }
  const { Client, createBackend, createBroker } = require("celery-ts");
  const results = createBackend("client", backend);
  await results.subscriber; // or a result that comes before it listens is never heard of
  const client = new Client({ id: "client", backend: results, brokers: [createBroker(broker)] });
  const value = await client.createTask(name).applyAsync({ args, kwargs: {} }).get();
  if (value && value.exc_type) {
    throw value; // it hands out errors as values
  }
  return value;
}

function tell(outcome) {
  process.stdout.write(JSON.stringify(outcome), () => process.exit(0));
}

run().then(
  (value) => tell({ value }),
  (error) => tell({ error: error.exc_type || String(error) }),
);
