-- The language that a colleague's new clients are written to, unless the client's own form says another one.
alter table users add column if not exists language text not null default 'en' check (language in ('en', 'hi', 'gu', 'mr'));
drop trigger count_version on users;
create trigger count_version before update of email, name, role, password_hash, must_change_password, is_active, phone, theme, density,
  shortcuts, language on users for each row execute function count_version();

select protect_schema();
notify pgrst, 'reload schema';
