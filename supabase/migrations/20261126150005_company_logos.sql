-- The agency's logo, in the database: every process of every machine serves the same one, and a copy of the database has
-- it. Named by the SHA-256 of its content, so that browsers may keep it for ever; base64, which every transport carries.
create table company_logos (
  sha256 text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
  content text not null check (length(content) <= 1400000),
  width integer not null,
  height integer not null,
  created_at timestamptz not null default now(),
  created_by bigint references users
);

select protect_schema();
notify pgrst, 'reload schema';
