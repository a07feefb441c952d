-- Signing in through Clerk: who its people are here, which of its sessions are over, and the keys of its tokens.

-- An administrator wants the person with this address to come in through Clerk: an address alone opens no account.
alter table users add column clerk_invited boolean not null default false;

create table clerk_users (
  clerk_user_id text primary key,
  user_id bigint unique references users on delete set null,
  email text,                        -- the primary address, only when Clerk has confirmed it
  name text not null default '',
  is_banned boolean not null default false,
  changed_at timestamptz not null,   -- Clerk's own time: what is older changes nothing, in whatever order it comes
  deleted_at timestamptz             -- stays for ever: a late "created" must not bring anybody back
);
create index clerk_users_by_email on clerk_users (email) where user_id is null and deleted_at is null;

create table clerk_sessions (
  clerk_session_id text primary key,
  clerk_user_id text,
  seen_at timestamptz not null default now(),
  ended_at timestamptz               -- may come before the portal has heard of the session
);
create index clerk_sessions_by_age on clerk_sessions (seen_at);

create table clerk_events (
  event_id text primary key,
  kind text not null,
  received_at timestamptz not null default now()
);
create index clerk_events_by_age on clerk_events (received_at);

create table clerk_keys (
  key_id text primary key,
  key jsonb not null,
  confirmed_at timestamptz not null
);

alter table sessions add column clerk_session_id text;
alter table sessions add column clerk_token text;   -- what identifies the token it was opened with
create unique index sessions_by_clerk_token on sessions (clerk_token) where clerk_token is not null;
create index sessions_by_clerk_session on sessions (clerk_session_id) where clerk_session_id is not null;

-- Whoever ends a session here ends Clerk's session behind it as well: its next token opens nothing.
create function end_clerk_session() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  update clerk_sessions c set ended_at = new.revoked_at
   where c.clerk_session_id = new.clerk_session_id and c.ended_at is null;
  return null;
end $$;
create trigger end_clerk_session after update of revoked_at on sessions for each row
  when (old.revoked_at is null and new.revoked_at is not null and new.clerk_session_id is not null)
  execute function end_clerk_session();

create or replace view session_users with (security_invoker = true) as
  select s.token_hash, s.created_at, s.last_seen_at, s.expires_at,
         u.user_id, u.email, u.name, u.role, u.must_change_password, u.theme, u.density, u.shortcuts,
         exists (select 1 from two_step t where t.user_id = u.user_id and t.confirmed_at is not null) as two_step,
         s.clerk_session_id
    from sessions s join users u using (user_id)
    left join clerk_sessions c on c.clerk_session_id = s.clerk_session_id
   where s.revoked_at is null and u.is_active and c.ended_at is null;
comment on view session_users is 'key: token_hash';

select protect_schema();
notify pgrst, 'reload schema';
