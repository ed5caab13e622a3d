-- Row numbers are those of package id: they rise with time, so rows are appended. Times are
-- milliseconds since 1970 in UTC, 0 for none; yes and no are 1 and 0.

-- +goose Up
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

-- One row per living incarnation of a node.
CREATE TABLE node (
    incarnation BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slot        BIGINT NOT NULL,
    name        TEXT NOT NULL,
    started     BIGINT NOT NULL,
    beat        BIGINT NOT NULL
);

-- What other nodes must hear of. seq rises in the order of commits.
CREATE TABLE change (
    seq  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node BIGINT NOT NULL,
    kind TEXT NOT NULL,
    ref  BIGINT NOT NULL,
    at   BIGINT NOT NULL
);

CREATE TABLE app (
    id               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name             TEXT NOT NULL,
    key              TEXT NOT NULL UNIQUE,
    secret           TEXT NOT NULL,
    level            TEXT NOT NULL,
    scopes           TEXT NOT NULL,
    redirect_uri     TEXT NOT NULL,
    message_listener TEXT NOT NULL,
    status_listener  TEXT NOT NULL,
    notification_url TEXT NOT NULL,
    verdict          BIGINT NOT NULL, -- milliseconds a send waits for it
    quotas           TEXT NOT NULL,    -- JSON
    created          BIGINT NOT NULL,
    deleted          BIGINT NOT NULL
);
CREATE UNIQUE INDEX app_name ON app (name) WHERE deleted = 0;

CREATE TABLE app_code (
    code TEXT PRIMARY KEY,
    app  BIGINT NOT NULL,
    pos  BIGINT NOT NULL
);

CREATE TABLE link (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    kind        TEXT NOT NULL,
    network     TEXT NOT NULL,
    host        TEXT NOT NULL,
    port        BIGINT NOT NULL,
    system_id   TEXT NOT NULL,
    password    BYTEA NOT NULL, -- sealed
    system_type TEXT NOT NULL,
    bind        TEXT NOT NULL,
    win         BIGINT NOT NULL,
    rate        DOUBLE PRECISION NOT NULL,
    tls         BIGINT NOT NULL,
    grp         TEXT NOT NULL,
    paused      BIGINT NOT NULL,
    managed     BIGINT NOT NULL,
    created     BIGINT NOT NULL,
    quirks      TEXT NOT NULL DEFAULT '{}' -- JSON, see route.Quirks
);

CREATE TABLE rule (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    prefix   TEXT NOT NULL UNIQUE,
    link     TEXT NOT NULL,
    fallback TEXT NOT NULL
);

-- One row per recipient. crc covers id, app, sender, recipient and body; -1 once the body is erased.
CREATE TABLE mt (
    id        BIGINT PRIMARY KEY,
    msg       BIGINT NOT NULL,
    cnt       BIGINT NOT NULL,
    app       BIGINT NOT NULL,
    sender    TEXT NOT NULL,
    recipient TEXT NOT NULL,
    body      TEXT NOT NULL,
    notify    BIGINT NOT NULL,
    service   BIGINT NOT NULL,
    state     BIGINT NOT NULL,
    accepted  BIGINT NOT NULL,
    expires   BIGINT NOT NULL,
    crc       BIGINT NOT NULL,
    link      TEXT NOT NULL DEFAULT '',
    code      TEXT NOT NULL DEFAULT '',
    parts     BIGINT NOT NULL DEFAULT 0,
    attempt   BIGINT NOT NULL DEFAULT 0,
    twice     BIGINT NOT NULL DEFAULT 0,
    sent      BIGINT NOT NULL DEFAULT 0,
    final     BIGINT NOT NULL DEFAULT 0
);

-- One row per segment a centre has taken; a segment submitted again has one for each of its ids.
CREATE TABLE part (
    mt       BIGINT NOT NULL,
    part     BIGINT NOT NULL,
    grp      TEXT NOT NULL,
    key      TEXT NOT NULL,
    parts    BIGINT NOT NULL,
    raw      BYTEA NOT NULL,
    link     TEXT NOT NULL,
    state    BIGINT NOT NULL,
    sent     BIGINT NOT NULL,
    code     TEXT NOT NULL DEFAULT '',
    word     TEXT NOT NULL DEFAULT '',
    done     BIGINT NOT NULL DEFAULT 0,
    conflict TEXT NOT NULL DEFAULT '', -- word of a final receipt that contradicts the one that stands
    PRIMARY KEY (mt, part, grp, key)
);
CREATE INDEX part_key ON part (key, grp);

