-- Up Migration

-- Locks past their expiry whose rest is to go back to its tenant, and when to look at each again. A row ends when the lock
-- was seen closed twice, some time apart, so that a reorganisation that undoes a release is noticed.
CREATE TABLE lock_releases (
  job_id bytea PRIMARY KEY REFERENCES jobs,
  due_at_ms bigint NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  closed_seen_at_ms bigint,
  done_at_ms bigint
);

CREATE INDEX lock_releases_due ON lock_releases (due_at_ms) WHERE done_at_ms IS NULL;
CREATE INDEX jobs_unsettled_by_expiry ON jobs (expires_at_ms) WHERE status <> 'settled';
CREATE INDEX jobs_unsettled_by_revocation ON jobs (revoked_at_ms) WHERE status <> 'settled' AND revoked_at_ms IS NOT NULL;

-- Down Migration

DROP INDEX jobs_unsettled_by_revocation, jobs_unsettled_by_expiry;
DROP TABLE lock_releases;
