-- Sessions that are to be ended at their issuers, and what became of it.

-- +goose Up
CREATE TABLE ostiary.sign_outs (
    -- The digest of issuer, session_id and subject.
    name       BYTEA  PRIMARY KEY,
    issuer     BYTEA  NOT NULL,
    session_id BYTEA  NOT NULL,
    -- Empty means every subject.
    subject    BYTEA  NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    failures   BIGINT NOT NULL,
    -- When to try next; 0 where nobody tries any more.
    due_at     BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL
);
CREATE INDEX sign_outs_due ON ostiary.sign_outs (sha256(issuer), due_at) WHERE due_at <> 0;
CREATE INDEX sign_outs_by_expiry ON ostiary.sign_outs (expires_at);

-- +goose Down
DROP TABLE ostiary.sign_outs;
