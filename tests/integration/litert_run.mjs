// SPDX-License-Identifier: Apache-2.0
// Runs TensorFlow Lite models in LiteRT, as WebAssembly in Node.
//
//   node litert_run.mjs NODE_MODULES < jobs.json > results.json
//
// A job: {"model": FILE, "rows": N, "inputs": {NAME: FILE of float32[N][width]}, "outputs": PREFIX,
// "single": true to run row by row}. A result: {"outputs": {NAME: width}, "inputs": [NAME...]}, the
// numbers in PREFIX.NAME as float32[N][width]; or {"error": SENTENCE}. With "time": SECONDS, also
// "seconds_per_run" of the same call again and again.
import {readFileSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {dirname, join, resolve} from 'node:path';
import {pathToFileURL} from 'node:url';
import vm from 'node:vm';

const modules = resolve(process.argv[2]);
const core = join(modules, '@litertjs', 'core');

// The package is made for browsers: its loader runs a script by importScripts and finds the
// factory on self. In Node that script wants the variables of a CommonJS module.
globalThis.self = globalThis;
globalThis.importScripts = file => {
  const module = {exports: {}};
  const names = ['module', 'exports', 'require', '__filename', '__dirname'];
  vm.compileFunction(readFileSync(file, 'utf8'), names, {filename: file})(
      module, module.exports, createRequire(file), file, dirname(file));
  globalThis.ModuleFactory = module.exports;
};
console.log = console.warn = console.error; // standard output is for the results
const {loadLiteRt, loadAndCompile, Tensor} =
    await import(pathToFileURL(join(core, 'dist', 'index.js')));

function numbers(file) {
  const bytes = readFileSync(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

// The package's own run() insists on the shape in the file, in which the batch is -1. The runtime
// below it takes a batch of one, as which such a tensor stands; of a larger one it makes room for the
// input alone, and writes past the end of the outputs. So a file is run as it is for single rows, and
// with its batch set for more.
async function runOnce(runner, tensors) {
  const buffers = await runner.liteRtCompiledModel.run(
      runner.signatureIndex, tensors.map(t => t.liteRtTensorBuffer));
  return buffers.map(b => new Tensor(b, runner.options.environment));
}

// A copy of the file in which all that has an open first dimension (-1 in shape_signature) has
// `rows`: fields 0 and 7 of the tensors, field 0 of the subgraphs, field 2 of the model.
function withBatch(bytes, rows) {
  const copy = new Uint8Array(bytes), view = new DataView(copy.buffer);
  const follow = at => at + view.getUint32(at, true);
  const field = (table, id) => {
    const vtable = table - view.getInt32(table, true), entry = 4 + 2 * id;
    const there = entry < view.getUint16(vtable, true) && view.getUint16(vtable + entry, true);
    return there ? table + there : 0;
  };
  const list = (table, id) => {
    const at = field(table, id) && follow(field(table, id));
    return at ? Array.from({length: view.getUint32(at, true)}, (_, i) => at + 4 + 4 * i) : [];
  };
  for (const graph of list(follow(0), 2).map(follow))
    for (const tensor of list(graph, 0).map(follow)) {
      const shape = list(tensor, 0), signature = list(tensor, 7);
      if (signature.length && view.getInt32(signature[0], true) === -1)
        for (const at of [shape[0], signature[0]]) view.setInt32(at, rows, true);
    }
  return copy;
}

async function run(job) {
  const step = job.single ? 1 : job.rows;
  const file = new Uint8Array(readFileSync(job.model));
  const model =
      await loadAndCompile(step > 1 ? withBatch(file, step) : file, {accelerator: 'wasm'});
  const runner = model.defaultSignature;
  const inputs = runner.getInputDetails(), outputs = runner.getOutputDetails();
  const data = inputs.map(d => numbers(job.inputs[d.name]));
  const widths = data.map(d => d.length / job.rows);
  const parts = outputs.map(() => []);
  for (let row = 0; row < job.rows; row += step) {
    const tensors = data.map((d, i) => new Tensor(
        d.slice(row * widths[i], (row + step) * widths[i]), [step, widths[i]]));
    const results = await runOnce(runner, tensors);
    results.forEach((r, i) => parts[i].push(r.toTypedArray().slice()));
    for (const t of [...tensors, ...results]) t.delete();
  }
  const result = {inputs: inputs.map(d => d.name), outputs: {}};
  outputs.forEach((d, i) => {
    const bytes = Buffer.concat(parts[i].map(p => Buffer.from(p.buffer, p.byteOffset, p.byteLength)));
    writeFileSync(`${job.outputs}.${d.name}`, bytes);
    result.outputs[d.name] = bytes.length / 4 / job.rows;
  });
  if (job.time) result.seconds_per_run = await time(runner, data, widths, step, job.time);
  model.delete();
  return result;
}

// One call with the data in place, the results read back: what a server would do for a request.
async function time(runner, data, widths, step, seconds) {
  const tensors = data.map((d, i) => new Tensor(d.slice(0, step * widths[i]), [step, widths[i]]));
  let runs = 0, passed = 0;
  const begin = performance.now();
  while ((passed = performance.now() - begin) < seconds * 1000) {
    for (let k = 0; k < 8; k++, runs++) {
      const results = await runOnce(runner, tensors);
      for (const r of results) {
        r.toTypedArray();
        r.delete();
      }
    }
  }
  for (const t of tensors) t.delete();
  return passed / 1000 / runs;
}

await loadLiteRt(join(core, 'wasm') + '/');
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
