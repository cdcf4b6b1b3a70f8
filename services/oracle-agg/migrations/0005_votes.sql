-- Up Migration

-- What this replica voted for at one position of its lane, written before the vote is sent. It is kept long after the
-- batch was committed, because a reorganisation may bring the position back.
CREATE TABLE votes (
  position text PRIMARY KEY,
  batch_number bigint NOT NULL,
  record jsonb NOT NULL
);

CREATE INDEX votes_by_number ON votes (batch_number);

-- Batches this replica built or recomputed itself, with what they hold.
CREATE TABLE drafts (
  batch_number bigint NOT NULL,
  batch_hash text NOT NULL,
  draft jsonb NOT NULL,
  content jsonb NOT NULL,
  made_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (batch_number, batch_hash)
);

-- Why this replica prepared or refused what was proposed.
CREATE TABLE decisions (
  batch_number bigint NOT NULL,
  batch_hash text NOT NULL,
  view bigint NOT NULL,
  proposer integer NOT NULL,
  outcome text NOT NULL CONSTRAINT decisions_outcome CHECK (outcome IN ('built', 'recomputed', 'refused')),
  reasons jsonb NOT NULL DEFAULT '[]',
  decided_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (batch_number, batch_hash, view)
);

-- What other replicas did that an honest one does not do, with the signed votes that prove it, where there are any.
CREATE TABLE misdeeds (
  replica integer NOT NULL,
  guilt text NOT NULL,
  batch_number bigint NOT NULL,
  times integer NOT NULL DEFAULT 1,
  evidence jsonb NOT NULL,
  last_seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (replica, guilt, batch_number)
);

DROP TABLE proposal_contents, proposals;

-- Down Migration

DROP TABLE misdeeds, decisions, drafts, votes;

CREATE TABLE proposals (
  batch_number bigint NOT NULL,
  view bigint NOT NULL,
  batch_hash text NOT NULL,
  header jsonb NOT NULL,
  sources jsonb NOT NULL,
  partial_signature text NOT NULL,
  group_signature text,
  partials jsonb NOT NULL DEFAULT '[]',
  transaction_hash text,
  PRIMARY KEY (batch_number, view)
);

CREATE INDEX proposals_by_hash ON proposals (batch_number, batch_hash, view);

CREATE TABLE proposal_contents (
  batch_number bigint NOT NULL,
  batch_hash text NOT NULL,
  view bigint NOT NULL,
  content jsonb NOT NULL,
  PRIMARY KEY (batch_number, batch_hash)
);
