-- name: insert_marks
INSERT INTO validator.rollup_mark (contract, hour, devices)
SELECT contract, hour, devices::text[] FROM unnest($1::text[], $2::timestamptz[], $3::text[]) AS m (contract, hour, devices);
