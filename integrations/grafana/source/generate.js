// SPDX-License-Identifier: Apache-2.0
// Writes what Grafana reads, from fleet.js, machine.js and rules.js:
//   node generate.js [FOLDER]      FOLDER: where to (default: the folder above this one)
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { fleet } = require('./fleet');
const { machine } = require('./machine');
const { rules } = require('./rules');
const { toYaml } = require('./yaml');

const target = path.resolve(process.argv[2] ?? path.join(__dirname, '..'));
const dashboards = 'provisioning/dashboards/tocsin';

function write(name, text) {
  const file = path.join(target, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
}

// (The SDK puts every link and annotation into a menu; they belong where they are seen.)
const visible = (key, value) =>
  key === 'placement' && value === 'inControlsMenu' ? undefined : value;
const toJson = (dashboard) => JSON.stringify(dashboard, visible, 2) + '\n';

write(`${dashboards}/fleet.json`, toJson(fleet()));
write(`${dashboards}/machine.json`, toJson(machine()));
write(
  'provisioning/alerting/rules.yml',
  '# SPDX-License-Identifier: Apache-2.0\n' +
    '# Written by source/generate.js from source/rules.js: change it there.\n' +
    toYaml(rules()),
);
