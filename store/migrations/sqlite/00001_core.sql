-- Row numbers are those of package id: they rise with time, so rows are appended. Times are
-- milliseconds since 1970 in UTC, 0 for none; yes and no are 1 and 0.

-- +goose Up
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- One row per living incarnation of a node.
CREATE TABLE node (
    incarnation INTEGER PRIMARY KEY AUTOINCREMENT,
    slot        INTEGER NOT NULL,
    name        TEXT NOT NULL,
    started     INTEGER NOT NULL,
    beat        INTEGER NOT NULL
);

-- What other nodes must hear of. seq rises in the order of commits.
CREATE TABLE change (
    seq  INTEGER PRIMARY KEY AUTOINCREMENT,
    node INTEGER NOT NULL,
    kind TEXT NOT NULL,
    ref  INTEGER NOT NULL,
    at   INTEGER NOT NULL
);

CREATE TABLE app (
    id               INTEGER PRIMARY KEY,
    name             TEXT NOT NULL,
    key              TEXT NOT NULL UNIQUE,
    secret           TEXT NOT NULL,
    level            TEXT NOT NULL,
    scopes           TEXT NOT NULL,
    redirect_uri     TEXT NOT NULL,
    message_listener TEXT NOT NULL,
    status_listener  TEXT NOT NULL,
    notification_url TEXT NOT NULL,
    verdict          INTEGER NOT NULL, -- milliseconds a send waits for it
    quotas           TEXT NOT NULL,    -- JSON
    created          INTEGER NOT NULL,
    deleted          INTEGER NOT NULL
);
CREATE UNIQUE INDEX app_name ON app (name) WHERE deleted = 0;

