-- The ledger: what HQ knows about stores, boxes, epochs and numbers. Binary ids are as on the wire.

CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE TABLE store (
    store     text PRIMARY KEY,
    name      text NOT NULL DEFAULT '',
    timezone  text NOT NULL DEFAULT 'UTC',
    opened    date NOT NULL DEFAULT '2000-01-01',
    added_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE box (
    store       text NOT NULL REFERENCES store,
    box         text NOT NULL,
    public_key  bytea NOT NULL,
    fingerprint bytea NOT NULL,
    added_at    timestamptz NOT NULL DEFAULT now(),
    revoked_at  timestamptz,
    PRIMARY KEY (store, box)
);

-- previous is null for the first epoch of a stream; first_*: the first number of each lane.
CREATE TABLE epoch (
    epoch        bytea PRIMARY KEY,
    stream       bytea NOT NULL,
    store        text NOT NULL,
    box          text NOT NULL,
    previous     bytea,
    boot         bytea NOT NULL,
    opened       timestamptz NOT NULL,
    first_vital  bigint NOT NULL,
    first_normal bigint NOT NULL,
    first_bulk   bigint NOT NULL,
    header       bytea NOT NULL,
    received_at  timestamptz NOT NULL,
    seen         integer NOT NULL DEFAULT 1
);
CREATE INDEX epoch_stream ON epoch (store, box, stream);

-- kind: 1 records, 2 rows; stored: records that this batch brought; seen: how often it came.
CREATE TABLE batch (
    digest      bytea PRIMARY KEY,
    store       text NOT NULL,
    box         text NOT NULL,
    stream      bytea NOT NULL,
    epoch       bytea NOT NULL,
    lane        smallint NOT NULL,
    first       bigint NOT NULL,
    last        bigint NOT NULL,
    kind        smallint NOT NULL,
    stored      integer NOT NULL DEFAULT 0,
    received_at timestamptz NOT NULL,
    seen        integer NOT NULL DEFAULT 1
);

-- Every number that is stored, once: the tables of records need no unique index.
CREATE TABLE claim (
    store  text NOT NULL,
    stream bytea NOT NULL,
    epoch  bytea NOT NULL,
    lane   smallint NOT NULL,
    seqs   int8range NOT NULL,
    EXCLUDE USING gist (stream WITH =, epoch WITH =, lane WITH =, seqs WITH &&)
);

-- The source's own identity of an event, once for each content: SHA-256 of what makes it the same event.
-- stream to seq: the record that brought it first.
CREATE TABLE source_claim (
    store        text NOT NULL,
    business_day date NOT NULL,
    type         text NOT NULL,
    source_id    text NOT NULL,
    content      bytea NOT NULL,
    stream       bytea NOT NULL,
    epoch        bytea NOT NULL,
    lane         smallint NOT NULL,
    seq          bigint NOT NULL,
    PRIMARY KEY (store, business_day, type, source_id, content)
) PARTITION BY RANGE (business_day);
CREATE TABLE source_claim_default PARTITION OF source_claim DEFAULT;

-- Messages of known boxes that will never be stored.
CREATE TABLE dead_letter (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL,
    store       text NOT NULL,
    box         text NOT NULL,
    topic       text NOT NULL,
    reason      text NOT NULL,
    digest      bytea NOT NULL,
    payload     bytea NOT NULL,
    seen        integer NOT NULL DEFAULT 1,
    UNIQUE (store, box, digest)
);

-- Records of good batches whose content no table can hold: claimed, and kept as they came.
CREATE TABLE set_aside (
    store       text NOT NULL,
    box         text NOT NULL,
    stream      bytea NOT NULL,
    epoch       bytea NOT NULL,
    lane        smallint NOT NULL,
    seq         bigint NOT NULL,
    type        text NOT NULL,
    reason      text NOT NULL,
    record      bytea NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (stream, epoch, lane, seq)
);

-- The last of every box. state: online, or offline when its last will came; full_body: the last full one's body, which
-- names devices, disk and memory as small ones do not.
CREATE TABLE heartbeat (
    store       text NOT NULL,
    box         text NOT NULL,
    at          timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    session     bigint NOT NULL,
    seq         bigint NOT NULL,
    state       text NOT NULL CHECK (state IN ('online', 'offline')),
    body        jsonb NOT NULL,
    full_body   jsonb,
    PRIMARY KEY (store, box)
);

-- What HQ itself noticed. rule: source-id-reused (subject: type/business day/source id).
CREATE TABLE alert_hq (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    opened       timestamptz NOT NULL,
    rule         text NOT NULL,
    store        text NOT NULL,
    subject      text NOT NULL,
    detail       jsonb NOT NULL,
    acknowledged timestamptz,
    UNIQUE (store, rule, subject)
);
