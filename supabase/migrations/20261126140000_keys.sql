-- Whether single keys of the keyboard do things for a colleague (WCAG 2.1.4 asks for a way to switch them off).

alter table users add column if not exists shortcuts boolean not null default true;
drop trigger count_version on users;
create trigger count_version before update of email, name, role, password_hash, must_change_password, is_active, phone, theme, density,
  shortcuts on users for each row execute function count_version();

create or replace view session_users with (security_invoker = true) as
  select s.token_hash, s.created_at, s.last_seen_at, s.expires_at,
         u.user_id, u.email, u.name, u.role, u.must_change_password, u.theme, u.density, u.shortcuts
    from sessions s join users u using (user_id)
   where s.revoked_at is null and u.is_active;
comment on view session_users is 'key: token_hash';

select protect_schema();
notify pgrst, 'reload schema';
