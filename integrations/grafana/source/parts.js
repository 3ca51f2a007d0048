// SPDX-License-Identifier: Apache-2.0
// What both dashboards are made of: queries, panels with our looks, and a grid that places them.
'use strict';
const common = require('@grafana/grafana-foundation-sdk/common');
const dashboard = require('@grafana/grafana-foundation-sdk/dashboard');
const prometheus = require('@grafana/grafana-foundation-sdk/prometheus');
const bargauge = require('@grafana/grafana-foundation-sdk/bargauge');
const stat = require('@grafana/grafana-foundation-sdk/stat');
const statetimeline = require('@grafana/grafana-foundation-sdk/statetimeline');
const table = require('@grafana/grafana-foundation-sdk/table');
const timeseries = require('@grafana/grafana-foundation-sdk/timeseries');

// of provisioning/datasources/tocsin.yml
const DATASOURCE_UID = 'tocsin-prometheus';
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

const GREEN = 'green';
const BLUE = 'blue';
const ORANGE = 'orange';
const RED = 'red';
const GREY = '#8e8e8e';

// A series over time.
const range = (refId, expr, legend) =>
  new prometheus.DataqueryBuilder()
    .refId(refId)
    .datasource(DATASOURCE)
    .expr(expr)
    .legendFormat(legend)
    .editorMode(prometheus.QueryEditorMode.Code)
    .range();

// One value for each series, now.
const instant = (refId, expr, legend) =>
  new prometheus.DataqueryBuilder()
    .refId(refId)
    .datasource(DATASOURCE)
    .expr(expr)
    .legendFormat(legend)
    .editorMode(prometheus.QueryEditorMode.Code)
    .instant();

// The same as rows of a table.
const rows = (refId, expr) => instant(refId, expr, '').format(prometheus.PromQueryFormat.Table);

// thresholds(GREEN, [1, RED]): green below 1, red from there on
const thresholds = (base, ...steps) =>
  new dashboard.ThresholdsConfigBuilder()
    .mode(dashboard.ThresholdsMode.Absolute)
    .steps([{ value: null, color: base }, ...steps.map(([value, color]) => ({ value, color }))]);

const fixed = (color) =>
  new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.Fixed).fixedColor(color);
// A number is shown with a line of its past.
const withPast = (panel) => panel.graphMode(common.BigValueGraphMode.Area);

const byThreshold = () =>
  new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.Thresholds);

// Words for numbers: mapping({0: ['calm', GREEN]})
const mapping = (words) => [
  {
    type: dashboard.MappingType.ValueToText,
    options: Object.fromEntries(
      Object.entries(words).map(([value, [text, color]], index) => [value, { text, color, index }]),
    ),
  },
];

function furnish(panel, title, description, queries) {
  panel.title(title).description(description).datasource(DATASOURCE);
  queries.forEach((q) => panel.withTarget(q));
  return panel;
}

const legendBelow = () =>
  new common.VizLegendOptionsBuilder()
    .displayMode(common.LegendDisplayMode.List)
    .placement(common.LegendPlacement.Bottom)
    .showLegend(true)
    .calcs([]);

const lines = (title, description, ...queries) =>
  furnish(new timeseries.PanelBuilder(), title, description, queries)
    .lineWidth(1)
    .fillOpacity(8)
    .showPoints(common.VisibilityMode.Never)
    .spanNulls(false)
    .legend(legendBelow())
    .tooltip(
      new common.VizTooltipOptionsBuilder()
        .mode(common.TooltipDisplayMode.Multi)
        .sort(common.SortOrder.Descending),
    );

// Draws the panel's thresholds as lines.
const limitLine = () =>
  new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed);

const stacked = () =>
  new common.StackingConfigBuilder().mode(common.StackingMode.Normal).group('A');

const bars = (title, description, ...queries) =>
  lines(title, description, ...queries)
    .drawStyle(common.GraphDrawStyle.Bars)
    .fillOpacity(80)
    .lineWidth(0)
    .stacking(stacked());

const number = (title, description, query) =>
  furnish(new stat.PanelBuilder(), title, description, [query])
    .colorMode(common.BigValueColorMode.Value)
    .graphMode(common.BigValueGraphMode.None)
    .colorScheme(byThreshold())
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false));

const gauges = (title, description, query) =>
  furnish(new bargauge.PanelBuilder(), title, description, [query])
    .orientation(common.VizOrientation.Horizontal)
    .displayMode(common.BarGaugeDisplayMode.Basic)
    .showUnfilled(true)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false));

const states = (title, description, ...queries) =>
  furnish(new statetimeline.PanelBuilder(), title, description, queries)
    .mergeValues(true)
    .showValue(common.VisibilityMode.Never)
    .rowHeight(0.8)
    .fillOpacity(80)
    .lineWidth(0)
    .colorScheme(byThreshold())
    .legend(legendBelow());

