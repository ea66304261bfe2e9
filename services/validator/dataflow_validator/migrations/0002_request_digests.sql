-- A request_id that comes again with other contents is told so: what was asked for is remembered as a SHA-256.

ALTER TABLE validator.contract ADD COLUMN request_digest bytea;
ALTER TABLE validator.route ADD COLUMN request_digest bytea;
