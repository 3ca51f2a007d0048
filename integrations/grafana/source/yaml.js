// SPDX-License-Identifier: Apache-2.0
// Plain objects, arrays, texts, numbers and truth values as YAML: what the alert rules need.
'use strict';

// JSON's texts are YAML's too; a bare word needs no quotes.
const bare = /^[A-Za-z_][A-Za-z0-9_-]*$/;
const reserved = /^(y|n|yes|no|on|off|true|false|null)$/i;

function scalar(value) {
  if (typeof value !== 'string') return JSON.stringify(value);
  return bare.test(value) && !reserved.test(value) ? value : JSON.stringify(value);
}

const isNest = (v) => typeof v === 'object' && v !== null && Object.keys(v).length > 0;

function lines(value) {
  const out = [];
  const put = (head, v) => {
    if (!isNest(v)) {
      out.push(`${head} ${scalar(v)}`);
      return;
    }
    const inner = lines(v).map((line) => `  ${line}`);
    if (head === '-') {
      out.push(`- ${inner.shift().slice(2)}`, ...inner);
    } else {
      out.push(head, ...inner);
    }
  };

  if (Array.isArray(value)) {
    value.forEach((v) => put('-', v));
  } else {
    Object.entries(value).forEach(([k, v]) => put(`${scalar(k)}:`, v));
  }
  return out;
}

// (Through JSON: what that does not have, the SDK's functions, is left out.)
exports.toYaml = (value) => lines(JSON.parse(JSON.stringify(value))).join('\n') + '\n';
