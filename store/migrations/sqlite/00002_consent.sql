-- +goose Up
ALTER TABLE app ADD COLUMN auth       TEXT NOT NULL DEFAULT '';
ALTER TABLE app ADD COLUMN keys       TEXT NOT NULL DEFAULT ''; -- JWK set
ALTER TABLE app ADD COLUMN owner      TEXT NOT NULL DEFAULT '';
ALTER TABLE app ADD COLUMN on_network INTEGER NOT NULL DEFAULT 0;
ALTER TABLE app ADD COLUMN dpop       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE app ADD COLUMN introspect INTEGER NOT NULL DEFAULT 0;
ALTER TABLE app ADD COLUMN promoted   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE app ADD COLUMN version    INTEGER NOT NULL DEFAULT 0; -- counts the changes
ALTER TABLE link ADD COLUMN version   INTEGER NOT NULL DEFAULT 0; -- likewise

-- The name as app.Folded: two nodes that have not heard of each other yet must not make "Pizza" and "pizza". Here it is
-- filled for ASCII only, which is enough: what is here already every node has read before it makes an app. Of two that
-- are here the older has the name; the younger has none (NULL) until it is given another one.
ALTER TABLE app ADD COLUMN folded TEXT;
UPDATE app SET folded = lower(name) WHERE id IN (SELECT min(id) FROM app WHERE deleted = 0 GROUP BY lower(name));
CREATE UNIQUE INDEX app_folded ON app (folded) WHERE deleted = 0;

-- A token from before this has no consent: it covers what it was issued for.
ALTER TABLE token ADD COLUMN consent    INTEGER NOT NULL DEFAULT 0;
ALTER TABLE token ADD COLUMN generation INTEGER NOT NULL DEFAULT 0; -- of the consent at its yes
ALTER TABLE token ADD COLUMN jkt        BLOB; -- of the key it is bound to
ALTER TABLE token ADD COLUMN rotated    INTEGER NOT NULL DEFAULT 0;
ALTER TABLE token ADD COLUMN sealed     BLOB;

-- One row in force per app and subscriber. Withdrawn ones (revoked > 0) stay as evidence.
CREATE TABLE consent (
    id         INTEGER PRIMARY KEY,
    app        INTEGER NOT NULL,
    subscriber TEXT NOT NULL,
    scopes     TEXT NOT NULL,
    how        TEXT NOT NULL,
    given      INTEGER NOT NULL,
    changed    INTEGER NOT NULL,
    used       INTEGER NOT NULL DEFAULT 0,
    revoked    INTEGER NOT NULL DEFAULT 0,
    revoked_by TEXT NOT NULL DEFAULT '',
    -- How often scopes were taken off it. A code has the number of its yes, and so have its tokens: what was taken
    -- off later (lost, 'SMS 1,MMS 3') they do not get again, whatever is said yes to since.
    generation INTEGER NOT NULL DEFAULT 0,
    lost       TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX consent_in_force ON consent (app, subscriber) WHERE revoked = 0;
CREATE INDEX consent_subscriber ON consent (subscriber, id);
CREATE INDEX consent_app ON consent (app, id);

-- Authorization codes.
CREATE TABLE code (
    id         INTEGER PRIMARY KEY,
    hash       BLOB NOT NULL,
    app        INTEGER NOT NULL,
    subscriber TEXT NOT NULL,
    consent    INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    scopes     TEXT NOT NULL,
    redirect   TEXT NOT NULL,
    challenge  TEXT NOT NULL,
    jkt        BLOB,
    expires    INTEGER NOT NULL,
    used       INTEGER NOT NULL DEFAULT 0,
    family     INTEGER NOT NULL DEFAULT 0,
    sealed     BLOB,
    lost       INTEGER NOT NULL DEFAULT 0
);

-- Sealed replies are swept out soon.
CREATE INDEX code_sealed ON code (used) WHERE sealed IS NOT NULL;
CREATE INDEX token_sealed ON token (rotated) WHERE sealed IS NOT NULL;

-- What has happened and may not happen again: forms, assertions, proofs.
CREATE TABLE once (
    key   BLOB PRIMARY KEY,
    until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX once_until ON once (until);

-- Authorization requests that apps have pushed.
CREATE TABLE pushed (
    id      INTEGER PRIMARY KEY,
    hash    BLOB NOT NULL,
    app     INTEGER NOT NULL,
    params  TEXT NOT NULL,
    expires INTEGER NOT NULL
);

-- What is remembered of a number's sign-ins by PIN; '{}' where nothing is open since the last one.
CREATE TABLE signin (
    level   TEXT NOT NULL,
    msisdn  TEXT NOT NULL,
    state   TEXT NOT NULL, -- JSON
    touched INTEGER NOT NULL,
    PRIMARY KEY (level, msisdn)
) WITHOUT ROWID;

-- Browsers that are remembered.
CREATE TABLE session (
    id         INTEGER PRIMARY KEY,
    hash       BLOB NOT NULL,
    subscriber TEXT NOT NULL,
    level      TEXT NOT NULL,
    created    INTEGER NOT NULL,
    expires    INTEGER NOT NULL,
    agent      TEXT NOT NULL
);
CREATE INDEX session_subscriber ON session (subscriber, level, id);

-- The chain of changes, see package audit. seq has no gaps; row 'audit' of meta is the chain's last
-- entry, so that an end that was cut off is missed.
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    object  TEXT NOT NULL,
    detail  TEXT NOT NULL,
    request TEXT NOT NULL,
    prev    BLOB NOT NULL,
    hash    BLOB NOT NULL
);
CREATE INDEX audit_object ON audit (object, seq);
CREATE INDEX audit_actor ON audit (actor, seq);

-- What some requests and their answers looked like. Beside request, so that its rows stay short.
CREATE TABLE request_detail (
    id   INTEGER PRIMARY KEY,
    wire TEXT NOT NULL
);

-- +goose Down
DROP TABLE request_detail;
DROP TABLE audit;
DELETE FROM meta WHERE name = 'audit';
DROP TABLE session;
DROP TABLE signin;
DROP TABLE pushed;
DROP TABLE once;
DROP TABLE code;
DROP TABLE consent;
DROP INDEX token_sealed;
ALTER TABLE token DROP COLUMN sealed;
ALTER TABLE token DROP COLUMN rotated;
ALTER TABLE token DROP COLUMN jkt;
ALTER TABLE token DROP COLUMN generation;
ALTER TABLE token DROP COLUMN consent;
DROP INDEX app_folded;
ALTER TABLE app DROP COLUMN folded;
ALTER TABLE link DROP COLUMN version;
ALTER TABLE app DROP COLUMN version;
ALTER TABLE app DROP COLUMN promoted;
ALTER TABLE app DROP COLUMN introspect;
ALTER TABLE app DROP COLUMN dpop;
ALTER TABLE app DROP COLUMN on_network;
ALTER TABLE app DROP COLUMN owner;
ALTER TABLE app DROP COLUMN keys;
ALTER TABLE app DROP COLUMN auth;
