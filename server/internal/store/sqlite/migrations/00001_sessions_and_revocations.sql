-- Times are microseconds since 1970, 0 where there is none.

-- +goose Up
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
    issued_at        BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    PRIMARY KEY (issuer, session_id)
);
-- What is listed is in the order first_seen, issuer, session_id.
CREATE INDEX sessions_in_order ON sessions (first_seen, issuer, session_id);
CREATE INDEX sessions_of_subject ON sessions (issuer, subject, first_seen);
CREATE INDEX sessions_in_organization ON sessions (issuer, organization, first_seen);
CREATE INDEX sessions_by_last_seen ON sessions (last_seen);

CREATE TABLE revocations (
    -- AUTOINCREMENT: a number is not given again after its row was pruned.
    sequence      INTEGER PRIMARY KEY AUTOINCREMENT,
    kind          TEXT    NOT NULL,
    issuer        TEXT    NOT NULL,
    value         TEXT    NOT NULL,
    issued_before BIGINT  NOT NULL,
    expires_at    BIGINT  NOT NULL,
    created_at    BIGINT  NOT NULL,
    by_issuer     TEXT    NOT NULL,
    by_subject    TEXT    NOT NULL,
    by_actor      TEXT    NOT NULL,
    cause         TEXT    NOT NULL
);
CREATE INDEX revocations_by_expiry ON revocations (expires_at);

-- +goose Down
DROP TABLE revocations;
DROP TABLE sessions;
