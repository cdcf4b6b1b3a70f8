-- Up Migration

-- Hashes of blocks up to which the chain was followed; where the chain has another one, it was reorganised.
CREATE TABLE followed_blocks (
  block_number bigint PRIMARY KEY,
  block_hash text NOT NULL
);

-- Whether a batch gave the event its code; if the batch becomes void, the event is open again.
ALTER TABLE events ADD COLUMN refused_by_batch boolean NOT NULL DEFAULT false;

-- Down Migration

ALTER TABLE events DROP COLUMN refused_by_batch;

DROP TABLE followed_blocks;
