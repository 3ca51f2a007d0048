// SPDX-License-Identifier: Apache-2.0
// Runs ONNX models in ONNX Runtime, on one thread of the processor.
//
//   node onnxruntime_run.mjs NODE_MODULES < jobs.json > results.json
//
// A job: {"model": FILE, "rows": N, "inputs": {NAME: FILE of float32[N][width]}, "outputs": PREFIX,
// "single": true to run row by row}. A result: {"outputs": {NAME: width}, "inputs": [NAME...]}, the
// numbers in PREFIX.NAME as float32[N][width]; or {"error": SENTENCE}. With "time": SECONDS, also
// "seconds_per_run" of the same call again and again.
import {readFileSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join, resolve} from 'node:path';

const require = createRequire(join(resolve(process.argv[2]), 'package.json'));
const ort = require('onnxruntime-node');

const options = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 3,
};

function numbers(file) {
  const bytes = readFileSync(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

async function run(job) {
  const session = await ort.InferenceSession.create(job.model, options);
  const data = session.inputNames.map(name => numbers(job.inputs[name]));
  const widths = data.map(d => d.length / job.rows);
  const step = job.single ? 1 : job.rows;
  const feeds = row => Object.fromEntries(session.inputNames.map((name, i) => [
    name,
    new ort.Tensor('float32', data[i].slice(row * widths[i], (row + step) * widths[i]),
                   [step, widths[i]]),
  ]));
  const parts = Object.fromEntries(session.outputNames.map(name => [name, []]));
  for (let row = 0; row < job.rows; row += step) {
    const results = await session.run(feeds(row));
    for (const name of session.outputNames) {
      const d = results[name].data;
      parts[name].push(Buffer.from(d.buffer.slice(d.byteOffset, d.byteOffset + d.byteLength)));
    }
  }
  const result = {inputs: session.inputNames, outputs: {}};
  for (const name of session.outputNames) {
    const bytes = Buffer.concat(parts[name]);
    writeFileSync(`${job.outputs}.${name}`, bytes);
    result.outputs[name] = bytes.length / 4 / job.rows;
  }
  if (job.time) result.seconds_per_run = await time(session, feeds(0), job.time);
  await session.release();
  return result;
}

// One call with the data in place, the results read back: what a server would do for a request.
async function time(session, feeds, seconds) {
  let runs = 0, passed = 0;
  const begin = performance.now();
  while ((passed = performance.now() - begin) < seconds * 1000)
    for (let k = 0; k < 8; k++, runs++) await session.run(feeds);
  return passed / 1000 / runs;
}

const results = [];
for (const job of JSON.parse(readFileSync(0, 'utf8'))) {
  try {
    results.push(await run(job));
  } catch (e) {
    results.push({error: String(e?.message ?? e)});
  }
}
process.stdout.write(JSON.stringify(results) + '\n');
process.exit(0);
