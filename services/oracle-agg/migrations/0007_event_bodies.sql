-- Up Migration

-- What an event said, word for word, is evidence: written once, and read only when somebody disputes it. Apart from the
-- event's own row it is not copied each time a batch covers the event, and it is not worth compressing.
CREATE TABLE event_bodies (
  gateway text NOT NULL,
  seq bigint NOT NULL,
  body json NOT NULL,
  PRIMARY KEY (gateway, seq)
) WITH (toast_tuple_target = 8160);

INSERT INTO event_bodies SELECT gateway, seq, body FROM events;

-- What batches are built from, in columns of its own; the receipt's text is copied, never searched.
ALTER TABLE events ADD COLUMN receipt_id text, ADD COLUMN receipt json, ADD COLUMN receipt_signature text;
UPDATE events SET receipt_id = body->'receipt'->>'receiptId', receipt = body->'receipt',
  receipt_signature = body->>'receiptSignature' WHERE kind = 'usage';
ALTER TABLE events DROP COLUMN body;
ALTER TABLE events ADD CONSTRAINT events_usage_has_receipt CHECK (
  (kind = 'usage') = (receipt_id IS NOT NULL AND receipt IS NOT NULL AND receipt_signature IS NOT NULL));
ALTER TABLE events SET (toast_tuple_target = 8160);
ALTER TABLE receipts ALTER COLUMN receipt TYPE json;

-- Down Migration

ALTER TABLE receipts ALTER COLUMN receipt TYPE jsonb;
ALTER TABLE events RESET (toast_tuple_target);
ALTER TABLE events ADD COLUMN body jsonb;
UPDATE events e SET body = b.body FROM event_bodies b WHERE b.gateway = e.gateway AND b.seq = e.seq;
ALTER TABLE events ALTER COLUMN body SET NOT NULL;
ALTER TABLE events DROP CONSTRAINT events_usage_has_receipt, DROP COLUMN receipt_id, DROP COLUMN receipt,
  DROP COLUMN receipt_signature;
DROP TABLE event_bodies;
