// SPDX-License-Identifier: Apache-2.0
// The dashboard of all machines: who is watched, who departs, is the alarm budget kept, and what
// tocsin itself costs.
'use strict';
const {
  GREEN,
  BLUE,
  ORANGE,
  RED,
  GREY,
  Grid,
  page,
  link,
  range,
  instant,
  rows,
  thresholds,
  fixed,
  mapping,
  withPast,
  lines,
  limitLine,
  bars,
  number,
  states,
  machines,
} = require('./parts');
const { relativeScore, scoreAge, STATES, state, stateWords, ofTocsin } = require('./series');

function counts(grid) {
  grid.add(
    number(
      'Watching',
      'Machines with a model that are scored.',
      instant(
        'A',
        `count(${state()} == ${STATES.watching} or ${state()} == ${STATES.rings}) or vector(0)`,
        'watching',
      ),
    ).thresholds(thresholds(GREEN)),
    4,
    4,
  );
  grid.add(
    number(
      'Learning',
      'Machines without a model yet.',
      instant('A', `count(${state()} < ${STATES.watching}) or vector(0)`, 'learning'),
    ).thresholds(thresholds(BLUE)),
    4,
    4,
  );
  grid.add(
    number(
      'Stale',
      'Machines from which nothing arrives: nobody watches them.',
      instant('A', `count(${state()} == ${STATES.stale}) or vector(0)`, 'stale'),
    ).thresholds(thresholds(GREEN, [1, ORANGE])),
    4,
    4,
  );
  grid.add(
    number(
      'Ringing',
      'Machines with an open incident.',
      instant('A', `count(${state()} == ${STATES.rings}) or vector(0)`, 'ringing'),
    ).thresholds(thresholds(GREEN, [1, RED])),
    4,
    4,
  );
  grid.add(
    withPast(
      number(
        'Highest score',
        'The highest of all scores, relative to its threshold: above 1 a frame is anomalous.',
        range('A', `max(${relativeScore()})`, 'score / threshold'),
      ),
    )
      .decimals(2)
      .thresholds(thresholds(GREEN, [0.7, ORANGE], [1, RED])),
    4,
    4,
  );
  grid.add(
    number(
      'Incidents',
      'Opened in the time shown.',
      instant('A', 'round(sum(increase(tocsin_incidents_total[$__range])))', 'incidents'),
    ).thresholds(thresholds(BLUE)),
    4,
    4,
  );
}

function everyMachine(grid) {
  const gauge = {
    'custom.cellOptions': { type: 'gauge', mode: 'basic', valueDisplayMode: 'text' },
  };
  const colored = { 'custom.cellOptions': { type: 'color-text' } };
  const scored = {
    min: 0,
    max: 2,
    decimals: 2,
    color: { mode: 'thresholds' },
    thresholds: thresholds(GREEN, [0.7, ORANGE], [1, RED]).build(),
  };

  const panel = machines(
    'Machines',
    'Each machine that tocsin knows; a click on its name opens it.',
    [
      [
        rows('A', state()),
        'state',
        'none',
        { ...colored, mappings: mapping(stateWords), 'custom.width': 100 },
      ],
      [rows('B', relativeScore()), 'score / threshold', 'none', { ...gauge, ...scored }],
      [
        range('C', relativeScore(), ''),
        'trend',
        'none',
        {
          'custom.cellOptions': {
            type: 'sparkline',
            hideValue: true,
            lineWidth: 1,
            fillOpacity: 15,
          },
          ...scored,
        },
      ],
      [
        rows('D', 'ceil(sum by (instance) (changes(anomaly_detected[$__range])) / 2)'),
        'incidents',
        'none',
        { 'custom.width': 90 },
      ],
      [
        rows('E', 'min by (instance) (tocsin_confidence_ratio)'),
        'confidence',
        'percentunit',
        {
          ...colored,
          'custom.width': 110,
          thresholds: thresholds(RED, [0.7, ORANGE], [0.9, GREEN]).build(),
        },
      ],
      [
        rows('F', 'max by (instance) (tocsin_features_absent + tocsin_features_frozen)'),
        'absent or frozen',
        'none',
        { ...colored, 'custom.width': 130, thresholds: thresholds(GREEN, [1, ORANGE]).build() },
      ],
      [
        rows('G', scoreAge()),
        'last score',
        's',
        {
          ...colored,
          'custom.width': 100,
          thresholds: thresholds(GREEN, [60, ORANGE], [300, RED]).build(),
        },
      ],
      [
        rows('H', 'time() - max by (instance) (tocsin_model_created_timestamp_seconds)'),
        'model age',
        's',
        { 'custom.width': 110 },
      ],
      [
        rows('I', 'max by (instance) (tocsin_drift_evidence)'),
        'drift',
        'percentunit',
        {
          ...colored,
          'custom.width': 90,
          thresholds: thresholds(GREEN, [0.7, ORANGE], [1, RED]).build(),
        },
      ],
    ],
  );
  panel.overrideByName('machine', [
    {
      id: 'links',
      value: [
        {
          title: 'Open this machine',
          url: '/d/tocsin-machine?var-instance=${__value.raw}&${__url_time_range}',
        },
      ],
    },
  ]);
  grid.add(panel, 24, 10);
}

