# SPDX-License-Identifier: Apache-2.0
"""The files of a recording: written, found, and held against what docs/recording.md says."""
import csv
import glob
import math
import os
import struct

LEAST_SHARE, MOST_SHARE = 0.01, 0.20  # of anomalous rows: fewer measure nothing, more are no exception
GAPS_SHARE = 0.05  # of rows without a frame: a machine this busy was not recorded
EVENTS_HEADER = ["first", "last", "kind", "strength", "groups", "features"]


def float_text(value):
    """The fewest digits that give the same float32 again; nothing for NaN."""
    if math.isnan(value):
        return ""
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("<f", float(text)) == struct.pack("<f", value):
            break
    return text


def _write_frames(path, names, rows, first_s):
    with open(path, "w") as f:
        f.write(",".join(["timestamp", *names]) + "\n")
        for i, values in enumerate(rows):
            cells = [""] * len(names) if values is None else map(float_text, values)
            f.write(",".join([str(first_s + i), *cells]) + "\n")


def rows_of(begun, ended, first_ms, n):
    """The first and last row, counted from first_ms, whose tick lies in a stretch of time; None
    when there is none. A row's features cover the five seconds before its tick."""
    first = max(0, math.ceil(begun - first_ms / 1000))
    last = min(n - 1, math.floor(ended - first_ms / 1000))
    return (first, last) if first <= last else None


def write(folder, name, names, groups, grid, first_ms, n_train, done, faults):
    """grid: a row a second, None without a frame. done: [(begun, ended, kind, strength)]. faults:
    the module of that name. Features that never had a value here are left out everywhere."""
    seen = [i for i in range(len(names)) if any(v and not math.isnan(v[i]) for v in grid)]
    grid = [v and [v[i] for i in seen] for v in grid]
    names = [names[i] for i in seen]
    first_s, test = round(first_ms / 1000), grid[n_train:]
    base = os.path.join(folder, name)
    labels, events = [0] * len(test), []
    for begun, ended, kind, strength in done:
        span = rows_of(begun, ended, first_ms + 1000 * n_train, len(test))
        if span is None:
            continue
        features = [f for f in faults.features_of(kind) if f in names]
        events.append((*span, kind, strength, features))
        labels[span[0] : span[1] + 1] = [1] * (span[1] + 1 - span[0])

    _write_frames(f"{base}.train.csv", names, grid[:n_train], first_s)
    _write_frames(f"{base}.test.csv", names, test, first_s + n_train)
    with open(f"{base}.label.csv", "w") as f:
        f.write("label\n" + "".join(f"{v}\n" for v in labels))
    with open(f"{base}.causes.txt", "w") as f:
        for first, last, _, _, features in events:
            f.write(f"{first}-{last}:{','.join(str(names.index(x) + 1) for x in features)}\n")
    with open(f"{base}.events.csv", "w") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(EVENTS_HEADER)
        for first, last, kind, strength, features in events:
            right = dict.fromkeys([*(groups[x] for x in features), *faults.groups_of(kind)])
            out.writerow([first, last, kind, strength, " ".join(right), " ".join(features)])


def names_in(folder):
    """The recordings in a folder, by name."""
    found = sorted(glob.glob(os.path.join(glob.escape(folder), "*.events.csv")))
    return [os.path.basename(path)[: -len(".events.csv")] for path in found]


def read_table(path):
    """(header, rows) of a CSV file, as text."""
    with open(path, newline="") as f:
        rows = list(csv.reader(f))
    if not rows:
        raise ValueError(f"{path}: expected a header, found nothing")
    return rows[0], rows[1:]


def read_events(base):
    header, rows = read_table(f"{base}.events.csv")
    if header != EVENTS_HEADER:
        raise ValueError(f"{base}.events.csv: expected the header {','.join(EVENTS_HEADER)}")
    return [(int(first), int(last), kind, strength, groups.split(), features.split())
            for first, last, kind, strength, groups, features in rows]  # fmt: skip


