-- The source's id tells most events apart; store, day and type, which a store's events share, are compared after it.
ALTER TABLE source_claim DROP CONSTRAINT source_claim_pkey;
ALTER TABLE source_claim ADD PRIMARY KEY (source_id, business_day, store, type, content);
