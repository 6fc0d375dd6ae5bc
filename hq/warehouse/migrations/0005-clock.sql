-- How wrong a box's clock was: records of that boot accepted before the step, by a clock nobody vouched for, happened
-- `behind` later than their `at` says. Appended, never changed; `at` and `effective` of the records stay as they are.
CREATE TABLE clock_repair (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store         text NOT NULL,
    box           text NOT NULL,
    stream        bytea NOT NULL,
    boot          text NOT NULL,
    until_mono_ms bigint NOT NULL,
    before        timestamptz NOT NULL,
    behind        interval NOT NULL,
    added_at      timestamptz NOT NULL
);
CREATE INDEX clock_repair_stream ON clock_repair (stream);
