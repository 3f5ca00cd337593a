// A worker of celery-node: worker.js BROKER BACKEND QUEUE
const [broker, backend, queue] = process.argv.slice(2);
const worker = require("celery-node").createWorker(broker, backend, queue);
worker.register("node.add", (x, y) => x + y);
worker.register("node.fail", () => {
  throw new Error("no");
});
worker.start();
