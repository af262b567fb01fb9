-- The message of an issuer that a revocation was made for; empty where it was made otherwise.

-- +goose Up
ALTER TABLE ostiary.revocations
    ADD COLUMN signal_source BYTEA NOT NULL DEFAULT '',
    ADD COLUMN signal_issuer BYTEA NOT NULL DEFAULT '',
    ADD COLUMN signal_type BYTEA NOT NULL DEFAULT '',
    ADD COLUMN signal_message_id BYTEA NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE ostiary.revocations
    DROP COLUMN signal_message_id,
    DROP COLUMN signal_type,
    DROP COLUMN signal_issuer,
    DROP COLUMN signal_source;
