-- What every later migration stands on: protection of tables, the catalogue the data layer reads,
-- ids taken beforehand, and the one function through which every write goes.

-- Called at the end of each migration. Since 30/10/2026 hosted projects grant nothing on new tables of `public`
-- by themselves, and PostgreSQL lets everybody execute new functions: both are settled here, for all of them.
create or replace function protect_schema() returns void
language plpgsql set search_path = public, pg_temp as $$
declare
  relation record;
begin
  for relation in
    select c.oid::regclass as name, c.relkind from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'S')
  loop
    if relation.relkind in ('r', 'p') then
      execute format('alter table %s enable row level security', relation.name);
    end if;
    if relation.relkind = 'S' then
      execute format('revoke all on sequence %s from anon, authenticated, public', relation.name);
      execute format('grant usage, select on sequence %s to service_role', relation.name);
    else
      execute format('revoke all on %s from anon, authenticated, public', relation.name);
      execute format('grant select, insert, update, delete on %s to service_role', relation.name);
    end if;
  end loop;
  for relation in
    select p.oid::regprocedure as name from pg_proc p
     where p.pronamespace = 'public'::regnamespace and p.prokind = 'f'
  loop
    execute format('revoke all on function %s from anon, authenticated, public', relation.name);
    execute format('grant execute on function %s to service_role', relation.name);
  end loop;
  grant usage on schema public to service_role;
end $$;

-- Rows the portal may rely on to tell one application of a change from its repetition: a write whose answer was lost
-- is sent again with the same key and meets its own row here. Kept for a day. Search vectors and password hashes are left out of the answer.
create table applied_changes (
  key text primary key,
  answer jsonb not null,
  applied_at timestamptz not null default now()
);
create index applied_changes_age on applied_changes (applied_at);

create table settings (
  key text primary key,
  value jsonb not null,
  version integer not null default 1,
  updated_at timestamptz not null default now(),
  updated_by bigint
);

-- A staff edit carries the version it saw; the version moves here and nowhere else, so that no service can forget it.
create or replace function count_version() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  new.version := old.version + 1;
  new.updated_at := now();
  return new;
end $$;
create trigger count_version before update on settings for each row execute function count_version();

