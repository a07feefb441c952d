-- Further subjects of change_marks: whether a session still holds, and what lists show of clients.

-- "sessions": whatever ends a session or changes what a colleague may do or sees. That a session was used is no change.
create trigger note_ended_session after update of revoked_at, expires_at on sessions
  for each statement execute function note_change('sessions');
create trigger note_colleague after update of is_active, role, name, email, must_change_password, theme, density, shortcuts or delete on users
  for each statement execute function note_change('sessions');
create trigger note_second_step after insert or update of confirmed_at or delete on two_step
  for each statement execute function note_change('sessions');
create trigger note_ended_at_clerk after insert or update of ended_at or delete on clerk_sessions
  for each statement execute function note_change('sessions');

-- "clients": their names stand in every list of policies. "masters" counts settings as well: the office's time zone says
-- which day it is.
create trigger note_change after insert or update or delete or truncate on clients
  for each statement execute function note_change('clients');
create trigger note_change after insert or update or delete or truncate on members
  for each statement execute function note_change('clients');
create trigger note_change after insert or update or delete or truncate on settings
  for each statement execute function note_change('masters');
-- "renewals": what is done about a term, and the steps by which its reminders are planned.
create trigger note_change after insert or update or delete or truncate on renewals
  for each statement execute function note_change('renewals');
create trigger note_change after insert or update or delete or truncate on reminders
  for each statement execute function note_change('renewals');
create trigger note_change after insert or update or delete or truncate on reminder_steps
  for each statement execute function note_change('renewals');
create trigger note_change after insert or update or delete or truncate on motor_details
  for each statement execute function note_change('policies');
create trigger note_change after insert or update or delete or truncate on fire_details
  for each statement execute function note_change('policies');
create trigger note_change after insert or update or delete or truncate on insured_persons
  for each statement execute function note_change('policies');

select protect_schema();
notify pgrst, 'reload schema';
