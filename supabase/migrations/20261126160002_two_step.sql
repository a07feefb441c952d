-- Signing in with a second step: a time-based code (RFC 6238) besides the password, and codes for the day the phone is lost.

create table two_step (
  user_id bigint primary key references users on delete cascade,
  secret text not null,              -- sealed by the portal, never in plain text
  confirmed_at timestamptz,          -- null until the colleague has entered the first code
  last_step bigint not null default 0,   -- the newest 30 seconds whose code was used: none is good twice
  created_at timestamptz not null default now()
);

create table recovery_codes (
  code_hash text primary key,
  user_id bigint not null references users on delete cascade,
  used_at timestamptz
);
create index recovery_codes_of_user on recovery_codes (user_id);

create or replace view session_users with (security_invoker = true) as
  select s.token_hash, s.created_at, s.last_seen_at, s.expires_at,
         u.user_id, u.email, u.name, u.role, u.must_change_password, u.theme, u.density, u.shortcuts,
         exists (select 1 from two_step t where t.user_id = u.user_id and t.confirmed_at is not null) as two_step
    from sessions s join users u using (user_id)
   where s.revoked_at is null and u.is_active;
comment on view session_users is 'key: token_hash';

select protect_schema();
notify pgrst, 'reload schema';
