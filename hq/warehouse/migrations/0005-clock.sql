-- How wrong a box's clock was: records of that boot accepted before the step, by a clock nobody vouched for, happened
-- `behind` later than their `at` says. Appended, never changed; `at` and `effective` of the records stay as they are.
-- clock: quality of the time after the step (`records.ClockQuality`).
CREATE TABLE clock_repair (
    store         text NOT NULL,
    box           text NOT NULL,
    boot          bytea NOT NULL,
    until_mono_ms bigint NOT NULL,
    behind        interval NOT NULL,
    clock         smallint NOT NULL,
    stream        bytea NOT NULL,
    epoch         bytea NOT NULL,
    lane          smallint NOT NULL,
    seq           bigint NOT NULL,
    added_at      timestamptz NOT NULL,
    PRIMARY KEY (stream, epoch, lane, seq)
);
CREATE INDEX clock_repair_boot ON clock_repair (boot, store, box);

-- When a record of an unvouched clock happened, by every step after it up to the last one that a time source vouched
-- for; null where none did. Beside `at`, never instead of it.
CREATE FUNCTION corrected_at(of_epoch bytea, of_mono_ms bigint, of_clock smallint, told timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN sum(r.behind) BETWEEN '-10000 years' AND '10000 years' THEN
        CASE WHEN told + sum(r.behind) BETWEEN '0001-01-02' AND '9999-12-30' THEN told + sum(r.behind) END END
    FROM epoch e JOIN clock_repair r ON (r.store, r.box, r.boot) = (e.store, e.box, e.boot)
    WHERE of_clock = 0 AND e.epoch = of_epoch AND r.until_mono_ms > of_mono_ms AND r.until_mono_ms <= (
        SELECT max(s.until_mono_ms) FROM clock_repair s
        WHERE (s.store, s.box, s.boot) = (e.store, e.box, e.boot) AND s.clock <> 0)
$$;