function overTime(grid) {
  grid.add(
    lines(
      'Score relative to the threshold',
      'Above the line a frame is anomalous; an incident opens when k of the last n are.',
      range('A', relativeScore(), '{{instance}}'),
    )
      .min(0)
      .thresholds(thresholds('transparent', [1, RED]))
      .thresholdsStyle(limitLine()),
    12,
    9,
  );
  grid.add(
    states(
      'Incidents',
      'Red while an incident is open, grey where no score is known.',
      range('A', 'max by (instance) (anomaly_detected)', '{{instance}}'),
    )
      .mappings(mapping({ 0: ['calm', GREEN], 1: ['rings', RED] }))
      .thresholds(thresholds(GREEN, [1, RED])),
    12,
    9,
  );
}

function alarmBudget(grid) {
  grid.row('Alarm budget');
  grid.add(
    machines(
      'Incidents a week, promised and achieved',
      'Promised: by threshold: {method: budget}. Achieved: since the model was made, true ones ' +
        'too; the interval is where the rate truly lies, at 95 %. Kept as long as that reaches ' +
        'below what was promised.',
      [
        [rows('A', 'max by (instance) (tocsin_alarm_budget)'), 'promised', 'none'],
        [rows('B', 'max by (instance) (tocsin_alarm_rate)'), 'achieved', 'none', { decimals: 1 }],
        [
          rows('C', 'max by (instance) (tocsin_alarm_rate_lower)'),
          'at least',
          'none',
          { decimals: 1 },
        ],
        [
          rows('D', 'max by (instance) (tocsin_alarm_rate_upper)'),
          'at most',
          'none',
          { decimals: 1 },
        ],
        [
          rows(
            'E',
            'max by (instance) (tocsin_alarm_rate_lower)' +
              ' <= bool max by (instance) (tocsin_alarm_budget)',
          ),
          'kept',
          'none',
          {
            mappings: mapping({ 0: ['no', RED], 1: ['yes', GREEN] }),
            'custom.cellOptions': { type: 'color-text' },
          },
        ],
      ],
    ),
    12,
    8,
  );
  grid.add(
    lines(
      'Incidents a week',
      'Achieved, and dashed what was promised.',
      range('A', 'max by (instance) (tocsin_alarm_rate)', '{{instance}}'),
      range('B', 'max(tocsin_alarm_budget)', 'promised at most'),
    )
      .min(0)
      .overrideByName('promised at most', [
        { id: 'color', value: fixed(RED).build() },
        { id: 'custom.lineStyle', value: { fill: 'dash', dash: [8, 6] } },
        { id: 'custom.fillOpacity', value: 0 },
      ]),
    12,
    8,
  );
}

function itself(grid) {
  grid.row('tocsin itself');
  grid.add(
    lines(
      'Processor',
      'Share of one core.',
      range('A', ofTocsin('rate(process_cpu_seconds_total[$__rate_interval])'), '{{instance}}'),
    )
      .unit('percentunit')
      .min(0),
    6,
    7,
  );
  grid.add(
    lines(
      'Memory',
      'Resident.',
      range('A', ofTocsin('process_resident_memory_bytes'), '{{instance}}'),
    )
      .unit('bytes')
      .min(0),
    6,
    7,
  );
  grid.add(
    lines(
      'Work',
      'What it does each second.',
      range('A', 'sum(rate(tocsin_samples_total[$__rate_interval]))', 'samples'),
      range('B', 'sum(rate(tocsin_frames_total[$__rate_interval]))', 'frames'),
      range('C', 'sum(rate(tocsin_scores_total[$__rate_interval]))', 'scores'),
    )
      .unit('ops')
      .min(0),
    6,
    7,
  );
  grid.add(
    lines(
      'Age of the newest score',
      'Of each machine: how long nobody has looked.',
      range('A', scoreAge(), '{{instance}}'),
    )
      .unit('s')
      .min(0),
    6,
    7,
  );
  grid.add(
    bars(
      'Lost',
      'Nothing is lost silently: what was refused or thrown away, by reason.',
      range(
        'A',
        'sum by (reason) (increase(tocsin_dropped_total[$__rate_interval]))',
        '{{reason}}',
      ),
    ).min(0),
    6,
    7,
  );
  grid.add(
    bars(
      'Errors',
      'Parts of collections, and writes to the store, that failed.',
      range('A', 'sum(increase(tocsin_collect_errors_total[$__rate_interval]))', 'collecting'),
      range('B', 'sum(increase(tocsin_store_errors_total[$__rate_interval]))', 'storing'),
      range(
        'C',
        'sum(increase(tocsin_config_reloads_total{result="failed"}[$__rate_interval]))',
        'reloading',
      ),
    ).min(0),
    6,
    7,
  );
  grid.add(
    bars(
      'Trainings',
      'Of models, by result; promoted: the new model is used.',
      range(
        'A',
        'sum by (result) (increase(tocsin_trainings_total[$__rate_interval]))',
        'trained: {{result}}',
      ),
      range(
        'B',
        'sum by (result) (increase(tocsin_promotions_total[$__rate_interval]))',
        'judged: {{result}}',
      ),
    ).min(0),
    6,
    7,
  );
  grid.add(
    lines(
      'Scrapes',
      'How long Prometheus waits for /metrics.',
      range('A', ofTocsin('scrape_duration_seconds'), '{{instance}}'),
    )
      .unit('s')
      .min(0)
      .colorScheme(fixed(GREY)),
    6,
    7,
  );
}

exports.fleet = () => {
  const builder = page('tocsin: fleet', 'tocsin-fleet', 'All machines that tocsin watches.').link(
    link('One machine', '/d/tocsin-machine'),
  );
  const grid = new Grid(builder);

  counts(grid);
  everyMachine(grid);
  overTime(grid);
  alarmBudget(grid);
  itself(grid);
  return builder.build();
};
