-- What HQ tells boxes to do, in its order: (generation, counter) rises for every box. done_at: a heartbeat or an answer
-- showed it; until then it is repeated.
CREATE TABLE hq_order (
    store      text NOT NULL,
    box        text NOT NULL,
    generation bigint NOT NULL,
    counter    bigint NOT NULL,
    name       text NOT NULL,
    content    bytea NOT NULL,
    made_at    timestamptz NOT NULL,
    sent_at    timestamptz,
    sent       integer NOT NULL DEFAULT 0,
    done_at    timestamptz,
    answer     text,
    PRIMARY KEY (store, box, generation, counter)
);

-- The last incarnations of a box, by what its heartbeats named (`hq.warehouse.runs`).
ALTER TABLE heartbeat ADD COLUMN runs jsonb NOT NULL DEFAULT '[]';

-- What people did at HQ.
CREATE TABLE audit_hq (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT now(),
    actor  text NOT NULL,
    action text NOT NULL,
    detail jsonb NOT NULL
);

-- settled: redriven or discarded, and its payload let go; null while somebody should look at it.
ALTER TABLE dead_letter
    ADD COLUMN settled    text CHECK (settled IN ('redriven', 'discarded')),
    ADD COLUMN settled_at timestamptz,
    ADD COLUMN tries      integer NOT NULL DEFAULT 0;