-- The office's day, not the server's: an expiry at midnight IST is still yesterday in UTC.
create or replace function office_today() returns date
language sql stable set search_path = public, pg_temp as $$
  select (now() at time zone coalesce((select value #>> '{}' from settings where key = 'office_time_zone'), 'Asia/Kolkata'))::date
$$;

-- Tables, views and functions of `public` with the types of their columns: what the data layer checks names against
-- and turns JSON back into dates and decimals by. A view names its key in its comment ("key: policy_id").
create or replace function schema_catalogue() returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select jsonb_build_object(
    'relations', (
      select jsonb_object_agg(c.relname, jsonb_build_object(
        'kind', case when c.relkind = 'v' then 'view' else 'table' end,
        'columns', (select jsonb_object_agg(a.attname, format_type(a.atttypid, a.atttypmod))
                      from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
        'key', coalesce(
          (select jsonb_agg(a.attname order by array_position(i.indkey::int2[], a.attnum))
             from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
            where i.indrelid = c.oid and i.indisprimary),
          to_jsonb(string_to_array(substring(obj_description(c.oid) from 'key: ([a-z0-9_, ]+)'), ', ')),
          '[]')))
      from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')),
    'functions', (
      select jsonb_object_agg(p.proname, jsonb_build_object(
        'returns', case when r.relname is not null then r.relname else format_type(p.prorettype, null) end,
        'rows', p.proretset))
      from pg_proc p join pg_type t on t.oid = p.prorettype left join pg_class r on r.oid = t.typrelid and t.typrelid <> 0
      where p.pronamespace = 'public'::regnamespace and p.prokind = 'f' and t.typname <> 'trigger'))
$$;

-- New ids in one trip, so that children can name their parents before anything is written. Gaps are normal.
create or replace function take_ids(relation text, how_many integer) returns jsonb
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  sequence_name text; ids jsonb;
begin
  select pg_get_serial_sequence(format('public.%I', c.relname), a.attname) into sequence_name
    from pg_class c
    join pg_index i on i.indrelid = c.oid and i.indisprimary
    join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
   where c.relname = relation and c.relkind = 'r' and c.relnamespace = 'public'::regnamespace;
  if sequence_name is null then
    raise exception 'table % has no numbered ids', relation using errcode = 'PT422';
  end if;
  if how_many not between 1 and 10000 then
    raise exception 'take 1 to 10000 ids at once, not %', how_many using errcode = 'PT422';
  end if;
  execute 'select jsonb_agg(nextval($1)) from generate_series(1, $2)' into ids using sequence_name, how_many;
  return ids;
end $$;

-- One condition of a write, as SQL over `t` (the row) and `$2` (the array of conditions, this one at `place`).
-- Names go through %I and the column must exist; values stay parameters and are read as the column's own type.
create or replace function change_condition(relation regclass, condition jsonb, place integer) returns text
language plpgsql stable set search_path = public, pg_temp as $$
declare
  sort text; holder text := format('($2->%s->>''value'')', place); operator text;
begin
  select format_type(a.atttypid, a.atttypmod) into sort from pg_attribute a
   where a.attrelid = relation and a.attname = condition->>'column' and a.attnum > 0 and not a.attisdropped;
  if sort is null then
    raise exception 'no column % in %', condition->>'column', relation using errcode = 'PT422';
  end if;
  if condition->>'op' = 'is' then
    return format('t.%I is %s', condition->>'column',
      case condition->>'value' when 'true' then 'true' when 'false' then 'false' else 'null' end);
  end if;
  if condition->>'op' = 'in' then
    return format('t.%I = any (array(select jsonb_array_elements_text($2->%s->''value'')::%s))',
      condition->>'column', place, sort);
  end if;
  operator := case condition->>'op' when 'eq' then '=' when 'neq' then '<>' when 'gt' then '>' when 'gte' then '>='
    when 'lt' then '<' when 'lte' then '<=' when 'like' then 'like' when 'ilike' then 'ilike' end;
  if operator is null then
    raise exception 'no condition called %', condition->>'op' using errcode = 'PT422';
  end if;
  if operator in ('like', 'ilike') then
    return format('t.%I::text %s %s', condition->>'column', operator, holder);
  end if;
  return format('t.%I %s %s::%s', condition->>'column', operator, holder, sort);
end $$;

create or replace function apply_insert(relation regclass, change jsonb) returns jsonb
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  columns text; assignments text; conflict text := ''; rows jsonb;
begin
  select string_agg(format('%I', key), ', '),
         string_agg(format('%1$I = excluded.%1$I', key), ', ') filter (where not coalesce(change->'conflict' ? key, false))
    into columns, assignments from jsonb_object_keys(change->'rows'->0) key;
  if change->>'op' = 'upsert' then
    conflict := format('on conflict (%s) do %s',
      (select string_agg(format('%I', c), ', ') from jsonb_array_elements_text(change->'conflict') c),
      coalesce('update set ' || assignments, 'nothing'));
  end if;
  execute format(
    'with done as (insert into %1$s as t (%2$s) select %2$s from jsonb_populate_recordset(null::%1$s, $1) %3$s returning to_jsonb(t) - ''{search,password_hash}''::text[] as r)
     select coalesce(jsonb_agg(r), ''[]'') from done', relation, columns, conflict)
    into rows using change->'rows';
  return rows;
end $$;

create or replace function apply_to_existing(relation regclass, change jsonb) returns jsonb
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  assignments text; conditions text; rows jsonb;
begin
  select string_agg(change_condition(relation, value, (place - 1)::integer), ' and ')
    into conditions from jsonb_array_elements(change->'where') with ordinality as w (value, place);
  if conditions is null then
    raise exception '% of % without a condition', change->>'op', relation using errcode = 'PT422';
  end if;
  if change->>'op' = 'update' then
    select string_agg(format('%1$I = n.%1$I', key), ', ') into assignments from jsonb_object_keys(change->'set') key;
    execute format(
      'with done as (update %1$s t set %2$s from jsonb_populate_record(null::%1$s, $1) n where %3$s returning to_jsonb(t) - ''{search,password_hash}''::text[] as r)
       select coalesce(jsonb_agg(r), ''[]'') from done', relation, assignments, conditions)
      into rows using change->'set', change->'where';
  else
    execute format(
      'with done as (delete from %1$s t where %2$s returning to_jsonb(t) - ''{search,password_hash}''::text[] as r)
       select coalesce(jsonb_agg(r), ''[]'') from done', relation, conditions)
      into rows using null::jsonb, change->'where';
  end if;
  return rows;
end $$;

-- One round trip, all or nothing: the writes of one business operation, the same on every way to the database.
-- `changes` is a JSON array of
--   {"op": "insert"|"upsert", "table": t, "rows": [{...}, ...], "conflict": ["column", ...], "returning": false}
--   {"op": "update"|"delete", "table": t, "set": {...}, "where": [{"column": c, "op": "eq", "value": v}, ...], "expect": n}
-- and the answer one JSON array per change: the rows as they now stand (as they stood, for a delete),
-- none where `returning` is false.
-- PT409: a change met another number of rows than it expected. PT422: what the caller must not ask.
-- With a key, the second application answers what the first one did and writes nothing.
create or replace function apply_changes(changes text, key text default null) returns jsonb
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  change jsonb; results jsonb := '[]'; rows jsonb; relation regclass; wanted integer; met integer;
begin
  if key is not null then
    insert into applied_changes as a (key, answer) values (apply_changes.key, 'null') on conflict do nothing;
    if not found then
      select a.answer into results from applied_changes a where a.key = apply_changes.key;
      return results;
    end if;
  end if;
  for change in select value from jsonb_array_elements(changes::jsonb) loop
    select c.oid::regclass into relation from pg_class c
     where c.relname = change->>'table' and c.relkind = 'r' and c.relnamespace = 'public'::regnamespace;
    if relation is null then
      raise exception 'no table %', change->>'table' using errcode = 'PT422';
    end if;
    case change->>'op'
      when 'insert', 'upsert' then rows := apply_insert(relation, change);
      when 'update', 'delete' then rows := apply_to_existing(relation, change);
      else raise exception 'no change called %', change->>'op' using errcode = 'PT422';
    end case;
    wanted := (change->>'expect')::integer;
    met := jsonb_array_length(rows);
    if wanted is not null and met <> wanted then
      raise exception 'changed by someone else' using errcode = 'PT409',
        detail = format('%s of %s met %s rows, not %s', change->>'op', relation, met, wanted);
    end if;
    -- Rows that nobody asked back would still be stored with the key: a bulk insert would be written twice.
    results := results || jsonb_build_array(case when change->>'returning' = 'false' then '[]' else rows end);
  end loop;
  if key is not null then
    update applied_changes a set answer = results where a.key = apply_changes.key;
    -- Old keys go with the traffic that makes new ones: no schedule is needed, and nobody waits for a neighbour's row.
    delete from applied_changes where applied_changes.key in (
      select a.key from applied_changes a where a.applied_at < now() - interval '1 day' limit 20 for update skip locked);
  end if;
  return results;
end $$;

-- Which migrations this database has (their list lies in a schema that PostgREST does not show), and who is asking.
create or replace function applied_migrations() returns jsonb
language sql stable security definer set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(version order by version), '[]') from supabase_migrations.schema_migrations
$$;
create or replace function whoami() returns text
language sql stable set search_path = public, pg_temp as $$ select current_user::text $$;

select protect_schema();
notify pgrst, 'reload schema';
