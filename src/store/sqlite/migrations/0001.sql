-- Times are Unix milliseconds.

PRAGMA application_id = 0x44756f6c;

-- Where people write to each other. Numbers rise, so what is written at one time lies on few pages.
CREATE TABLE conversation (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- 0: session, 1: room, 2: a room that was removed
    kind INTEGER NOT NULL
) STRICT;
CREATE INDEX conversation_removed ON conversation (id) WHERE kind = 2;

CREATE TABLE session (
    id INTEGER PRIMARY KEY REFERENCES conversation ON DELETE CASCADE,
    a_user TEXT NOT NULL,
    a_device TEXT,
    a_alias TEXT NOT NULL,
    b_user TEXT NOT NULL,
    b_device TEXT,
    b_alias TEXT NOT NULL,
    started INTEGER NOT NULL,
    limit_ms INTEGER,
    details TEXT NOT NULL,
    deadline INTEGER,
    neg INTEGER,
    credentials_until INTEGER NOT NULL,
    -- null while it runs
    ended INTEGER,
    reason TEXT,
    summary TEXT,
    is_chat_swept INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX session_running ON session (id) WHERE ended IS NULL;
CREATE INDEX session_ended ON session (is_chat_swept, ended) WHERE ended IS NOT NULL;
CREATE INDEX session_of_a ON session (a_user, started) WHERE ended IS NOT NULL;
CREATE INDEX session_of_b ON session (b_user, started) WHERE ended IS NOT NULL;

CREATE TABLE resumption (
    user TEXT PRIMARY KEY,
    token_hash BLOB NOT NULL,
    -- null while the socket is open
    expires INTEGER,
    details TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX resumption_by_expiry ON resumption (expires) WHERE expires IS NOT NULL;

-- TURN credentials that are refused although their time is not over: by what they are bound to.
CREATE TABLE revocation (
    name TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revocation_by_end ON revocation (until);

-- Two users, the smaller first.
CREATE TABLE meeting (
    a_user TEXT NOT NULL,
    b_user TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (a_user, b_user)
) STRICT, WITHOUT ROWID;
CREATE INDEX meeting_by_time ON meeting (at);

CREATE TABLE message (
    conversation INTEGER NOT NULL REFERENCES conversation ON DELETE CASCADE,
    mid BLOB NOT NULL,
    sender TEXT NOT NULL,
    cid BLOB NOT NULL,
    at INTEGER NOT NULL,
    is_in_room INTEGER NOT NULL,
    -- 0: text, 1: voice, 2: image, 3: file; null once it is deleted, as all below
    kind INTEGER,
    text TEXT,
    file TEXT,
    reply_to BLOB,
    PRIMARY KEY (conversation, mid)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX message_by_cid ON message (conversation, sender, cid);
CREATE INDEX message_by_file ON message (file) WHERE file IS NOT NULL;
CREATE INDEX message_in_room ON message (at) WHERE is_in_room = 1;

CREATE TABLE reaction (
    conversation INTEGER NOT NULL,
    mid BLOB NOT NULL,
    member TEXT NOT NULL,
    emoji TEXT NOT NULL,
    PRIMARY KEY (conversation, mid, member, emoji),
    FOREIGN KEY (conversation, mid) REFERENCES message ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- An empty blob is below every mid.
CREATE TABLE receipt (
    conversation INTEGER NOT NULL REFERENCES conversation ON DELETE CASCADE,
    member TEXT NOT NULL,
    delivered_to BLOB NOT NULL,
    read_to BLOB NOT NULL,
    PRIMARY KEY (conversation, member)
) STRICT, WITHOUT ROWID;

CREATE TABLE room (
    id INTEGER PRIMARY KEY REFERENCES conversation ON DELETE CASCADE,
    title TEXT NOT NULL,
    created INTEGER NOT NULL,
    -- invitations made until then are void
    uninvited INTEGER NOT NULL,
    -- when somebody last came in
    used INTEGER NOT NULL
) STRICT;
CREATE INDEX room_by_use ON room (used);

CREATE TABLE member (
    room INTEGER NOT NULL REFERENCES room ON DELETE CASCADE,
    user TEXT NOT NULL,
    alias TEXT NOT NULL,
    -- 0: member, 1: moderator, 2: owner
    role INTEGER NOT NULL,
    joined INTEGER NOT NULL,
    PRIMARY KEY (room, user),
    UNIQUE (room, alias)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_by_user ON member (user, joined);

CREATE TABLE block (
    id TEXT PRIMARY KEY,
    owner_user TEXT NOT NULL,
    owner_device TEXT,
    user TEXT NOT NULL,
    device TEXT,
    at INTEGER NOT NULL,
    UNIQUE (owner_user, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE ban (
    id TEXT PRIMARY KEY,
    -- 0: user, 1: device, 2: network
    kind INTEGER NOT NULL,
    banned TEXT NOT NULL,
    reason TEXT NOT NULL,
    moderator TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- null: for good
    until INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX ban_by_end ON ban (until) WHERE until IS NOT NULL;

-- Chains of refresh tokens.
CREATE TABLE family (
    lookup BLOB PRIMARY KEY,
    id TEXT NOT NULL,
    subject TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX family_by_expiry ON family (expires);

CREATE TABLE buried_family (
    id TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX buried_family_by_end ON buried_family (until);

-- The bytes are elsewhere. The place is named, not referred to: bytes and row outlive it until they are collected.
CREATE TABLE upload (
    id TEXT PRIMARY KEY,
    place TEXT NOT NULL,
    is_in_room INTEGER NOT NULL,
    owner TEXT NOT NULL,
    kind INTEGER NOT NULL,
    mime TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 BLOB,
    is_complete INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_by_owner ON upload (owner, bytes);
CREATE INDEX upload_by_time ON upload (at);

-- The session is named, not referred to: a report outlives it.
CREATE TABLE report (
    id TEXT PRIMARY KEY,
    session TEXT NOT NULL,
    reporter TEXT NOT NULL,
    reported_user TEXT NOT NULL,
    reported_device TEXT,
    reason TEXT NOT NULL,
    comment TEXT NOT NULL,
    evidence TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- null while nobody has decided
    decided INTEGER,
    moderator TEXT,
    is_accepted INTEGER,
    action TEXT,
    UNIQUE (session, reporter)
) STRICT;
CREATE INDEX report_open ON report (at) WHERE decided IS NULL;

-- The audit. AUTOINCREMENT: a number is never given twice.
CREATE TABLE deed (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    details TEXT NOT NULL
) STRICT;
CREATE INDEX deed_by_time ON deed (at);

-- Always empty: written to and emptied to find out whether writing works.
CREATE TABLE probe (bytes BLOB NOT NULL) STRICT;
