// SPDX-License-Identifier: Apache-2.0
// The dashboard of one machine: its score and its incidents, what adds to it, and the raw metrics
// beneath, as Node Exporter gives them.
'use strict';
const {
  GREEN,
  BLUE,
  ORANGE,
  RED,
  Grid,
  page,
  link,
  marks,
  variable,
  range,
  instant,
  thresholds,
  fixed,
  mapping,
  withPast,
  lines,
  stacked,
  bars,
  number,
  gauges,
  states,
} = require('./parts');
const { relativeScore, scoreAge, state, stateWords } = require('./series');

const OF = '{instance="$instance"}';
const one = (metric) => `max by (instance) (${metric}${OF})`;

function now(grid) {
  grid.add(
    number('State', '', instant('A', state(OF), 'state'))
      .mappings(mapping(stateWords))
      .noValue('unknown')
      .thresholds(thresholds(GREEN)),
    4,
    4,
  );
  grid.add(
    withPast(
      number(
        'Score / threshold',
        'Above 1 a frame is anomalous.',
        range('A', relativeScore(OF), 'score / threshold'),
      ),
    )
      .decimals(2)
      .thresholds(thresholds(GREEN, [0.7, ORANGE], [1, RED])),
    4,
    4,
  );
  grid.add(
    number(
      'Confidence',
      'Share of the features of the model that the newest frame had.',
      instant('A', one('tocsin_confidence_ratio'), 'confidence'),
    )
      .unit('percentunit')
      .decimals(0)
      .thresholds(thresholds(RED, [0.7, ORANGE], [0.9, GREEN])),
    4,
    4,
  );
  grid.add(
    number('Last score', 'How long ago.', instant('A', scoreAge(OF), 'age'))
      .unit('s')
      .decimals(0)
      .thresholds(thresholds(GREEN, [60, ORANGE], [300, RED])),
    4,
    4,
  );
  grid.add(
    number(
      'Model made',
      '',
      instant('A', `1000 * ${one('tocsin_model_created_timestamp_seconds')}`, 'made'),
    )
      .unit('dateTimeFromNow')
      .thresholds(thresholds(BLUE)),
    4,
    4,
  );
  grid.add(
    number(
      'Incidents',
      'In the time shown.',
      instant(
        'A',
        `ceil(sum by (instance) (changes(anomaly_detected${OF}[$__range])) / 2)`,
        'incidents',
      ),
    ).thresholds(thresholds(BLUE)),
    4,
    4,
  );
}

function score(grid) {
  grid.add(
    lines(
      'Score',
      'Regions are incidents; the threshold is higher while features are missing.',
      range('A', one('anomaly_score'), 'score'),
      range('B', one('anomaly_threshold'), 'threshold'),
    )
      .min(0)
      .overrideByName('score', [{ id: 'color', value: fixed(BLUE).build() }])
      .overrideByName('threshold', [
        { id: 'color', value: fixed(RED).build() },
        { id: 'custom.lineStyle', value: { fill: 'dash', dash: [8, 6] } },
        { id: 'custom.fillOpacity', value: 0 },
      ]),
    24,
    9,
  );

  grid.add(
    bars(
      'Causes',
      'anomaly_feature_error: the evidence of a frame, shared out among its causes; the largest few.',
      range('A', `max by (feature) (anomaly_feature_error${OF})`, '{{feature}}'),
    ).min(0),
    16,
    9,
  );
  grid.add(
    gauges(
      'Causes now',
      'The newest frame.',
      instant('A', `sort_desc(max by (feature) (anomaly_feature_error${OF}))`, '{{feature}}'),
    )
      .min(0)
      .thresholds(thresholds(BLUE)),
    8,
    9,
  );
}

