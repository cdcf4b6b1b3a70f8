-- Completed tasks wait for their settlement.
DROP INDEX tasks_unfinished;
CREATE INDEX tasks_unfinished ON tasks (status, updated_at_ms)
  WHERE status IN ('accepted', 'running', 'completed', 'failed_resumable');
