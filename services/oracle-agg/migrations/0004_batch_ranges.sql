-- Up Migration

-- Which batch covers which events of a gateway, for events that are pulled after their batch was committed.
CREATE TABLE batch_ranges (
  gateway text NOT NULL,
  to_seq bigint NOT NULL,
  from_seq bigint NOT NULL,
  batch_number bigint NOT NULL REFERENCES committed_batches,
  PRIMARY KEY (gateway, to_seq)
);

INSERT INTO batch_ranges
SELECT range.gateway, range."toSeq", range."fromSeq", b.batch_number
  FROM committed_batches b,
       jsonb_to_recordset(b.sources->'ranges') AS range(gateway text, "fromSeq" bigint, "toSeq" bigint)
 WHERE b.applied;

-- Down Migration

DROP TABLE batch_ranges;
