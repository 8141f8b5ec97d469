-- Registered people, and which revision of an account a login is of.

CREATE TABLE account (
    id TEXT PRIMARY KEY,
    -- as names are compared
    name TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    -- a PHC string
    password TEXT NOT NULL,
    -- 0: user, 1: moderator, 2: admin
    role INTEGER NOT NULL,
    is_disabled INTEGER NOT NULL,
    created INTEGER NOT NULL,
    -- 0 at first, then one more than any other's at each alteration
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX account_by_revision ON account (revision);
-- null for guests
ALTER TABLE family ADD COLUMN account INTEGER;
