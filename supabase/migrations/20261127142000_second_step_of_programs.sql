-- A token says whether its colleague has a second step, as a session does: where the office demands one, neither opens
-- anything without it.
create or replace view token_users with (security_invoker = true) as
  select t.token_id, t.token_hash, t.name as token_name, t.scopes, t.expires_at, t.last_used_at,
         u.user_id, u.email, u.name, u.role, u.must_change_password, u.theme, u.density,
         exists (select 1 from two_step s where s.user_id = u.user_id and s.confirmed_at is not null) as two_step
    from api_tokens t join users u using (user_id)
   where t.revoked_at is null and u.is_active;
comment on view token_users is 'key: token_id';

select protect_schema();
notify pgrst, 'reload schema';