// columns: [[query, the name of its value, a unit, {property of the column: value}], ...], joined
// by the label instance. A query that is no table becomes a sparkline.
function machines(title, description, columns) {
  const panel = furnish(
    new table.PanelBuilder(),
    title,
    description,
    columns.map(([q]) => q),
  )
    .cellHeight(common.TableCellHeight.Sm)
    .filterable(false);
  const rename = { instance: 'machine' };
  const order = { instance: 0 };
  const hidden = { Time: true };

  columns.forEach(([query, name, unit, properties = {}], i) => {
    const { refId, format } = query.build();
    const isTable = format === prometheus.PromQueryFormat.Table;
    const field = `${isTable ? 'Value' : 'Trend'} #${refId}`;
    // (Its filter: a table of one row would pass for a series.)
    if (!isTable) {
      panel.withTransformation({
        id: 'timeSeriesTable',
        options: {},
        filter: { id: 'byRefId', options: refId },
      });
    }
    rename[field] = name;
    order[field] = i + 1;
    hidden[`Time ${i + 1}`] = true;
    panel.overrideByName(name, [
      { id: 'unit', value: unit },
      ...Object.entries(properties).map(([id, value]) => ({ id, value })),
    ]);
  });
  panel.withTransformation({ id: 'joinByField', options: { byField: 'instance', mode: 'outer' } });
  panel.withTransformation({
    id: 'organize',
    options: { excludeByName: hidden, indexByName: order, renameByName: rename },
  });
  return panel;
}

// Places panels from left to right, in lines of 24 columns, and numbers them.
class Grid {
  constructor(builder) {
    this.builder = builder;
    this.id = 0;
    this.x = this.y = this.height = 0;
  }

  newLine() {
    this.x = 0;
    this.y += this.height;
    this.height = 0;
  }

  // Adds it, w columns wide and h high; gives its id.
  add(panel, w, h) {
    if (this.x + w > 24) this.newLine();
    this.id += 1;
    this.builder.withPanel(panel.id(this.id).gridPos({ x: this.x, y: this.y, w, h }));
    this.x += w;
    this.height = Math.max(this.height, h);
    return this.id;
  }

  row(title) {
    this.newLine();
    this.id += 1;
    this.builder.withRow(
      new dashboard.RowBuilder(title).id(this.id).gridPos({ x: 0, y: this.y, w: 24, h: 1 }),
    );
    this.y += 1;
  }
}

// A dashboard with what both have.
const page = (title, uid, description) =>
  new dashboard.DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags(['tocsin'])
    .timezone('browser')
    .editable()
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .refresh('10s')
    .time({ from: 'now-1h', to: 'now' })
    .timepicker(
      new dashboard.TimePickerBuilder().refreshIntervals(['5s', '10s', '30s', '1m', '5m', '15m']),
    )
    .withVariable(
      new dashboard.DatasourceVariableBuilder('datasource')
        .label('Prometheus')
        .type('prometheus')
        .current({ selected: true, text: 'tocsin-prometheus', value: DATASOURCE_UID }),
    )
    .annotation(
      new dashboard.AnnotationQueryBuilder()
        .name('Annotations & Alerts')
        .builtIn(1)
        .type('dashboard')
        .datasource({ type: 'grafana', uid: '-- Grafana --' })
        .enable(true)
        .hide(true)
        .iconColor('rgba(0, 211, 255, 1)'),
    );

const link = (title, url) =>
  new dashboard.DashboardLinkBuilder(title)
    .type(dashboard.DashboardLinkType.Link)
    .url(url)
    .icon('dashboard')
    .tooltip('')
    .keepTime(true)
    .includeVars(false);

// What can be chosen: the answers to a query.
const variable = (name, label, query) =>
  new dashboard.QueryVariableBuilder(name)
    .label(label)
    .datasource(DATASOURCE)
    .query({ query, refId: name })
    .definition(query)
    .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
    .sort(dashboard.VariableSort.AlphabeticalAsc);

// A mark wherever expr is above 0; marks less than `step` apart are one region.
const marks = (name, color, expr, title, text, step) =>
  new dashboard.AnnotationQueryBuilder()
    .name(name)
    .datasource(DATASOURCE)
    .enable(true)
    .hide(false)
    .iconColor(color)
    .expr(expr)
    .titleFormat(title)
    .textFormat(text)
    .tagKeys('instance')
    .step(step);

module.exports = {
  DATASOURCE_UID,
  GREEN,
  BLUE,
  ORANGE,
  RED,
  GREY,
  range,
  instant,
  rows,
  thresholds,
  fixed,
  mapping,
  withPast,
  lines,
  limitLine,
  stacked,
  bars,
  number,
  gauges,
  states,
  machines,
  Grid,
  page,
  link,
  marks,
  variable,
};
