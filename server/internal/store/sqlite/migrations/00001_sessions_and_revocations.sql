-- Times are microseconds since 1970, 0 where there is none.

-- +goose Up
-- Its one row tells this database from all others.
CREATE TABLE epochs (epoch BLOB NOT NULL);
INSERT INTO epochs VALUES (randomblob(16));

-- A session belongs to its subject: two subjects may name the same session_id.
CREATE TABLE sessions (
    issuer           TEXT   NOT NULL,
    session_id       TEXT   NOT NULL,
    subject          TEXT   NOT NULL,
    organization     TEXT   NOT NULL,
    authorized_party TEXT   NOT NULL,
    user_agent       TEXT   NOT NULL,
    address          TEXT   NOT NULL,
    first_seen       BIGINT NOT NULL,
    last_seen        BIGINT NOT NULL,
    -- Of the newest token.
    token_id         TEXT   NOT NULL,
    client_id        TEXT   NOT NULL,
    actor_issuer     TEXT   NOT NULL,
    actor_subject    TEXT   NOT NULL,
    actor_session_id TEXT   NOT NULL,
    actor_type       TEXT   NOT NULL,
    issued_at        BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    PRIMARY KEY (issuer, session_id, subject)
);
-- What is listed is in the order first_seen, issuer, session_id, subject, and searched by organization as well.
CREATE INDEX sessions_in_order ON sessions (first_seen, issuer, session_id, subject, organization);
-- Lists of these name no issuer, or one of few.
CREATE INDEX sessions_of_subject ON sessions (subject, first_seen, issuer);
CREATE INDEX sessions_in_organization ON sessions (organization, first_seen, issuer);
CREATE INDEX sessions_of_client ON sessions (client_id, first_seen, issuer);
-- With all that is searched: sessions that were seen one after the other are far apart in the table.
CREATE INDEX sessions_by_last_seen ON sessions (last_seen, issuer, session_id, subject, organization, expires_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at, issuer, session_id, subject);

CREATE TABLE revocations (
    -- AUTOINCREMENT: a number is not given again after its row was pruned.
    sequence         INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Its name. A restored backup gives out the same numbers again, but not the same names.
    revocation_id    BLOB    NOT NULL DEFAULT (randomblob(16)),
    kind             TEXT    NOT NULL,
    issuer           TEXT    NOT NULL,
    value            TEXT    NOT NULL,
    -- Whose tokens of a session are revoked; '' means anybody's.
    subject          TEXT    NOT NULL,
    issued_before    BIGINT  NOT NULL,
    expires_at       BIGINT  NOT NULL,
    created_at       BIGINT  NOT NULL,
    origin           TEXT    NOT NULL,
    by_issuer        TEXT    NOT NULL,
    by_subject       TEXT    NOT NULL,
    by_client_id     TEXT    NOT NULL,
    by_session_id    TEXT    NOT NULL,
    actor_issuer     TEXT    NOT NULL,
    actor_subject    TEXT    NOT NULL,
    actor_session_id TEXT    NOT NULL,
    actor_type       TEXT    NOT NULL,
    cause            TEXT    NOT NULL
);
CREATE INDEX revocations_by_expiry ON revocations (expires_at);
CREATE INDEX revocations_of_target ON revocations (kind, issuer, value, subject);

-- The answers to calls that may be retried.
CREATE TABLE answers (
    issuer     TEXT   NOT NULL,
    subject    TEXT   NOT NULL,
    procedure  TEXT   NOT NULL,
    request_id TEXT   NOT NULL,
    hash       BLOB   NOT NULL,
    answer     BLOB   NOT NULL,
    given_at   BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject, procedure, request_id)
);
CREATE INDEX answers_by_age ON answers (given_at);

-- +goose Down
DROP TABLE answers;
DROP TABLE revocations;
DROP TABLE sessions;
DROP TABLE epochs;
