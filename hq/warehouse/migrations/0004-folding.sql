-- The claims of epochs that ended long ago: one row for a lane instead of one for a batch, whose digests are forgotten.
CREATE TABLE claim_folded (
    store  text NOT NULL,
    stream bytea NOT NULL,
    epoch  bytea NOT NULL,
    lane   smallint NOT NULL,
    seqs   int8multirange NOT NULL,
    PRIMARY KEY (epoch, lane)
);
CREATE INDEX claim_folded_stream ON claim_folded (stream);
ALTER TABLE epoch ADD COLUMN folded_at timestamptz;
CREATE INDEX epoch_unfolded ON epoch (received_at) WHERE folded_at IS NULL;
CREATE INDEX batch_epoch ON batch (epoch);
