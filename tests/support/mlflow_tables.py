"""MLflow's empty database, made once: its dozens of migrations take most of a second."""

import sqlite3
from contextlib import closing


def make_once():
    """Let the stores of this process fill each new SQLite database with a copy of the first one."""
    import mlflow.store.db.utils as database

    made = sqlite3.connect(":memory:", check_same_thread=False)
    migrate = database._initialize_tables

    def initialize(engine):
        if engine.url.drivername != "sqlite":
            migrate(engine)
            return
        empty = not made.execute("SELECT * FROM sqlite_master").fetchone()
        if empty:
            migrate(engine)
        with closing(sqlite3.connect(engine.url.database)) as new:
            source, target = (new, made) if empty else (made, new)
            source.backup(target)

    database._initialize_tables = initialize
