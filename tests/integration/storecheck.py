# SPDX-License-Identifier: Apache-2.0
"""What must be true of a store after whatever happened to its process."""
import sqlite3
import struct

TABLES = ("frames", "scores")


def connect(path):
    """A connection that only reads, as a user's sqlite3 shell would."""
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)


def floats(blob):
    """A frame's values; a missing one is NaN."""
    return struct.unpack(f"<{len(blob) // 4}f", blob)


def check_sound(path):
    """The file is whole, and no row speaks of something that is not there."""
    with connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        for table in ("frames", "scores", "incidents", "models"):
            lost = db.execute(f"SELECT count(*) FROM {table} WHERE entity NOT IN "
                              "(SELECT id FROM entities)").fetchone()[0]
            assert lost == 0, f"{lost} rows of {table} have no entity"
        lost = db.execute("SELECT count(*) FROM frames WHERE schema_hash NOT IN "
                          "(SELECT hash FROM schemas)").fetchone()[0]
        assert lost == 0, f"{lost} frames have no schema"


def ticks(path, instance, table):
    """The times in ms of the rows of `table`, ascending."""
    with connect(path) as db:
        return [row[0] for row in db.execute(
            f"SELECT ts_ms FROM {table} JOIN entities ON id = entity WHERE instance = ? "
            "ORDER BY ts_ms", (instance,))]


def check_survived(path, instance, reported, tables=TABLES):
    """The store is sound, and every tick of `reported` (times in ms) is in each of `tables`."""
    check_sound(path)
    for table in tables:
        lost = sorted(set(reported) - set(ticks(path, instance, table)))
        assert not lost, f"{table}: {len(lost)} committed rows are lost, the first at {lost[0]}"
