-- Sessions that are to be ended at their issuers, and what became of it.

-- +goose Up
CREATE TABLE sign_outs (
    issuer     TEXT   NOT NULL,
    session_id TEXT   NOT NULL,
    -- '' means every subject.
    subject    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    failures   BIGINT NOT NULL,
    -- When to try next; 0 where nobody tries any more.
    due_at     BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    PRIMARY KEY (issuer, session_id, subject)
);
CREATE INDEX sign_outs_due ON sign_outs (issuer, due_at) WHERE due_at <> 0;
CREATE INDEX sign_outs_by_expiry ON sign_outs (expires_at);

-- +goose Down
DROP TABLE sign_outs;
