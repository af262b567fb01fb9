-- What tells this database from others is there once, also after a restore into one that was not empty.

-- +goose Up
CREATE UNIQUE INDEX epochs_has_one_row ON epochs ((epoch IS NOT NULL));

-- +goose Down
DROP INDEX epochs_has_one_row;
