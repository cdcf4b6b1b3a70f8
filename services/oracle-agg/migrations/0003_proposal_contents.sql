-- Up Migration

-- A proposal may be signed again in many views while too few replicas are up; what it holds is kept once, and only for
-- the newest ones. The signed headers themselves all stay until the batch is long committed.
CREATE TABLE proposal_contents (
  batch_number bigint NOT NULL,
  batch_hash text NOT NULL,
  view bigint NOT NULL,
  content jsonb NOT NULL,
  PRIMARY KEY (batch_number, batch_hash)
);

INSERT INTO proposal_contents
SELECT DISTINCT ON (batch_number, batch_hash) batch_number, batch_hash, view, content
  FROM proposals ORDER BY batch_number, batch_hash, view DESC;

ALTER TABLE proposals DROP COLUMN content;
CREATE INDEX proposals_by_hash ON proposals (batch_number, batch_hash, view);

-- Down Migration

DROP INDEX proposals_by_hash;
ALTER TABLE proposals ADD COLUMN content jsonb NOT NULL DEFAULT '{}';
UPDATE proposals p SET content = c.content FROM proposal_contents c
 WHERE c.batch_number = p.batch_number AND c.batch_hash = p.batch_hash;
DROP TABLE proposal_contents;
