-- Up Migration

-- What a tenant, one of its teams or one of its users may spend in a window, over all of its jobs at this gateway.
CREATE TABLE budgets (
  budget_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant bytea NOT NULL,
  level text NOT NULL,
  -- Name of the team or user; empty for the tenant itself.
  subject text NOT NULL,
  period text NOT NULL,
  -- Null: no longer limited.
  limit_nano bigint,
  CONSTRAINT budgets_one_per_subject UNIQUE (tenant, level, subject),
  CONSTRAINT budgets_level_is_known CHECK (level IN ('tenant', 'team', 'user')),
  CONSTRAINT budgets_tenant_has_no_subject CHECK ((level = 'tenant') = (subject = '')),
  CONSTRAINT budgets_period_is_known CHECK (period IN ('none', 'day', 'month')),
  CONSTRAINT budgets_limit_is_not_negative CHECK (limit_nano >= 0)
);

CREATE TABLE budget_changes (
  change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  budget_id bigint NOT NULL,
  period text NOT NULL,
  limit_nano bigint,
  changed_at_ms bigint NOT NULL
);
CREATE INDEX budget_changes_by_budget ON budget_changes (budget_id);
CREATE TRIGGER budget_changes_append_only
  BEFORE UPDATE OR DELETE OR TRUNCATE ON budget_changes
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A window opens with its first hold; none is ever reset.
CREATE TABLE budget_windows (
  window_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  budget_id bigint NOT NULL REFERENCES budgets,
  period text NOT NULL,
  starts_at_ms bigint NOT NULL,
  held_nano bigint NOT NULL DEFAULT 0,
  spent_nano bigint NOT NULL DEFAULT 0,
  CONSTRAINT budget_windows_once UNIQUE (budget_id, period, starts_at_ms),
  CONSTRAINT budget_windows_held_is_not_negative CHECK (held_nano >= 0),
  CONSTRAINT budget_windows_spent_is_not_negative CHECK (spent_nano >= 0)
) WITH (fillfactor = 40);

-- Whom a job belongs to, as stated when it was locked, and the budgets that follow from it.
ALTER TABLE jobs ADD COLUMN team text, ADD COLUMN member text, ADD COLUMN budget_ids bigint[] NOT NULL DEFAULT '{}';

-- Down Migration

ALTER TABLE jobs DROP COLUMN team, DROP COLUMN member, DROP COLUMN budget_ids;
DROP TABLE budget_windows, budget_changes, budgets;
