# SPDX-License-Identifier: Apache-2.0
"""From the scores of a recording's test part to faults rung, right causes and false alarms."""
import math

from . import recording

CLOSE_SHARE = 0.8  # of the threshold, under which an incident calms down: detect/watch.h
COLUMNS = ["timestamp", "score", "threshold", "anomalous", "evidence"]


def read_verdicts(path):
    """[how many times its threshold a row reaches], NaN where there is no score: the smaller of the
    score and the row's own evidence; src/data/verdict.h has why."""
    header, rows = recording.read_table(path)
    if header != COLUMNS:
        raise ValueError(f"{path}: expected {','.join(COLUMNS)}, found {','.join(header)}")
    ratios = []
    for _, score, threshold, anomalous, evidence in rows:
        if math.isnan(float(score)):
            ratios.append(math.nan)
            continue
        ratio = min(float(score), float(evidence)) / float(threshold)
        # what is a hair beside 1 may round to the other side, so the verdict itself decides there
        ratios.append(max(ratio, math.nextafter(1, 2)) if anomalous == "1" else min(ratio, 1.0))
    return ratios


def read_contributions(path):
    """([feature], [[contribution]]): a row of `tocsin score --contributions` for each frame."""
    header, rows = recording.read_table(path)
    if header[:1] != ["timestamp"] or len(header) < 2:
        raise ValueError(f"{path}: expected timestamp,<feature>..., found {','.join(header)}")
    return header[1:], [[float(c) for c in row[1:]] for row in rows]


def incidents(ratios, factor, k, of):
    """[([rows of the verdicts that opened it, the last of which did], row in which it closed)], as
    detect/watch.c does it: k of the last `of` verdicts over the threshold open one, `of` in a row
    well under it close it."""
    found, recent, calm, is_open = [], [], 0, False
    for row, ratio in enumerate(ratios):
        if math.isnan(ratio):
            continue
        if is_open:
            calm = calm + 1 if ratio < factor * CLOSE_SHARE else 0
            if calm >= of:
                is_open, recent = False, []
                found[-1] = (found[-1][0], row)
            continue
        recent = [*recent, (row, ratio > factor)][-of:]
        high = [r for r, anomalous in recent if anomalous]
        if ratio > factor and len(high) >= k:
            found.append((high, len(ratios)))
            is_open, calm = True, 0
    return found


def first_cause(contributions, rows):
    """The feature that an incident names first: the largest cause in any of the verdicts that
    opened it, as detect/watch.c does it; of equal ones the first."""
    features, parts = contributions
    most = [max(column) for column in zip(*(parts[row] for row in rows))]
    return features[max(range(len(most)), key=most.__getitem__)]


class Judge:
    """One recording's test part. events: of recording.read_events; groups: {feature: group}."""

    def __init__(self, ratios, events, contributions, groups, o):
        self.ratios, self.events, self.o = ratios, events, o
        self.contributions, self.groups = contributions, groups
        self.quiet = [True] * len(ratios)
        for first, last, *_ in events:
            end = min(len(ratios), last + 1 + o.settle)
            self.quiet[first:end] = [False] * (end - first)

    def hours(self):
        """Without a fault or what one leaves behind."""
        return sum(self.quiet) / 3600

    def _is_of_a_fault(self, opened, closed):
        """It opened in a fault or while its traces stood, and closed in time."""
        o = self.o
        return any(first <= opened <= last + o.settle and closed <= last + o.linger
                   for first, last, *_ in self.events)  # fmt: skip

    def false_alarms(self, found):
        """Incidents that are open while there is nothing, those that long outlast a fault among them:
        a bell that never stops tells nobody anything."""
        return sum(any(self.quiet[rows[-1] : closed]) and not self._is_of_a_fault(rows[-1], closed)
                   for rows, closed in found)  # fmt: skip

    def at(self, factor):
        """What comes of it with the threshold times factor."""
        found = incidents(self.ratios, factor, self.o.k, self.o.of)
        lines = [self._event(event, found) for event in self.events]
        alarms, hours = self.false_alarms(found), self.hours()
        rung = {s: [x for x in lines if x["strength"] == s and x["after"] is not None]
                for s in ("strong", "weak")}  # fmt: skip
        both = rung["strong"] + rung["weak"]
        an_hour = alarms / hours if hours else None
        return {"factor": factor, "strong": len(rung["strong"]), "weak": len(rung["weak"]),
                "right_first": sum(x["right"] for x in both),
                "false_alarms": alarms, "an_hour": an_hour,
                "a_day": an_hour and 24 * an_hour, "events": lines}  # fmt: skip

    def _event(self, event, found):
        first, last, kind, strength, groups, _ = event
        line = {"kind": kind, "strength": strength, "first": first, "last": last, "after": None,
                "cause": None, "right": None}  # fmt: skip
        for rows, _ in found:
            if first <= rows[-1] < first + self.o.within:
                line["after"] = rows[-1] - first + 1
                line["cause"] = first_cause(self.contributions, rows)
                line["right"] = self.groups.get(line["cause"]) in groups
                break
        return line

    def best_factor(self):
        """The least by which the threshold must be multiplied for no false alarm here."""
        candidates = sorted({r for r in self.ratios if math.isfinite(r)})
        low, high = 0, len(candidates) - 1
        while low < high:
            middle = (low + high) // 2
            found = incidents(self.ratios, candidates[middle], self.o.k, self.o.of)
            if self.false_alarms(found):
                low = middle + 1
            else:
                high = middle
        return candidates[low] if candidates else 1.0
