-- Moderation: how soon a report is looked at, who works on it, what must not go; what a ban takes away.

ALTER TABLE report ADD COLUMN rank INTEGER NOT NULL DEFAULT 50;
ALTER TABLE report ADD COLUMN claimant TEXT;
ALTER TABLE report ADD COLUMN claimed INTEGER;
-- 1: a legal hold
ALTER TABLE report ADD COLUMN is_held INTEGER NOT NULL DEFAULT 0;
DROP INDEX report_open;
CREATE INDEX report_open ON report (rank, at, id) WHERE decided IS NULL;
CREATE INDEX report_decided ON report (decided, id) WHERE decided IS NOT NULL;
CREATE INDEX report_by_reporter ON report (reporter, is_accepted) WHERE decided IS NOT NULL;
CREATE INDEX report_open_by_user ON report (reported_user, at) WHERE decided IS NULL;
CREATE INDEX report_open_by_device ON report (reported_device, at) WHERE decided IS NULL;

CREATE TABLE report_note (
    number INTEGER PRIMARY KEY,
    report TEXT NOT NULL REFERENCES report ON DELETE CASCADE,
    at INTEGER NOT NULL,
    author TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX report_note_of_report ON report_note (report, number);

-- 0: to come in, 1: to write, 2: to be matched; 3: nothing, it is a warning that waits to be told
ALTER TABLE ban ADD COLUMN sanction INTEGER NOT NULL DEFAULT 0;
-- The report that led to it. It may be gone by now.
ALTER TABLE ban ADD COLUMN report TEXT;
