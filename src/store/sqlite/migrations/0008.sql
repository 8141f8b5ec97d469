-- What happened, for whoever watches from outside, and how far each of them has been told.

CREATE TABLE event (
    -- never given twice, though events go
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX event_by_age ON event (at);

CREATE TABLE event_sink (
    name TEXT PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