function trust(grid) {
  grid.row('How far to trust it');
  grid.add(
    states('Incident', '', range('A', one('anomaly_detected'), 'incident'))
      .mappings(mapping({ 0: ['calm', GREEN], 1: ['rings', RED] }))
      .thresholds(thresholds(GREEN, [1, RED])),
    12,
    5,
  );
  grid.add(
    lines(
      'Features missing',
      'Those that no longer arrive, and those that stand still although they always moved.',
      range('A', one('tocsin_features_absent'), 'absent'),
      range('B', one('tocsin_features_frozen'), 'frozen'),
    )
      .min(0)
      .decimals(0),
    12,
    5,
  );
  grid.add(
    lines(
      'Incidents a week',
      'Achieved, with the 95 % interval; dashed: promised.',
      range('A', one('tocsin_alarm_rate'), 'achieved'),
      range('B', one('tocsin_alarm_rate_lower'), 'at least'),
      range('C', one('tocsin_alarm_rate_upper'), 'at most'),
      range('D', one('tocsin_alarm_budget'), 'promised'),
    )
      .min(0)
      .overrideByName('at least', [
        { id: 'custom.lineWidth', value: 0 },
        { id: 'custom.fillOpacity', value: 0 },
      ])
      .overrideByName('at most', [
        { id: 'custom.lineWidth', value: 0 },
        { id: 'custom.fillBelowTo', value: 'at least' },
      ])
      .overrideByName('promised', [
        { id: 'color', value: fixed(RED).build() },
        { id: 'custom.lineStyle', value: { fill: 'dash', dash: [8, 6] } },
        { id: 'custom.fillOpacity', value: 0 },
      ]),
    12,
    7,
  );
  grid.add(
    lines(
      'Does the model still fit?',
      'Evidence of drift: at 100 % a training is ordered. Learning: how far it is.',
      range('A', one('tocsin_drift_evidence'), 'drift'),
      range('B', one('tocsin_learning_progress_ratio'), 'learned'),
      range('C', one('tocsin_confidence_ratio'), 'confidence'),
    )
      .unit('percentunit')
      .min(0),
    12,
    7,
  );
}

// Raw metrics: the names that profiles/node.yml takes its features from, of the Node Exporter that
// $node names; several machines' worth of detail where the feature is a sum.
const of = (metric, matchers = '') => `${metric}{instance="$node"${matchers && `,${matchers}`}}`;
const rate = (metric, matchers) => `rate(${of(metric, matchers)}[$__rate_interval])`;
const DISKS = 'device!~"(dm-|md|bcache|drbd|sr).*|(nvme|mmcblk).*p\\\\d+"';
const NETWORKS = 'device!~"lo|(veth|ifb|docker|br-|cni|cali|flannel|virbr|vnet|tap).*"';
const FILESYSTEMS = 'fstype!~"tmpfs|ramfs|squashfs|erofs|iso9660|udf|fuse.*"';
const CORES = `scalar(count(${of('node_cpu_seconds_total', 'mode="idle"')}))`;

