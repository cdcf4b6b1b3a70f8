-- Up Migration

CREATE TABLE feed_heads (
  gateway bytea PRIMARY KEY,
  seq bigint NOT NULL DEFAULT 0,
  hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
  recorded_at_ms bigint NOT NULL DEFAULT 0
);

-- What the aggregators pull: numbered without gaps, in commit order, each event naming the hash of the one before.
CREATE TABLE feed_events (
  gateway bytea NOT NULL,
  seq bigint NOT NULL,
  event jsonb NOT NULL,
  hash bytea NOT NULL,
  PRIMARY KEY (gateway, seq)
);

CREATE TRIGGER feed_events_append_only
  BEFORE UPDATE OR DELETE OR TRUNCATE ON feed_events
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Moves the head from the expected seq and stores the events; false when another writer moved it first.
CREATE FUNCTION feed_append(
  p_gateway bytea, p_expected_seq bigint, p_at_ms bigint, p_events jsonb, p_hashes bytea[]
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE feed_heads
     SET seq = p_expected_seq + cardinality(p_hashes),
         hash = p_hashes[cardinality(p_hashes)],
         recorded_at_ms = p_at_ms
   WHERE gateway = p_gateway AND seq = p_expected_seq;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO feed_events (gateway, seq, event, hash)
  SELECT p_gateway, p_expected_seq + e.n, e.event, p_hashes[e.n]
    FROM jsonb_array_elements(p_events) WITH ORDINALITY AS e(event, n);
  RETURN true;
END $$;

-- The provider's side of a call. A report that came before capture may have settled it.
CREATE TABLE usage_reports (
  call_id bytea PRIMARY KEY,
  provider_id bigint NOT NULL,
  signed_report jsonb NOT NULL,
  is_late boolean NOT NULL,
  agrees boolean,
  received_at_ms bigint NOT NULL
);

-- Where the gateway's count and the provider's differ, with what was settled.
CREATE TABLE usage_disagreements (
  call_id bytea PRIMARY KEY,
  provider_id bigint NOT NULL,
  metered_units jsonb NOT NULL,
  reported_units jsonb NOT NULL,
  settled_units jsonb,
  reason text NOT NULL,
  recorded_at_ms bigint NOT NULL
);

-- Batches the gateway itself saw on chain, with what each paid out of the job's lock.
CREATE TABLE batches (
  batch_hash bytea PRIMARY KEY,
  lane_id bigint NOT NULL,
  batch_number bigint NOT NULL,
  transaction_hash bytea NOT NULL,
  block_number bigint NOT NULL,
  UNIQUE (lane_id, batch_number)
);

CREATE TABLE job_settlements (
  job_id bytea NOT NULL,
  batch_hash bytea NOT NULL REFERENCES batches,
  PRIMARY KEY (job_id, batch_hash)
);

-- Down Migration

DROP TABLE job_settlements, batches, usage_disagreements, usage_reports;
DROP FUNCTION feed_append;
DROP TABLE feed_events, feed_heads;
