-- The message of an issuer that a revocation was made for; empty where it was made otherwise.

-- +goose Up
ALTER TABLE revocations ADD COLUMN signal_source TEXT NOT NULL DEFAULT '';
ALTER TABLE revocations ADD COLUMN signal_issuer TEXT NOT NULL DEFAULT '';
ALTER TABLE revocations ADD COLUMN signal_type TEXT NOT NULL DEFAULT '';
ALTER TABLE revocations ADD COLUMN signal_message_id TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE revocations DROP COLUMN signal_message_id;
ALTER TABLE revocations DROP COLUMN signal_type;
ALTER TABLE revocations DROP COLUMN signal_issuer;
ALTER TABLE revocations DROP COLUMN signal_source;
