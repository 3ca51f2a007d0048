// SPDX-License-Identifier: Apache-2.0
// The alert rules, for Grafana's file provisioning. Each is a query, its last value, and a limit.
'use strict';
const alerting = require('@grafana/grafana-foundation-sdk/alerting');
const expr = require('@grafana/grafana-foundation-sdk/expr');
const prometheus = require('@grafana/grafana-foundation-sdk/prometheus');
const { DATASOURCE_UID } = require('./parts');
const { machine } = require('./machine');
const { relativeScore, scoreAge } = require('./series');

const EXPRESSION = { type: '__expr__', uid: '__expr__' };
const SECONDS_BACK = { from: 600, to: 0 };

const step = (refId, datasource, model) =>
  new alerting.QueryBuilder(refId)
    .datasourceUid(datasource.uid)
    .relativeTimeRange(SECONDS_BACK)
    .model(model.refId(refId).datasource(datasource));

/**
 * What a rule has, in the words of the provisioning files, which are not all those of the SDK.
 * @param {object} r
 * @param {string} r.uid
 * @param {string} r.title
 * @param {string} r.query
 * @param {['gt' | 'gte' | 'lt', number]} r.limit
 * @param {string} [r.wait]
 * @param {string} r.severity
 * @param {string} r.notify
 * @param {'OK' | 'Alerting'} [r.noData]
 * @param {string} r.summary
 * @param {{dashboard: string, id: number}} [r.panel]
 */
function rule({
  uid,
  title,
  query,
  limit,
  wait = '0s',
  severity,
  notify,
  noData = 'OK',
  summary,
  panel,
}) {
  const {
    annotations,
    condition,
    data,
    execErrState,
    for: pending,
    labels,
    noDataState,
  } = new alerting.RuleBuilder(title)
    .condition('C')
    .withQuery(
      step(
        'A',
        { type: 'prometheus', uid: DATASOURCE_UID },
        new prometheus.DataqueryBuilder()
          .expr(query)
          .editorMode(prometheus.QueryEditorMode.Code)
          .instant(),
      ),
    )
    .withQuery(step('B', EXPRESSION, new expr.TypeReduceBuilder().expression('A').reducer('last')))
    .withQuery(
      step(
        'C',
        EXPRESSION,
        new expr.TypeThresholdBuilder()
          .expression('B')
          .conditions([{ evaluator: { type: limit[0], params: [limit[1]] } }]),
      ),
    )
    .forDuration(wait)
    .execErrState('Error')
    .noDataState(noData)
    .annotations({
      summary,
      ...(panel && { __dashboardUid__: panel.dashboard, __panelId__: String(panel.id) }),
    })
    .labels({ service: 'tocsin', severity, notify })
    .build();

  return {
    uid,
    title,
    condition,
    data,
    ...(panel && { dashboardUid: panel.dashboard, panelId: panel.id }),
    noDataState,
    execErrState,
    for: pending,
    annotations,
    labels,
  };
}

// (.Labels, and not $labels: Grafana takes $ for a variable of its environment.)
const NAME = '{{ .Labels.instance }}';
const page = { severity: 'critical', notify: '$TOCSIN_PAGE_TO' };
const warn = { severity: 'warning', notify: '$TOCSIN_WARN_TO' };

function ofMachines() {
  const { uid: dashboard, panels } = machine();
  const panel = { dashboard, id: panels.find((p) => p.title === 'Score').id };

  return [
    rule({
      ...page,
      panel,
      uid: 'tocsin-anomaly',
      title: 'Machine departs from normal',
      query: 'max by (instance) (anomaly_detected)',
      limit: ['gt', 0],
      summary: `${NAME} departs from what is normal for it; its panel says which metrics do.`,
    }),
    rule({
      ...warn,
      panel,
      uid: 'tocsin-trend',
      title: 'Score heads for its threshold',
      // An hour ahead, as the last hour goes; not while the score is in the lower half, where it
      // always moves.
      query:
        'max by (instance) (predict_linear((anomaly_score / anomaly_threshold)[1h:1m], 3600))' +
        ` * on (instance) (${relativeScore()} > bool 0.5)`,
      limit: ['gt', 1],
      wait: '15m',
      summary: `${NAME}: as its score rises, it will be over the threshold within an hour.`,
    }),
    rule({
      ...warn,
      panel,
      uid: 'tocsin-stale',
      title: 'Machine sends nothing',
      query: 'max by (instance) (tocsin_entity_stale)',
      limit: ['gt', 0],
      wait: '2m',
      summary: `${NAME}: nothing arrives from it, so nobody watches it.`,
    }),
  ];
}

function ofItself() {
  return [
    rule({
      ...page,
      uid: 'tocsin-down',
      title: 'tocsin is down',
      query: 'count(tocsin_build_info) or vector(0)',
      limit: ['lt', 1],
      wait: '1m',
      noData: 'Alerting',
      summary: 'Prometheus reaches no tocsin: no machine is watched.',
    }),
    rule({
      ...page,
      uid: 'tocsin-silent',
      title: 'Scores are old',
      query: `${scoreAge()} unless on (instance) tocsin_entity_stale == 1`,
      limit: ['gt', 300],
      summary: `${NAME}: its newest score is {{ .Values.B }} s old, although metrics arrive.`,
    }),
    rule({
      ...warn,
      uid: 'tocsin-drift',
      title: 'Model no longer fits',
      // Evidence of 1 orders a training; a model that stays refuted for a day was not replaced.
      query: 'max by (instance) (tocsin_drift_evidence)',
      limit: ['gte', 1],
      wait: '1d',
      summary: `${NAME}: its model no longer fits, and no new one has been better for a day.`,
    }),
    rule({
      ...warn,
      uid: 'tocsin-loses',
      title: 'tocsin loses data',
      query:
        'sum(increase(tocsin_dropped_total[10m])) + sum(increase(tocsin_store_errors_total[10m]))',
      limit: ['gt', 0],
      summary:
        '{{ .Values.B }} pieces of data were dropped or not stored in ten minutes: see its log.',
    }),
  ];
}

exports.rules = () => ({
  apiVersion: 1,
  groups: [
    { orgId: 1, name: 'machines', folder: 'tocsin', interval: '10s', rules: ofMachines() },
    { orgId: 1, name: 'tocsin itself', folder: 'tocsin', interval: '1m', rules: ofItself() },
  ],
});
