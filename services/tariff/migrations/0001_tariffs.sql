CREATE TABLE tariffs (
  tariff_hash text NOT NULL,
  provider_id bigint NOT NULL,
  version bigint NOT NULL,
  effective_from_ms bigint NOT NULL,
  -- Text, not jsonb: the hash is over these very characters.
  document text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT tariffs_pkey PRIMARY KEY (tariff_hash),
  CONSTRAINT tariffs_version_once UNIQUE (provider_id, version),
  CONSTRAINT tariffs_version_positive CHECK (version >= 1),
  CONSTRAINT tariffs_hash_form CHECK (tariff_hash ~ '^0x[0-9a-f]{64}$')
);

CREATE TABLE quotes (
  quote_hash text NOT NULL,
  tenant text NOT NULL,
  gateway text NOT NULL,
  plan_hash text NOT NULL,
  ceiling_nano bigint NOT NULL,
  issued_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  document text NOT NULL,
  CONSTRAINT quotes_pkey PRIMARY KEY (quote_hash),
  CONSTRAINT quotes_ceiling_positive CHECK (ceiling_nano >= 0),
  CONSTRAINT quotes_lifetime CHECK (expires_at > issued_at)
);
CREATE INDEX quotes_by_tenant ON quotes (tenant, issued_at);

-- Which tariffs a quote was made from; a quote never names a tariff that is not here.
CREATE TABLE quote_tariffs (
  quote_hash text NOT NULL,
  tariff_hash text NOT NULL,
  CONSTRAINT quote_tariffs_pkey PRIMARY KEY (quote_hash, tariff_hash),
  CONSTRAINT quote_tariffs_quote FOREIGN KEY (quote_hash) REFERENCES quotes,
  CONSTRAINT quote_tariffs_tariff FOREIGN KEY (tariff_hash) REFERENCES tariffs
);

-- A price under which somebody locked money must stay what it was, whoever holds the password.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END;
$$;
CREATE TRIGGER tariffs_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tariffs
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER quotes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON quotes
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER quote_tariffs_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON quote_tariffs
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
