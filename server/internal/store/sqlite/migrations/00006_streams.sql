-- The streams on which receivers get the revocations as security events, and the keys by which those are signed.

-- +goose Up
CREATE TABLE streams (
    stream_id TEXT   PRIMARY KEY,
    -- The last revocation that its receiver has.
    sequence  BIGINT NOT NULL,
    -- When to send next; 0 where nobody sends, since its receiver fetches, or wants nothing now.
    due_at    BIGINT NOT NULL,
    -- Whether something else than revocations is to be sent.
    waits     BOOLEAN NOT NULL,
    -- Everything else, as JSON.
    data      BLOB   NOT NULL
);

CREATE TABLE signing_keys (
    key_id      TEXT   PRIMARY KEY,
    -- In PKCS #8.
    private_key BLOB   NOT NULL,
    created_at  BIGINT NOT NULL
);

-- +goose Down
DROP TABLE signing_keys;
DROP TABLE streams;