class Check:
    """What is wrong with one recording: complaints, and a line about it."""

    def __init__(self, folder, name):
        self.base, self.complaints, self.about = os.path.join(folder, name), [], ""
        try:
            self._check()
        except (OSError, ValueError) as e:
            self.complaints.append(str(e))

    def wrong(self, sentence):
        self.complaints.append(sentence)

    def _check(self):
        columns, train, gaps = self._frames("train")
        again, test, more_gaps = self._frames("test")
        if columns != again:
            self.wrong("train and test have different columns")
        if train and test and test[0] <= train[-1]:
            self.wrong(f"the test part begins at {test[0]:.10g}, before the training part ends")
        labels = self._labels(len(test))
        events = read_events(self.base)
        self._events(events, labels, columns)
        self._causes(events, columns)
        share = sum(labels) / max(1, len(labels))
        if not LEAST_SHARE <= share <= MOST_SHARE:
            self.wrong(f"{share:.1%} of the test rows are anomalous, expected {LEAST_SHARE:.0%} "
                       f"to {MOST_SHARE:.0%}")  # fmt: skip
        self.about = (f"{len(train)} + {len(test)} rows of {len(columns)} features, {len(events)} "
                      f"faults in {share:.1%} of the test rows, {gaps + more_gaps} rows without a "
                      f"frame")  # fmt: skip

    def _frames(self, part):
        """(columns, times, rows without any value)"""
        path = f"{self.base}.{part}.csv"
        header, rows = read_table(path)
        if header[:1] != ["timestamp"] or len(set(header)) != len(header) or len(header) < 2:
            self.wrong(f"{path}: expected the header timestamp,<feature>... without repetition")
        times, gaps = [], 0
        for number, row in enumerate(rows, 2):
            if len(row) != len(header):
                raise ValueError(f"{path}:{number}: expected {len(header)} fields, found {len(row)}")
            times.append(float(row[0]))
            values = [float(cell) for cell in row[1:] if cell]
            gaps += not values
            if not all(map(math.isfinite, values)):
                raise ValueError(f"{path}:{number}: a value that is not finite")
        steps = {round(b - a, 3) for a, b in zip(times, times[1:])}
        if len(steps) != 1 or min(steps) <= 0:
            self.wrong(f"{path}: times do not rise by one interval, but by {sorted(steps)[:5]} s")
        if gaps > GAPS_SHARE * len(rows):
            self.wrong(f"{path}: {gaps} of {len(rows)} rows have no value: the machine was too busy")
        return header[1:], times, gaps

    def _labels(self, rows):
        path = f"{self.base}.label.csv"
        header, lines = read_table(path)
        if header != ["label"] or any(line not in (["0"], ["1"]) for line in lines):
            raise ValueError(f"{path}: expected the header label, then 0 or 1 in each line")
        if len(lines) != rows:
            self.wrong(f"{path}: expected {rows} labels, one a test row, found {len(lines)}")
        return [int(line[0]) for line in lines]

    def _events(self, events, labels, columns):
        path, marked, end = f"{self.base}.events.csv", [0] * len(labels), -1
        if not events:
            self.wrong(f"{path}: no faults")
        for first, last, kind, strength, _, features in events:
            what = f"{path}: {strength} {kind} in rows {first} to {last}"
            if not end < first <= last < len(labels):
                self.wrong(f"{what}: expected rows after {end} and before {len(labels)}")
            if not features or not set(features) <= set(columns):
                self.wrong(f"{what}: its features are not columns: {' '.join(features)}")
            end = last
            marked[first : last + 1] = [1] * len(marked[first : last + 1])
        if marked != labels:
            self.wrong(f"{path}: its rows are not the ones that are labelled")

    def _causes(self, events, columns):
        path = f"{self.base}.causes.txt"
        expected = [f"{e[0]}-{e[1]}:{','.join(str(columns.index(f) + 1) for f in e[5] if f in columns)}"
                    for e in events]  # fmt: skip
        with open(path) as f:
            if f.read().split() != expected:
                self.wrong(f"{path}: does not say the same as events.csv")
