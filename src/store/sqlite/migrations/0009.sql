-- What is kept of a person as a whole: told to them, and taken away.

-- What somebody was called in a room that they have left and left something in.
CREATE TABLE former_member (
    conversation INTEGER NOT NULL REFERENCES conversation ON DELETE CASCADE,
    alias TEXT NOT NULL,
    user TEXT NOT NULL,
    gone INTEGER NOT NULL,
    PRIMARY KEY (conversation, alias)
) STRICT, WITHOUT ROWID;
CREATE INDEX former_member_by_user ON former_member (user, alias);
CREATE INDEX former_member_by_time ON former_member (gone);
CREATE INDEX reaction_by_member ON reaction (conversation, member);
CREATE INDEX report_of_reporter ON report (reporter, at, id);
CREATE INDEX report_about_user ON report (reported_user, at, id);

-- Users of whom something is still to go.
CREATE TABLE erasure (
    user TEXT PRIMARY KEY,
    begun INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- The greatest revision of an account that is gone: no other gets it again.
CREATE TABLE erased_revision (
    id INTEGER PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT;
INSERT INTO erased_revision (id, number) VALUES (0, 0);
