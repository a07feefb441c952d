-- Signing in notes the moment in the colleague's row. That is no edit: it must not move the version, or whoever has the
-- account open in a form would be told of a change that nobody made. A write that changes nothing does not count either.

drop trigger count_version on users;
create trigger count_version before update on users for each row
  when ((to_jsonb(old) - 'last_sign_in_at') is distinct from (to_jsonb(new) - 'last_sign_in_at'))
  execute function count_version();

select protect_schema();
notify pgrst, 'reload schema';