function raw(grid) {
  const put = (panel) => grid.add(panel.min(0), 8, 7);

  grid.row('Raw metrics: Node Exporter at $node');
  put(
    lines(
      'Processor',
      'Share of all cores, by mode.',
      range(
        'A',
        `sum by (mode) (${rate('node_cpu_seconds_total', 'mode!="idle"')}) / ${CORES}`,
        '{{mode}}',
      ),
    )
      .unit('percentunit')
      .fillOpacity(40)
      .stacking(stacked()),
  );
  put(
    lines(
      'Load',
      'Per core.',
      range('A', `${of('node_load1')} / ${CORES}`, 'load, one minute'),
      range('B', `${of('node_procs_running')} / ${CORES}`, 'runnable'),
      range('C', of('node_procs_blocked'), 'blocked, all cores'),
    ),
  );
  put(
    lines(
      'Pressure',
      'Share of the time in which some task waited.',
      range('A', rate('node_pressure_cpu_waiting_seconds_total'), 'for a core'),
      range('B', rate('node_pressure_io_waiting_seconds_total'), 'for a disk'),
      range('C', rate('node_pressure_memory_waiting_seconds_total'), 'for memory'),
    ).unit('percentunit'),
  );
  put(
    lines(
      'Memory',
      'Share of all memory.',
      range(
        'A',
        `1 - ${of('node_memory_MemAvailable_bytes')} / ${of('node_memory_MemTotal_bytes')}`,
        'used',
      ),
      range('B', `${of('node_memory_Dirty_bytes')} / ${of('node_memory_MemTotal_bytes')}`, 'dirty'),
    ).unit('percentunit'),
  );
  put(
    lines(
      'Paging',
      'Pages and faults a second.',
      range('A', rate('node_vmstat_pswpin'), 'swapped in'),
      range('B', rate('node_vmstat_pswpout'), 'swapped out'),
      range('C', rate('node_vmstat_pgmajfault'), 'major faults'),
    ).unit('ops'),
  );
  put(
    lines(
      'Filesystems',
      'Share in use.',
      range(
        'A',
        `1 - ${of('node_filesystem_avail_bytes', FILESYSTEMS)}` +
          ` / ${of('node_filesystem_size_bytes', FILESYSTEMS)}`,
        '{{mountpoint}}',
      ),
    ).unit('percentunit'),
  );
  put(
    lines(
      'Disks: throughput',
      '',
      range('A', rate('node_disk_read_bytes_total', DISKS), '{{device}} read'),
      range('B', rate('node_disk_written_bytes_total', DISKS), '{{device}} written'),
    ).unit('Bps'),
  );
  put(
    lines(
      'Disks: busy',
      'Share of the time in which it worked.',
      range('A', rate('node_disk_io_time_seconds_total', DISKS), '{{device}}'),
    ).unit('percentunit'),
  );
  put(
    lines(
      'Disks: operations',
      '',
      range('A', rate('node_disk_reads_completed_total', DISKS), '{{device}} reads'),
      range('B', rate('node_disk_writes_completed_total', DISKS), '{{device}} writes'),
    ).unit('ops'),
  );
  put(
    lines(
      'Network: throughput',
      '',
      range('A', rate('node_network_receive_bytes_total', NETWORKS), '{{device}} received'),
      range('B', rate('node_network_transmit_bytes_total', NETWORKS), '{{device}} sent'),
    ).unit('Bps'),
  );
  put(
    lines(
      'Network: errors and drops',
      'All interfaces, both directions.',
      range(
        'A',
        `sum(${rate('node_network_receive_errs_total')})` +
          ` + sum(${rate('node_network_transmit_errs_total')})`,
        'errors',
      ),
      range(
        'B',
        `sum(${rate('node_network_receive_drop_total')})` +
          ` + sum(${rate('node_network_transmit_drop_total')})`,
        'drops',
      ),
    ).unit('ops'),
  );
  put(
    lines(
      'TCP',
      '',
      range('A', of('node_netstat_Tcp_CurrEstab'), 'established'),
      range('B', rate('node_netstat_Tcp_ActiveOpens'), 'made a second'),
      range('C', rate('node_netstat_Tcp_PassiveOpens'), 'accepted a second'),
    ),
  );
  put(lines('Files', 'Handles open.', range('A', of('node_filefd_allocated'), 'files')));
  put(
    lines(
      'Sockets',
      '',
      range('A', of('node_sockstat_sockets_used'), 'all'),
      range('B', of('node_sockstat_TCP_tw'), 'waiting out their time'),
    ),
  );
  put(
    lines(
      'Processes',
      'Each second.',
      range('A', rate('node_forks_total'), 'forks'),
      range('B', `${rate('node_context_switches_total')} / ${CORES}`, 'context switches per core'),
    ).unit('ops'),
  );
}

exports.machine = () => {
  const builder = page(
    'tocsin: one machine',
    'tocsin-machine',
    'One machine that tocsin watches: its score, and why.',
  )
    .withVariable(variable('instance', 'Machine', 'label_values(tocsin_entity_phase, instance)'))
    // A machine that tocsin knows by its host name has another name at its Node Exporter.
    .withVariable(
      variable(
        'node',
        'Node Exporter',
        'query_result(node_uname_info{instance="$instance"}' +
          ' or node_uname_info{nodename="$instance"})',
      ).regex('/instance="([^"]+)"/'),
    )
    .annotation(
      marks('Incidents', RED, one('anomaly_detected'), 'Incident', '{{instance}} rings', '15s'),
    )
    .annotation(
      marks(
        'New models',
        GREEN,
        `1000 * ${one('tocsin_model_created_timestamp_seconds')}`,
        'New model',
        '{{instance}}',
        '15s',
      ).useValueForTime(true),
    )
    .link(link('All machines', '/d/tocsin-fleet'));
  const grid = new Grid(builder);

  now(grid);
  score(grid);
  trust(grid);
  raw(grid);
  return builder.build();
};