CREATE TABLE app_code (
    code TEXT PRIMARY KEY,
    app  INTEGER NOT NULL,
    pos  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE link (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    kind        TEXT NOT NULL,
    network     TEXT NOT NULL,
    host        TEXT NOT NULL,
    port        INTEGER NOT NULL,
    system_id   TEXT NOT NULL,
    password    BLOB NOT NULL, -- sealed
    system_type TEXT NOT NULL,
    bind        TEXT NOT NULL,
    win         INTEGER NOT NULL,
    rate        REAL NOT NULL,
    tls         INTEGER NOT NULL,
    grp         TEXT NOT NULL,
    paused      INTEGER NOT NULL,
    managed     INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    quirks      TEXT NOT NULL DEFAULT '{}' -- JSON, see route.Quirks
);

CREATE TABLE rule (
    id       INTEGER PRIMARY KEY,
    prefix   TEXT NOT NULL UNIQUE,
    link     TEXT NOT NULL,
    fallback TEXT NOT NULL
);

-- One row per recipient. crc covers id, app, sender, recipient and body; -1 once the body is erased.
CREATE TABLE mt (
    id        INTEGER PRIMARY KEY,
    msg       INTEGER NOT NULL,
    cnt       INTEGER NOT NULL,
    app       INTEGER NOT NULL,
    sender    TEXT NOT NULL,
    recipient TEXT NOT NULL,
    body      TEXT NOT NULL,
    notify    INTEGER NOT NULL,
    service   INTEGER NOT NULL,
    state     INTEGER NOT NULL,
    accepted  INTEGER NOT NULL,
    expires   INTEGER NOT NULL,
    crc       INTEGER NOT NULL,
    link      TEXT NOT NULL DEFAULT '',
    code      TEXT NOT NULL DEFAULT '',
    parts     INTEGER NOT NULL DEFAULT 0,
    attempt   INTEGER NOT NULL DEFAULT 0,
    twice     INTEGER NOT NULL DEFAULT 0,
    sent      INTEGER NOT NULL DEFAULT 0,
    final     INTEGER NOT NULL DEFAULT 0
);

-- One row per segment a centre has taken; a segment submitted again has one for each of its ids.
CREATE TABLE part (
    mt       INTEGER NOT NULL,
    part     INTEGER NOT NULL,
    grp      TEXT NOT NULL,
    key      TEXT NOT NULL,
    parts    INTEGER NOT NULL,
    raw      BLOB NOT NULL,
    link     TEXT NOT NULL,
    state    INTEGER NOT NULL,
    sent     INTEGER NOT NULL,
    code     TEXT NOT NULL DEFAULT '',
    word     TEXT NOT NULL DEFAULT '',
    done     INTEGER NOT NULL DEFAULT 0,
    conflict TEXT NOT NULL DEFAULT '', -- word of a final receipt that contradicts the one that stands
    PRIMARY KEY (mt, part, grp, key)
) WITHOUT ROWID;
CREATE INDEX part_key ON part (key, grp);

-- Receipts that found no segment yet.
CREATE TABLE orphan (
    id      INTEGER PRIMARY KEY,
    grp     TEXT NOT NULL,
    raw     BLOB NOT NULL,
    sender  TEXT NOT NULL,
    state   INTEGER NOT NULL,
    code    TEXT NOT NULL,
    word    TEXT NOT NULL,
    done    INTEGER NOT NULL,
    pdu     BLOB,
    stored  INTEGER NOT NULL,
    expires INTEGER NOT NULL
);
CREATE TABLE orphan_key (
    orphan INTEGER NOT NULL,
    grp    TEXT NOT NULL,
    key    TEXT NOT NULL,
    PRIMARY KEY (orphan, key)
) WITHOUT ROWID;
CREATE INDEX orphan_key_key ON orphan_key (key, grp);

-- Texts from handsets. state: 0 waits for the poll, 1 leased, 2 read, 3 posted to the listener.
CREATE TABLE mo (
    id        INTEGER PRIMARY KEY,
    app       INTEGER NOT NULL,
    sender    TEXT NOT NULL,
    code      TEXT NOT NULL,
    body      TEXT NOT NULL,
    at        INTEGER NOT NULL,
    partial   INTEGER NOT NULL,
    pushed    INTEGER NOT NULL,
    state     INTEGER NOT NULL,
    crc       INTEGER NOT NULL,
    raw       BLOB,
    lease     INTEGER NOT NULL DEFAULT 0,
    leased    INTEGER NOT NULL DEFAULT 0  -- until when
);
CREATE INDEX mo_waiting ON mo (app, code, id) WHERE state = 0;
CREATE INDEX mo_leased ON mo (lease) WHERE state = 1;

-- Segments of texts that are not whole yet.
CREATE TABLE mo_part (
    id     INTEGER PRIMARY KEY,
    grp    TEXT NOT NULL,
    sender TEXT NOT NULL,
    code   TEXT NOT NULL,
    ref    INTEGER NOT NULL,
    total  INTEGER NOT NULL,
    part   INTEGER NOT NULL,
    app    INTEGER NOT NULL,
    dcs    INTEGER NOT NULL,
    ud     BLOB NOT NULL,
    at     INTEGER NOT NULL,
    pushed INTEGER NOT NULL,
    raw    BLOB,
    UNIQUE (grp, sender, code, ref, total, part)
);

-- PDUs whose answer has not been confirmed written; a row lives a second, at most ten minutes.
CREATE TABLE seen (
    id   INTEGER PRIMARY KEY,
    hash INTEGER NOT NULL,
    conn INTEGER NOT NULL,
    at   INTEGER NOT NULL
);
CREATE INDEX seen_hash ON seen (hash);

CREATE TABLE optout (
    app    INTEGER NOT NULL,
    msisdn TEXT NOT NULL,
    word   TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (app, msisdn)
) WITHOUT ROWID;

CREATE TABLE token (
    id         INTEGER PRIMARY KEY,
    kind       INTEGER NOT NULL,
    family     INTEGER NOT NULL,
    app        INTEGER NOT NULL,
    subscriber TEXT NOT NULL,
    scopes     TEXT NOT NULL,
    hash       BLOB NOT NULL,
    expires    INTEGER NOT NULL,
    revoked    INTEGER NOT NULL
);

CREATE TABLE quota (
    app   INTEGER NOT NULL,
    api   TEXT NOT NULL,
    win   INTEGER NOT NULL,
    start INTEGER NOT NULL,
    used  INTEGER NOT NULL,
    -- Old windows are at one end.
    PRIMARY KEY (start, app, api, win)
) WITHOUT ROWID;

-- due is not after until, so that a job whose use is over is due. owner is the incarnation that
-- holds the job; a job born held touches no index.
CREATE TABLE job (
    id      INTEGER PRIMARY KEY,
    kind    INTEGER NOT NULL,
    lane    TEXT NOT NULL,
    ref     INTEGER NOT NULL,
    due     INTEGER NOT NULL,
    until   INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    owner   INTEGER NOT NULL,
    payload BLOB
);
CREATE INDEX job_due ON job (kind, lane, due) WHERE owner = 0;

CREATE TABLE idempotency (
    app         INTEGER NOT NULL,
    scope       TEXT NOT NULL,
    key         TEXT NOT NULL,
    ref         INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    status      INTEGER NOT NULL,
    header      TEXT NOT NULL DEFAULT '',
    body        BLOB,
    created     INTEGER NOT NULL,
    PRIMARY KEY (app, scope, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_created ON idempotency (created);

CREATE TABLE attempt (
    id      INTEGER PRIMARY KEY,
    subject INTEGER NOT NULL,
    app     INTEGER NOT NULL,
    job     INTEGER NOT NULL,
    what    TEXT NOT NULL,
    url     TEXT NOT NULL,
    number  INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    status  INTEGER NOT NULL,
    error   TEXT NOT NULL,
    reply   TEXT NOT NULL,
    took    INTEGER NOT NULL, -- microseconds
    next    INTEGER NOT NULL,
    done    INTEGER NOT NULL
);
CREATE INDEX attempt_subject ON attempt (subject);

CREATE TABLE request (
    id        INTEGER PRIMARY KEY,
    app       INTEGER NOT NULL,
    api       TEXT NOT NULL,
    operation TEXT NOT NULL,
    method    TEXT NOT NULL,
    path      TEXT NOT NULL,
    status    INTEGER NOT NULL,
    code      TEXT NOT NULL,
    cause     TEXT NOT NULL, -- anchor of the catalogue
    subject   INTEGER NOT NULL,
    remote    TEXT NOT NULL,
    took      INTEGER NOT NULL -- microseconds
);

-- +goose Down
DROP TABLE request;
DROP TABLE attempt;
DROP TABLE idempotency;
DROP TABLE job;
DROP TABLE quota;
DROP TABLE token;
DROP TABLE optout;
DROP TABLE seen;
DROP TABLE mo_part;
DROP TABLE mo;
DROP TABLE orphan_key;
DROP TABLE orphan;
DROP TABLE part;
DROP TABLE mt;
DROP TABLE rule;
DROP TABLE link;
DROP TABLE app_code;
DROP TABLE app;
DROP TABLE change;
DROP TABLE node;
DROP TABLE meta;
