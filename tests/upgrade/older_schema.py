#!/usr/bin/env python3
"""Makes of a database that no server has what an earlier server would have left: older_schema.py DATABASE VERSION

Only the steps up to VERSION are taken, and the rows are copied as far as that schema has room for them.
"""
import os
import pathlib
import sqlite3
import sys

MIGRATIONS = pathlib.Path(__file__).parents[2] / "src/store/sqlite/migrations"
# What later steps renamed: (table, as it was called) -> as it is called.
RENAMED = {("upload", "is_complete"): "state"}


def columns(database, schema, table):
    return [row[1] for row in database.execute(f"PRAGMA {schema}.table_info({table})")]


def main(path, version):
    steps = sorted(MIGRATIONS.glob("*.sql"))[:version]
    if len(steps) < version:
        sys.exit(f"there is no schema {version}")
    older = f"{path}.older"
    database = sqlite3.connect(older, isolation_level=None)
    for step in steps:
        database.executescript(step.read_text())
    database.execute("ATTACH ? AS newer", (path,))
    found = database.execute("PRAGMA newer.user_version").fetchone()[0]
    if found <= version:
        sys.exit(f"the database has schema {found}")
    # Rows come in any order.
    database.execute("PRAGMA foreign_keys = OFF")
    database.execute("BEGIN")
    tables = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    for (table,) in database.execute(tables).fetchall():
        kept = columns(database, "newer", table)
        pairs = [(name, RENAMED.get((table, name), name)) for name in columns(database, "main", table)]
        pairs = [(old, new) for old, new in pairs if new in kept]
        old, new = (", ".join(names) for names in zip(*pairs))
        database.execute(f"INSERT OR REPLACE INTO main.{table} ({old}) SELECT {new} FROM newer.{table}")
    database.execute("COMMIT")
    if database.execute("PRAGMA main.foreign_key_check").fetchall():
        sys.exit("rows refer to what is not there")
    database.execute("DETACH newer")
    database.execute(f"PRAGMA user_version = {version}")
    database.close()
    os.chmod(older, 0o600)
    for end in ["-wal", "-shm"]:
        pathlib.Path(path + end).unlink(missing_ok=True)
    os.replace(older, path)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
