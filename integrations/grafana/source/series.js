// SPDX-License-Identifier: Apache-2.0
// Expressions that dashboards and alert rules share. docs/api.md says what each series is.
'use strict';

// Above 1, a frame is anomalous.
const relativeScore = (matchers = '') =>
  `max by (instance) (anomaly_score${matchers} / anomaly_threshold${matchers})`;

const scoreAge = (matchers = '') => `max by (instance) (tocsin_last_score_age_seconds${matchers})`;

// An entity's state as one number, the worst that is true of it.
const STATES = { learning: 1, training: 2, watching: 3, stale: 4, rings: 5 };

const state = (matchers = '') => {
  const and = matchers ? `,${matchers.slice(1, -1)}` : '';
  const phase = (name) => `tocsin_entity_phase{phase="${name}"${and}} * ${STATES[name]}`;
  // (Without the zeros: the two have the same labels, and `or` takes the first it finds.)
  const rings = `(anomaly_detected${matchers} > 0) * ${STATES.rings}`;
  const stale = `(tocsin_entity_stale${matchers} > 0) * ${STATES.stale}`;
  return (
    `max by (instance) (${rings} or ${stale}` +
    ` or ${phase('learning')} or ${phase('training')} or ${phase('watching')})`
  );
};

// What a process metric of tocsin's own is, among those of all that Prometheus scrapes.
const ofTocsin = (expr) => `${expr} and on (job, instance) tocsin_build_info`;

const stateWords = {
  [STATES.learning]: ['learning', 'blue'],
  [STATES.training]: ['training', 'blue'],
  [STATES.watching]: ['watching', 'green'],
  [STATES.stale]: ['stale', 'orange'],
  [STATES.rings]: ['rings', 'red'],
};

module.exports = { relativeScore, scoreAge, STATES, state, stateWords, ofTocsin };