-- Receipts that found no segment yet.
CREATE TABLE orphan (
    id      BIGINT PRIMARY KEY,
    grp     TEXT NOT NULL,
    raw     BYTEA NOT NULL,
    sender  TEXT NOT NULL,
    state   BIGINT NOT NULL,
    code    TEXT NOT NULL,
    word    TEXT NOT NULL,
    done    BIGINT NOT NULL,
    pdu     BYTEA,
    stored  BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE TABLE orphan_key (
    orphan BIGINT NOT NULL,
    grp    TEXT NOT NULL,
    key    TEXT NOT NULL,
    PRIMARY KEY (orphan, key)
);
CREATE INDEX orphan_key_key ON orphan_key (key, grp);

-- Texts from handsets. state: 0 waits for the poll, 1 leased, 2 read, 3 posted to the listener.
CREATE TABLE mo (
    id        BIGINT PRIMARY KEY,
    app       BIGINT NOT NULL,
    sender    TEXT NOT NULL,
    code      TEXT NOT NULL,
    body      TEXT NOT NULL,
    at        BIGINT NOT NULL,
    partial   BIGINT NOT NULL,
    pushed    BIGINT NOT NULL,
    state     BIGINT NOT NULL,
    crc       BIGINT NOT NULL,
    raw       BYTEA,
    lease     BIGINT NOT NULL DEFAULT 0,
    leased    BIGINT NOT NULL DEFAULT 0  -- until when
);
CREATE INDEX mo_waiting ON mo (app, code, id) WHERE state = 0;
CREATE INDEX mo_leased ON mo (lease) WHERE state = 1;

-- Segments of texts that are not whole yet.
CREATE TABLE mo_part (
    id     BIGINT PRIMARY KEY,
    grp    TEXT NOT NULL,
    sender TEXT NOT NULL,
    code   TEXT NOT NULL,
    ref    BIGINT NOT NULL,
    total  BIGINT NOT NULL,
    part   BIGINT NOT NULL,
    app    BIGINT NOT NULL,
    dcs    BIGINT NOT NULL,
    ud     BYTEA NOT NULL,
    at     BIGINT NOT NULL,
    pushed BIGINT NOT NULL,
    raw    BYTEA,
    UNIQUE (grp, sender, code, ref, total, part)
);

-- PDUs whose answer has not been confirmed written; a row lives a second, at most ten minutes.
CREATE TABLE seen (
    id   BIGINT PRIMARY KEY,
    hash BIGINT NOT NULL,
    conn BIGINT NOT NULL,
    at   BIGINT NOT NULL
);
CREATE INDEX seen_hash ON seen (hash);

CREATE TABLE optout (
    app    BIGINT NOT NULL,
    msisdn TEXT NOT NULL,
    word   TEXT NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (app, msisdn)
);

CREATE TABLE token (
    id         BIGINT PRIMARY KEY,
    kind       BIGINT NOT NULL,
    family     BIGINT NOT NULL,
    app        BIGINT NOT NULL,
    subscriber TEXT NOT NULL,
    scopes     TEXT NOT NULL,
    hash       BYTEA NOT NULL,
    expires    BIGINT NOT NULL,
    revoked    BIGINT NOT NULL
);

CREATE TABLE quota (
    app   BIGINT NOT NULL,
    api   TEXT NOT NULL,
    win   BIGINT NOT NULL,
    start BIGINT NOT NULL,
    used  BIGINT NOT NULL,
    -- Old windows are at one end.
    PRIMARY KEY (start, app, api, win)
);

-- due is not after until, so that a job whose use is over is due. owner is the incarnation that
-- holds the job; a job born held touches no index.
CREATE TABLE job (
    id      BIGINT PRIMARY KEY,
    kind    BIGINT NOT NULL,
    lane    TEXT NOT NULL,
    ref     BIGINT NOT NULL,
    due     BIGINT NOT NULL,
    until   BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    crashes BIGINT NOT NULL,
    owner   BIGINT NOT NULL,
    payload BYTEA
);
CREATE INDEX job_due ON job (kind, lane, due) WHERE owner = 0;

CREATE TABLE idempotency (
    app         BIGINT NOT NULL,
    scope       TEXT NOT NULL,
    key         TEXT NOT NULL,
    ref         BIGINT NOT NULL,
    fingerprint BYTEA NOT NULL,
    status      BIGINT NOT NULL,
    header      TEXT NOT NULL DEFAULT '',
    body        BYTEA,
    created     BIGINT NOT NULL,
    PRIMARY KEY (app, scope, key)
);
CREATE INDEX idempotency_created ON idempotency (created);

CREATE TABLE attempt (
    id      BIGINT PRIMARY KEY,
    subject BIGINT NOT NULL,
    app     BIGINT NOT NULL,
    job     BIGINT NOT NULL,
    what    TEXT NOT NULL,
    url     TEXT NOT NULL,
    number  BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    status  BIGINT NOT NULL,
    error   TEXT NOT NULL,
    reply   TEXT NOT NULL,
    took    BIGINT NOT NULL, -- microseconds
    next    BIGINT NOT NULL,
    done    BIGINT NOT NULL
);
CREATE INDEX attempt_subject ON attempt (subject);

CREATE TABLE request (
    id        BIGINT PRIMARY KEY,
    app       BIGINT NOT NULL,
    api       TEXT NOT NULL,
    operation TEXT NOT NULL,
    method    TEXT NOT NULL,
    path      TEXT NOT NULL,
    status    BIGINT NOT NULL,
    code      TEXT NOT NULL,
    cause     TEXT NOT NULL, -- anchor of the catalogue
    subject   BIGINT NOT NULL,
    remote    TEXT NOT NULL,
    took      BIGINT NOT NULL -- microseconds
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
