-- What people who are kept out say to that, once per decision, and what a moderator makes of it.

CREATE TABLE appeal (
    id TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    -- the name of a report, or of a ban without one
    decision TEXT NOT NULL,
    -- the names of the bans: a JSON list
    bans TEXT NOT NULL,
    text TEXT NOT NULL,
    at INTEGER NOT NULL,
    judged INTEGER,
    judge TEXT,
    is_lifted INTEGER,
    note TEXT,
    UNIQUE (user, decision)
) STRICT, WITHOUT ROWID;
CREATE INDEX appeal_open ON appeal (at, id) WHERE judged IS NULL;
CREATE INDEX appeal_by_age ON appeal (judged) WHERE judged IS NOT NULL;
