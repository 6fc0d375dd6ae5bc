-- What is known of every stream and lane, kept in as many rows as there are lanes, so that completeness costs what
-- changed and not what is stored.

CREATE TABLE stream (
    stream       bytea PRIMARY KEY,
    store        text NOT NULL,
    box          text NOT NULL,
    begun        boolean NOT NULL DEFAULT false,  -- the header of its first epoch came
    previous     bytea,                           -- as its stream.open says
    reason       text,
    first_vital  bigint,                          -- the lowest number that a header names
    first_normal bigint,
    first_bulk   bigint,
    named_vital  bigint NOT NULL,                 -- the highest number before a header's first, or told by a heartbeat
    named_normal bigint NOT NULL,
    named_bulk   bigint NOT NULL,
    forked_at    timestamptz,                     -- one of its numbers may stand for two records, by epoch
    added_at     timestamptz NOT NULL
);
CREATE INDEX stream_box ON stream (store, box);

-- store: of the box that said so; what another store says of a stream does not count.
-- kind: 1 stored, 2 named by a tombstone, 3 not held any more by the box, 4 refused.
CREATE TABLE coverage (
    store  text NOT NULL,
    stream bytea NOT NULL,
    lane   smallint NOT NULL,
    kind   smallint NOT NULL,
    seqs   int8multirange NOT NULL,
    PRIMARY KEY (stream, lane, kind, store)
);
CREATE INDEX coverage_store ON coverage (store);
-- Appended by ingest, moved into coverage by whoever folds: two workers never wait here for each other.
CREATE TABLE coverage_delta (
    store  text NOT NULL,
    stream bytea NOT NULL,
    lane   smallint NOT NULL,
    kind   smallint NOT NULL,
    seqs   int8range NOT NULL
);

ALTER TABLE epoch
    ADD COLUMN heard_vital  bigint NOT NULL DEFAULT 0,
    ADD COLUMN heard_normal bigint NOT NULL DEFAULT 0,
    ADD COLUMN heard_bulk   bigint NOT NULL DEFAULT 0;
-- What a box had accepted when (HQ's time) it said so, where its clock tells; those that a later one outdoes go.
CREATE TABLE mark (
    store  text NOT NULL,
    box    text NOT NULL,
    stream bytea NOT NULL,
    at     timestamptz NOT NULL,
    vital  bigint NOT NULL,
    normal bigint NOT NULL,
    bulk   bigint NOT NULL,
    PRIMARY KEY (store, box, at, stream)
);

CREATE INDEX epoch_previous ON epoch (previous);
CREATE INDEX epoch_of_stream ON epoch (stream);

INSERT INTO stream (stream, store, box, begun, first_vital, first_normal, first_bulk,
                    named_vital, named_normal, named_bulk, added_at)
SELECT stream, min(store), min(box), bool_or(previous IS NULL), min(first_vital), min(first_normal), min(first_bulk),
       max(first_vital) - 1, max(first_normal) - 1, max(first_bulk) - 1, min(received_at)
FROM epoch GROUP BY stream;

INSERT INTO coverage (store, stream, lane, kind, seqs)
SELECT store, stream, lane, 1, range_agg(seqs) FROM claim GROUP BY store, stream, lane;

DO $$
BEGIN
    IF to_regclass('loss') IS NOT NULL THEN
        INSERT INTO coverage (store, stream, lane, kind, seqs)
        SELECT store, decode(data_stream, 'hex'), data_lane, 2, range_agg(int8range(first, last, '[]'))
        FROM loss
        WHERE data_stream ~ '^[0-9a-f]{32}$' AND data_lane BETWEEN 0 AND 2 AND 0 < first AND first <= last
            AND last < 9223372036854775807
        GROUP BY 1, 2, 3;
    END IF;
    IF to_regclass('stream_open') IS NOT NULL THEN
        UPDATE stream SET reason = o.reason,
            previous = CASE WHEN o.previous ~ '^[0-9a-f]{32}$' THEN decode(o.previous, 'hex') END
        FROM stream_open o WHERE o.stream = stream.stream;
    END IF;
END $$;
