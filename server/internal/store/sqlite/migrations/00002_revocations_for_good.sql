-- +goose Up
-- Finds whether a name is revoked already, and until when.
CREATE INDEX revocations_for_good ON revocations (kind, issuer, value, expires_at) WHERE issued_before = 0;

-- +goose Down
DROP INDEX revocations_for_good;
